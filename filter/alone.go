package filter

import (
	"fmt"
	"slices"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// Alone compiles the filter for events that were traced for others too: it decides all of it, without the kernel's help, and
// without a default set: if no flag names events, all are in. What only the kernel side knows is an error: which processes and
// containers are new, who descends from whom, and through which interface a packet went.
func (f *Filter) Alone() (func(*trace.Event) bool, error) {
	only := f.kernelOnly()
	switch {
	case only != "":
	case f.container.fresh || f.container.old:
		only = "container=new"
	case len(f.interfaces) > 0:
		only = "net"
	}
	if only != "" {
		return nil, fmt.Errorf("%s can be told while tracing only (give it as --trace)", only)
	}
	return f.matchAlone, nil
}

// kernelOnly names what of the tasks only the kernel side can decide; empty: nothing.
func (f *Filter) kernelOnly() string {
	switch {
	case len(f.process.tree) > 0:
		return "tree"
	case f.process.follow:
		return "follow"
	case slices.ContainsFunc(f.scope[:], func(r rule) bool { return r.fresh || r.old }):
		return "pid=new"
	default:
		return ""
	}
}

func (f *Filter) matchAlone(e *trace.Event) bool {
	return f.selects(e) && f.matchScope(e, false) && f.Match(e)
}

// selects decides by the events that are named.
func (f *Filter) selects(e *trace.Event) bool {
	s := &f.events
	if s.named == nil && s.included == nil && s.excluded == nil {
		return true
	}
	known, ok := events.Lookup(e.EventName)
	return ok && s.includes(known, events.AllEvents)
}

// matchScope decides by the tasks, as far as events tell of them. existed says that the container was there when tracing began.
func (f *Filter) matchScope(e *trace.Event, existed bool) bool {
	for i := range f.scope {
		switch r, field := &f.scope[i], &fields[i]; {
		case !r.active():
		case field.text != nil && !r.admitsText(field.text(e)),
			field.number != nil && !r.admitsNumber(field.number(e)):
			return false
		}
	}
	if len(f.process.executable) > 0 && !f.process.admitsExecutable(e.Executable) {
		return false
	}
	return !f.container.active() ||
		f.container.admits(Container{ID: e.ContainerID, Existed: existed, Started: e.ContextFlags.ContainerStarted && !existed})
}

// Selects says whether flags name events or sets, beside those that take some away.
func (f *Filter) Selects() bool { return f.events.named != nil || f.events.included != nil }
