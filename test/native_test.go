package test

import (
	"errors"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
)

// native is the number that a syscall has on this machine, negative if it has none.
func native(e *events.Event) int { return e.Numbers[nativeABI()] }

func nativeABI() events.ABI {
	if runtime.GOARCH == "arm64" {
		return events.ARM64
	}
	return events.AMD64
}

// abi is a way to make syscalls from this process.
type abi struct {
	number  events.ABI
	compat  bool
	word    int  // bytes of a pointer in memory
	wide    bool // registers have 64 bits
	perform func(nr uintptr, args *[6]uintptr) int
}

func nativeCalls() abi {
	return abi{number: nativeABI(), word: 8, wide: true, perform: func(nr uintptr, args *[6]uintptr) int { return raw(nr, args[:]...) }}
}

func compatCalls() abi {
	return abi{number: events.I386, compat: true, word: 4, perform: func(nr uintptr, args *[6]uintptr) int {
		return int(int80(nr, args))
	}}
}

// checkCompat skips the action where nobody takes calls of the 32-bit ABI.
func (a *actor) checkCompat() {
	if runtime.GOARCH != "amd64" {
		a.skip("no 32-bit ABI to call on " + runtime.GOARCH)
	}
	if _, err := os.Stat("/proc/sys/abi/vsyscall32"); errors.Is(err, os.ErrNotExist) {
		a.skip("the kernel has no IA32 emulation")
	}
	getpid := uintptr(lookup("getpid").Numbers[events.I386])
	if r := int(int80(getpid, new([6]uintptr))); r != os.Getpid() {
		a.skip("int 0x80 is not answered: " + unix.Errno(-r).Error())
	}
}

// call makes a syscall of the event's name and adds the event that is wanted for it. Arguments are those of the
// registers; values are what must be shown.
func (a *actor) call(with abi, name string, args [6]uintptr, values arguments) int {
	r := with.perform(uintptr(lookup(name).Numbers[with.number]), &args)
	w := a.want(name, values)
	w.Return, w.Compat = r, with.compat
	return r
}

// memory is what syscalls are pointed to: below 4 GiB where that is the ABI's.
type memory struct {
	all  []byte
	text []byte  // the rest of what is free to hold values
	hole uintptr // the kernel fails to read or write here
}

const (
	textSize = 1 << 20
	holeSize = 1 << 16
)

func (a *actor) memory(with abi) *memory {
	flags := unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	if with.word == 4 {
		flags |= map32Bit
	}
	all, err := unix.Mmap(-1, 0, textSize+holeSize, readWrite, flags)
	a.check(err)
	a.check(unix.Mprotect(all[textSize:], unix.PROT_NONE))
	hole := uintptr(unsafe.Pointer(&all[textSize]))
	return &memory{all: all, text: all[:textSize], hole: hole}
}

// freeze makes the values immutable, so that a call that stores its results here fails.
func (m *memory) freeze(a *actor) { a.check(unix.Mprotect(m.all[:textSize], unix.PROT_READ)) }

// bytes stores bytes, aligned, and returns their address.
func (m *memory) bytes(b []byte) uintptr {
	copy(m.text, b)
	address := uintptr(unsafe.Pointer(&m.text[0]))
	m.text = m.text[(len(b)+8)&^7:]
	return address
}

// at reads n bytes.
func (m *memory) at(address uintptr, n int) []byte { return m.all[address-(m.hole-textSize):][:n] }

func (m *memory) string(s string) uintptr { return m.bytes(append([]byte(s), 0)) }

// words stores an array of pointers or longs of the ABI.
func (m *memory) words(with abi, values ...uintptr) uintptr {
	var b []byte
	for _, v := range values {
		for i := range with.word {
			b = append(b, byte(v>>(8*i)))
		}
	}
	return m.bytes(b)
}

// strings stores a NULL-terminated array of strings.
func (m *memory) strings(with abi, list ...string) uintptr {
	var pointers []uintptr
	for _, s := range list {
		pointers = append(pointers, m.string(s))
	}
	return m.words(with, append(pointers, 0)...)
}

// end stores bytes so that the hole begins behind them.
func (m *memory) end(b []byte) uintptr {
	copy(m.text[len(m.text)-len(b):], b)
	return m.hole - uintptr(len(b))
}
