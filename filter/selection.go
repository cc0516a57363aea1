package filter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/suggest"
)

// selection is what event and set flags say. The zero value is the base.
type selection struct {
	named    map[*events.Event]bool // by its whole name: nothing takes it away
	demanded map[*events.Event]bool // of these: not in a long list
	included map[*events.Event]bool // by a set or by a name with *
	excluded map[*events.Event]bool
}

func (s *selection) includes(e *events.Event, base events.Set) bool {
	if s.named[e] {
		return true
	}
	if s.excluded[e] {
		return false
	}
	if s.named == nil && s.included == nil {
		return !e.Internal && (base == events.AllEvents || slices.Contains(e.Sets, base))
	}
	return s.included[e]
}

// lookupEvent finds an event that users may name.
func lookupEvent(name string) (*events.Event, bool) {
	e, ok := events.Lookup(name)
	return e, ok && !e.Internal
}

// eventsNamed returns the events that a value of event= or event!= means.
func eventsNamed(value string) []*events.Event {
	if e, ok := lookupEvent(value); ok {
		return []*events.Event{e}
	}
	p := newPattern(value)
	if p.exact() {
		return nil
	}
	var found []*events.Event
	for _, e := range events.InSet(events.AllEvents) {
		if p.match(e.Name) {
			found = append(found, e)
		}
	}
	return found
}

// namesDemanded is up to how many names in one flag are a demand. A longer list is what somebody else wrote, such as
// tracee-rules --list-events: there, what a kernel does not have is left out, as of a set.
const namesDemanded = 8

func (f *Filter) parseEvent(x expression) error {
	if err := x.check(equal, notEqual); err != nil {
		return err
	}
	for _, value := range x.values {
		found := eventsNamed(value)
		switch {
		case len(found) == 0 && x.operator == notEqual:
			return fmt.Errorf("invalid event to exclude: %s%s", value, suggest.DidYouMean(value, eventNames()))
		case len(found) == 0:
			return fmt.Errorf("invalid event to trace: %s%s", value, suggest.DidYouMean(value, eventNames()))
		case x.operator == notEqual:
			add(&f.events.excluded, found)
		case strings.Contains(value, "*"):
			add(&f.events.included, found)
		default:
			add(&f.events.named, found)
			if len(x.values) <= namesDemanded {
				add(&f.events.demanded, found)
			}
		}
	}
	return nil
}

// eventsInSets returns the events of a set, or of all whose name matches a value with *.
func eventsInSets(value string) []*events.Event {
	p := newPattern(value)
	if p.exact() {
		return events.InSet(events.Set(value))
	}
	var found []*events.Event
	for _, set := range events.Sets() {
		if set != events.AllEvents && p.match(string(set)) {
			found = append(found, events.InSet(set)...)
		}
	}
	return found
}

func (f *Filter) parseSet(x expression) error {
	if err := x.check(equal, notEqual); err != nil {
		return err
	}
	for _, value := range x.values {
		found := eventsInSets(value)
		switch {
		case len(found) == 0 && x.operator == notEqual:
			return fmt.Errorf("invalid set to exclude: %s%s", value, suggest.DidYouMean(value, setNames()))
		case len(found) == 0:
			return fmt.Errorf("invalid set to trace: %s%s", value, suggest.DidYouMean(value, setNames()))
		case x.operator == notEqual:
			add(&f.events.excluded, found)
		default:
			add(&f.events.included, found)
		}
	}
	return nil
}

func add(to *map[*events.Event]bool, found []*events.Event) {
	if *to == nil {
		*to = make(map[*events.Event]bool, len(found))
	}
	for _, e := range found {
		(*to)[e] = true
	}
}

func eventNames() []string {
	var names []string
	for _, e := range events.InSet(events.AllEvents) {
		names = append(names, e.Name)
	}
	return names
}

func setNames() []string {
	var names []string
	for _, s := range events.Sets() {
		names = append(names, string(s))
	}
	return names
}
