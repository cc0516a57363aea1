// Package policy says for which tasks which events and findings are wanted, several policies at once.
//
// Start from Load and New. A Policy has a scope, and rules that select events by name and filters, and signatures by id or
// severity. An event matches a policy when it is in the scope and one of the rules selects it; a finding matches when the
// event that it is about is in the scope and the policy has its signature. What matches no policy is not shown. A Set is
// the union of several; Match and Finding tell which they are. What the kernel side may leave out is said by Set.Needs and
// Set.KernelScope: Match looks at everything, so that it does not matter how much that is. docs/guide/policies.md is the
// meaning for users, and an oracle in the tests evaluates policies from their text.
//
// A Set does not change. Match belongs to one goroutine, and does not allocate for what it has seen before.
package policy

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/settings"
	"github.com/tracee-go/tracee/types/trace"
)

// Most is how many policies there may be at once.
const Most = 256

// Policy is one policy.
type Policy struct {
	Name        string
	Description string
	Path        string // where it is from
	Line        int

	Scope      *filter.Scope
	Rules      []*filter.Selector
	Signatures Signatures
	Exceptions *yaml.Node // a list as in files of exceptions; nil: none
	Outputs    []string   // by name; none: all
	Evidence   string     // as --evidence; empty: what that says
}

func (p *Policy) problem(text string) settings.Problems {
	return settings.Problems{{Path: p.Path, Line: p.Line, Text: "policy " + p.Name + ": " + text}}
}

// Signatures are those that a policy has.
type Signatures struct {
	All        bool
	IDs        []string
	Severities []string
}

// Any says that there may be one.
func (s *Signatures) Any() bool { return s.All || len(s.IDs) > 0 || len(s.Severities) > 0 }

// Has says whether a signature is one of them.
func (s *Signatures) Has(severity, id string) bool {
	return s.All || slices.Contains(s.Severities, severity) || slices.Contains(s.IDs, id)
}

// Set is policies that hold together.
type Set struct {
	policies []*Policy
	byEvent  map[int][]selection // by event id
	kernel   []string            // what the kernel side is told of the scope of all
	decided  bool                // by the kernel side: all of the scope
	names    map[string][]string // lists of names by the bits of policies, see matched
	bits     []byte
	existed  func(*trace.Event) bool
}

// selection is what one policy says of one event.
type selection struct {
	policy    int
	selectors []*filter.Selector
}

// New makes a set. global are the flags that hold for all.
func New(policies []*Policy, global *filter.Filter) (*Set, error) {
	if len(policies) > Most {
		return nil, fmt.Errorf("%d policies: at most %d hold at once", len(policies), Most)
	}
	s := &Set{
		policies: policies, byEvent: map[int][]selection{}, names: map[string][]string{},
		bits: make([]byte, (len(policies)+7)/8),
	}
	for i, p := range policies {
		for _, r := range p.Rules {
			all := s.byEvent[r.Event.ID]
			if n := len(all); n > 0 && all[n-1].policy == i {
				all[n-1].selectors = append(all[n-1].selectors, r)
			} else {
				s.byEvent[r.Event.ID] = append(all, selection{i, []*filter.Selector{r}})
			}
		}
	}
	return s, s.divide(global)
}

// divide decides where the scope is decided: in the kernel if it is the same for all, no signature has to see more, and
// no flag is about the same thing, or if only the kernel side can.
func (s *Set) divide(global *filter.Filter) error {
	if len(s.policies) == 0 {
		return nil
	}
	first := s.policies[0]
	same, must, signatures := true, "", false
	var who *Policy
	for _, p := range s.policies {
		same = same && slices.Equal(p.Scope.Flags(), first.Scope.Flags())
		signatures = signatures || p.Signatures.Any()
		if only := p.Scope.KernelOnly(); only != "" && must == "" {
			must, who = only, p
		}
	}
	disjoint := global == nil || global.Disjoint(first.Scope)
	switch {
	case same && disjoint && (must != "" || !signatures):
		s.kernel, s.decided = first.Scope.Flags(), true
	case must != "" && !same:
		return who.problem("scope " + must + " can be decided in the kernel only, where all policies must have the same scope")
	case must != "":
		return who.problem("scope " + must + " can be decided in the kernel only, where --trace is about the same things")
	}
	return nil
}

// AskContainers says who knows whether the container of an event was there when tracing began.
func (s *Set) AskContainers(existed func(*trace.Event) bool) { s.existed = existed }

// KernelScope are the values of --trace that the kernel side may be told.
func (s *Set) KernelScope() []string { return s.kernel }

// Policies returns those of the set.
func (s *Set) Policies() []*Policy { return s.policies }

// Events are those that rules select, in the order of the catalogue.
func (s *Set) Events() []*events.Event {
	var selected []*events.Event
	for _, e := range events.All() {
		if len(s.byEvent[e.ID]) > 0 {
			selected = append(selected, e)
		}
	}
	return selected
}

// Needs adds what rules ask of arguments, for an event one of them, to what others need of their events.
func (s *Set) Needs(needs *filter.Needs) {
	for _, e := range s.Events() {
		for _, each := range s.byEvent[e.ID] {
			for _, r := range each.selectors {
				needs.Add(e, r.Conditions())
			}
		}
	}
}

// Match returns the names of the policies that an event matches, in their order; nil: none. The list is shared.
// Without a set, there are none.
func (s *Set) Match(e *trace.Event) []string {
	if s == nil {
		return nil
	}
	selections := s.byEvent[e.EventID]
	if len(selections) == 0 {
		return nil
	}
	clear(s.bits)
	for i := range selections {
		each := &selections[i]
		if s.admits(each.policy, e) && matchesAny(each.selectors, e) {
			s.bits[each.policy/8] |= 1 << (each.policy % 8)
		}
	}
	return s.matched()
}

func matchesAny(selectors []*filter.Selector, e *trace.Event) bool {
	for _, r := range selectors {
		if r.Match(e) {
			return true
		}
	}
	return false
}

func (s *Set) admits(policy int, e *trace.Event) bool {
	return s.decided || s.policies[policy].Scope.Admits(e, s.existed != nil && s.existed(e))
}

// Finding returns the policies that a finding of a signature about an event matches.
func (s *Set) Finding(e *trace.Event, severity, signature string) (matched []*Policy) {
	for i, p := range s.policies {
		if p.Signatures.Has(severity, signature) && s.admits(i, e) {
			matched = append(matched, p)
		}
	}
	return matched
}

// namesKept bounds the lists of names that are kept.
const namesKept = 1 << 12

// matched turns bits into names.
func (s *Set) matched() []string {
	if names, ok := s.names[string(s.bits)]; ok {
		return names
	}
	var names []string
	for i, p := range s.policies {
		if s.bits[i/8]&(1<<(i%8)) != 0 {
			names = append(names, p.Name)
		}
	}
	if len(s.names) >= namesKept {
		clear(s.names)
	}
	s.names[string(s.bits)] = names
	return names
}

// Wants says whether one of the policies has the signature.
func (s *Set) Wants(severity, signature string) bool {
	return slices.ContainsFunc(s.policies, func(p *Policy) bool { return p.Signatures.Has(severity, signature) })
}
