// Package signatures holds the built-in signatures, one file for each family, with their test data under testdata.
//
// Start from All. A signature is a description (what it is called, what it means, which events it selects) and something
// that looks at an event: a fileRule, a commandRule, or a matcher of its own. declare adds it to the list. Signatures keep
// the ids, names and data of Tracee v0.8, and know the ids that later versions give to the same thing. What they remember
// is bounded, and what they had to forget early is counted (Forgotten).
//
// They see arguments in the form of parse-arguments, as the engine shows them. They look at what the kernel says of files
// and programs, and only where it says nothing at what a process says of itself. The package imports nothing of this
// module but types, and reads nothing from the system.
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

// The levels of the property "Severity".
const (
	info = iota
	low
	medium
	high
	critical
)

// technique is one of MITRE ATT&CK, version 19.
type technique struct {
	tactic string
	name   string
	id     string
	former string // the id before version 19, where it was another
}

// description says what a signature is and what it looks at. Exactly one of newMatcher, files and command is set; the
// last two say by themselves which events they need.
type description struct {
	id        string
	aliases   []string // the ids that later versions of Tracee give to the same thing
	name      string
	doc       string
	severity  int
	technique technique
	tags      []string
	response  string // what to do about a finding
	benign    string // what else causes it

	origin     string // of the events, "" for any
	events     []string
	needs      []detect.Need // of the events, see need
	newMatcher func(*surroundings) matcher
	files      *fileRule
	command    *commandRule
}

// matcher looks at events and owns the state of one signature. An event gives at most one finding.
type matcher interface {
	match(e *trace.Event) (data map[string]any, found bool)
}

// condition is a matcher without state and data: something that a single event meets or not.
type condition func(e *trace.Event) bool

func (c condition) match(e *trace.Event) (map[string]any, bool) { return nil, c(e) }

// stateless makes the newMatcher of a condition.
func stateless(c condition) func(*surroundings) matcher {
	return func(*surroundings) matcher { return c }
}

// observation is a matcher without state that has something to say about what it found.
type observation func(e *trace.Event) (map[string]any, bool)

func (o observation) match(e *trace.Event) (map[string]any, bool) { return o(e) }

// observing makes the newMatcher of an observation.
func observing(o observation) func(*surroundings) matcher {
	return func(*surroundings) matcher { return o }
}

var (
	all               []description
	linux             = []string{"linux"}
	containers        = []string{"container"}
	linuxAndContainer = []string{"linux", "container"}
)

// declare adds a built-in signature. It panics on a malformed one, so that a mistake never leaves the author's machine.
func declare(d description) struct{} {
	for _, id := range append([]string{d.id}, d.aliases...) {
		if _, taken := lookup(id); taken || id == "" {
			panic(fmt.Sprintf("signatures: the id %q is empty or declared twice", id))
		}
	}
	switch {
	case d.files != nil:
		d.events, d.newMatcher = d.files.events(), d.files.newMatcher
	case d.command != nil:
		d.events, d.newMatcher = lifecycle, d.command.newMatcher
	}
	if d.newMatcher == nil || len(d.events) == 0 {
		panic(fmt.Sprintf("signatures: %s looks at nothing", d.id))
	}
	all = append(all, d)
	return struct{}{}
}

func lookup(id string) (description, bool) {
	i := slices.IndexFunc(all, func(d description) bool { return d.id == id || slices.Contains(d.aliases, id) })
	if i < 0 {
		return description{}, false
	}
	return all[i], true
}

// sorted returns the descriptions in the order of their numbers.
func sorted() []description {
	return slices.SortedFunc(slices.Values(all), func(a, b description) int {
		return cmp.Or(cmp.Compare(idNumber(a.id), idNumber(b.id)), cmp.Compare(a.id, b.id))
	})
}

// All returns new instances of the built-in signatures, in the order of their numbers. Those of one call share what they
// know about processes and files, and are to be shown events by one goroutine.
func All() []detect.Signature {
	descriptions, around := sorted(), newSurroundings()
	list := make([]detect.Signature, len(descriptions))
	for i := range descriptions {
		list[i] = &signature{description: &descriptions[i], around: around}
	}
	return list
}

// idNumber orders signatures: by the number of those called TRC, and the others behind.
func idNumber(id string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "TRC-"))
	if err != nil {
		return 1 << 30
	}
	return n
}

// signature makes a detect.Signature of a description.
type signature struct {
	*description
	around  *surroundings
	handler detect.SignatureHandler
	matcher matcher
}

var _ detect.Bounded = (*signature)(nil)

func (s *signature) GetMetadata() (detect.SignatureMetadata, error) {
	return detect.SignatureMetadata{
		ID:          s.id,
		Version:     "0.1.0",
		Name:        s.name,
		Description: s.doc,
		Tags:        slices.Clone(s.tags),
		Properties:  s.properties(),
	}, nil
}

// firstOfOurs is the number from which on signatures are not v0.8's.
const firstOfOurs = 100

// properties are the two of v0.8; signatures that it did not have tell the number of their technique, too.
func (s *signature) properties() map[string]any {
	p := map[string]any{"Severity": s.severity, "MITRE ATT&CK": s.technique.tactic + ": " + s.technique.name}
	if idNumber(s.id) >= firstOfOurs {
		p["Technique"] = s.technique.id
		if s.technique.former != "" {
			p["Former technique"] = s.technique.former
		}
	}
	return p
}

// Aliases are the ids that later versions of Tracee give to what the signature recognises.
func (s *signature) Aliases() []string { return s.aliases }

func (s *signature) GetSelectedEvents() ([]detect.SignatureEventSelector, error) {
	selectors := make([]detect.SignatureEventSelector, len(s.events))
	for i, name := range s.events {
		selectors[i] = detect.SignatureEventSelector{Source: "tracee", Name: name, Origin: cmp.Or(s.origin, "*")}
	}
	return selectors, nil
}

func (s *signature) Init(handler detect.SignatureHandler) error {
	if handler == nil {
		return errors.New("no handler of findings")
	}
	s.handler, s.matcher = handler, s.newMatcher(s.around)
	return nil
}

func (s *signature) Close() {}

// Bounded implements detect.Bounded: nothing in this package can wait, or repeat something without end. The tests look for what
// could, and for what is remembered without bounds.
func (s *signature) Bounded() {}

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
