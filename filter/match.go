package filter

import (
	"strconv"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// condition is a compiled rule about an argument or a return value.
type condition func(*trace.Event) bool

// Match decides what the kernel left: arguments, return values, and scope fields that the kernel side has no room for.
// It looks at arguments as they were captured, whatever parse-arguments says. It does not allocate for numbers and
// strings.
func (f *Filter) Match(e *trace.Event) bool {
	for _, i := range f.undecided { // texts only
		if !f.scope[i].admitsText(fields[i].text(e)) {
			return false
		}
	}
	if len(f.conditions) == 0 {
		return true
	}
	for _, holds := range f.conditions[e.EventID] {
		if !holds(e) {
			return false
		}
	}
	return true
}

func (r *argumentRule) condition() condition {
	if r.t == nil {
		return func(e *trace.Event) bool {
			var v verdict
			r.signed.judge(int64(e.ReturnValue), &v)
			return v.argument()
		}
	}
	judge := r.judge()
	return func(e *trace.Event) bool {
		a, ok := e.Lookup(r.name)
		return ok && judge(a)
	}
}

// judge compiles the comparison of a captured argument.
func (r *argumentRule) judge() func(trace.Arg) bool {
	form, _ := formOf(r.t)
	switch {
	case r.t == events.Symbols:
		return r.judgeElements
	case r.t.Kind == trace.String:
		return func(a trace.Arg) bool { return r.judgeText(a.Text()) }
	case form == asBool:
		return func(a trace.Arg) bool { return r.judgeText(strconv.FormatBool(a.Uint() != 0)) }
	case form == asText:
		return func(a trace.Arg) bool { return r.judgeText(string(a.AppendText(nil))) }
	case len(r.texts) > 0:
		return r.judgeNamed
	case form == asSigned:
		return func(a trace.Arg) bool {
			var v verdict
			r.signed.judge(a.Int(), &v)
			return v.argument()
		}
	default:
		return func(a trace.Arg) bool {
			var v verdict
			r.unsigned.judge(uint64(a.Int()), &v)
			return v.argument()
		}
	}
}

func (r *argumentRule) judgeText(s string) bool {
	var v verdict
	r.texts.judge(s, &v)
	return v.argument()
}

// judgeNamed compares a number as such, in decimal, and by name where its type has names. Only one of the lists of
// numbers has any.
func (r *argumentRule) judgeNamed(a trace.Arg) bool {
	var v verdict
	n := a.Int()
	decimal := strconv.FormatInt(n, 10)
	if form, _ := formOf(r.t); form == asUnsigned {
		decimal = strconv.FormatUint(uint64(n), 10)
	}
	r.signed.judge(n, &v)
	r.unsigned.judge(uint64(n), &v)
	r.texts.judge(decimal, &v)
	if name, ok := a.Symbol(); ok {
		r.texts.judge(name, &v)
	}
	return v.argument()
}
