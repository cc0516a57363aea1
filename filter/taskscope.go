package filter

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

// Scope is the tasks of a policy, as flags of --trace say it.
type Scope struct {
	filter *Filter
	flags  []string // sorted
}

// ParseScope reads a scope: filters of tasks, processes and containers. None, or "global", is everything.
func ParseScope(values []string) (*Scope, error) {
	s := &Scope{}
	for _, value := range values {
		switch value {
		case "global":
			continue
		case "not-container":
			value = "!container"
		}
		x := split(value)
		if x.name == "exec" {
			value = "executable" + x.rest
		}
		if x.is("event", "e") || x.is("set", "s") || x.is("net", "net") || strings.Contains(x.name, ".") {
			return nil, fmt.Errorf("%q is about events: a scope is about who does something (write it below rules)", value)
		}
		s.flags = append(s.flags, value)
	}
	if len(s.flags) > 0 && len(s.flags) < len(values) {
		return nil, errors.New("global does not go with other scopes: leave it out")
	}
	slices.Sort(s.flags)
	s.flags = slices.Compact(s.flags)
	var err error
	s.filter, err = Parse(s.flags)
	return s, err
}

// Flags are the values of --trace that say the same, in a certain order.
func (s *Scope) Flags() []string { return s.flags }

// Warnings are about filters that are valid but probably not what was meant.
func (s *Scope) Warnings() []string { return s.filter.Warnings }

// KernelOnly names what only the kernel side can decide; empty: Admits decides all.
func (s *Scope) KernelOnly() string { return s.filter.kernelOnly() }

// Disjoint says that filter and scope are about different things, so that flags of both mean that both must hold.
func (f *Filter) Disjoint(s *Scope) bool {
	mine := f.things()
	return !slices.ContainsFunc(s.filter.things(), func(thing string) bool { return slices.Contains(mine, thing) })
}

func (f *Filter) things() []string {
	things := map[string]bool{
		"container": f.container.active(), "tree": len(f.process.tree) > 0, "executable": len(f.process.executable) > 0,
		"follow": f.process.follow,
	}
	for i := range fields {
		things[fields[i].Name] = f.scope[i].active()
	}
	maps.DeleteFunc(things, func(_ string, there bool) bool { return !there })
	return slices.Collect(maps.Keys(things))
}

// Admits says whether an event is in the scope, as far as events tell: see KernelOnly. existed says that its container was
// there when tracing began.
func (s *Scope) Admits(e *trace.Event, existed bool) bool { return s.filter.matchScope(e, existed) }
