package rules

import (
	"maps"
	"slices"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/detect"
)

var (
	_ detect.Selective = (*regoSignature)(nil)
	_ detect.Selective = (*aggregated)(nil)
)

// watched are the events of which the engine learns who made whom, and what is lost.
var watched = []*events.Event{events.SchedProcessFork, events.SchedProcessExec, events.SchedProcessExit, events.LostEvents}

// Needs derives from the loaded signatures which events they need, and of these what they look for in arguments. An event
// that one of them needs whole, because it does not say more, is needed whole. Events that do not exist are left out.
func (g *Engine) Needs() filter.Needs { return neededBy(g.current()) }

func neededBy(members []*member) filter.Needs {
	var needs filter.Needs
	for _, e := range watched {
		needs.Whole(e)
	}
	for _, m := range members {
		for e, some := range m.needs() {
			for _, conditions := range some {
				needs.Add(e, conditions)
			}
		}
	}
	for e := range needs.Any {
		if needs.IsWhole(e) {
			needs.Any[e] = []filter.Conditions{nil}
		}
	}
	return needs
}

// NeededWholeBy lists the signatures that need every event of a kind.
func (g *Engine) NeededWholeBy(e *events.Event) (ids []string) {
	for _, m := range g.members {
		if some, ok := m.needs()[e]; ok && slices.ContainsFunc(some, func(c filter.Conditions) bool { return len(c) == 0 }) {
			ids = append(ids, m.metadata.ID)
		}
	}
	return ids
}

// needs is what one signature needs of the events that it selects.
func (m *member) needs() map[*events.Event]filter.Alternatives {
	asked := map[string]filter.Alternatives{}
	if s, ok := m.signature.(detect.Selective); ok {
		for _, need := range s.Needs() {
			var conditions filter.Conditions
			for _, c := range need.Conditions {
				conditions = append(conditions, filter.Condition(c))
			}
			asked[need.Event] = append(asked[need.Event], conditions)
		}
	}
	needs := map[*events.Event]filter.Alternatives{}
	for _, selector := range m.selectors {
		for _, e := range selected(selector.Name) {
			needs[e] = checked(e, asked[e.Name])
		}
	}
	return needs
}

// checked returns alternatives that can be asked, or else anything.
func checked(e *events.Event, some filter.Alternatives) filter.Alternatives {
	for _, conditions := range some {
		if len(conditions) == 0 || conditions.Check(e) != nil {
			return filter.Anything()
		}
	}
	if len(some) == 0 {
		return filter.Anything()
	}
	return some
}

// selected returns the events that a selector names.
func selected(name string) []*events.Event {
	if name == "*" {
		return events.InSet(events.AllEvents)
	}
	if e, ok := events.Lookup(name); ok {
		return []*events.Event{e}
	}
	return nil
}

// Needs implements detect.Selective.
func (s *regoSignature) Needs() (needs []detect.Need) {
	for _, e := range selectedBy(s.selectors) {
		needs = append(needs, s.filter.needs(e).Need(e.Name)...)
	}
	return needs
}

// Needs implements detect.Selective.
func (a *aggregated) Needs() (needs []detect.Need) {
	some := map[*events.Event]filter.Alternatives{}
	for _, r := range a.rules {
		for _, e := range selectedBy(r.selectors) {
			some[e] = some[e].Or(r.filter.needs(e))
		}
	}
	for e, any := range some {
		needs = append(needs, any.Need(e.Name)...)
	}
	return needs
}

func selectedBy(selectors []detect.SignatureEventSelector) []*events.Event {
	found := map[*events.Event]bool{}
	for _, selector := range selectors {
		if selector.Name == "" {
			selector.Name = "*"
		}
		for _, e := range selected(selector.Name) {
			found[e] = true
		}
	}
	return slices.Collect(maps.Keys(found))
}
