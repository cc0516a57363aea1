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
	Fresh    uint8               // verdict on new processes; 0: the word was not used
	Pad      [5]uint8
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

// filterAutomaton is filterPatterns for longer texts and patterns: bits may go on in further words.
type filterAutomaton struct {
	Letters  [automatonWords * 256]uint64 // by word and byte
	First    [automatonWords]uint64
	Floating [automatonWords]uint64
	Sticky   [automatonWords]uint64
	In       [automatonWords]uint64
	Out      [automatonWords]uint64
	Wide     uint32 // more words than the first are in use
	Pad      uint32
}

// automatonWords is how many words of letters an automaton for arguments has room for.
const automatonWords = 4

// filterProcessRule is what is said of processes as a whole. The verifier knows it as constant.
type filterProcessRule struct {
	Active     uint8 // there is a rule
	Fresh      uint8 // it matters which processes are new
	Tree       uint8 // verdict on those that descend from no listed one; 0: there is no rule
	Executable uint8 // verdict on those whose executable is not marked as another; 0: there is no rule
	Follow     uint8 // descendants of what passed pass
	Patterns   uint8 // automata of the executable's patterns
	Unlisted   uint8 // verdict on an executable that no pattern matches
	Pad        uint8
}

// filterTests are those that an event has to pass: some of the array of tests.
type filterTests struct {
	First uint32
	Count uint32
}

// filterTest is what is asked of one argument of an event, or of its return value. Tests follow each other until one is the
// last of an alternative; all of an alternative must hold.
type filterTest struct {
	Min, Max   uint64 // of the range, inclusive; numbers as they are compared, see Flip
	Values     [inlineValues]uint64
	Flip       uint64              // bits to change in a number, so that signed ones compare like others
	Verdicts   [inlineValues]uint8 // on Values
	Count      uint8               // of Values
	Lookup     uint8               // there are values in the map
	Ranged     uint8               // there is a range, for what is not listed
	Unlisted   uint8               // verdict on what is not listed
	Kind       uint8               // what is compared
	Slot       uint8               // of the argument
	Shift      uint8               // what a number has to be shifted up and down by, to be as wide as its type
	Automata   uint8               // of a text
	Last       uint8               // of its alternative
	NativeOnly uint8               // through the 32-bit ABI the slot holds something else: then user space decides
	Pad        uint16
	Automaton  uint32 // the first
	Field      uint32 // of the values in the map
}

// Kinds of tests.
const (
	testNumber = iota + 1
	testSigned
	testBool
	testText
	testAddress // a socket address, as a text
	testReturn  // the return value, which is signed
)

// maxTests is how many tests an event can have.
const maxTests = 32

// Layout returns the structs and constants that the kernel side shares, for filter/gen.
func Layout() (structs []any, constants map[string]int) {
	structs = []any{filterRule{}, filterPatterns{}, filterNumberKey{}, filterTextKey{}, filterContainerRule{}, filterContainerKey{}, filterProcessRule{}, filterTests{}, filterTest{}, filterAutomaton{}}
	constants = map[string]int{
		"FILTER_IN":            verdictIn,
		"FILTER_OUT":           verdictOut,
		"FILTER_INLINE_VALUES": inlineValues,
		"FILTER_TEXT_SIZE":     textSize,
		"PROCESS_NEW":          16, // a bit behind those of lib/process.h
		"FILTER_AUTOMATA":      maxAutomata,
		"FILTER_TESTS":         maxTests,
		"FILTER_WORDS":         automatonWords,
		"FILTER_TEST_NUMBER":   testNumber,
		"FILTER_TEST_SIGNED":   testSigned,
		"FILTER_TEST_BOOL":     testBool,
		"FILTER_TEST_TEXT":     testText,
		"FILTER_TEST_ADDRESS":  testAddress,
		"FILTER_TEST_RETURN":   testReturn,
	}
	return structs, constants
}
