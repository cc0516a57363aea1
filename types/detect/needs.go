package detect

// Selective is a Signature that can do without some of the events that it selects. Whoever makes events may then leave out
// the others: what no signature needs is not even sent by the kernel.
type Selective interface {
	// Needs lists, for events that the signature selects, which of them it needs; it may be called before Init. An event
	// that is selected and not listed is needed each time, one that is listed twice when one of the needs is met. What
	// meets none must change nothing: neither what is found nor what is remembered.
	Needs() []Need
}

// Need is some of the events of a name: those that meet all conditions.
type Need struct {
	Event      string
	Conditions []Condition
}

// Condition compares an argument, or "retval", as --trace event.argument does: operators are = != < <= > >=; of several
// values, one must hold with =, all must with the others; * stands for any text. An argument that was not captured does
// not match.
type Condition struct {
	Argument string
	Operator string
	Values   []string
}
