package tracer

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// restoring are reported when they begin. After them, the kernel has the registers of what a signal interrupted, and has
// forgotten the number of the call.
var restoring = []string{"rt_sigreturn", "sigreturn"}

// ending are reported by their hook, when the task ends.
var ending = []string{"exit", "exit_group"}

// twoReturns are not reported where they return zero: in the child of a fork, which made no call, and after an exec
// that succeeded, whose event is made from the new image.
var twoReturns = []string{"clone", "clone3", "fork", "vfork", "execve", "execveat"}

// syscallTable is what the dispatchers of the kernel side look syscalls up in.
type syscallTable struct {
	specs       [2 * events.SyscallsPerABI]bpf.TraceeSyscallSpec
	multiplexed [events.Multiplexed]bpf.TraceeSyscallSpec
	enter, exit bool
}

func newSyscallTable(execEnv bool) *syscallTable {
	t := &syscallTable{}
	for _, e := range events.All() {
		if e.Syscall {
			t.each(e, func(abi int, spec *bpf.TraceeSyscallSpec) { describe(e, abi, spec) })
		}
	}
	for i := range x32Syscalls {
		narrow(&t.specs[x32First+i])
	}
	for i := range t.multiplexed {
		t.multiplexed[i].Flags |= events.SpecMultiplexed
	}
	t.multiplexed[socketcallSend].Args, t.multiplexed[socketcallRecv].Args = shortArgs, shortArgs
	if runtime.GOARCH == "amd64" {
		t.specs[events.ABICompat*events.SyscallsPerABI+socketcall].Flags |= events.SpecMultiplexer
	}
	if !execEnv {
		t.leaveOut("execve", "envp")
		t.leaveOut("execveat", "envp")
	}
	return t
}

// tellFiles makes the kernel side tell the files of descriptors. That of a call which closes is looked up when it begins.
func (t *syscallTable) tellFiles() {
	for _, e := range events.All() {
		if !e.Syscall {
			continue
		}
		index := slices.IndexFunc(e.Args, func(f trace.Field) bool { return f.Type.Descriptor })
		if index < 0 {
			continue
		}
		t.each(e, func(abi int, spec *bpf.TraceeSyscallSpec) {
			register := e.Registers(abis()[abi])[index].Low
			spec.Kinds[register] = events.KindFD
			if e.Name == "close" {
				spec.Kinds[register] = events.KindFDClosed
				spec.Flags |= events.SpecCloses
			}
		})
	}
}

// leaveOut makes the kernel side skip an argument of a syscall.
func (t *syscallTable) leaveOut(syscall, argument string) {
	e, ok := events.Lookup(syscall)
	if !ok {
		return
	}
	index := e.Schema().Index(argument)
	t.each(e, func(_ int, spec *bpf.TraceeSyscallSpec) { spec.Kinds[index] = events.KindNone })
}

// each calls f for every number of a syscall: native, compat, and, on amd64, those that only x32 has.
func (t *syscallTable) each(e *events.Event, f func(abi int, spec *bpf.TraceeSyscallSpec)) {
	numbers := [2]int{e.Numbers[events.ARM64], -1}
	if runtime.GOARCH == "amd64" {
		numbers = [2]int{e.Numbers[events.AMD64], e.Numbers[events.I386]}
		if nr := slices.Index(x32Syscalls, e.Name); nr >= 0 {
			f(events.ABINative, &t.specs[x32First+nr])
		}
		for call, name := range socketcalls {
			if name == e.Name {
				f(events.ABICompat, &t.multiplexed[call])
			}
		}
	}
	for abi, nr := range numbers {
		if nr >= 0 && nr < events.SyscallsPerABI {
			f(abi, &t.specs[abi*events.SyscallsPerABI+nr])
		}
	}
}

// x32Syscalls are the calls with numbers of their own in the x32 ABI, from x32First up
// (arch/x86/entry/syscalls/syscall_64.tbl). All others share the numbers of amd64.
var x32Syscalls = []string{
	"rt_sigaction", "rt_sigreturn", "ioctl", "readv", "writev", "recvfrom", "sendmsg", "recvmsg", "execve", "ptrace",
	"rt_sigpending", "rt_sigtimedwait", "rt_sigqueueinfo", "sigaltstack", "timer_create", "mq_notify", "kexec_load",
	"waitid", "set_robust_list", "get_robust_list", "vmsplice", "move_pages", "preadv", "pwritev",
	"rt_tgsigqueueinfo", "recvmmsg", "sendmmsg", "process_vm_readv", "process_vm_writev", "setsockopt", "getsockopt",
	"io_setup", "io_submit", "execveat", "preadv2", "pwritev2",
}

const x32First = 512

// socketcalls are the calls that socketcall(2) of the 32-bit ABI stands for, by its first argument
// (include/uapi/linux/net.h). send and recv are sendto and recvfrom without their last two arguments.
var socketcalls = [...]string{
	1: "socket", 2: "bind", 3: "connect", 4: "listen", 5: "accept", 6: "getsockname", 7: "getpeername", 8: "socketpair",
	9: "sendto", 10: "recvfrom", 11: "sendto", 12: "recvfrom", 13: "shutdown", 14: "setsockopt", 15: "getsockopt",
	16: "sendmsg", 17: "recvmsg", 18: "accept4", 19: "recvmmsg", 20: "sendmmsg",
}

const (
	socketcall     = 102 // its number on i386
	socketcallSend = 9
	socketcallRecv = 10
	shortArgs      = 4 // arguments of send and recv
)

var syscallKinds = map[trace.Kind]uint8{
	trace.String: events.KindStr, trace.Strings: events.KindStrArray, trace.Sockaddr: events.KindSockaddr, trace.IntPair: events.KindIntPair,
	trace.Int64: events.KindLong,
}

// abis are the ABIs behind events.ABINative and events.ABICompat on this machine.
func abis() [2]events.ABI {
	if runtime.GOARCH == "amd64" {
		return [2]events.ABI{events.AMD64, events.I386}
	}
	return [2]events.ABI{events.ARM64, events.ARM64}
}

// describe fills a spec with what is always true of the syscall, selected or not. The kernel side stores one slot per
// register; layout brings them into the order of the arguments.
func describe(e *events.Event, abi int, spec *bpf.TraceeSyscallSpec) {
	spec.Event = uint16(e.Index)
	for i, r := range e.Registers(abis()[abi]) {
		spec.Kinds[r.Low] = syscallKinds[e.Args[i].Type.Kind]
		spec.Args = max(spec.Args, uint8(r.Low+1), uint8(r.High+1))
	}
	register, words := e.Pointed()
	spec.Pointer, spec.Pointed = uint8(register), uint8(copy(spec.Words[:], words))
	spec.SockaddrLength = events.SockaddrNone
	if _, length, byPointer := events.SockaddrLength(e); length >= 0 {
		spec.SockaddrLength = uint8(length)
		if byPointer {
			spec.SockaddrLength |= events.SockaddrByPointer
		}
	}
	if slices.Contains(twoReturns, e.Name) {
		spec.Flags |= events.SpecNotZero
	}
	if e.ArgumentBlock(abis()[abi]) {
		spec.Flags |= events.SpecArgumentBlock
	}
}

// narrow makes pointers 32 bits wide in what the arguments point to; the registers stay as they are.
func narrow(spec *bpf.TraceeSyscallSpec) {
	for i, kind := range spec.Kinds {
		if kind == events.KindStrArray {
			spec.Kinds[i] = events.KindStrArray32
		}
	}
}

// activate marks a spec as needed. The dispatchers decide by the native number alone, before they know the ABI.
func (t *syscallTable) activate(spec *bpf.TraceeSyscallSpec) {
	spec.Flags |= events.SpecActive
	for i := range t.multiplexed {
		if &t.multiplexed[i] == spec {
			spec = &t.specs[socketcall]
			spec.Flags |= events.SpecActive
			return
		}
	}
	for i := range t.specs {
		if &t.specs[i] == spec {
			t.specs[i%events.SyscallsPerABI].Flags |= events.SpecActive
		}
	}
}

// selectEvent makes a syscall's own event flow.
func (t *syscallTable) selectEvent(e *events.Event) {
	if slices.Contains(ending, e.Name) {
		return
	}
	t.each(e, func(_ int, spec *bpf.TraceeSyscallSpec) {
		t.activate(spec)
		if slices.Contains(restoring, e.Name) {
			spec.Flags |= events.SpecEnterEvent
			t.enter = true
			return
		}
		spec.Flags |= events.SpecEvent
		t.exit = true
		t.enter = t.enter || spec.Flags&events.SpecCloses != 0
	})
}

// selectHook makes the tails of a hook run around its syscalls.
func (t *syscallTable) selectHook(e *events.Event, hook events.Hook) {
	switch e {
	case events.SysEnter:
		t.all(&t.enter)
	case events.SysExit:
		t.all(&t.exit)
	}
	for _, name := range hook.Exit {
		t.eachNamed(name, func(spec *bpf.TraceeSyscallSpec) {
			addTail(spec.Exit[:], uint8(tailIndex(hook.Program)))
			t.exit = true
		})
	}
	for _, tail := range hook.Enter {
		for _, name := range tail.Syscalls {
			t.eachNamed(name, func(spec *bpf.TraceeSyscallSpec) {
				addTail(spec.Enter[:], uint8(tailIndex(tail.Program)))
				t.enter = true
			})
		}
	}
}

func (t *syscallTable) eachNamed(name string, f func(spec *bpf.TraceeSyscallSpec)) {
	e, ok := events.Lookup(name)
	if !ok {
		return
	}
	t.each(e, func(_ int, spec *bpf.TraceeSyscallSpec) {
		t.activate(spec)
		f(spec)
	})
}

// addTail appends a tail to a list of a spec, once.
func addTail(list []uint8, tail uint8) {
	for i := range list {
		if list[i] == tail {
			return
		}
		if list[i] == 0 {
			list[i] = tail
			return
		}
	}
	panic("tracer: more tails for one syscall than SYSCALL_TAILS or ENTER_TAILS")
}

// all activates every syscall number, for the raw streams.
func (t *syscallTable) all(direction *bool) {
	for i := range t.specs {
		t.specs[i].Flags |= events.SpecActive
	}
	*direction = true
}

// install gives the tables to the kernel side.
func (t *syscallTable) install(variables map[string]*ebpf.Variable) error {
	for name, specs := range map[string][]bpf.TraceeSyscallSpec{
		"syscall_specs": t.specs[:], "multiplexed_specs": t.multiplexed[:],
	} {
		if err := variables[name].Set(specs); err != nil {
			return fmt.Errorf("install %s: %w", name, err)
		}
	}
	return nil
}
