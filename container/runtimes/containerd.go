package runtimes

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	containers "github.com/containerd/containerd/api/services/containers/v1"
	images "github.com/containerd/containerd/api/services/images/v1"
	namespaces "github.com/containerd/containerd/api/services/namespaces/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tracee-go/tracee/internal/cgroup"
)

// containerd asks for the containers of Kubernetes by its interface, and for all others by containerd's own.
type containerd struct{ *runtimeInterface }

// Namespaces of containerd that others answer for.
const (
	dockerNamespace     = "moby"
	kubernetesNamespace = "k8s.io"
)

// Labels by which tools tell what people call a container.
var nameLabels = []string{"nerdctl/name", labelContainer}

func (r *containerd) describe(ctx context.Context, about cgroup.Container) (Details, error) {
	if about.Named {
		return r.inNamespace(ctx, about.Namespace, about.ID)
	}
	d, err := r.runtimeInterface.describe(ctx, about)
	if err != errUnknown && status.Code(err) != codes.Unimplemented {
		return d, err
	}
	answer, err := namespaces.NewNamespacesClient(r.connection).List(ctx, &namespaces.ListNamespacesRequest{})
	switch {
	case status.Code(err) == codes.Unimplemented: // it is another that speaks the interface of Kubernetes
		return Details{}, errUnknown
	case err != nil:
		return Details{}, err
	}
	for _, namespace := range answer.GetNamespaces() {
		if slices.Contains([]string{dockerNamespace, kubernetesNamespace}, namespace.GetName()) {
			continue
		}
		d, err := r.inNamespace(ctx, namespace.GetName(), about.ID)
		if err != errUnknown {
			return d, err
		}
	}
	return Details{}, errUnknown
}

// inNamespace asks for a container of one of containerd's namespaces.
func (r *containerd) inNamespace(ctx context.Context, namespace, id string) (Details, error) {
	if r.err != nil {
		return Details{}, r.err
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "containerd-namespace", namespace)
	answer, err := containers.NewContainersClient(r.connection).Get(ctx, &containers.GetContainerRequest{ID: id})
	switch code := status.Code(err); {
	case code == codes.NotFound, code == codes.InvalidArgument: // the latter: no such namespace can be
		return Details{}, errUnknown
	case err != nil:
		return Details{}, err
	case answer.GetContainer().GetID() != id:
		return Details{}, fmt.Errorf("asked for container %.64q, it told about %.64q", id, answer.GetContainer().GetID())
	}
	c := answer.GetContainer()
	d := Details{Name: id, Image: c.GetImage()}
	d.label(c.GetLabels())
	for _, label := range nameLabels {
		d.Name = cmp.Or(c.GetLabels()[label], d.Name)
	}
	d.Digest = r.digest(ctx, d.Image)
	return d, nil
}

// digest asks what an image is, if that does not take long.
func (r *containerd) digest(ctx context.Context, image string) string {
	if image == "" {
		return ""
	}
	limited, cancel := context.WithTimeout(ctx, imageTimeout)
	defer cancel()
	answer, err := images.NewImagesClient(r.connection).Get(limited, &images.GetImageRequest{Name: image})
	if err != nil {
		return ""
	}
	return answer.GetImage().GetTarget().GetDigest()
}
