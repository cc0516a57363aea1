package events

import "github.com/tracee-go/tracee/types/trace"

// pointed are further arguments of syscalls: words of the struct that one of the arguments points to. These structs are
// alike in all ABIs.
type pointed struct {
	register int // that has the address
	words    []word
}

// word is 8 bytes of a struct, or, for types of 32 bits, the first half of them.
type word struct {
	name string
	t    *trace.Type
	at   uint8 // counted in words
}

// MaxPointed bounds how many words of a struct are arguments.
const MaxPointed = 4

var pointedStructs = map[string]pointed{
	"clone3": {0, []word{{"flags", flagged(U64, clone3Flags), 0}, {"exit_signal", text(U64, signalText), 4}}},
	"mount_setattr": {3, []word{
		{"attr_set", flagged(U64, mountAttributes), 0},
		{"attr_clr", flagged(U64, mountAttributes), 1},
		{"propagation", flagged(U64, mountPropagation), 2},
	}},
	"openat2": {2, []word{
		{"flags", text(U64, openFlagsText), 0},
		{"mode", U64, 1},
		{"resolve", flagged(U64, resolveFlags), 2},
	}},
	"perf_event_open": {0, []word{{"type", named(U32, perfTypes), 0}, {"config", U64, 1}}},
}

// Pointed tells which arguments of a syscall are words of a struct: the last ones, as many as there are words. The
// address of the struct is in a register; the words are counted from its beginning.
func (e *Event) Pointed() (register int, words []uint8) {
	p := pointedStructs[e.Name]
	if !e.Syscall {
		return 0, nil
	}
	for _, w := range p.words {
		words = append(words, w.at)
	}
	return p.register, words
}
