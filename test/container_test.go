package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/cgroup"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// containerCases are about one child that goes into a container, which does not exist when tracing begins, or has been in
// one all the time. A call tells each step: 0 on the host, 1 while the container is set up, 2 when it has started,
// 3 on the host again.
var containerCases = []struct {
	name, flags string
	action      string
	existing    bool
	want        string
}{
	{"no filter", "", "leave", false, "0:host 1:container-init 2:container 3:host"},
	{"containers", "container", "stay", false, "2:container"},
	{"the host", "!container", "leave", false, "0:host 1:container-init 3:host"},
	{"new containers", "container=new", "stay", false, "2:container"},
	{"an id", "container=ID", "stay", false, "1:container-init 2:container"},
	{"beginnings of ids", "container=0,ID8 uid=0", "stay", false, "1:container-init 2:container"},
	{"not an id", "container!=ID", "leave", false, "0:host 3:host"},
	{"another id", "container=ID container!=ID8", "leave", false, ""},
	{"existing, no filter", "", "been", true, "2:container"},
	{"existing, by id", "container=ID8", "been", true, "2:container"},
	{"existing, not new", "container!=new", "been", true, "2:container"},
}

func containerActions() map[string]func(*actor) {
	step := func(n uintptr) { raw(unix.SYS_GETPGID, 0x7000000+n) }
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
			s := start(t, tracer.Config{
				Events: []*events.Event{lookup("getpgid"), events.ExistingContainer}, Containers: true,
			}, strings.Fields(names.Replace(row.flags))...)
			if row.want == "" {
				c.release(0, s.rungs())
				c.finish()
				s.halt()
			} else {
				s.run(c, 0)
			}
			s.checkSteps(t, c, row.want)
			if row.existing {
				s.checkExisting(t, id)
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
func (s *session) checkSteps(t *testing.T, c *child, want string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []string
	for _, e := range of(s.events, []int{c.pid}, "getpgid") {
		a, _ := e.Lookup("pid")
		step := fmt.Sprintf("%d:%s", a.Int()-0x7000000, e.Origin())
		if !slices.Contains(got[max(0, len(got)-1):], step) {
			got = append(got, step)
		}
		if id := containerID(c.pid); e.ContainerID != id && e.Origin() != trace.OriginHost || e.ContainerID != "" && e.ContainerID != id {
			t.Errorf("step %s: got container %q, want %q", step, e.ContainerID, id)
		}
	}
	if got := strings.Join(got, " "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// checkExisting demands that a container was told about at the beginning.
func (s *session) checkExisting(t *testing.T, id string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
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
