package filter

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/types/trace"
)

const returnValue = "retval"

// argumentRule is what the flags say about one argument of one event, or about its return value.
type argumentRule struct {
	event    *events.Event
	name     string
	t        *trace.Type // nil for the return value
	signed   numbers[int64]
	unsigned numbers[uint64]
	texts    texts

	needed bool // by Needs
}

func (f *Filter) parseArgument(x expression, event, argument string) error {
	e, known := lookupEvent(event)
	switch {
	case argument == returnValue && !known:
		return fmt.Errorf("invalid retval filter event name: %s%s", event, suggest.DidYouMean(event, eventNames()))
	case argument == "" || strings.Contains(argument, "."):
		return fmt.Errorf("invalid argument filter format %s%s (write event.argument=value)", x.name, x.rest)
	case !known:
		return fmt.Errorf("invalid argument filter event name: %s%s", event, suggest.DidYouMean(event, eventNames()))
	}
	return f.addArgument(x, e, argument)
}

// addArgument adds to the rule for an argument of an event.
func (f *Filter) addArgument(x expression, e *events.Event, argument string) error {
	r := f.argument(e, argument)
	switch i := e.Schema().Index(argument); {
	case argument == returnValue:
	case i >= 0:
		r.t = e.Args[i].Type
	case strings.HasPrefix(argument, returnValue):
		return fmt.Errorf("invalid retval filter format %s%s (write %s.retval)", x.name, x.rest, e.Name)
	default:
		return fmt.Errorf("invalid argument filter argument name: %s (%s)", argument, argumentsOf(e))
	}
	return r.add(x)
}

// SameArguments says whether another filter asks the same of the arguments of an event.
func (f *Filter) SameArguments(other *Filter, e *events.Event) bool {
	return reflect.DeepEqual(f.rulesOf(e), other.rulesOf(e))
}

func (f *Filter) rulesOf(e *events.Event) (rules []*argumentRule) {
	if f == nil {
		return nil
	}
	for _, r := range f.arguments {
		if r.event == e {
			rules = append(rules, r)
		}
	}
	return rules
}

// argument returns the rule for an argument, making it if there is none.
func (f *Filter) argument(e *events.Event, name string) *argumentRule {
	for _, r := range f.arguments {
		if r.event == e && r.name == name {
			return r
		}
	}
	r := &argumentRule{event: e, name: name}
	f.arguments = append(f.arguments, r)
	return r
}

func argumentsOf(e *events.Event) string {
	if len(e.Args) == 0 {
		return e.Name + " has no arguments"
	}
	names := make([]string, len(e.Args))
	for i, a := range e.Args {
		names[i] = a.Name
	}
	return e.Name + " has " + strings.Join(names, ", ")
}

// form says how the values of an argument are compared.
type form uint8

const (
	asText form = iota
	asSigned
	asUnsigned
	asBool
)

// numberForms are the kinds that are compared as numbers, with their width in bits. All others are texts.
var numberForms = map[trace.Kind]struct {
	form form
	bits int
}{
	trace.Bool:    {asBool, 1},
	trace.Int32:   {asSigned, 32},
	trace.Int64:   {asSigned, 64},
	trace.Uint8:   {asUnsigned, 8},
	trace.Uint16:  {asUnsigned, 16},
	trace.Uint32:  {asUnsigned, 32},
	trace.Uint64:  {asUnsigned, 64},
	trace.Pointer: {asUnsigned, 64},
}

func formOf(t *trace.Type) (form form, bits int) {
	if t == nil { // the return value
		return asSigned, 64
	}
	f := numberForms[t.Kind]
	return f.form, f.bits
}

func (r *argumentRule) add(x expression) error {
	form, bits := formOf(r.t)
	var err error
	if form == asText || form == asBool {
		err = x.check(equal, notEqual)
	} else {
		err = x.checkNumber()
	}
	for i := 0; i < len(x.values) && err == nil; i++ {
		err = r.addValue(x.operator, x.values[i], form, bits)
	}
	return err
}

func (r *argumentRule) addValue(op operator, value string, form form, bits int) error {
	var err error
	switch form {
	case asText:
		r.texts = append(r.texts, term[pattern]{op, r.pattern(value)})
		return nil
	case asBool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("invalid filter value: %s (%s.%s is true or false)", value, r.event.Name, r.name)
		}
		r.texts = append(r.texts, term[pattern]{op, newPattern(strconv.FormatBool(b))})
		return nil
	case asSigned:
		var n int64
		if n, err = parseSigned(value, bits); err == nil {
			r.signed = append(r.signed, term[int64]{op, n})
			return nil
		}
	case asUnsigned:
		var n uint64
		if n, err = parseUnsigned(value, bits); err == nil {
			r.unsigned = append(r.unsigned, term[uint64]{op, n})
			return nil
		}
	}
	return r.addName(op, value, err)
}

// addName takes a value that is not a number: a name that parse-arguments would show, or a text with *.
func (r *argumentRule) addName(op operator, value string, err error) error {
	p := newPattern(value)
	named := r.t != nil && r.t.Text != nil && !looksNumeric(value)
	if (op == equal || op == notEqual) && r.t != nil && (named || !p.exact()) {
		r.texts = append(r.texts, term[pattern]{op, p})
		return nil
	}
	return badNumber(value, r.event.Name+"."+r.name+" is a number", err)
}

// looksNumeric says that a value was meant as a number, though it may not be one.
func looksNumeric(value string) bool {
	return value[0] == '-' || value[0] == '+' || value[0] >= '0' && value[0] <= '9'
}
