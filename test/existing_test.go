package test

import (
	"encoding/gob"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

func existingActions() map[string]func(*actor) {
	return map[string]func(*actor){"existing/holder": holder}
}

// holder has things before tracing begins. When it does, which a file tells, it has a child and becomes another program.
func holder(a *actor) {
	executable, err := os.Readlink("/proc/self/exe")
	a.check(err)
	st := a.stat(executable)
	a.want("existing_process", arguments{
		"pathname": executable, "dev": kernelDev(st.Dev), "inode": st.Ino, "cred": a.credentials(),
	})
	file := a.path("held")
	fd, err := unix.Open(file, unix.O_CREAT|unix.O_RDWR|unix.O_APPEND|unix.O_CLOEXEC, 0o600)
	a.check(err)
	st = a.stat(file)
	a.want("existing_file", arguments{
		"fd": int32(fd), "pathname": file, "flags": int32(unix.O_RDWR | unix.O_APPEND | largeFile),
		"dev": kernelDev(st.Dev), "inode": st.Ino,
	})
	server, at := a.listener()
	client := a.must(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	a.must(unix.SYS_CONNECT, uintptr(client), keep(&at.bytes[0]), uintptr(len(at.bytes)))
	inet := arguments{"family": int32(unix.AF_INET), "type": int32(unix.SOCK_STREAM), "protocol": int32(unix.IPPROTO_TCP)}
	const established, listening = 1, 10
	a.wantHeld(inet, arguments{"sockfd": int32(server), "state": int32(listening), "local_addr": at.shown})
	a.wantHeld(inet, arguments{
		"sockfd": int32(client), "state": int32(established), "local_addr": a.local(client).shown, "remote_addr": at.shown,
	})
	a.send()
	for os.IsNotExist(unix.Access(a.path("go"), 0)) {
		time.Sleep(time.Millisecond)
	}
	raw(unix.SYS_GETPGID, 0)
	_, reap := a.fork(0, 0)
	reap()
	panic(syscall.Exec(program(a), []string{"true"}, nil))
}

func (a *actor) wantHeld(common, own arguments) {
	for name, value := range common {
		own[name] = value
	}
	a.want("existing_socket", own)
}

// listener makes a socket that waits for connections.
func (a *actor) listener() (fd int, at endpoint) {
	fd = a.must(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	at = inet("127.0.0.1", 0)
	a.must(unix.SYS_BIND, uintptr(fd), keep(&at.bytes[0]), uintptr(len(at.bytes)))
	a.must(unix.SYS_LISTEN, uintptr(fd), 1)
	return fd, a.local(fd)
}

// holding starts a holder and waits until it has everything.
func holding(t *testing.T) (c *child, found findings, begin func()) {
	c = spawn(t, "existing/holder")
	c.release(0, nil)
	if err := gob.NewDecoder(c.report).Decode(&found); err != nil || found.Error != "" {
		t.Fatalf("child: %v %s", err, found.Error)
	}
	return c, found, func() {
		dir := filepath.Dir(found.Wants[1].Arguments["pathname"].(string))
		if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = c.cmd.Wait()
	}
}

func TestWhatWasThereBefore(t *testing.T) {
	c, found, begin := holding(t)
	s := start(t, tracer.Config{Events: []*events.Event{
		events.ProcessImage, events.ExistingProcess, events.ExistingFile, events.ExistingSocket,
		events.SchedProcessFork, events.SchedProcessExec, lookup("getpgid"),
	}})
	// The iterators of sockets come last.
	s.await(t, "what the holder has", func(seen []*trace.Event) bool {
		return count(seen, func(e *trace.Event) bool { return e.EventName == "existing_socket" && e.HostProcessID == c.pid }) == 2
	})
	begin()
	s.await(t, "end of the holder", func(seen []*trace.Event) bool { return hasEvent(seen, "sched_process_exit", c.pid) })
	s.halt()
	for i := range found.Wants {
		w := &found.Wants[i]
		same := func(e *trace.Event) bool { return e.HostProcessID == c.pid && c.compare(w, e) == nil }
		if n := count(s.events, same); n != 1 {
			t.Errorf("seen %d times: %s", n, w)
		}
	}
	before, after := found.Wants[0].Arguments["pathname"].(string), ""
	child := 0
	for _, e := range s.events {
		executable := before
		switch {
		case e.EventID == events.LostEvents.ID:
			if reason, _ := e.Lookup("reason"); reason.Text() != tracer.ProgramMissed {
				t.Errorf("lost: %s", show(e))
			}
			continue
		case e.EventID == events.SchedProcessFork.ID:
			child++
		case e.EventID == events.SchedProcessExec.ID:
			path, _ := e.Lookup("pathname")
			after = path.Text()
		}
		if after != "" && e.HostProcessID == c.pid {
			executable = after
		}
		if e.Executable != executable {
			t.Errorf("%s: the executable is %q, want %q", show(e), e.Executable, executable)
		}
	}
	if after == "" || child == 0 || !slices.ContainsFunc(s.events, func(e *trace.Event) bool { return e.EventName == "getpgid" }) {
		t.Errorf("the holder did not do what it is for: %d events", len(s.events))
	}
}

func count(seen []*trace.Event, is func(*trace.Event) bool) (n int) {
	for _, e := range seen {
		if is(e) {
			n++
		}
	}
	return n
}
