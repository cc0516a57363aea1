package test

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// rareCalls are made by the triggers of the raw streams, and by nobody else in a Go program.
var rareCalls = []struct {
	name string
	args []uintptr
}{
	{"getpriority", []uintptr{77, 0}},
	{"getpgid", []uintptr{0x7000001}},
	{"dup", []uintptr{0x7000001}},
	{"umask", []uintptr{0o22}},
	{"getuid", nil},
}

// marked keeps the raw syscalls that the triggers make: the runtime of Go makes others in between.
func marked(seen []*trace.Event) []*trace.Event {
	var kept []*trace.Event
	for _, e := range seen {
		nr, ok := e.Lookup("syscall")
		for _, call := range rareCalls {
			if ok && int(nr.Int()) == lookup(call.name).ID {
				kept = append(kept, e)
			}
		}
	}
	return kept
}

func rawCalls(a *actor, event string, returns bool) {
	for _, call := range rareCalls {
		e := lookup(call.name)
		r := raw(uintptr(native(e)), call.args...)
		w := a.want(event, arguments{"syscall": int32(e.ID)})
		if returns {
			w.Return = r
		}
	}
}

func enterSyscalls(a *actor) { rawCalls(a, "sys_enter", false) }
func exitSyscalls(a *actor)  { rawCalls(a, "sys_exit", true) }

// fork makes a child that lives until the function that it returns is called; that waits for its end. The child has one
// thread only, unlike any other Go program, and ends with the status given.
func (a *actor) fork(flags, status uintptr) (pid int, reap func() unix.WaitStatus) {
	return a.forkThen(flags, unix.SYS_EXIT_GROUP, status)
}

// forkThen is fork with the call by which the child ends.
func (a *actor) forkThen(flags, exit, status uintptr) (pid int, reap func() unix.WaitStatus) {
	var pipe [2]int
	a.check(unix.Pipe2(pipe[:], unix.O_CLOEXEC))
	var b byte
	pid = a.must(unix.SYS_CLONE, flags|uintptr(unix.SIGCHLD))
	if pid == 0 {
		// A copy of this thread alone: it may do nothing that needs the runtime.
		syscall.RawSyscall(unix.SYS_CLOSE, uintptr(pipe[1]), 0, 0)
		syscall.RawSyscall(unix.SYS_READ, uintptr(pipe[0]), uintptr(unsafe.Pointer(&b)), 1)
		for {
			syscall.RawSyscall(exit, status, 0, 0)
		}
	}
	return pid, func() (end unix.WaitStatus) {
		a.check(unix.Close(pipe[0]))
		a.check(unix.Close(pipe[1]))
		_, err := unix.Wait4(pid, &end, 0, nil)
		a.check(err)
		return end
	}
}

func (a *actor) wantFork(flags uintptr, inNamespace func(pid int) int) {
	pid, reap := a.fork(flags, 0)
	self := int32(os.Getpid())
	w := a.want("sched_process_fork", arguments{
		"parent_tid": self, "parent_ns_tid": self, "parent_pid": self, "parent_ns_pid": self,
		"child_tid": int32(pid), "child_ns_tid": int32(inNamespace(pid)),
		"child_pid": int32(pid), "child_ns_pid": int32(inNamespace(pid)),
		"start_time":             ticks(statField(a, pid, 22)),
		"child_thread_entity_id": anything{}, "child_process_entity_id": anything{}, // see TestWhoIsWho
	})
	w.Comm = comm()
	reap()
}

func forkProcess(a *actor) { a.wantFork(0, func(pid int) int { return pid }) }

func forkIntoNamespace(a *actor) { a.wantFork(unix.CLONE_NEWPID, func(int) int { return 1 }) }

// statField reads a field of /proc/PID/stat, counted as in proc(5).
func statField(a *actor, pid, field int) uint64 {
	text, err := os.ReadFile("/proc/" + itoa(pid) + "/stat")
	a.check(err)
	_, rest, _ := strings.Cut(string(text), ") ")
	n, err := strconv.ParseUint(strings.Fields(rest)[field-3], 10, 64)
	a.check(err)
	return n
}

// program is something small to execute, on any system.
func program(a *actor) string {
	path, err := filepath.EvalSymlinks("/bin/true")
	a.check(err)
	return path
}

func fileType(fd int) uint16 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return uint16(st.Mode & unix.S_IFMT)
}

// wantExec asks for an execution of the file, which is the interpreter if it is that of a script.
func (a *actor) wantExec(cmdpath, file, interp string, argv, env []string) *want {
	st := a.stat(file)
	args := arguments{
		"cmdpath": cmdpath, "pathname": file, "argv": argv, "env": env,
		"dev": kernelDev(st.Dev), "inode": st.Ino, "ctime": ctime(st), "inode_mode": uint16(st.Mode),
		"invoked_from_kernel": int32(0), "stdin_type": fileType(0), "interp": interp,
		"argc": int32(len(argv)), "envc": int32(len(env)),
	}
	if linker := elfInterpreter(a, file); linker != "" {
		st := a.stat(linker)
		args["interpreter_pathname"] = linker
		args["interpreter_dev"], args["interpreter_inode"] = kernelDev(st.Dev), st.Ino
		args["interpreter_ctime"] = ctime(st)
	}
	w := a.want("sched_process_exec", args)
	w.Comm = shortName(filepath.Base(cmdpath))
	return w
}

func shortName(name string) string { return name[:min(len(name), 15)] }

// elfInterpreter returns the resolved path of the program's dynamic linker, empty if it is static.
func elfInterpreter(a *actor, file string) string {
	program, err := elf.Open(file)
	a.check(err)
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		text, err := io.ReadAll(p.Open())
		a.check(err)
		path, err := filepath.EvalSymlinks(strings.TrimRight(string(text), "\x00"))
		a.check(err)
		return path
	}
	return ""
}

// exec is the last thing that an action does.
func (a *actor) exec(path string, argv, env []string) {
	a.send()
	runtime.KeepAlive(a)
	panic(syscall.Exec(path, argv, env))
}

func execProgram(a *actor) {
	file := program(a)
	link := a.path("a name that is long")
	a.check(os.Symlink(file, link))
	argv, env := []string{"true", "", "a b", "\xff"}, []string{"A=1", "EMPTY="}
	if filepath.Base(file) == "busybox" {
		argv[0] = "true" // it goes by that
	}
	a.wantExec(link, file, link, argv, env)
	a.exec(link, argv, env)
}

func execScript(a *actor) {
	shell, err := filepath.EvalSymlinks("/bin/sh")
	a.check(err)
	script := a.path("script")
	a.check(os.WriteFile(script, []byte("#!/bin/sh -e\nexit 0\n"), 0o755))
	a.wantExec(script, shell, "/bin/sh", []string{"/bin/sh", "-e", script, "x"}, []string{"B=2"})
	a.exec(script, []string{"ignored", "x"}, []string{"B=2"})
}

// execMemory runs a program that has no name in any file system.
func execMemory(a *actor) {
	text, err := os.ReadFile(program(a))
	a.check(err)
	fd, err := unix.MemfdCreate("ghost", unix.MFD_CLOEXEC)
	a.check(err)
	_, err = unix.Write(fd, text)
	a.check(err)
	a.check(unix.Fchmod(fd, 0o755))
	self := "/proc/self/fd/" + itoa(fd)
	w := a.wantExec(self, self, self, []string{"true"}, []string{"C=3"})
	w.Arguments["pathname"] = "memfd:ghost"
	w.Comm = shortName(itoa(fd))
	a.exec(self, []string{"true"}, []string{"C=3"})
}

// wantExit asks for the exit of another process, and of that only.
func (a *actor) wantExit(pid int, end unix.WaitStatus) {
	w := a.want("sched_process_exit", arguments{"exit_code": int64(end), "process_group_exit": true})
	w.Pid = pid
	// The exit of this process, whose other threads may outlive the one that is looked at.
	a.want("sched_process_exit", arguments{"exit_code": int64(0), "process_group_exit": anything{}})
}

func exitWithStatus(a *actor) {
	pid, reap := a.fork(0, 42)
	a.wantExit(pid, reap())
}

func exitBySignal(a *actor) {
	pid, reap := a.fork(0, 0)
	a.must(unix.SYS_KILL, uintptr(pid), uintptr(unix.SIGKILL))
	end := reap()
	if !end.Signaled() {
		a.fail(fmt.Errorf("the child ended with %v, not by a signal", end))
	}
	a.wantExit(pid, end)
}

func renameByCall(a *actor) {
	old := comm()
	name := append([]byte("fifteen bytes are the limit"), 0)
	a.must(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])))
	w := a.want("task_rename", arguments{
		"old_name": old, "new_name": "fifteen bytes a", "syscall": int32(lookup("prctl").ID),
	})
	w.Comm = old
}

// renameByFile gives a name to another thread; the event is the writer's.
func renameByFile(a *actor) {
	tid, done := make(chan int), make(chan bool)
	go func() {
		runtime.LockOSThread()
		tid <- unix.Gettid()
		<-done
	}()
	file, err := unix.Open("/proc/self/task/"+itoa(<-tid)+"/comm", unix.O_WRONLY, 0)
	a.check(err)
	a.must(unix.SYS_WRITE, uintptr(file), cString("renamed"), 7)
	close(done)
	a.want("task_rename", arguments{"old_name": comm(), "new_name": "renamed", "syscall": int32(lookup("write").ID)})
}

func renameByExec(a *actor) {
	old := comm()
	link := a.path("new-name")
	a.check(os.Symlink(program(a), link))
	a.want("task_rename", arguments{"old_name": old, "new_name": "new-name", "syscall": int32(lookup("execve").ID)})
	a.exec(link, []string{"true"}, nil)
}
