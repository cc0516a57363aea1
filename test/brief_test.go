package test

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/cgroup"
	"github.com/tracee-go/tracee/types/trace"
)

// briefAtOnce is how many containers that live for 50 ms run at a time.
const briefAtOnce = 4

// brief is an engine whose containers live for 50 ms: usleep is all that they do.
type brief struct {
	containers int // so many; Docker takes a second of CPU time for each
	image      string
	sockets    []runtimes.Socket
	run        func(name string) *exec.Cmd
}

var usleep = []string{"/bin/busybox", "usleep", "50000"}

// briefEngines prepare containers with a name of their host.
var briefEngines = map[string]func(t *testing.T, host string) brief{
	"runc": func(t *testing.T, host string) brief {
		needs(t, "runc")
		root, dir := busyboxRoot(t), shortDir(t)
		writeBundle(t, dir+"/bundle", root, usleep, func(spec map[string]any) { spec["hostname"] = host })
		return brief{containers: 200, sockets: []runtimes.Socket{}, run: func(name string) *exec.Cmd {
			return exec.Command("runc", "--root="+dir+"/state", "run", "--bundle="+dir+"/bundle", name)
		}}
	},
	"docker": func(t *testing.T, host string) brief {
		d := startDocker(t)
		return brief{
			containers: briefDocker(t), image: dockerImage, sockets: []runtimes.Socket{{Runtime: cgroup.Docker, Path: d.socket()}},
			run: func(name string) *exec.Cmd {
				return d.command(append([]string{"run", "--rm", "--network=none", "--hostname=" + host, "--name=" + name, dockerImage}, usleep...)...)
			},
		}
	},
}

// briefDocker is how many containers of Docker there are, unless somebody has more time.
func briefDocker(t *testing.T) int {
	t.Helper()
	const few, variable = 40, "TRACEE_TEST_CONTAINERS"
	n, err := strconv.Atoi(cmp.Or(os.Getenv(variable), strconv.Itoa(few)))
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// TestContainersThatLiveForAMomentAreNamed has containers that nobody could be asked about while they live. What happens in
// them is known by the name of their host.
func TestContainersThatLiveForAMomentAreNamed(t *testing.T) {
	for name, prepare := range briefEngines {
		t.Run(name, func(t *testing.T) {
			host := name + "-" + hostName()
			checkBrief(t, prepare(t, host), host)
		})
	}
}

func checkBrief(t *testing.T, b brief, host string) {
	t.Helper()
	_, stop := collect(t, []*events.Event{events.SchedProcessExec, events.SchedProcessExit, events.SecurityFileOpen}, b.sockets, "uts="+host)
	wanted := b.runAll(t, host)
	count := func(seen []*trace.Event, event string) (names map[string]int) {
		names = map[string]int{}
		for _, e := range seen {
			if e.EventName == event && e.ProcessName == "busybox" {
				names[e.ContainerName]++
			}
		}
		return names
	}
	all := stop(func(seen []*trace.Event) bool { return len(count(seen, "sched_process_exit")) >= b.containers })
	for _, e := range all {
		if e.ProcessName == "busybox" && (!wanted[e.ContainerName] || e.ContainerID == "" || e.ContainerImage != b.image) {
			t.Errorf("%s: container %q, called %q, of %q", e.EventName, e.ContainerID, e.ContainerName, e.ContainerImage)
		}
	}
	for _, event := range []string{"sched_process_exec", "sched_process_exit"} {
		names := count(all, event)
		for name := range wanted {
			if names[name] != 1 {
				t.Errorf("%s: %d times %s, want 1", name, names[name], event)
			}
		}
	}
}

// runAll runs all containers, and returns their names.
func (b brief) runAll(t *testing.T, host string) map[string]bool {
	t.Helper()
	names := make(chan string)
	var running sync.WaitGroup
	for range briefAtOnce {
		running.Go(func() {
			for name := range names {
				if output, err := b.run(name).CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s", name, err, output)
				}
			}
		})
	}
	wanted := map[string]bool{}
	for i := range b.containers {
		name := host + "-" + itoa(i)
		wanted[name] = true
		names <- name
	}
	close(names)
	running.Wait()
	return wanted
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
