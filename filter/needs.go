package filter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
)

// Needs are the events that somebody else than the reader of the output needs, such as signatures, or events that are
// derived: whatever the flags say about arguments, the kernel sends those too. What the kernel can not tell, it sends, so
// whoever needs an event looks for itself.
type Needs struct {
	// Any lists, for an event, the conditions one of which must hold. Empty conditions need every event. An event
	// without an entry is not needed.
	Any map[*events.Event][]Conditions
	// Alone says that nobody reads the output: an event that is needed is sent for what is listed here alone. Flags about
	// its arguments are left to Match.
	Alone bool
}

// Conditions must all hold.
type Conditions []Condition

// Condition compares an argument, or "retval", as --trace event.argument does: operators are = != < <= > >=; of several
// values, one must hold with =, all must with the others; * stands for any text. An argument that was not captured does
// not match.
type Condition struct {
	Argument string
	Operator string
	Values   []string
}

// Whole adds that every event of its kind is needed.
func (n *Needs) Whole(e *events.Event) { n.Add(e, nil) }

// Add adds a user of an event.
func (n *Needs) Add(e *events.Event, conditions Conditions) {
	if n.Any == nil {
		n.Any = map[*events.Event][]Conditions{}
	}
	n.Any[e] = append(n.Any[e], conditions)
}

// Check says whether the conditions can be asked of an event: its arguments exist, and the values are of their types.
func (c Conditions) Check(e *events.Event) error {
	_, err := c.rules(e)
	return err
}

// Clone returns needs that can be added to without changing these.
func (n Needs) Clone() Needs {
	c := Needs{Alone: n.Alone, Any: make(map[*events.Event][]Conditions, len(n.Any))}
	for e, any := range n.Any {
		c.Any[e] = slices.Clone(any)
	}
	return c
}

// rules compiles conditions as if they were flags.
func (c Conditions) rules(e *events.Event) (alternative, error) {
	var f Filter
	for _, condition := range c {
		x := expression{
			name: e.Name + "." + condition.Argument, operator: operator(condition.Operator), values: condition.Values,
			rest: condition.Operator + strings.Join(condition.Values, ","),
		}
		if err := f.addArgument(x, e, condition.Argument); err != nil {
			return nil, fmt.Errorf("conditions of %s: %w", e.Name, err)
		}
	}
	return f.arguments, nil
}
