package filter

import (
	"slices"
	"strconv"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// pattern is how a value of this argument is compared.
func (r *argumentRule) pattern(value string) pattern {
	p := newPattern(value)
	p.library = r.t == events.LibraryPath && p.exact()
	return p
}

// judgeElements holds if one element is admitted.
func (r *argumentRule) judgeElements(a trace.Arg) bool {
	elements, _ := a.Value().([]string)
	return slices.ContainsFunc(elements, r.judgeText)
}

// Elements returns what the flags say about single elements of a list, such as the names of symbols; nil if nothing.
func (f *Filter) Elements(event *events.Event, argument string) func(element string) bool {
	if f == nil {
		return nil
	}
	for _, r := range f.arguments {
		if r.event == event && r.name == argument {
			return r.judgeText
		}
	}
	return nil
}

// Values returns what an argument is compared with by = alone: for events that have to be told what to look at. Numbers
// are in decimal.
func (f *Filter) Values(event *events.Event, argument string) []string {
	var values []string
	if f == nil {
		return nil
	}
	for _, r := range f.arguments {
		if r.event != event || r.name != argument {
			continue
		}
		for _, t := range r.texts {
			if t.operator == equal && t.value.exact() {
				values = append(values, t.value.parts[0])
			}
		}
		for _, t := range r.unsigned {
			if t.operator == equal {
				values = append(values, strconv.FormatUint(t.value, 10))
			}
		}
	}
	return values
}
