package test

import (
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

func entityActions() map[string]func(*actor) {
	return map[string]func(*actor){"entity/family": family}
}

// family makes a child, and then a thread, which takes its process over by an exec.
func family(a *actor) {
	pid, reap := a.fork(0, 0)
	reap()
	a.Counts = map[string]uint64{"child": uint64(pid), "started": statField(a, os.Getpid(), 22)}
	a.send()
	path, argv, env := cString(program(a)), [2]uintptr{cString("true")}, [1]uintptr{}
	execed := make(chan int)
	go func() {
		runtime.LockOSThread()
		raw(unix.SYS_GETPGID, 0)
		execed <- raw(unix.SYS_EXECVE, path, uintptr(unsafe.Pointer(&argv)), uintptr(unsafe.Pointer(&env)))
	}()
	os.Exit(-<-execed)
}

// whoIsWho learns from the events who somebody is, and demands that all of them say the same.
type whoIsWho struct {
	t       testing.TB
	threads map[int]uint64 // of host thread ids; none is used again during the test
	parents map[int]uint64 // of host process ids
}

func (w *whoIsWho) is(what string, ids map[int]uint64, number int, id uint64) {
	w.t.Helper()
	if known, ok := ids[number]; id == 0 || ok && known != id {
		w.t.Errorf("%s %d is %d, after it was %d", what, number, id, known)
	}
	ids[number] = id
}

func (w *whoIsWho) read(e *trace.Event) {
	w.t.Helper()
	if want := trace.EntityID(uint32(e.HostThreadID), uint64(e.ThreadStartTime)); e.ThreadEntityID != want {
		w.t.Errorf("%s: thread %d is %d, want %d", show(e), e.HostThreadID, e.ThreadEntityID, want)
	}
	w.is("thread", w.threads, e.HostThreadID, e.ThreadEntityID)
	w.is("process", w.threads, e.HostProcessID, e.ProcessEntityID) // a process is its leader
	w.is("parent of process", w.parents, e.HostProcessID, e.ParentEntityID)
	if e.EventID != events.SchedProcessFork.ID {
		return
	}
	number := func(name string) uint64 { a, _ := e.Lookup(name); return a.Uint() }
	thread, process := int(number("child_tid")), int(number("child_pid"))
	w.is("new thread", w.threads, thread, number("child_thread_entity_id"))
	w.is("process of a new thread", w.threads, process, number("child_process_entity_id"))
	if process != e.HostProcessID {
		w.is("parent of a new process", w.parents, process, e.ProcessEntityID)
	}
}

func TestWhoIsWho(t *testing.T) {
	s := start(t, tracer.Config{Events: []*events.Event{
		events.SchedProcessFork, events.SchedProcessExec, lookup("getpgid"), lookup("read"),
	}})
	s.try(t, func(t testing.TB) { s.readFamily(t) })
}

func (s *session) readFamily(t testing.TB) {
	c := spawn(t, "entity/family")
	found, seen := s.run(c, 0)
	who := &whoIsWho{t: t, threads: map[int]uint64{}, parents: map[int]uint64{}}
	thread, execed := 0, false
	for _, e := range seen {
		if e.EventID == events.LostEvents.ID {
			t.Errorf("lost: %s", show(e))
			continue
		}
		who.read(e)
		if e.EventName == "getpgid" {
			thread = e.HostThreadID
		}
		if e.EventID == events.SchedProcessExec.ID {
			execed = true
			if err := matches(uint64(e.ThreadStartTime), ticks(found.Counts["started"])); err != nil {
				t.Errorf("start of the process after the exec: %v", err)
			}
		}
	}
	if thread == c.pid || thread == 0 || !execed {
		t.Errorf("thread %d of process %d should have made an exec", thread, c.pid)
	}
	if child := int(found.Counts["child"]); who.parents[child] != who.threads[c.pid] || who.threads[child] == 0 {
		t.Errorf("child %d: is %d of parent %d, want parent %d", child, who.threads[child], who.parents[child], who.threads[c.pid])
	}
}
