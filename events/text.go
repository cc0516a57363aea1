package events

import "strconv"

// The functions of the text files turn values into the strings of parse-arguments. They keep v0.8's spelling and order,
// which signatures depend on, and differ where v0.8 loses facts: it answers "" for a number without a name, these
// answer the number in decimal; it drops flags without a name, these append their bits in hexadecimal. A set of flags
// that is empty and has no name for that reads as "", as in v0.8.

// flag is a name for some bits of a value.
type flag struct {
	bits uint64
	name string
}

// flagsText appends to prefix the names of the flags in value, in the order of the table. A flag hides later ones that
// share its bits.
func flagsText(prefix string, value uint64, table []flag) string {
	b := []byte(prefix)
	for _, f := range table {
		if value&f.bits == f.bits {
			b = append(appendBar(b), f.name...)
			value &^= f.bits
		}
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
func nameText(value uint64, names map[uint64]string) string {
	if name, ok := names[value]; ok {
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
