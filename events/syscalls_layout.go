package events

import "github.com/tracee-go/tracee/types/trace"

// Register tells which argument registers hold an argument of a syscall, counted from 0.
type Register struct {
	Low  int
	High int // holds the upper 32 bits; 0 when one register holds the whole argument
}

// Registers tells where an ABI puts each argument of a syscall. On i386 an argument of 64 bits takes two registers, and
// pushes later arguments on. What is in no register, see Pointed, is left out.
func (e *Event) Registers(abi ABI) []Register {
	_, words := e.Pointed()
	registers := make([]Register, len(e.Args)-len(words))
	next := 0
	for i, a := range e.Args[:len(registers)] {
		registers[i].Low = next
		if abi == I386 && alwaysWide(a.Type) {
			next++
			registers[i].High = next
		}
		next++
	}
	// arm64 selects CLONE_BACKWARDS, and ia32_clone is alike: tls comes before child_tid.
	if e.Name == "clone" && abi != AMD64 {
		registers[3], registers[4] = registers[4], registers[3]
	}
	return registers
}

// alwaysWide reports whether values of the type have 64 bits in 32-bit ABIs too. Off does not: there it is a word.
func alwaysWide(t *trace.Type) bool { return t == Off64 || t == LOff || t == U64 || t == FanotifyMask }

// ArgumentBlock reports whether the only argument that an ABI passes is the address of an array of words, which are the
// arguments proper.
func (e *Event) ArgumentBlock(abi ABI) bool {
	return abi == I386 && (e.Name == "mmap" || e.Name == "old_select")
}

// SockaddrLength finds the socket address among the arguments of a syscall, and the argument that holds its length: by
// value when the process gives the address, else by pointer to an int that says how much room there is, and after the
// call how long the address is. It answers -1, -1 for a syscall without a socket address.
func SockaddrLength(e *Event) (address, length int, byPointer bool) {
	for i, a := range e.Args {
		if e.Syscall && a.Type == SockaddrPtr {
			return i, i + 1, e.Args[i+1].Type.Kind == trace.Pointer
		}
	}
	return -1, -1, false
}
