package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/container"
	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/cgroup"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// containerCases are about one child that goes into a container, which does not exist when tracing begins, or has been in
// one all the time. It takes the name of each step: 0 on the host, 1 while the container is set up, 2 when it has started,
// 3 on the host again.
var containerCases = []struct {
	name, flags string
	action      string
	existing    bool
	want        string
}{
	{"no filter", "", "leave", false, "0:host 1:container-init 2:container 3:host"},
	{"the host", "!container", "leave", false, "0:host 1:container-init 3:host"},
	{"new containers", "container=new", "stay", false, "2:container"},
	{"beginnings of ids", "container=0,ID8 uid=0", "stay", false, "1:container-init 2:container"},
	{"started, with an id", "container container=ID", "stay", false, "2:container"},
	{"not an id", "container!=ID8", "leave", false, "0:host 3:host"},
	{"a longer id", "container=ID8 container!=ID", "leave", false, ""},
	{"existing, not new", "container!=new", "been", true, "2:container"},
}

func containerActions() map[string]func(*actor) {
	step := func(n uintptr) { raw(unix.SYS_PRCTL, unix.PR_SET_NAME, cString(stepName+itoa(int(n)))) }
	enter := func(a *actor) (tree cgroup.Hierarchy, leave func()) {
		tree = a.groupTree()
		dir := tree.Root + containerPath(os.Getpid())
		step(0)
		a.check(makeGroup(dir))
		a.check(os.WriteFile(dir+"/cgroup.procs", []byte(itoa(os.Getpid())), 0))
		step(1)
		// As a runtime's own programs, in its mount namespace; then as the container's, in another one.
		for _, flags := range []uintptr{0, unix.CLONE_NEWNS} {
			start := exec.Command("/proc/self/exe")
			start.Env = append(os.Environ(), actionVariable+"="+endAction)
			start.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
			a.check(start.Run())
			step(1 + flags/unix.CLONE_NEWNS)
		}
		return tree, func() {
			a.check(os.WriteFile(tree.Root+"/cgroup.procs", []byte(itoa(os.Getpid())), 0))
			step(3)
		}
	}
	return map[string]func(*actor){
		"container/stay":  func(a *actor) { enter(a) },
		"container/leave": func(a *actor) { _, leave := enter(a); leave() },
		"container/been":  func(*actor) { step(2) },
	}
}

const stepName = "step " // and its number

func containerPath(pid int) string { return "/docker-" + containerID(pid) + ".scope" }

func TestContainersAreFilteredInTheKernel(t *testing.T) {
	tree, err := cgroup.Find()
	if err != nil {
		t.Skip(err)
	}
	for _, row := range containerCases {
		t.Run(row.name, func(t *testing.T) {
			c := spawn(t, "container/"+row.action)
			dir := tree.Root + containerPath(c.pid)
			t.Cleanup(func() { c.kill(); removeGroup(t, dir) })
			if row.existing {
				putIntoContainer(t, c, dir)
			}
			id := containerID(c.pid)
			names := strings.NewReplacer("ID8", id[:60], "ID", id)
			_, stop := collect(t, []*events.Event{events.TaskRename, events.ExistingContainer}, nil,
				strings.Fields(names.Replace(row.flags))...)
			c.release(0, nil)
			c.finish()
			seen := stop(func([]*trace.Event) bool { return true })
			checkSteps(t, c, seen, row.want)
			if row.existing {
				checkExisting(t, seen, id)
			}
		})
	}
}

// putIntoContainer makes a container, and the child has been in it before tracing begins.
func putIntoContainer(t *testing.T, c *child, dir string) {
	t.Helper()
	if err := makeGroup(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(itoa(c.pid)), 0); err != nil {
		t.Fatal(err)
	}
}

// removeGroup waits for the last process of a group to be gone: its end is told before it leaves.
func removeGroup(t *testing.T, dir string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Rmdir(dir)
		if err == nil || err == unix.ENOENT {
			return
		}
		if time.Now().After(end) {
			t.Errorf("remove %s: %v", dir, err)
			return
		}
	}
}

// checkSteps compares the steps that were seen of a child with those wanted, and what the events say of its container.
func checkSteps(t *testing.T, c *child, seen []*trace.Event, want string) {
	t.Helper()
	var got []string
	for _, e := range of(seen, []int{c.pid}, "task_rename") {
		name, _ := e.Lookup("new_name")
		number, ok := strings.CutPrefix(name.Text(), stepName)
		step := number + ":" + e.Origin()
		if ok && !slices.Contains(got, step) {
			got = append(got, step)
		}
		wanted := ""
		if e.Origin() != trace.OriginHost {
			wanted = containerID(c.pid)
		}
		if e.ContainerID != wanted {
			t.Errorf("step %s: got container %q, want %q", step, e.ContainerID, wanted)
		}
	}
	if got := strings.Join(got, " "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// checkExisting demands that a container was told about at the beginning.
func checkExisting(t *testing.T, seen []*trace.Event, id string) {
	t.Helper()
	for _, e := range seen {
		if a, ok := e.Lookup("container_id"); ok && e.EventName == "existing_container" && a.Text() == id {
			runtime, _ := e.Lookup("runtime")
			if runtime.Text() != "docker" || e.ProcessName != "tracee-ebpf" || e.HostProcessID != 0 {
				t.Errorf("existing_container: runtime %q, process %s %d", runtime.Text(), e.ProcessName, e.HostProcessID)
			}
			return
		}
	}
	t.Error("no existing_container for " + id)
}

// collected is what has been seen so far.
type collected struct {
	mu     sync.Mutex
	events []*trace.Event
}

func (c *collected) all() []*trace.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}

// collect traces the whole machine, with its containers, until stop, which waits until a condition holds.
func collect(t *testing.T, selected []*events.Event, sockets []runtimes.Socket, flags ...string) (
	seen *collected, stop func(holds func([]*trace.Event) bool) []*trace.Event,
) {
	t.Helper()
	f, err := filter.Parse(flags)
	if err != nil {
		t.Fatal(err)
	}
	tracker := container.New(container.Config{Events: selected, Filter: f, Enrich: sockets != nil, Sockets: sockets, Wait: container.Wait})
	running, err := tracer.New(tracer.Config{Events: selected, Filter: f, Containers: true, Pending: tracker.Pending})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen = &collected{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range tracker.Stage(running.Events(ctx)) {
			seen.mu.Lock()
			seen.events = append(seen.events, e.Clone())
			seen.mu.Unlock()
		}
	}()
	end := func() {
		cancel()
		<-done
		if err := running.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end) // if the test does not come so far
	return seen, func(holds func([]*trace.Event) bool) []*trace.Event {
		t.Helper()
		for limit := time.Now().Add(patience); !holds(seen.all()) && time.Now().Before(limit); {
			time.Sleep(10 * time.Millisecond)
		}
		end()
		return seen.all()
	}
}
