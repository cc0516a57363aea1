package expression

import (
	"cel.dev/cel-go/common/operators"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
)

// Needs says which events of a kind may meet the condition, as far as the kernel can tell.
func (p *Program) Needs(e *events.Event) filter.Alternatives {
	if p == nil {
		return filter.Anything()
	}
	return p.plain.needs.of(e)
}

// comparing is a comparison with constants as filters have it.
type comparing struct {
	operator string
	values   []string
}

// spelt are the operators of numbers as filters have them.
var spelt = map[string]string{
	operators.Equals: "=", operators.NotEquals: "!=", operators.Less: "<", operators.LessEquals: "<=",
	operators.Greater: ">", operators.GreaterEquals: ">=",
}

// text asks it of an argument that is a text.
func (c comparing) text(argument string) needs {
	if c.operator == "" {
		return nil
	}
	return func(e *events.Event) filter.Alternatives { return filter.AskText(e, argument, c.operator, c.values...) }
}

// number asks it of an argument that is a number, or of the return value.
func (c comparing) number(argument string) needs {
	return func(e *events.Event) filter.Alternatives {
		return filter.AskNumber(e, argument, c.operator, c.values...)
	}
}

// ofName is a test of the name of the event, which is known before there is one.
func ofName(field string, test func(string) bool) needs {
	if field != "eventName" {
		return nil
	}
	return func(e *events.Event) filter.Alternatives {
		if test(e.Name) {
			return filter.Anything()
		}
		return filter.Nothing()
	}
}
