package filter

// The structs of this file are what the kernel side reads; gen writes them in C. They have no implicit padding.

// Verdicts on a value, as the kernel side stores them.
const (
	verdictIn  = 1
	verdictOut = 2
)

// inlineValues is how many numbers a rule holds itself. A comparison with a constant is cheaper than a map lookup.
const inlineValues = 4

// textSize is what the kernel keeps of a comm or of a node name, with its NUL.
const textSize = 16

// maxLetters is how many letters the automaton has room for.
const maxLetters = 64

// filterRule is a scope field's rule. The verifier knows it as constant, and deletes the steps that are off.
type filterRule struct {
	Min      uint64 // of the range, inclusive
	Max      uint64
	Values   [inlineValues]uint64
	Verdicts [inlineValues]uint8 // on Values
	Count    uint8               // of Values
	Active   uint8               // there is a rule
	Lookup   uint8               // there are values in the map
	Patterns uint8               // there are patterns
	Ranged   uint8               // there is a range
	Unlisted uint8               // verdict on what is not listed, when there is no range
	Pad      [6]uint8
}

// filterPatterns is an automaton that tries all patterns of a field at once. Each letter of each pattern has a bit: it
// is set when the text so far ends a match of the pattern up to that letter.
type filterPatterns struct {
	Letters  [256]uint64 // by byte: the bits of the letters that it can be
	First    uint64      // first letters of patterns
	Floating uint64      // first letters behind a *: they may be anywhere
	Sticky   uint64      // letters before a *: once reached, they stay reached
	In       uint64      // last letters of = patterns
	Out      uint64      // last letters of != patterns
}

// filterNumberKey is a listed number in the map of values.
type filterNumberKey struct {
	Value uint64
	Field uint32
	Pad   uint32
}

// filterTextKey is a listed text in the map of texts: 16 bytes, zero after the text.
type filterTextKey struct {
	Words [2]uint64
	Field uint32
	Pad   uint32
}

// filterContainerRule is what is said of containers. The verifier knows it as constant.
type filterContainerRule struct {
	Active     uint8 // there is a rule
	Running    uint8 // only containers that have started
	Old        uint8 // only containers that were there when tracing began
	NotStarted uint8 // only what has not started, and the host
	Fresh      uint8 // containers that started since are in
	Started    uint8 // containers that have started are in
	Listed     uint8 // there are ids
	Unlisted   uint8 // verdict on everything else
}

// filterContainerKey is the beginning of a container's id, as the kernel looks for the longest one.
type filterContainerKey struct {
	PrefixLength uint32 // in bits
	Text         [containerIDSize]uint8
}

// containerIDSize is the length of the id of a container.
const containerIDSize = 64

// Layout returns the structs and constants that the kernel side shares, for filter/gen.
func Layout() (structs []any, constants map[string]int) {
	structs = []any{filterRule{}, filterPatterns{}, filterNumberKey{}, filterTextKey{}, filterContainerRule{}, filterContainerKey{}}
	constants = map[string]int{
		"FILTER_IN":            verdictIn,
		"FILTER_OUT":           verdictOut,
		"FILTER_INLINE_VALUES": inlineValues,
		"FILTER_TEXT_SIZE":     textSize,
	}
	return structs, constants
}

// add puts a pattern into the automaton, giving its letters bits from the given one up. It returns the next free bit.
func (a *filterPatterns) add(p *pattern, op operator, bit int) int {
	last := len(p.parts) - 1
	first := uint64(1) << bit
	a.First |= first
	if p.parts[0] == "" {
		a.Floating |= first
	}
	for i, part := range p.parts {
		for _, c := range []byte(part) {
			a.Letters[c] |= 1 << bit
			bit++
		}
		if part != "" && i < last {
			a.Sticky |= 1 << (bit - 1)
		}
	}
	if op == equal {
		a.In |= 1 << (bit - 1)
	} else {
		a.Out |= 1 << (bit - 1)
	}
	return bit
}
