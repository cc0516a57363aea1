package filter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
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

// Condition is one of them.
type Condition detect.Condition

// Whole adds that every event of its kind is needed.
func (n *Needs) Whole(e *events.Event) { n.Add(e, nil) }

// Add adds a user of an event. Lists of values of one argument are joined: to look for many costs as little as for one.
func (n *Needs) Add(e *events.Event, conditions Conditions) {
	if n.Any == nil {
		n.Any = map[*events.Event][]Conditions{}
	}
	for i, known := range n.Any[e] {
		if conditions.listed() && known.listed() && known[0].Argument == conditions[0].Argument {
			joined := slices.Concat(known[0].Values, conditions[0].Values)
			slices.Sort(joined)
			n.Any[e][i] = Conditions{{Argument: known[0].Argument, Operator: "=", Values: slices.Compact(joined)}}
			return
		}
	}
	n.Any[e] = append(n.Any[e], conditions)
}

// listed reports whether nothing is asked but that an argument is one of some values.
func (c Conditions) listed() bool { return len(c) == 1 && c[0].Operator == "=" }

// IsWhole reports whether every event of a kind is needed.
func (n *Needs) IsWhole(e *events.Event) bool {
	return slices.ContainsFunc(n.Any[e], func(c Conditions) bool { return len(c) == 0 })
}

// Check says whether the conditions can be asked of an event: its arguments exist, and the values are of their types.
func (c Conditions) Check(e *events.Event) error {
	_, err := c.rules(e)
	return err
}

// InKernel reports whether the kernel side can ask something about an argument of an event, in the form that Match and
// signatures see it.
func InKernel(e *events.Event, argument string) bool {
	if argument == returnValue {
		return true
	}
	i := e.Schema().Index(argument)
	if i < 0 {
		return false
	}
	t := e.Args[i].Type
	number := t.Kind != trace.Bool && t.Kind != trace.Pointer && numberForms[t.Kind].bits > 0
	return number || t.Kind == trace.String && t != events.LibraryPath && t != events.AddressT
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
	for _, r := range f.arguments {
		r.needed = true
	}
	return f.arguments, nil
}
