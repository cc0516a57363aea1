package filter

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// Alternatives are lists of conditions, one of which must hold. Without any list nothing can be meant; an empty list
// among them says that anything can. They may admit too much, never too little.
type Alternatives []Conditions

// Anything admits every event.
func Anything() Alternatives { return Alternatives{nil} }

// Nothing admits none.
func Nothing() Alternatives { return Alternatives{} }

// maxAlternatives is how many lists are worth having; the kernel side has no room for more tests of an event.
const maxAlternatives = maxTests

// Or admits what one of two admits.
func (a Alternatives) Or(b Alternatives) Alternatives {
	var n Needs
	for _, conditions := range slices.Concat(a, b) {
		if len(conditions) == 0 {
			return Anything()
		}
		n.Add(nil, conditions)
	}
	if joined := n.Any[nil]; len(joined) <= maxAlternatives {
		return joined
	}
	return Anything()
}

// And admits what both admit. Of two demands that an argument have a certain value, the first is kept: lists of values mean
// that one of them is right.
func (a Alternatives) And(b Alternatives) Alternatives {
	if len(a)*len(b) > maxAlternatives {
		if len(a) <= len(b) {
			return a
		}
		return b
	}
	both := Nothing()
	for _, x := range a {
		for _, y := range b {
			all := slices.Clone(x)
			for _, condition := range y {
				if !slices.ContainsFunc(x, func(c Condition) bool {
					return c.Argument == condition.Argument && c.Operator == "=" && condition.Operator == "="
				}) {
					all = append(all, condition)
				}
			}
			if len(all) == 0 {
				return Anything()
			}
			both = append(both, all)
		}
	}
	return both.Or(nil)
}

// Need lists the alternatives as what somebody needs of an event; nil: all of it.
func (a Alternatives) Need(event string) []detect.Need {
	var list []detect.Need
	for _, conditions := range a {
		if len(conditions) == 0 {
			return nil
		}
		need := detect.Need{Event: event}
		for _, c := range conditions {
			need.Conditions = append(need.Conditions, detect.Condition(c))
		}
		list = append(list, need)
	}
	return list
}

// AskText compares a text argument with patterns, as far as the kernel can do that just as signatures do.
func AskText(e *events.Event, argument, operator string, patterns ...string) Alternatives {
	i := e.Schema().Index(argument)
	if i < 0 || e.Args[i].Type.Kind != trace.String || slices.Contains(patterns, "") {
		return Anything()
	}
	if operator == string(notEqual) && slices.ContainsFunc(patterns, func(p string) bool { return strings.Contains(p, "*") }) {
		return Anything() // there, a star is a star
	}
	return ask(e, Condition{argument, operator, patterns})
}

// AskNumber compares an argument that is shown as a number, or "retval". The largest number stands for all that are larger.
func AskNumber(e *events.Event, argument, operator string, values ...string) Alternatives {
	i := e.Schema().Index(argument)
	if i >= 0 && shownOtherwise(e.Args[i].Type) || slices.Contains(values, strconv.Itoa(math.MaxInt64)) {
		return Anything()
	}
	return ask(e, Condition{argument, operator, values})
}

// shownOtherwise reports whether signatures may see something else than a number.
func shownOtherwise(t *trace.Type) bool {
	return t.Text != nil || t.TextIn != nil || t.Descriptor || t.Kind == trace.String
}

func ask(e *events.Event, c Condition) Alternatives {
	one := Conditions{c}
	if !InKernel(e, c.Argument) || one.Check(e) != nil {
		return Anything()
	}
	return Alternatives{one}
}
