package runtimes

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/tracee-go/tracee/internal/cgroup"
)

var (
	id    = strings.Repeat("0123456789abcdef", 4)
	other = strings.Repeat("fedcba9876543210", 4)
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen makes a socket for a runtime.
func listen(t *testing.T) (string, net.Listener) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return path, l
}

// serveDocker is an engine that answers as told, by path; what it was not told, it does not know.
func serveDocker(t *testing.T, answers map[string]string) string {
	t.Helper()
	path, l := listen(t)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, answer)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return path
}

// warnings collects what is logged.
type warnings struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *warnings) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *warnings) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.text.String(), "level=WARN")
}

// ask asks one runtime for containers, one after the other.
func ask(t *testing.T, s Socket, ids ...string) (answers []Answer, warned int) {
	t.Helper()
	var w warnings
	c := New([]Socket{s}, slog.New(slog.NewTextHandler(&w, nil)))
	defer c.Close()
	for _, id := range ids {
		if n := c.Ask(cgroup.Container{ID: id, Runtime: s.Runtime}); n != 1 {
			t.Fatalf("%d runtimes were asked, want 1", n)
		}
		select {
		case a := <-c.Answers():
			answers = append(answers, a)
		case <-time.After(time.Minute):
			t.Fatal("no answer")
		}
	}
	return answers, w.count()
}

const inspection = `{"Id":%q,"Name":"/web","Image":"sha256:aa","Config":{"Image":"nginx","Labels":{%s}}}`

func TestDockerIsAskedOverItsSocket(t *testing.T) {
	labels := `"io.kubernetes.container.name":"c","io.kubernetes.pod.name":"p","io.kubernetes.pod.namespace":"n","io.kubernetes.pod.uid":"u"`
	path := serveDocker(t, map[string]string{
		"/info":                          `{"DockerRootDir":"/nonexistent"}`,
		"/containers/" + id + "/json":    fmt.Sprintf(inspection, id, ""),
		"/containers/" + other + "/json": fmt.Sprintf(inspection, other, labels),
		"/images/sha256:aa/json":         `{"Id":"sha256:aa","RepoTags":["nginx:1.2","nginx:latest"],"RepoDigests":["nginx@sha256:bb"]}`,
	})
	got, warned := ask(t, Socket{cgroup.Docker, path}, id, other)
	for i, want := range []Details{
		{Name: "web", Image: "nginx:1.2", Digest: "sha256:bb"},
		{Name: "c", Image: "nginx:1.2", Digest: "sha256:bb", PodName: "p", PodNamespace: "n", PodUID: "u"},
	} {
		if got[i].Err != nil || got[i].Details != want {
			t.Errorf("got %+v, want %+v", got[i], want)
		}
	}
	if warned != 0 {
		t.Errorf("%d warnings", warned)
	}
}

func TestDockersFilesTellWhatItsSocketDoesNot(t *testing.T) {
	root := t.TempDir()
	write := func(id, text string) {
		dir := filepath.Join(root, "containers", id)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config.v2.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(id, fmt.Sprintf(inspection, id, ""))
	write(other, fmt.Sprintf(inspection, id, "")) // of another container
	path := serveDocker(t, map[string]string{"/info": `{"DockerRootDir":"` + root + `"}`})
	got, warned := ask(t, Socket{cgroup.Docker, path}, id, other)
	if want := (Details{Name: "web", Image: "nginx", Digest: "sha256:aa"}); got[0].Err != nil || got[0].Details != want {
		t.Errorf("got %+v, want %+v", got[0], want)
	}
	if got[1].Err == nil || warned != 1 {
		t.Errorf("a file about another container: got %+v, %d warnings", got[1], warned)
	}
}

func TestRuntimesThatFailCostOneWarning(t *testing.T) {
	silent, l := listen(t)
	go func(l net.Listener) { // it takes connections, and says nothing
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}(l)
	refusing, l := listen(t)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	nonsense, l := listen(t)
	go func(l net.Listener) {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "nonsense\n")
			c.Close()
		}
	}(l)
	endless := serveDocker(t, map[string]string{
		"/info":                       `{"DockerRootDir":"` + strings.Repeat("a", largest) + `"}`,
		"/containers/" + id + "/json": "{}",
	})
	liar := serveDocker(t, map[string]string{
		"/info": `{"DockerRootDir":""}`, "/containers/" + id + "/json": fmt.Sprintf(inspection, other, ""),
	})
	for _, test := range []struct{ name, path string }{
		{"missing", "/nonexistent"}, {"refusing", refusing}, {"hanging", silent}, {"nonsense", nonsense}, {"endless", endless}, {"lying", liar},
	} {
		for _, runtime := range []string{cgroup.Docker, cgroup.Containerd} {
			t.Run(test.name+" "+runtime, func(t *testing.T) {
				t.Parallel()
				start := time.Now()
				got, warned := ask(t, Socket{runtime, test.path}, id, other, id)
				for _, a := range got {
					if a.Err == nil || a.Details != (Details{}) {
						t.Errorf("got %+v, want an error", a)
					}
				}
				if warned != 1 {
					t.Errorf("%d warnings, want 1", warned)
				}
				if took := time.Since(start); took > 8*timeout {
					t.Errorf("it took %s", took)
				}
			})
		}
	}
}

// TestARuntimeWithoutASocketIsNamedOnce has containers of a runtime that nobody can ask about, beside one that can be asked.
func TestARuntimeWithoutASocketIsNamedOnce(t *testing.T) {
	var w warnings
	c := New([]Socket{{cgroup.Docker, serveDocker(t, nil)}}, slog.New(slog.NewTextHandler(&w, nil)))
	for _, runtime := range []string{cgroup.Podman, cgroup.Podman, cgroup.Unknown, cgroup.CRIO} {
		if n := c.Ask(cgroup.Container{ID: id, Runtime: runtime}); n != 0 && runtime != cgroup.Unknown {
			t.Errorf("%s: %d were asked", runtime, n)
		}
	}
	c.Close()
	for _, runtime := range []string{cgroup.Podman, cgroup.CRIO} {
		if n := strings.Count(w.text.String(), "runtime="+runtime); n != 1 {
			t.Errorf("%s: %d warnings, want 1", runtime, n)
		}
	}
	if w.count() != 2 {
		t.Errorf("%d warnings, want 2: %s", w.count(), &w.text)
	}
}

func TestContainersThatTheRuntimeLearnsLaterAreAskedForAgain(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	path, l := listen(t)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/containers/") {
			if asked++; asked > 2 {
				fmt.Fprintf(w, inspection, id, "")
				return
			}
		}
		if r.URL.Path == "/info" {
			fmt.Fprint(w, "{}")
			return
		}
		http.NotFound(w, r)
	})}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	got, warned := ask(t, Socket{cgroup.Docker, path}, id)
	if got[0].Err != nil || got[0].Name != "web" || warned != 0 {
		t.Errorf("got %+v, %d warnings", got[0], warned)
	}
}

// criServer is a runtime of Kubernetes with a container and a sandbox.
type criServer struct {
	cri.UnimplementedRuntimeServiceServer
}

func (criServer) ContainerStatus(_ context.Context, r *cri.ContainerStatusRequest) (*cri.ContainerStatusResponse, error) {
	if r.ContainerId != id {
		return nil, status.Error(codes.NotFound, "no such container")
	}
	return &cri.ContainerStatusResponse{Status: &cri.ContainerStatus{
		Id: id, Metadata: &cri.ContainerMetadata{Name: "web"}, Image: &cri.ImageSpec{Image: "docker.io/library/nginx:1.2"},
		ImageRef: "docker.io/library/nginx@sha256:bb",
		Labels:   map[string]string{labelContainer: "web", labelPod: "p", labelNamespace: "n", labelUID: "u"},
	}}, nil
}

func (criServer) PodSandboxStatus(_ context.Context, r *cri.PodSandboxStatusRequest) (*cri.PodSandboxStatusResponse, error) {
	if r.PodSandboxId != other {
		return nil, status.Error(codes.NotFound, "no such sandbox")
	}
	return &cri.PodSandboxStatusResponse{Status: &cri.PodSandboxStatus{
		Id: other, Metadata: &cri.PodSandboxMetadata{Name: "p", Namespace: "n", Uid: "u"},
	}}, nil
}

func TestRuntimesOfKubernetesAreAskedByGRPC(t *testing.T) {
	for _, runtime := range []string{cgroup.Containerd, cgroup.CRIO} {
		path, l := listen(t)
		server := grpc.NewServer()
		cri.RegisterRuntimeServiceServer(server, criServer{})
		go func() { _ = server.Serve(l) }()
		got, warned := ask(t, Socket{runtime, path}, id, other, strings.Repeat("0", 64))
		server.Stop()
		for i, want := range []Details{
			{Name: "web", Image: "docker.io/library/nginx:1.2", Digest: "sha256:bb", PodName: "p", PodNamespace: "n", PodUID: "u"},
			{PodName: "p", PodNamespace: "n", PodUID: "u"},
			{},
		} {
			if got[i].Details != want {
				t.Errorf("%s: got %+v, want %+v", runtime, got[i], want)
			}
		}
		if got[2].Err == nil || warned != 0 {
			t.Errorf("%s: a container that nobody knows: %v, %d warnings", runtime, got[2].Err, warned)
		}
	}
}

func TestBundlesTellWhatIsInThem(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content any) {
		text, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "config.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("moby/"+id, map[string]any{})
	write("k8s.io/"+id, map[string]any{"annotations": map[string]string{"n": "web", "i": "nginx", "u": "1-2"}})
	keys := annotations{name: "n", image: "i", uid: "u"}
	got, ok := describeBundle(filepath.Join(dir, "*", id, "config.json"), keys)
	if want := (Details{Name: "web", Image: "nginx", PodUID: "1-2"}); !ok || got != want {
		t.Errorf("got %+v %t, want %+v", got, ok, want)
	}
	if got, ok := describeBundle(filepath.Join(dir, "*", other, "config.json"), keys); ok {
		t.Errorf("a bundle that is not there: %+v", got)
	}
}

func TestSocketsAreParsed(t *testing.T) {
	path, _ := listen(t)
	for _, name := range []string{"docker", "containerd", "crio", "cri-o", "podman"} {
		if s, err := Parse(name + ":" + path); err != nil || s.Path != path {
			t.Errorf("%s: %+v %v", name, s, err)
		}
	}
	for value, want := range map[string]string{
		"docker":              "failed to parse container flags",
		"docker:":             "failed to parse container flags",
		"docker:/a:/b":        "failed to parse container flags",
		"rkt:" + path:         "provided unsupported container runtime",
		"docker:/nonexistent": "failed to register runtime socket, ",
		"docker:/":            "failed to register runtime socket, ",
	} {
		if _, err := Parse(value); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s…", value, err, want)
		}
	}
}

func TestPodmansFilesTellWhatItsContainersAre(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"overlay-containers/volatile-containers.json": fmt.Sprintf(
			`[{"id":%q,"names":["web"],"image":"aa","metadata":"{\"image-name\":\"localhost/web:1\",\"name\":\"web\"}"}]`, id),
		"overlay-images/images.json": `[{"id":"bb","digest":"sha256:2"},{"id":"aa","digest":"sha256:1"}]`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, ok := describeStored(root, id)
	if want := (Details{Name: "web", Image: "localhost/web:1", Digest: "sha256:1"}); !ok || got != want {
		t.Errorf("got %+v %t, want %+v", got, ok, want)
	}
	if got, ok := describeStored(root, other); ok {
		t.Errorf("a container that is not there: %+v", got)
	}
}
