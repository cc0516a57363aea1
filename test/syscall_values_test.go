package test

import (
	"fmt"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// prepared is a syscall that is ready to be made, with what its event must show.
type prepared struct {
	event     *events.Event
	registers [6]uintptr
	values    arguments
}

// harmless are the values of arguments for which the usual ones would change this process, or keep it waiting.
var harmless = map[string]map[string]int64{
	"close":            {"fd": -7},
	"dup":              {"oldfd": -5},
	"getpgid":          {"pid": -3},
	"init_module":      {"len": 7},
	"ipc":              {"call": 0x7777},
	"mlock":            {"len": 4096},
	"munlock":          {"len": 4096},
	"nice":             {"inc": 0},
	"old_select":       {"nfds": -5},
	"personality":      {"persona": 0xffffffff},
	"pselect6":         {"nfds": -5},
	"pselect6_time32":  {"n": -5},
	"select":           {"nfds": -5},
	"setfsgid":         {"fsgid": -1},
	"setfsgid16":       {"fsgid": 0xffff},
	"setfsuid":         {"fsuid": -1},
	"setfsuid16":       {"fsuid": 0xffff},
	"setgid":           {"gid": -1},
	"setgid16":         {"gid": 0xffff},
	"setregid":         {"rgid": -1, "egid": -1},
	"setregid16":       {"rgid": 0xffff, "egid": 0xffff},
	"setresgid":        {"rgid": -1, "egid": -1, "sgid": -1},
	"setresgid16":      {"rgid": 0xffff, "euid": 0xffff, "suid": 0xffff},
	"setresuid":        {"ruid": -1, "euid": -1, "suid": -1},
	"setresuid16":      {"ruid": 0xffff, "euid": 0xffff, "suid": 0xffff},
	"setreuid":         {"ruid": -1, "euid": -1},
	"setreuid16":       {"ruid": 0xffff, "euid": 0xffff},
	"setuid":           {"uid": -1},
	"setuid16":         {"uid": 0xffff},
	"ssetmask":         {"newmask": 0},
	"wait4":            {"pid": -5},
	"rt_sigtimedwait":  {"sigsetsize": 3},
	"futex_time32":     {"op": 0x7a01000d},
	"rt_sigqueueinfo":  {"tgid": -9},
	"clock_nanosleep":  {"clockid": -77},
	"timer_create":     {"clockid": -77},
	"fadvise64":        {"offset": -1},
	"pread64":          {"offset": -2},
	"fanotify_mark":    {"fanotify_fd": -1},
	"process_mrelease": {"pidfd": -1},
}

// uncalled gives the reason why a syscall is not among those that are made with invented arguments.
var uncalled = map[string]string{
	"clone":        "makes a process: has its own test",
	"clone3":       "makes a process: has its own test",
	"execveat":     "has its own test",
	"exit":         "does not return: has its own test",
	"exit_group":   "does not return: has its own test",
	"fork":         "makes a process: has its own test",
	"pause":        "waits for a signal: has its own test",
	"rt_sigreturn": "returns from a signal: has its own test",
	"sigreturn":    "restores registers that nobody saved",
	"sigsuspend":   "waits for a signal",
	"sync":         "waits for all disks of the machine",
	"uprobe":       "kills who makes it outside of a probe",
	"uretprobe":    "kills who makes it outside of a probe",
	"vfork":        "makes a process: has its own test",
	"vhangup":      "takes the terminal from everybody else: has its own test, without the right to",
}

// prepare invents arguments for a syscall. They differ from each other, are as large as their type allows, and are
// nothing that exists: so nearly all calls fail, which their events do not mind.
func (m *memory) prepare(e *events.Event, with abi) prepared {
	p := prepared{event: e, values: arguments{}}
	var words [6]uintptr
	for i, r := range e.Registers(with.number) {
		bits := m.invent(e, i, with, p.values)
		words[r.Low] = uintptr(bits)
		if !with.wide {
			words[r.Low] = uintptr(uint32(bits))
		}
		if r.High != 0 {
			words[r.High] = uintptr(bits >> 32)
		}
	}
	p.registers = words
	if e.ArgumentBlock(with.number) {
		p.registers = [6]uintptr{m.words(with, words[:]...)}
	}
	return p
}

// invent returns the bits of an argument and adds its value to those that must be shown.
func (m *memory) invent(e *events.Event, i int, with abi, values arguments) uint64 {
	field := e.Args[i]
	wide := with.wide
	if r := e.Registers(with.number)[i]; r.High != 0 {
		wide = true
	}
	if v, ok := harmless[e.Name][field.Name]; ok {
		values[field.Name] = number(field.Type.Kind, uint64(v), wide)
		return uint64(v)
	}
	switch field.Type.Kind {
	case trace.String:
		text := fmt.Sprintf("/nonexistent-tracee/%s/%s", e.Name, field.Name)
		values[field.Name] = text
		return uint64(m.string(text))
	case trace.Strings:
		list := []string{e.Name, "", field.Name}
		values[field.Name] = list
		return uint64(m.strings(with, list...))
	case trace.Sockaddr:
		address := inet("127.1.2.3", 1000+i)
		if _, _, byPointer := events.SockaddrLength(e); !byPointer {
			values[field.Name] = address.shown
		}
		return uint64(m.bytes(address.bytes))
	case trace.IntPair: // there is none where the kernel can not write
		return uint64(m.hole) + uint64(i)*64
	}
	bits := m.distinct(e, i, wide)
	values[field.Name] = number(field.Type.Kind, bits, wide)
	return bits
}

// distinct is a number that nothing has: no process, no descriptor, no option.
func (m *memory) distinct(e *events.Event, i int, wide bool) uint64 {
	if address, length, byPointer := events.SockaddrLength(e); address >= 0 && i == length && !byPointer {
		return 16
	}
	n := uint64(i)
	switch kind := e.Args[i].Type.Kind; {
	case kind == trace.Pointer:
		return uint64(m.hole) + n*64 + 9 // aligned to nothing
	case kind == trace.Int32:
		return 0x7a00000d + n<<16
	case kind == trace.Uint16:
		return 0xfff0 + n
	case kind == trace.Uint32:
		return 0xfa00000d + n<<16
	case kind == trace.Int64:
		return -(0x40000005 + n<<12)
	case wide:
		return 0xb_0000_0005 + n<<12
	default:
		return 0xb0000005 + n<<12
	}
}

// number is the Go value of an argument with these bits. A word of the 32-bit ABI has no others; of those, only a long
// is known to have a sign.
func number(kind trace.Kind, bits uint64, wide bool) any {
	switch kind {
	case trace.Int32:
		return int32(bits)
	case trace.Uint32:
		return uint32(bits)
	case trace.Uint16:
		return uint16(bits)
	case trace.Int64:
		if !wide {
			return int64(int32(bits))
		}
		return int64(bits)
	}
	if !wide {
		bits = uint64(uint32(bits))
	}
	if kind == trace.Pointer {
		return uintptr(bits)
	}
	return bits
}
