package test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// x32Bit is set in the numbers of the ABI that has 64-bit registers and 32-bit pointers.
const x32Bit = 0x40000000

// x32Numbers are those of calls whose arguments point to what has pointers, by the numbers that they have on amd64. All
// others have the same there.
var x32Numbers = map[uintptr]uintptr{
	13: 512, 15: 513, 16: 514, 19: 515, 20: 516, 45: 517, 46: 518, 47: 519, 59: 520, 101: 521, 127: 522, 128: 523, 129: 524,
	131: 525, 222: 526, 244: 527, 246: 528, 247: 529, 273: 530, 274: 531, 278: 532, 279: 533, 295: 534, 296: 535, 297: 536,
	299: 537, 307: 538, 310: 539, 311: 540, 54: 541, 55: 542, 206: 543, 209: 544, 322: 545, 327: 546, 328: 547,
}

// x32 makes a call by its number on amd64.
func x32(nr uintptr, args ...uintptr) int {
	if own, ok := x32Numbers[nr]; ok {
		nr = own
	}
	return raw(x32Bit|nr, args...)
}

func x32Calls() abi {
	return abi{number: events.AMD64, word: 4, wide: true, perform: func(nr uintptr, args *[6]uintptr) int {
		return x32(nr, args[:]...)
	}}
}

// x32Missing tells why the ABI can not be used, nothing if it can.
func x32Missing() string {
	if r := x32(uintptr(lookup("getpid").Numbers[events.AMD64])); r != unix.Getpid() {
		return "the kernel has no x32 ABI: " + unix.Errno(-r).Error()
	}
	return ""
}

var x32Cases = []syscallCase{
	{"x32 strings", "openat", func(a *actor) { a.stringsThrough(x32Calls()) }},
	{"x32 execve", "execve", x32Execve},
	{"x32 socket addresses", "connect bind sendto", func(a *actor) { a.addressesThrough(x32Calls()) }},
	{"x32 file events", "security_file_open magic_write", x32Files},
	{"x32 copies", "magic_write", x32Copies},
	{"x32 failing execve", "process_execute_failed", x32FailingExecve},
}

func TestX32CallsHaveTheirTrueValues(t *testing.T) {
	if reason := x32Missing(); reason != "" {
		t.Skip(reason)
	}
	selected := []*events.Event{events.SecurityFileOpen, lookup("magic_write"), lookup("process_execute_failed")}
	for _, e := range events.All() {
		if e.Syscall {
			selected = append(selected, e)
		}
	}
	s := start(t, tracer.Config{Events: selected, ExecEnv: true})
	t.Run("x32 syscalls", func(t *testing.T) { s.everySyscall(t, "x32 syscalls") })
	for _, row := range x32Cases {
		t.Run(row.name, func(t *testing.T) { s.syscallCase(t, row) })
	}
}

func TestRawSyscallStreamsNameX32Calls(t *testing.T) {
	if reason := x32Missing(); reason != "" {
		t.Skip(reason)
	}
	s := start(t, tracer.Config{Events: []*events.Event{events.SysEnter, events.SysExit}})
	s.try(t, func(t testing.TB) {
		c := spawn(t, "x32 stream")
		found, seen := s.run(c, 0)
		c.compareAll(found.Wants, marked(of(seen, []int{c.pid}, "sys_enter", "sys_exit")))
	})
	report(t, "sys_enter", trace.Tracepoint, "x32")
	report(t, "sys_exit", trace.Tracepoint, "x32")
}

func x32Stream(a *actor) {
	for _, call := range rareCalls {
		e := lookup(call.name)
		r := x32(uintptr(e.Numbers[events.AMD64]), call.args...)
		a.want("sys_enter", arguments{"syscall": int32(e.ID)})
		a.want("sys_exit", arguments{"syscall": int32(e.ID)}).Return = r
	}
}

func callX32(a *actor) { a.callEach(x32Calls()) }

func x32Execve(a *actor) {
	with := x32Calls()
	a.arraysThrough(with)
	m, file := a.memory(with), program(a)
	a.want("execve", arguments{"pathname": file, "argv": []string{"true", "x32"}, "envp": []string{"F=5"}})
	a.send()
	number := uintptr(lookup("execve").Numbers[events.AMD64])
	if r := x32(number, m.string(file), m.strings(with, "true", "x32"), m.strings(with, "F=5")); r < 0 {
		panic(unix.Errno(-r))
	}
}

// x32 makes a call of that ABI, which must succeed.
func (a *actor) x32(name string, args ...uintptr) int {
	r := x32(uintptr(lookup(name).Numbers[events.AMD64]), args...)
	if r < 0 {
		a.fail(unix.Errno(-r))
	}
	return r
}

// x32Files opens and writes; the events are those of any other open and write.
func x32Files(a *actor) {
	with := x32Calls()
	m := a.memory(with)
	call := a.x32
	file := a.quietly("file")
	fd := call("openat", atCwd, m.string(file), unix.O_RDWR)
	a.wantOpen32(fd, file, unix.O_RDWR|largeFile, file)
	a.wantWrite(fd, file, "text", call("write", uintptr(fd), m.string("text"), 4))
	a.wantWrite(fd, file, "head", call("pwrite64", uintptr(fd), m.string("head"), 4, 0))
	vector := m.words(with, m.string("first"), 5, m.string("second"), 6)
	call("lseek", uintptr(fd), 0, 0)
	a.wantWrite(fd, file, "first", call("writev", uintptr(fd), vector, 2))
	a.wantWrite(fd, file, "first", call("pwritev", uintptr(fd), vector, 2, 0))
	call("pwritev", uintptr(fd), vector, 2, 1<<32)
}

func x32Copies(a *actor) {
	a.dropThrough(a.memory(x32Calls()), a.x32, "sendfile")
}

func x32FailingExecve(a *actor) {
	with := x32Calls()
	m := a.memory(with)
	missing := a.path("missing")
	argv, envp := m.strings(with, "name", "argument"), m.strings(with, "A=1")
	r := x32(uintptr(lookup("execve").Numbers[events.AMD64]), m.string(missing), argv, envp)
	a.want("process_execute_failed", arguments{
		"pathname": missing, "argv": []string{"name", "argument"}, "envp": []string{"A=1"}, "stdin_type": anything{},
		"stdin_path": anything{}, "argc": int32(2), "envc": int32(1),
	}).Return = r
}
