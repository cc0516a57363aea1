package tracer

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/link"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
)

// withProcesses adds to the selection what filters on processes need.
func withProcesses(f *filter.Filter, selected []*events.Event) []*events.Event {
	if f.NeedsProcesses() {
		return append(selected, events.ProcessScope)
	}
	return selected
}

// needs adds, to what others need, the events that the tracer and package derive look at.
func (t *Tracer) needs() filter.Needs {
	needs := t.config.Needs.Clone()
	for _, e := range t.config.Events {
		for _, source := range e.Sources() {
			needs.Whole(source)
		}
	}
	for _, e := range t.forScans {
		needs.Whole(e)
	}
	return needs
}

// noteRounds bounds the visits to all tasks: a chain of processes each of which is younger than its parent, but has a
// smaller number, needs one for each.
const noteRounds = 64

// trackProcesses begins to keep the books on processes, before what is to be filtered by them is attached, and then takes
// down what is there: again and again, until that tells nothing new.
func (t *Tracer) trackProcesses(l *loader) error {
	if !slices.Contains(t.config.Events, events.ProcessScope) {
		return nil
	}
	for _, hook := range events.ProcessScope.Hooks {
		if err := t.attachHook(l, hook); err != nil {
			return fmt.Errorf("processes can not be told apart: %w", err)
		}
	}
	for _, each := range t.links {
		if iterator, ok := each.Link.(*link.Iter); ok && each.program == "scope_existing" {
			return t.noteExisting(iterator)
		}
	}
	return errors.New("processes can not be told apart: the iterator of tasks is not attached")
}

// noteExisting has visited all tasks once when it was attached.
func (t *Tracer) noteExisting(iterator *link.Iter) error {
	var before, noted uint32
	for range noteRounds {
		if err := t.variables["processes_noted"].Get(&noted); err != nil {
			return fmt.Errorf("processes can not be told apart: %w", err)
		}
		if noted == before {
			return nil
		}
		before = noted
		if err := iterate(iterator); err != nil {
			return fmt.Errorf("processes can not be told apart: %w", err)
		}
	}
	t.log.Warn("tree: not all processes that were there before may have been found", "visits", noteRounds)
	return nil
}
