package declared

import (
	"maps"
	"slices"

	"github.com/tracee-go/tracee/rules/expression"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// maxValue bounds a value that distinct remembers; longer ones are told apart by their beginning.
const maxValue = 256

// tally counts an event, and reports when there are enough. Then it counts from nothing again.
func (s *Signature) tally(event protocol.Event) error {
	e := event.Payload.(*trace.Event)
	s.memory.latest, s.memory.window = max(s.memory.latest, e.Timestamp), int(s.within)
	value := ""
	if s.kind == distinct {
		v, err := s.of.Value(&s.vars)
		if err != nil || v == nil {
			return err
		}
		value = expression.Text(v)
		value = value[:min(len(value), maxValue)]
	}
	key := s.entity(e)
	known := s.memory.of(key)
	if s.kind == distinct {
		s.addValue(known, value, e.Timestamp)
	} else {
		s.addTime(known, e.Timestamp)
	}
	s.vars.Count = len(known.times) + len(known.values)
	if s.vars.Count < s.atLeast {
		return nil
	}
	s.vars.Values = slices.Sorted(maps.Keys(known.values))
	s.memory.forget(key)
	return s.report(event)
}

// addTime keeps the times within the window. There are never more than atLeast.
func (s *Signature) addTime(known *state, at int) {
	old := len(known.times)
	for len(known.times) > 0 && at-known.times[0] > int(s.within) {
		known.times = known.times[1:]
	}
	known.times = append(known.times, at)
	s.memory.grow(known, (len(known.times)-old)*8)
}

func (s *Signature) addValue(known *state, value string, at int) {
	if known.values == nil {
		known.values = map[string]int{}
	}
	if _, ok := known.values[value]; !ok {
		for v, t := range known.values {
			if at-t > int(s.within) {
				delete(known.values, v)
				s.memory.grow(known, -len(v)-overhead)
			}
		}
		s.memory.grow(known, len(value)+overhead)
	}
	known.values[value] = at
}
