// Package signatures holds the built-in signatures, one file each, with its test data under testdata.
//
// Start from All. A signature is a description (what it is called and which events it selects) and a function that looks
// at an event; declare adds it to the list. Signatures keep the ids, names and data of Tracee v0.8. What they remember is
// bounded, and what they had to forget early is counted (Forgotten).
//
// They see arguments in the form of parse-arguments, as the engine shows them. The package imports nothing of this
// module but types.
package signatures

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// description says what a signature is and what it looks at.
type description struct {
	id         string
	name       string
	doc        string
	severity   int
	technique  string // of MITRE ATT&CK, after its tactic
	tags       []string
	events     []string
	newMatcher func() matcher
}

// matcher looks at events and owns the state of one signature. An event gives at most one finding.
type matcher interface {
	match(e *trace.Event) (data map[string]any, found bool)
}

// condition is a matcher without state and data: something that a single event meets or not.
type condition func(e *trace.Event) bool

func (c condition) match(e *trace.Event) (map[string]any, bool) { return nil, c(e) }

// stateless makes the newMatcher of a condition.
func stateless(c condition) func() matcher {
	return func() matcher { return c }
}

var (
	all               []description
	linuxAndContainer = []string{"linux", "container"}
)

// declare adds a built-in signature. It panics on a malformed one, so that a mistake never leaves the author's machine.
func declare(d description) struct{} {
	taken := slices.ContainsFunc(all, func(other description) bool { return other.id == d.id })
	if d.id == "" || taken || d.newMatcher == nil {
		panic(fmt.Sprintf("signatures: %q has no id or matcher, or is declared twice", d.id))
	}
	all = append(all, d)
	return struct{}{}
}

// All returns new instances of the built-in signatures, in the order of their numbers.
func All() []detect.Signature {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b description) int {
		return cmp.Compare(idNumber(a.id), idNumber(b.id))
	})
	list := make([]detect.Signature, len(sorted))
	for i := range sorted {
		list[i] = &signature{description: &sorted[i]}
	}
	return list
}

func idNumber(id string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(id, "TRC-"))
	return n
}

// signature makes a detect.Signature of a description.
type signature struct {
	*description
	handler detect.SignatureHandler
	matcher matcher
}

var _ detect.Signature = (*signature)(nil)

func (s *signature) GetMetadata() (detect.SignatureMetadata, error) {
	return detect.SignatureMetadata{
		ID:          s.id,
		Version:     "0.1.0",
		Name:        s.name,
		Description: s.doc,
		Tags:        slices.Clone(s.tags),
		Properties:  map[string]any{"Severity": s.severity, "MITRE ATT&CK": s.technique},
	}, nil
}

func (s *signature) GetSelectedEvents() ([]detect.SignatureEventSelector, error) {
	selectors := make([]detect.SignatureEventSelector, len(s.events))
	for i, name := range s.events {
		selectors[i] = detect.SignatureEventSelector{Source: "tracee", Name: name, Origin: "*"}
	}
	return selectors, nil
}

func (s *signature) Init(handler detect.SignatureHandler) error {
	if handler == nil {
		return errors.New("no handler of findings")
	}
	s.handler, s.matcher = handler, s.newMatcher()
	return nil
}

func (s *signature) Close() {}

func (s *signature) OnSignal(detect.Signal) error { return nil }

func (s *signature) OnEvent(event protocol.Event) error {
	e, ok := event.Payload.(*trace.Event)
	if !ok {
		return fmt.Errorf("unsupported event: %T", event.Payload)
	}
	if data, found := s.matcher.match(e); found {
		metadata, _ := s.GetMetadata()
		s.handler(detect.Finding{Data: data, Event: event, SigMetadata: metadata})
	}
	return nil
}

// Forgotten counts what the signature had to forget because its memory is bounded. It may be called from any goroutine
// once the signature is initialised.
func (s *signature) Forgotten() uint64 {
	if m, ok := s.matcher.(interface{ forgotten() uint64 }); ok {
		return m.forgotten()
	}
	return 0
}

// text returns an argument as a string, empty when the event does not have it.
func text(e *trace.Event, name string) string {
	a, ok := e.Lookup(name)
	if !ok {
		return ""
	}
	return a.Text()
}

// whole returns an argument that is a whole number.
func whole(e *trace.Event, name string) (int, bool) {
	a, ok := e.Lookup(name)
	if !ok || !a.Type().Kind.InSlot() {
		return 0, false
	}
	return int(a.Int()), true
}

// opensForWriting reports whether flags in the form of parse-arguments ask for writing.
func opensForWriting(flags string) bool {
	return strings.Contains(flags, "O_WRONLY") || strings.Contains(flags, "O_RDWR")
}
