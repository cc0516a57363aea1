package events

import (
	"strconv"

	"github.com/tracee-go/tracee/types/trace"
)

//go:generate go run ./symbols symbols.txt symbols.go

// The functions of the text files turn values into the strings of parse-arguments, with the names of symbols.txt. They
// keep v0.8's spelling and order, which signatures depend on, and differ where v0.8 loses facts: it answers "" for a
// number without a name, these answer the number in decimal; it drops flags without a name, these append their bits in
// hexadecimal. A set of flags that is empty and has no name for that reads as "", as in v0.8.

// flag is a name for some bits of a value.
type flag struct {
	bits  uint64
	name  string
	field uint64 // bits that are a number together, of which this is a value; 0: none
}

// flagsText appends to prefix the names of the flags in value, in the order of the table. A flag hides later ones that
// share its bits.
func flagsText(prefix string, value uint64, table []flag) string {
	b := []byte(prefix)
	empty, named := value == 0, uint64(0)
	for i := range table {
		f := &table[i]
		switch {
		case f.field != 0 && (f.field&named != 0 || value&f.field != f.bits),
			f.field == 0 && f.bits == 0 && !empty,
			value&f.bits != f.bits:
			continue
		}
		b = append(appendBar(b), f.name...)
		named |= f.field
		value &^= f.bits | f.field
	}
	if value != 0 {
		b = strconv.AppendUint(append(appendBar(b), "0x"...), value, 16)
	}
	return string(b)
}

func appendBar(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	return append(b, '|')
}

// nameText answers the name of value, or value itself in decimal.
func nameText(value uint64, names map[int64]string) string {
	if name, ok := names[int64(value)]; ok {
		return name
	}
	return decimal(value)
}

// indexText is nameText for tables without gaps.
func indexText(value uint64, names []string) string {
	if value < uint64(len(names)) {
		return names[value]
	}
	return decimal(value)
}

// decimal renders a value that was sign-extended if its type is signed.
func decimal(value uint64) string { return strconv.FormatInt(int64(value), 10) }

// named is a type whose values are those of an enumeration.
func named(plain *trace.Type, names map[int64]string) *trace.Type {
	return text(plain, func(value uint64) string {
		if name, ok := nameIn(names, plain, value); ok {
			return name
		}
		return decimal(value)
	})
}

// perhapsNamed is a type of which only some values have a name.
func perhapsNamed(plain *trace.Type, names map[int64]string) *trace.Type {
	t := text(plain, func(value uint64) string {
		name, _ := nameIn(names, plain, value)
		return name
	})
	t.Partial = true
	return t
}

// nameIn finds the name of a value. Constants of 32 bits have no sign, or one, whatever type the kernel gives the argument.
func nameIn(names map[int64]string, plain *trace.Type, value uint64) (string, bool) {
	name, ok := names[int64(value)]
	if !ok && narrow(plain) {
		if name, ok = names[int64(int32(value))]; !ok {
			name, ok = names[int64(uint32(value))]
		}
	}
	return name, ok
}

// flagged is a type whose values are sets of flags.
func flagged(plain *trace.Type, table []flag) *trace.Type {
	return text(plain, func(value uint64) string {
		if narrow(plain) {
			value = uint64(uint32(value)) // no sign
		}
		return flagsText("", value, table)
	})
}

// narrow reports whether values of the type have 32 bits or fewer.
func narrow(t *trace.Type) bool {
	switch t.Kind {
	case trace.Int32, trace.Uint8, trace.Uint16, trace.Uint32:
		return true
	default:
		return false
	}
}
