// Package declared holds the signatures that are written in YAML: those of our own, which can remember, and the CEL
// signatures of Tracee v0.8.3.
//
// Start from Load. What is wrong with a signature is told by line, and leaves the other signatures of its file alone. A
// Signature compiles its expressions once. What it remembers is bounded in entities and in
// bytes; what it gave up before its time is counted. Times are those of the events, so a recorded stream gives the same
// findings each time.
package declared

import (
	"fmt"
	"sync/atomic"
	"time"

	"cel.dev/cel-go/common/types/ref"

	"github.com/tracee-go/tracee/rules/expression"
	"github.com/tracee-go/tracee/rules/lineage"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// Problem is what is wrong with a file of signatures.
type Problem struct {
	Line int
	Text string
	Kept bool // the signature is loaded all the same
}

func (p *Problem) Error() string { return p.Text }

// Signature is a compiled signature.
type Signature struct {
	metadata  detect.SignatureMetadata
	line      int
	selectors []detect.SignatureEventSelector

	steps  []*step // one, or those of a sequence
	unless *step
	data   []named

	kind    kind
	of      *expression.Program // the value that distinct counts
	atLeast int
	per     scope
	within  time.Duration

	handler   detect.SignatureHandler
	lineage   *lineage.Table
	alone     bool // nobody else lets the table learn
	vars      expression.Vars
	memory    *memory
	forgotten atomic.Uint64
}

// kind says what a signature does with the events that meet its condition.
type kind uint8

const (
	single   kind = iota // each of them is a finding
	sequence             // several, one after the other
	count                // many
	distinct             // many that differ
)

// step is a condition on events of some names.
type step struct {
	names map[string]bool // nil: all
	when  *expression.Program
	keep  []named
}

// named is an expression whose value has a name.
type named struct {
	name  string
	value *expression.Program
}

var _ detect.Signature = (*Signature)(nil)

// Bounded implements detect.Bounded: expressions are evaluated within limits.
func (s *Signature) Bounded() {}

// Line is where the signature begins in its file.
func (s *Signature) Line() int { return s.line }

// GetMetadata implements detect.Signature.
func (s *Signature) GetMetadata() (detect.SignatureMetadata, error) { return s.metadata, nil }

// GetSelectedEvents implements detect.Signature.
func (s *Signature) GetSelectedEvents() ([]detect.SignatureEventSelector, error) {
	return s.selectors, nil
}

// Init implements detect.Signature.
func (s *Signature) Init(handler detect.SignatureHandler) error {
	s.handler = handler
	s.memory = newMemory(&s.forgotten)
	if s.lineage == nil || s.alone {
		s.UseLineage(lineage.New())
		s.alone = true
	}
	return nil
}

// UseLineage gives the signature the processes that it asks about. Whoever does so lets the table learn.
func (s *Signature) UseLineage(t *lineage.Table) { s.lineage, s.vars.Lineage = t, t }

// Forgotten counts what was forgotten before its time. It may be called from any goroutine.
func (s *Signature) Forgotten() uint64 { return s.forgotten.Load() }

// Close implements detect.Signature.
func (s *Signature) Close() { s.memory = newMemory(&s.forgotten) }

// OnSignal implements detect.Signature.
func (s *Signature) OnSignal(detect.Signal) error { return nil }

// OnEvent implements detect.Signature.
func (s *Signature) OnEvent(event protocol.Event) error {
	e, ok := event.Payload.(*trace.Event)
	if !ok {
		return fmt.Errorf("unsupported event: %T", event.Payload)
	}
	if s.alone {
		s.lineage.Learn(e)
	}
	s.vars.Event, s.vars.Kept, s.vars.Count, s.vars.Values = e, nil, 0, nil
	if s.kind == sequence {
		return s.advance(event)
	}
	if s.unless != nil && s.memory.order.Len() > 0 {
		if met, err := s.unless.met(&s.vars); err != nil || met {
			s.memory.forget(s.entity(e))
			return err
		}
	}
	met, err := s.steps[0].met(&s.vars)
	if err != nil || !met {
		return err
	}
	if s.kind == single {
		return s.report(event)
	}
	return s.tally(event)
}

// met reports whether an event is one that the step waits for.
func (s *step) met(vars *expression.Vars) (bool, error) {
	if s.names != nil && !s.names[vars.Event.EventName] {
		return false, nil
	}
	if s.when == nil {
		return true, nil
	}
	return s.when.Met(vars)
}

// report hands a finding to the handler.
func (s *Signature) report(event protocol.Event) error {
	var data map[string]any
	var failed error
	if len(s.data) > 0 {
		data = make(map[string]any, len(s.data))
	}
	for _, d := range s.data {
		value, err := d.value.Value(&s.vars)
		if err != nil {
			failed = fmt.Errorf("data %s: %w", d.name, err)
		}
		if value != nil {
			data[d.name] = expression.Plain(value)
		}
	}
	s.handler(detect.Finding{Data: data, Event: event, SigMetadata: s.metadata})
	return failed
}

// kept evaluates what a step keeps, on top of what was kept before.
func (s *Signature) kept(keep []named, before map[string]ref.Val) (map[string]ref.Val, error) {
	if len(keep) == 0 {
		return before, nil
	}
	all := make(map[string]ref.Val, len(before)+len(keep))
	for name, value := range before {
		all[name] = value
	}
	for _, k := range keep {
		value, err := k.value.Value(&s.vars)
		if err != nil {
			return nil, fmt.Errorf("keep %s: %w", k.name, err)
		}
		if value != nil {
			all[k.name] = expression.Own(value)
		}
	}
	return all, nil
}
