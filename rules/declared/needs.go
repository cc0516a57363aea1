package declared

import (
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/detect"
)

var _ detect.Selective = (*Signature)(nil)

// Needs implements detect.Selective. An event that meets no step changes nothing: what is remembered is looked at for its age
// when something is added to it.
func (s *Signature) Needs() []detect.Need {
	var needs []detect.Need
	done := map[string]bool{}
	for _, selector := range s.selectors {
		e, ok := events.Lookup(selector.Name)
		if !ok || done[e.Name] {
			continue
		}
		done[e.Name] = true
		some := s.unless.needs(e)
		for _, step := range s.steps {
			some = some.Or(step.needs(e))
		}
		needs = append(needs, some.Need(e.Name)...)
	}
	return needs
}

// needs says which events of a kind the step may be met by.
func (s *step) needs(e *events.Event) filter.Alternatives {
	if s == nil || s.names != nil && !s.names[e.Name] {
		return filter.Nothing()
	}
	return s.when.Needs(e)
}
