package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/settings"
	"github.com/tracee-go/tracee/policy"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/sink"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// policiesSection is the key of policies in a configuration.
const policiesSection = "policies"

// standardOutput is the output of that name; those of the others are destinations'.
const standardOutput = "stdout"

// policies are those in force. Without any, the zero value, everything that signatures find is shown, and no event.
type policies struct {
	set        *policy.Set // nil: there are none
	exceptions map[*policy.Policy][]*rules.Exception
	standard   []string // the names of those for standard output
	before     uint64   // findings that exceptions took out of policies that were in force before
}

// loadPolicies reads the policies of the files and of the configuration, which may name these signatures.
func (c *traceeCommand) loadPolicies(loaded []detect.Signature) (policies, error) {
	words, ids := c.words(loaded)
	all, problems := policy.Load(c.policyFiles, words)
	if section := c.file.Section(policiesSection); section != nil {
		more, wrong := policy.Section(c.file.Path, section, words)
		all, problems = append(all, more...), append(problems, wrong...)
	}
	problems = append(problems, policy.Distinct(all)...)
	p := policies{exceptions: map[*policy.Policy][]*rules.Exception{}}
	for _, one := range all {
		for i, name := range one.Signatures.IDs {
			one.Signatures.IDs[i] = cmp.Or(ids[name], name)
		}
		for _, warning := range one.Scope.Warnings() {
			c.log.Warn("scope of a policy", "policy", one.Name, "warning", warning)
		}
		var wrong settings.Problems
		p.exceptions[one], wrong = c.exceptionsOf(one)
		problems = append(problems, wrong...)
	}
	if err := problems.Sorted().OrNil(); err != nil || len(all) == 0 {
		return policies{}, err
	}
	var err error
	if p.set, err = policy.New(all, c.scope); err != nil {
		return policies{}, err
	}
	p.standard = p.of(standardOutput)
	return p, nil
}

// words are the names that policies can use, and the ids that names of signatures stand for.
func (c *traceeCommand) words(loaded []detect.Signature) (words policy.Words, ids map[string]string) {
	words = policy.Words{Severities: detect.Severities, Outputs: []string{standardOutput}}
	for _, level := range evidenceLevels {
		words.Evidence = append(words.Evidence, level.name)
	}
	for _, d := range c.destinations.list {
		words.Outputs = append(words.Outputs, d.Name)
	}
	ids = map[string]string{}
	for _, s := range loaded {
		for _, name := range append(otherIDs(s), idOf(s)) {
			words.Signatures = append(words.Signatures, name)
			ids[name] = idOf(s)
		}
	}
	return words, ids
}

// exceptionsOf reads the exceptions of a policy.
func (c *traceeCommand) exceptionsOf(p *policy.Policy) (list []*rules.Exception, problems settings.Problems) {
	if p.Exceptions == nil {
		return nil, nil
	}
	list, errs := rules.Exceptions(p.Path, p.Exceptions)
	for _, err := range errs {
		var wrong *rules.FileError
		switch {
		case errors.As(err, &wrong) && wrong.Kept:
			c.log.Warn("exception of a policy has a flaw", "policy", p.Name, "error", err)
		case wrong != nil:
			problems = append(problems, settings.Problem{Path: wrong.Path, Line: wrong.Line, Text: wrong.Text})
		default:
			problems = append(problems, settings.Problem{Path: p.Path, Line: p.Exceptions.Line, Text: err.Error()})
		}
	}
	return list, problems
}

// signatures keeps those that a policy has.
func (p *policies) signatures(loaded []detect.Signature) []detect.Signature {
	if p.set == nil {
		return loaded
	}
	return slices.DeleteFunc(slices.Clone(loaded), func(s detect.Signature) bool {
		m, err := s.GetMetadata()
		return err != nil || !p.set.Wants(m.Severity(), m.ID)
	})
}

// finding says which policies a finding matches; none: it is not to be shown.
func (p *policies) finding(f *detect.Finding) (matched []*policy.Policy, shown bool) {
	if p.set == nil {
		return nil, true
	}
	e, ok := f.Event.Payload.(*trace.Event)
	if !ok {
		return nil, false
	}
	matched = slices.DeleteFunc(p.set.Finding(e, f.SigMetadata.Severity(), f.SigMetadata.ID), func(one *policy.Policy) bool {
		return slices.ContainsFunc(p.exceptions[one], func(x *rules.Exception) bool { return x.TakesOut(*f) })
	})
	for _, one := range matched {
		f.Policies = append(f.Policies, one.Name)
	}
	return matched, len(matched) > 0
}

// excepted is how many findings exceptions of policies took out.
func (p *policies) excepted() (n uint64) {
	n = p.before
	for _, list := range p.exceptions {
		for _, x := range list {
			n += x.Used()
		}
	}
	return n
}

// of are the policies that an output takes; nil: it takes what matches none as well.
func (p *policies) of(output string) []string {
	if p.set == nil {
		return nil
	}
	names := []string{}
	for _, one := range p.set.Policies() {
		if len(one.Outputs) == 0 || slices.Contains(one.Outputs, output) {
			names = append(names, one.Name)
		}
	}
	return names
}

// evidence says whether a policy may want evidence.
func (p *policies) evidence() bool {
	return p.set != nil && slices.ContainsFunc(p.set.Policies(), func(one *policy.Policy) bool {
		return one.Evidence != "" && one.Evidence != noEvidence
	})
}

// evidenceLevels are those that policies have.
func (p *policies) evidenceLevels() (levels []string) {
	if p.set == nil {
		return nil
	}
	for _, one := range p.set.Policies() {
		levels = append(levels, one.Evidence)
	}
	return levels
}

// plan is what is to be traced.
type plan struct {
	events []*events.Event
	filter *filter.Filter
	flags  []string // of the filter
	needs  filter.Needs

	packets bool // of processes are remembered, should a finding ask for them
}

// detecting is an engine, or what it is to become.
type detecting interface {
	Signatures() []detect.SignatureMetadata
	SelectedEvents() []detect.SignatureEventSelector
	Needs() filter.Needs
}

// plan is what signatures, policies and destinations need together.
func (c *traceeCommand) plan(signatures detecting, destinations *sink.Set) (p plan, err error) {
	selection, unknown := selectedEvents(signatures)
	if len(unknown) > 0 {
		c.log.Warn("signatures select events that this version does not have", "events", strings.Join(unknown, ","))
	}
	p.needs = signatures.Needs()
	p.packets = c.remembers(signatures)
	if c.policies.set == nil {
		p.events, p.filter, p.flags = union(selection, destinations.Selection()), c.scope, c.traceFlags
		p.needs.Alone = !destinations.WantsEvents()
		return p, nil
	}
	p.events, p.needs.Alone = union(selection, c.policies.set.Events()), true
	c.policies.set.Needs(&p.needs)
	p.flags = slices.Concat(c.traceFlags, c.policies.set.KernelScope())
	if p.filter, err = filter.Parse(p.flags); err != nil {
		return p, fmt.Errorf("policies and --trace together: %w", err)
	}
	return p, nil
}
