package runtimes

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/tracee-go/tracee/internal/cgroup"
)

// moods are what the runtimes of this test do, one after the other: they are well between all ways to fail.
var moods = []string{
	"well", "refusing", "well", "hanging", "well", "garbage", "well", "half", "well", "huge", "well", "lying", "well", "ignorant", "refusing",
}

// moody is the listener of a runtime whose mood the test changes.
type moody struct {
	path  string
	mood  atomic.Pointer[string]
	until context.Context // ends what hangs
}

func newMoody(t *testing.T) (*moody, net.Listener) {
	m := &moody{until: t.Context()}
	path, l := listen(t)
	m.path = path
	return m, l
}

func (m *moody) is() string { return *m.mood.Load() }

// docker answers one request of each connection.
func (m *moody) docker(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go m.answer(c)
	}
}

func (m *moody) answer(c net.Conn) {
	defer c.Close()
	mood := m.is()
	if mood == "refusing" {
		return
	}
	request := make([]byte, 4096)
	n, _ := c.Read(request)
	_, path, _ := strings.Cut(string(request[:n]), " ")
	kind, asked, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	asked, _, _ = strings.Cut(asked, "/")
	body := fmt.Sprintf(inspection, asked, "")
	length := len(body)
	switch {
	case kind != "containers" || mood == "ignorant":
		fmt.Fprint(c, "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n")
		return
	case mood == "hanging":
		<-m.until.Done()
		return
	case mood == "garbage":
		fmt.Fprint(c, strings.Repeat("\x00\xff{", 1000))
		return
	case mood == "half":
		body = body[:length/2]
	case mood == "huge":
		body = `{"Name":"` + strings.Repeat("a", 2*largest) + `"}`
		length = len(body)
	case mood == "lying":
		body = strings.Replace(body, asked, strings.Repeat("f", len(asked)), 1)
	}
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", length, body)
}

// kubernetes is a runtime that speaks gRPC, and so can not say half of something.
type kubernetes struct {
	cri.UnimplementedRuntimeServiceServer
	*moody
}

func (k kubernetes) ContainerStatus(ctx context.Context, r *cri.ContainerStatusRequest) (*cri.ContainerStatusResponse, error) {
	s := &cri.ContainerStatus{Id: r.ContainerId, Metadata: &cri.ContainerMetadata{Name: "web"}, Image: &cri.ImageSpec{Image: "nginx"}}
	switch k.is() {
	case "refusing", "half":
		return nil, status.Error(codes.Unavailable, "not now")
	case "hanging":
		<-ctx.Done()
		return nil, ctx.Err()
	case "garbage":
		return &cri.ContainerStatusResponse{}, nil
	case "huge":
		s.Labels = map[string]string{labelPod: strings.Repeat("a", 2*largest)}
	case "lying":
		s.Id = strings.Repeat("f", 64)
	case "ignorant":
		return nil, status.Error(codes.NotFound, "no such container")
	}
	return &cri.ContainerStatusResponse{Status: s}, nil
}

func (k kubernetes) PodSandboxStatus(context.Context, *cri.PodSandboxStatusRequest) (*cri.PodSandboxStatusResponse, error) {
	return nil, status.Error(codes.NotFound, "no such sandbox")
}

func TestARuntimeThatIsWellInBetweenIsWarnedAboutOnceAndCounted(t *testing.T) {
	for _, row := range []struct {
		runtime string
		serve   func(*moody, net.Listener) (stop func())
	}{
		{cgroup.Docker, func(m *moody, l net.Listener) func() {
			go m.docker(l)
			return func() {}
		}},
		{cgroup.CRIO, func(m *moody, l net.Listener) func() {
			server := grpc.NewServer()
			cri.RegisterRuntimeServiceServer(server, kubernetes{moody: m})
			go func() { _ = server.Serve(l) }()
			return server.Stop
		}},
	} {
		t.Run(row.runtime, func(t *testing.T) {
			t.Parallel()
			m, l := newMoody(t)
			m.mood.Store(&moods[0])
			defer row.serve(m, l)()
			var w warnings
			c := New([]Socket{{row.runtime, m.path}}, slog.New(slog.NewTextHandler(&w, nil)))
			defer c.Close()
			want := Unnamed{Runtime: row.runtime, Path: m.path}
			for i := range moods {
				m.mood.Store(&moods[i])
				about := fmt.Sprintf("%064x", i)
				c.Ask(cgroup.Container{ID: about, Runtime: row.runtime})
				a := <-c.Answers()
				if well := moods[i] == "well"; a.ID != about || well != (a.Err == nil) || well != (a.Name == "web") {
					t.Errorf("%s: got %.20q, %v", moods[i], a.Name, a.Err)
				}
				switch moods[i] {
				case "well":
				case "ignorant":
					want.Unknown++
				default:
					want.Failed++
				}
			}
			if got := c.Unnamed(); len(got) != 1 || got[0] != want {
				t.Errorf("counted %+v, want %+v", got, want)
			}
			if w.count() != 1 || !strings.Contains(w.text.String(), m.path) {
				t.Errorf("%d warnings, want 1 that names the socket: %s", w.count(), &w.text)
			}
		})
	}
}

func TestContainersThatNobodyCanBeAskedAboutAreCounted(t *testing.T) {
	c := New([]Socket{{cgroup.Docker, "/nonexistent"}}, slog.New(slog.DiscardHandler))
	defer c.Close()
	for range 3 {
		c.Ask(cgroup.Container{ID: id, Runtime: cgroup.Podman})
	}
	if got := c.Unnamed(); len(got) != 1 || got[0] != (Unnamed{Runtime: cgroup.Podman, Failed: 3}) {
		t.Errorf("counted %+v", got)
	}
}
