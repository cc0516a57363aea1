package runtimes

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/tracee-go/tracee/internal/cgroup"
)

// runtimeInterface asks a runtime that speaks the interface of Kubernetes.
type runtimeInterface struct {
	connection *grpc.ClientConn
	err        error  // why there is none
	bundle     string // pattern of the configurations of its containers, with ID for the container's id
	keys       annotations
}

// reconnect is how soon a runtime is tried again that was away. Without, it would be minutes.
var reconnect = backoff.Config{BaseDelay: retryWait, Multiplier: 2, MaxDelay: timeout}

func newContainerd(path string) source {
	return &containerd{newCRI(path, "/run/containerd/io.containerd.runtime.v2.task/*/ID/config.json", annotations{
		name:      "io.kubernetes.cri.container-name",
		image:     "io.kubernetes.cri.image-name",
		pod:       "io.kubernetes.cri.sandbox-name",
		namespace: "io.kubernetes.cri.sandbox-namespace",
		uid:       "io.kubernetes.cri.sandbox-uid",
	})}
}

func newCRIO(path string) source {
	return newCRI(path, "/run/containers/storage/overlay-containers/ID/userdata/config.json", annotations{
		name:      labelContainer,
		image:     "io.kubernetes.cri-o.ImageName",
		digest:    "io.kubernetes.cri-o.ImageRef",
		pod:       labelPod,
		namespace: labelNamespace,
		uid:       labelUID,
	})
}

func newCRI(path, bundle string, keys annotations) *runtimeInterface {
	r := &runtimeInterface{bundle: bundle, keys: keys}
	r.connection, r.err = grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: timeout}))
	return r
}

func (r *runtimeInterface) close() {
	if r.connection != nil {
		_ = r.connection.Close()
	}
}

func (r *runtimeInterface) prepare(context.Context) error { return r.err }

func (r *runtimeInterface) describe(ctx context.Context, about cgroup.Container) (Details, error) {
	id := about.ID
	if d, ok := describeBundle(strings.Replace(r.bundle, "ID", id, 1), r.keys); ok {
		return d, nil
	}
	if r.err != nil {
		return Details{}, r.err
	}
	client := cri.NewRuntimeServiceClient(r.connection)
	answer, err := client.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: id})
	switch status.Code(err) {
	case codes.OK:
		return ofStatus(answer.GetStatus(), id)
	case codes.NotFound, codes.Unknown: // CRI-O says the latter
		return r.sandbox(ctx, client, id)
	default:
		return Details{}, err
	}
}

func ofStatus(s *cri.ContainerStatus, id string) (Details, error) {
	if s.GetId() != id {
		return Details{}, fmt.Errorf("asked for container %s, it told about %.64q", id, s.GetId())
	}
	d := Details{Name: s.GetMetadata().GetName(), Image: s.GetImage().GetImage(), Digest: s.GetImageRef()}
	d.label(s.GetLabels())
	if _, digest, ok := strings.Cut(d.Digest, "@"); ok {
		d.Digest = digest
	}
	return d, nil
}

// sandbox asks for what holds the namespaces of a pod, which is a container too.
func (r *runtimeInterface) sandbox(ctx context.Context, client cri.RuntimeServiceClient, id string) (Details, error) {
	answer, err := client.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: id})
	switch code := status.Code(err); {
	case code == codes.NotFound, code == codes.Unknown:
		return Details{}, errUnknown
	case err != nil:
		return Details{}, err
	case answer.GetStatus().GetId() != id:
		return Details{}, fmt.Errorf("asked for pod sandbox %s, it told about %.64q", id, answer.GetStatus().GetId())
	}
	pod := answer.GetStatus().GetMetadata()
	return Details{PodName: pod.GetName(), PodNamespace: pod.GetNamespace(), PodUID: pod.GetUid()}, nil
}
