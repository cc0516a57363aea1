package test

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/cgroup"
	"github.com/tracee-go/tracee/types/trace"
)

// briefContainers is how many containers live for 50 ms each, briefAtOnce of them at a time.
const (
	briefContainers = 200
	briefAtOnce     = 4
)

// TestContainersThatLiveForAMomentAreNamed has containers that nobody could be asked about while they live. What happens in
// them is known by the name of their host.
func TestContainersThatLiveForAMomentAreNamed(t *testing.T) {
	needs(t, "runc")
	root, dir := busyboxRoot(t), shortDir(t)
	host := "brief-" + hostName()
	writeBundle(t, dir+"/bundle", root, []string{"/bin/busybox", "usleep", "50000"}, func(spec map[string]any) { spec["hostname"] = host })
	_, stop := collect(t, []*events.Event{events.SchedProcessExec, events.SchedProcessExit, events.SecurityFileOpen},
		[]runtimes.Socket{}, "uts="+host)
	names := make(chan string)
	var running sync.WaitGroup
	for range briefAtOnce {
		running.Go(func() {
			for name := range names {
				output, err := exec.Command("runc", "--root="+dir+"/state", "run", "--bundle="+dir+"/bundle", name).CombinedOutput()
				if err != nil {
					t.Errorf("%s: %v: %s", name, err, output)
				}
			}
		})
	}
	wanted := map[string]bool{}
	for i := range briefContainers {
		name := host + "-" + itoa(i)
		wanted[name] = true
		names <- name
	}
	close(names)
	running.Wait()
	count := func(seen []*trace.Event, event string) (ids map[string]int) {
		ids = map[string]int{}
		for _, e := range seen {
			if e.EventName == event && e.ProcessName == "busybox" {
				ids[e.ContainerID]++
			}
		}
		return ids
	}
	all := stop(func(seen []*trace.Event) bool { return len(count(seen, "sched_process_exit")) >= briefContainers })
	for _, e := range all {
		if e.ProcessName == "busybox" && (!wanted[e.ContainerID] || e.ContainerName != e.ContainerID) {
			t.Errorf("%s: container %q, called %q", e.EventName, e.ContainerID, e.ContainerName)
		}
	}
	for _, event := range []string{"sched_process_exec", "sched_process_exit"} {
		ids := count(all, event)
		for name := range wanted {
			if ids[name] != 1 {
				t.Errorf("%s: %d times %s, want 1", name, ids[name], event)
			}
		}
	}
}

// TestANameThatComesLateIsToldThoughNothingElseHappens has an engine that answers when the container has long been there.
func TestANameThatComesLateIsToldThoughNothingElseHappens(t *testing.T) {
	tree, err := cgroup.Find()
	if err != nil {
		t.Skip(err)
	}
	socket, answer := shortDir(t)+"/s", make(chan struct{})
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.Repeat("b21e", 16)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/containers/") {
			<-answer
			_, _ = io.WriteString(w, `{"Id":"`+id+`","Name":"/late","Config":{"Image":"some:1"}}`)
			return
		}
		http.NotFound(w, r)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	seen, stop := collect(t, []*events.Event{events.ContainerCreate, events.ContainerEnriched},
		[]runtimes.Socket{{Runtime: cgroup.Docker, Path: socket}}, "container="+id)
	dir := filepath.Join(tree.Root, "docker-"+id+".scope")
	if err := makeGroup(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeGroup(t, dir) })
	waitFor(t, "container_create", func() bool { return len(aboutContainer(seen.all(), id)) > 0 })
	answer <- struct{}{}
	all := stop(func(seen []*trace.Event) bool { return len(aboutContainer(seen, id)) > 1 })
	if got := strings.Join(aboutContainer(all, id), "\n"); !strings.HasSuffix(got, "container_enriched docker late some:1") {
		t.Errorf("got %q", got)
	}
}
