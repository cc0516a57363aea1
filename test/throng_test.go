package test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

const (
	throngThreads = 24  // many more than a machine of the tests has CPUs
	throngOpens   = 250 // of each thread
)

func throngActions() map[string]func(*actor) {
	return map[string]func(*actor){"throng": throng}
}

// throngName is what a thread calls its file: by the length, too, it is not that of another.
func throngName(tid int) string { return "of-" + itoa(tid) + strings.Repeat("-", tid%150) }

// throng lets threads that take each other's CPU open a file of their own, so that programs interrupt each other where
// the kernel lets them.
func throng(a *actor) {
	var threads sync.WaitGroup
	for range throngThreads {
		threads.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			path := filepath.Join(a.Dir, throngName(unix.Gettid()))
			a.check(os.WriteFile(path, nil, 0o600))
			name := cString(path)
			for range throngOpens {
				fd := raw(unix.SYS_OPENAT, atCwd, name, unix.O_RDONLY|unix.O_NOCTTY, 0)
				raw(unix.SYS_SCHED_YIELD)
				raw(unix.SYS_CLOSE, uintptr(fd))
			}
		})
	}
	threads.Wait()
}

// TestEventsOfManyThreadsKeepWhatIsTheirs looks for an event with the arguments of another one: what happens if a program
// builds its record where an interrupted one was building its own.
func TestEventsOfManyThreadsKeepWhatIsTheirs(t *testing.T) {
	seen, wrong, lost := map[string]int{}, 0, uint64(0)
	each := func(e *trace.Event) {
		pathname, ok := e.Lookup("pathname")
		if count, counted := e.Lookup("lost"); counted {
			lost += count.Uint()
		}
		if !ok || !strings.Contains(pathname.Value().(string), "/of-") {
			return
		}
		seen[e.EventName]++
		if name := filepath.Base(pathname.Value().(string)); name != throngName(e.HostThreadID) {
			if wrong++; wrong < 10 {
				t.Errorf("%s of thread %d: path %s", e.EventName, e.HostThreadID, name)
			}
		}
	}
	s := startWith(t, tracer.Config{Events: []*events.Event{lookup("openat"), lookup("security_file_open")}}, each)
	c := spawn(t, "throng")
	c.release(0, nil)
	c.finish()
	s.await(t, "end of the throng", func(seen []*trace.Event) bool { return hasEvent(seen, "sched_process_exit", c.pid) })
	s.halt()
	const made = throngThreads * (throngOpens + 1)
	for _, name := range []string{"openat", "security_file_open"} {
		if seen[name] > made || uint64(seen[name])+lost < made {
			t.Errorf("%s: %d events and %d losses of all kinds, want %d", name, seen[name], lost, made)
		}
	}
}
