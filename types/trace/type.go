package trace

import "sync/atomic"

// Kind says how an argument lies in its record: in its slot of eight bytes, or in the tail that follows the slots.
type Kind uint8

// The kinds. Those up to IntPair live in the slot; the rest hold offset and length there and their bytes in the tail.
const (
	Invalid Kind = iota
	Bool         // 0 or 1
	Int32        // sign-extended from the low 32 bits
	Int64
	Uint8
	Uint16
	Uint32
	Uint64
	Float64
	Pointer  // an address in the traced process or in the kernel
	IntPair  // int[2]: two int32, the first in the low half
	String   // bytes as the kernel wrote them, without a terminating NUL
	Strings  // elements, each followed by a NUL
	Sockaddr // struct sockaddr as in memory: family in host order, ports and addresses in network order
	Bytes
	Cred     // struct slim_cred of bpf/lib/event.h
	Document // JSON text, for values that no kernel record holds
)

// InSlot reports whether values of the kind live in the slot.
func (k Kind) InSlot() bool { return k <= IntPair }

// Type is a type of arguments as the catalogue declares it: its name as users see it, how it lies in the record, and
// how parse-arguments shows it.
type Type struct {
	Name string // as in v0.8: "int", "const char*", "struct sockaddr*"
	Kind Kind

	// Text renders a slot value for option:parse-arguments ("O_RDONLY|O_CLOEXEC"). Nil: the value has no such form.
	// An empty result means the value is unknown to the table.
	Text func(value uint64) string

	// TextIn is Text for values that mean what another argument of their event says; it goes before Text.
	TextIn func(value uint64, e *Event) string

	// Partial says that only some values have a form in text. One for which Text or TextIn answers "" stays a number.
	Partial bool

	// Descriptor says that values are file descriptors. In events with FilePaths, the slot then also says where the path
	// of the file lies in the record: from bit 32 on its offset, from bit 48 on its length, whose highest bit says that what
	// lies there is the number of an inode and its mode, because the file has no path.
	Descriptor bool

	// KeepName says that the type keeps its name when Text is applied; otherwise it becomes "string", as in v0.8.
	KeepName bool
}

// parsedName is the name of the type under parse-arguments.
func (t *Type) parsedName() string {
	if (t.Text != nil || t.Descriptor) && !t.KeepName {
		return "string"
	}
	return t.Name
}

// Field is one declared argument of an event.
type Field struct {
	Name string
	Type *Type
	Doc  string
}

// Schema is the shape of an event: what the records of one event have in common. Schemas are shared and immutable, and
// are not copied: they keep what encoders prepare for them.
type Schema struct {
	ID     int
	Name   string
	Fields []Field

	json atomic.Pointer[jsonParts]   // made by the first event that is written as JSON
	gob  atomic.Pointer[[]gobPrefix] // the same for gob
}

// MaxFields is the largest number of arguments of one event: they are counted in bitmaps of 64 bits.
const MaxFields = 64

// Index returns the position of the argument called name, or -1.
func (s *Schema) Index(name string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}
