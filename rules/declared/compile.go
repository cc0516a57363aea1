package declared

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/rules/expression"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// Load compiles the signatures of a document. Each error is a *Problem about one signature; the others are loaded.
func Load(d Document) ([]*Signature, []error) {
	var build func(*yaml.Node) (*Signature, error)
	switch {
	case d.Kind == KindSignatures && d.Version == versionOurs:
		build = buildOurs
	case d.Kind == KindCEL && d.Version == versionCEL:
		build = buildCEL
	case d.Kind == KindSignatures, d.Kind == KindCEL:
		want := map[string]string{KindSignatures: versionOurs, KindCEL: versionCEL}[d.Kind]
		return nil, []error{&Problem{Line: d.Line, Text: fmt.Sprintf(
			"unrecognized config apiVersion: expected %s got %s", want, d.Version)}}
	default:
		return nil, []error{&Problem{Line: d.Line, Text: fmt.Sprintf(
			"unrecognized config kind: expected %s got %s (or %s, for signatures that remember)", KindCEL, d.Kind, KindSignatures)}}
	}
	list, err := d.List("signatures")
	if err != nil {
		return nil, []error{err}
	}
	var loaded []*Signature
	var errs []error
	for _, node := range list {
		s, err := build(node)
		if err != nil {
			errs = append(errs, err)
		}
		if s != nil {
			loaded = append(loaded, s)
		}
	}
	return loaded, errs
}

// builder compiles one signature.
type builder struct {
	*Signature
	keeping map[string]*expression.Type // by the steps so far
	lenient bool
}

func problem(line int, format string, args ...any) error {
	return &Problem{Line: line, Text: fmt.Sprintf(format, args...)}
}

func buildOurs(node *yaml.Node) (*Signature, error) {
	var f fileSignature
	if err := Decode(node, &f); err != nil {
		return nil, err
	}
	if f.ID.value == "" {
		return nil, problem(node.Line, "id is missing")
	}
	b := builder{Signature: &Signature{line: node.Line, metadata: detect.SignatureMetadata{ID: f.ID.value}}, keeping: map[string]*expression.Type{}}
	for _, err := range []func() error{
		func() error { return b.describe(&f) },
		func() error { return b.conditions(&f, node.Line) },
		func() error { return b.scope(&f, node.Line) },
		func() error { return b.values(&f) },
	} {
		if err := err(); err != nil {
			return nil, b.about(err)
		}
	}
	return b.Signature, nil
}

func (b *builder) describe(f *fileSignature) error {
	b.metadata = detect.SignatureMetadata{
		ID: f.ID.value, Version: f.Version, Name: f.Name, Description: f.Description, Tags: f.Tags,
		Properties: maps.Clone(f.Properties),
	}
	if b.metadata.Name == "" {
		b.metadata.Name = f.ID.value
	}
	if b.metadata.Properties == nil {
		b.metadata.Properties = map[string]any{}
	}
	if f.Mitre != "" {
		b.metadata.Properties["MITRE ATT&CK"] = f.Mitre
	}
	if f.Severity == nil {
		return nil
	}
	level := detect.SeverityLevel(f.Severity.value)
	if n, err := strconv.Atoi(f.Severity.value); err == nil {
		level = n
	}
	if level < 0 || level >= len(detect.Severities) {
		return problem(f.Severity.line, "severity %s: want 0 to 4, or %s", f.Severity.value, strings.Join(detect.Severities, ", "))
	}
	b.metadata.Properties["Severity"] = level
	return nil
}

func (b *builder) conditions(f *fileSignature, line int) error {
	var given []string
	var steps []fileStep
	for _, form := range []struct {
		name string
		kind kind
		step *fileStep
	}{{"match", single, f.Match}, {"count", count, f.Count}, {"distinct", distinct, f.Distinct}} {
		if form.step != nil {
			given, steps, b.kind = append(given, form.name), []fileStep{*form.step}, form.kind
		}
	}
	if f.Sequence != nil {
		given, steps, b.kind = append(given, "sequence"), f.Sequence, sequence
	}
	if len(given) != 1 {
		return problem(line, "want one of match, sequence, count and distinct, got %d", len(given))
	}
	if b.kind == sequence && len(steps) < 2 {
		return problem(line, "a sequence has at least two steps")
	}
	origins, err := readOrigins(f.Origin)
	if err != nil {
		return err
	}
	for i := range steps {
		if err := b.step(&steps[i], line, origins); err != nil {
			return err
		}
	}
	if err := b.amount(&steps[0], line); err != nil {
		return err
	}
	if f.Unless == nil {
		return nil
	}
	if b.kind == single {
		return problem(line, "unless needs something to forget: a sequence, count or distinct")
	}
	last := len(b.steps)
	if err := b.step(f.Unless, line, origins); err != nil {
		return err
	}
	b.unless, b.steps = b.steps[last], b.steps[:last]
	return nil
}

// amount reads of and atLeast.
func (b *builder) amount(f *fileStep, line int) error {
	b.atLeast = f.AtLeast
	counts := b.kind == count || b.kind == distinct
	if counts && (f.AtLeast < 2 || f.AtLeast > maxAtLeast) {
		return problem(line, "atLeast: want 2 to %d, got %d", maxAtLeast, f.AtLeast)
	}
	if !counts && f.AtLeast != 0 {
		return problem(line, "atLeast is for count and distinct")
	}
	if (b.kind == distinct) != (f.Of != nil) {
		return problem(line, "of says which values distinct counts: distinct needs it, and nothing else has it")
	}
	if f.Of == nil {
		return nil
	}
	of, err := b.compile(f.Of, b.steps[0].scope(nil))
	b.of = of
	return err
}

func readOrigins(list texts) ([]string, error) {
	known := []string{trace.OriginContainer, trace.OriginContainerInit, trace.OriginHost}
	var origins []string
	for _, t := range list {
		if t.value == "*" {
			return []string{"*"}, nil
		}
		if !slices.Contains(known, t.value) {
			return nil, problem(t.line, "unknown origin %q (want %s)", t.value, strings.Join(known, ", "))
		}
		origins = append(origins, t.value)
	}
	if len(origins) == 0 {
		return []string{"*"}, nil
	}
	return origins, nil
}

// step adds a step.
func (b *builder) step(f *fileStep, line int, origins []string) error {
	s := &step{names: map[string]bool{}}
	if len(f.Event) == 0 {
		return problem(line, "a condition lacks its event")
	}
	for _, name := range f.Event {
		if _, err := lookupEvent(name.value); err != nil {
			return problem(name.line, "%v", err)
		}
		s.names[name.value] = true
		for _, origin := range origins {
			b.selectors = append(b.selectors, detect.SignatureEventSelector{Source: "tracee", Name: name.value, Origin: origin})
		}
	}
	var err error
	if f.When != nil {
		if s.when, err = b.condition(f.When, s.scope(b.keeping)); err != nil {
			return err
		}
		if p := s.neverMet(f.When.line); p != nil {
			return p
		}
	}
	for _, k := range f.Keep {
		value, err := b.compile(&k.value, s.scope(b.keeping))
		if err != nil {
			return err
		}
		s.keep = append(s.keep, named{k.name.value, value})
	}
	for _, k := range s.keep {
		b.keeping[k.name] = k.value.Type()
	}
	b.steps = append(b.steps, s)
	return nil
}

func lookupEvent(name string) (*trace.Schema, error) {
	if e, ok := events.Lookup(name); ok {
		return e.Schema(), nil
	}
	var names []string
	for _, e := range events.All() {
		names = append(names, e.Name)
	}
	return nil, fmt.Errorf("unknown event %q%s", name, suggest.DidYouMean(name, names))
}

// neverMet finds conditions on names of events that the step does not see.
func (s *step) neverMet(line int) error {
	names := s.when.EventNames()
	if len(names) == 0 || s.names == nil || slices.ContainsFunc(names, func(n string) bool { return s.names[n] }) {
		return nil
	}
	return problem(line, "can never match: it asks for input.eventName %s, and sees only %s",
		strings.Join(names, ", "), strings.Join(slices.Sorted(maps.Keys(s.names)), ", "))
}

func (s *step) scope(kept map[string]*expression.Type) *expression.Scope {
	scope := &expression.Scope{Kept: maps.Clone(kept)}
	for _, name := range slices.Sorted(maps.Keys(s.names)) {
		if schema, err := lookupEvent(name); err == nil {
			scope.Schemas = append(scope.Schemas, schema)
		}
	}
	return scope
}

func (b *builder) compile(t *text, scope *expression.Scope) (*expression.Program, error) {
	p, err := expression.Compile(t.value, scope)
	return b.beyondDoubt(t, p, err)
}

func (b *builder) condition(t *text, scope *expression.Scope) (*expression.Program, error) {
	p, err := expression.CompileCondition(t.value, scope)
	return b.beyondDoubt(t, p, err)
}

// beyondDoubt refuses in our signatures what those of v0.8.3 may have.
func (b *builder) beyondDoubt(t *text, p *expression.Program, err error) (*expression.Program, error) {
	if err == nil && p.Doubt() != nil && !b.lenient {
		return nil, at(t, p.Doubt())
	}
	return p, at(t, err)
}

// at gives the problem of an expression its place in the file.
func at(t *text, err error) error {
	var p *expression.Problem
	if errors.As(err, &p) {
		return problem(t.line+p.Line-1, "%s", p.Text)
	}
	return err
}

func (b *builder) scope(f *fileSignature, line int) error {
	if b.kind == single {
		if f.Per != nil || f.Within != nil {
			return problem(line, "per and within are for signatures that remember: sequence, count and distinct")
		}
		return nil
	}
	if f.Per == nil || f.Within == nil {
		return problem(line, "want per (process, tree, container or host) and within (such as 60s)")
	}
	per, ok := scopes[f.Per.value]
	if !ok {
		names := slices.Sorted(maps.Keys(scopes))
		return problem(f.Per.line, "per %s: want %s%s", f.Per.value, strings.Join(names, ", "), suggest.DidYouMean(f.Per.value, names))
	}
	within, err := time.ParseDuration(f.Within.value)
	if err != nil || within <= 0 || within > 24*time.Hour {
		return problem(f.Within.line, "within %s: want a duration up to 24h, such as 60s", f.Within.value)
	}
	b.per, b.within = per, within
	return nil
}

// values compiles the data of findings. They see the last event.
func (b *builder) values(f *fileSignature) error {
	for _, d := range f.Data {
		value, err := b.compile(&d.value, b.steps[len(b.steps)-1].scope(b.keeping))
		if err != nil {
			return err
		}
		b.data = append(b.data, named{d.name.value, value})
	}
	return nil
}

// buildCEL makes a signature of v0.8.3. Names of events that do not exist here are told, and loaded: what v0.8.3 took,
// is taken.
func buildCEL(node *yaml.Node) (*Signature, error) {
	var f celSignature
	if err := Decode(node, &f); err != nil {
		return nil, err
	}
	m := f.Metadata
	if m.ID.value == "" {
		return nil, problem(node.Line, "failed decoding CEL signature config YAML: id is missing")
	}
	b := builder{lenient: true, Signature: &Signature{line: node.Line, metadata: detect.SignatureMetadata{
		ID: m.ID.value, Version: m.Version, Name: m.Name, Description: m.Description, Tags: m.Tags, Properties: m.Properties,
	}}}
	scope, named, warning := b.selectAll(&f)
	when, err := b.condition(&f.Expression, scope)
	if err != nil {
		var p *Problem
		if errors.As(err, &p) {
			p.Text = "failed compiling signature expression: " + p.Text
		}
		return nil, b.about(err)
	}
	s := &step{when: when, names: named}
	b.steps = []*step{s}
	if warning == nil && when.Doubt() != nil {
		warning = at(&f.Expression, when.Doubt())
	}
	if warning == nil {
		warning = s.neverMet(f.Expression.line)
	}
	var p *Problem
	if errors.As(warning, &p) {
		p.Kept = true
	}
	return b.Signature, b.about(warning)
}

// about says which signature a problem is about.
func (b *builder) about(err error) error {
	var p *Problem
	if errors.As(err, &p) {
		p.Text = "signature " + b.metadata.ID + ": " + p.Text
	}
	return err
}

// selectAll reads the selectors. Names are nil when they select every event.
func (b *builder) selectAll(f *celSignature) (scope *expression.Scope, names map[string]bool, warning error) {
	scope, names = &expression.Scope{}, map[string]bool{}
	everything := false
	for _, s := range f.EventSelectors {
		b.selectors = append(b.selectors, detect.SignatureEventSelector{
			Source: s.Source.value, Name: s.Name.value, Origin: s.Origin.value,
		})
		if s.Name.value == "" || s.Name.value == "*" {
			everything = true
			continue
		}
		names[s.Name.value] = true
		if schema, err := lookupEvent(s.Name.value); err != nil {
			warning = problem(s.Name.line, "%v", err)
		} else {
			scope.Schemas = append(scope.Schemas, schema)
		}
	}
	if everything {
		return &expression.Scope{}, nil, warning
	}
	return scope, names, warning
}
