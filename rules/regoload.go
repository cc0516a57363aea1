package rules

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/tracee-go/tracee/rules/budget"
)

//go:embed helpers.rego
var helpersSource string

// regoLoader makes signatures from Rego files. Each is compiled on its own with the helpers, so that files can not
// disturb each other, whatever their packages are called.
type regoLoader struct {
	options Options
	builtin *ast.Module
	helpers map[string]*ast.Module
	ours    map[string]bool // the built-in helpers that no file replaces
	input   *regoInput
	loaded  []*regoSignature
}

func newRegoLoader(o Options) *regoLoader {
	l := &regoLoader{options: o, input: newRegoInput(), ours: make(map[string]bool)}
	l.builtin = ast.MustParseModuleWithOpts(helpersSource, ast.ParserOptions{RegoVersion: ast.RegoV0})
	l.helpers = map[string]*ast.Module{"(built-in helpers.rego)": l.builtin}
	return l
}

// regoHelpers loads what the signatures of a regoLoader import.
type regoHelpers struct{ of *regoLoader }

func (h regoHelpers) load(path string, _ *Set) []error {
	if err := h.of.addHelpers(h.of.builtin, path); err != nil {
		return []error{err}
	}
	return nil
}

func (h regoHelpers) finish(*Set) []error {
	for _, rule := range h.of.builtin.Rules {
		h.of.ours[rule.Head.Ref().String()] = true
	}
	return nil
}

func (l *regoLoader) load(path string, into *Set) []error {
	s, doubts, err := l.read(path)
	if err != nil {
		return []error{err}
	}
	into.Files[s] = Place{path, s.line}
	l.loaded = append(l.loaded, s)
	if !l.options.Aggregate {
		into.Signatures = append(into.Signatures, s)
	}
	return doubts
}

func (l *regoLoader) finish(into *Set) []error {
	if l.options.Aggregate && len(l.loaded) > 0 {
		into.Signatures = append(into.Signatures, aggregate(l.loaded))
	}
	return nil
}

// addHelpers adds a module of helpers. Where it defines what a built-in helper is called, it wins.
func (l *regoLoader) addHelpers(builtin *ast.Module, path string) error {
	module, err := parseRegoFile(path)
	if err != nil {
		return err
	}
	alone := map[string]*ast.Module{path: module.Copy()}
	if c := ast.NewCompiler(); module.Package.Equal(builtin.Package) {
		if c.Compile(alone); c.Failed() {
			return explainRego(path, c.Errors)
		}
		builtin.Rules = withoutRules(builtin.Rules, module.Rules)
	}
	l.helpers[path] = module
	return nil
}

// withoutRules returns the rules whose names none of the others has.
func withoutRules(rules, others []*ast.Rule) []*ast.Rule {
	taken := make(map[string]bool)
	for _, r := range others {
		taken[r.Head.Ref().String()] = true
	}
	var kept []*ast.Rule
	for _, r := range rules {
		if !taken[r.Head.Ref().String()] {
			kept = append(kept, r)
		}
	}
	return kept
}

func (l *regoLoader) read(path string) (s *regoSignature, doubts []error, err error) {
	module, err := parseRegoFile(path)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range []string{"__rego_metadoc__", "tracee_selected_events", "tracee_match"} {
		if !hasRule(module, name) {
			return nil, nil, &FileError{Path: path, Line: 1, Text: "rule " + name + " is missing"}
		}
	}
	compiler, err := l.compile(path, module)
	if err != nil {
		return nil, nil, err
	}
	s = &regoSignature{path: path, line: lineOf(module, "__rego_metadoc__"), input: l.input, waits: waits(compiler), budget: budget.Budget{Time: regoTime}}
	in := regoPackage{module.Package.Path.String(), path, compiler}
	if err := s.describe(in); err != nil {
		return nil, nil, err
	}
	if s.query, err = in.prepare("tracee_match", l.options.PartialEval); err != nil {
		return nil, nil, err
	}
	s.filter = newPrefilter(compiler.Modules[path], "tracee_match", l.ours)
	s.fields = fieldsOf(compiler)
	return s, s.doubts(compiler.Modules[path]), nil
}

func (l *regoLoader) compile(path string, module *ast.Module) (*ast.Compiler, error) {
	modules := map[string]*ast.Module{path: module}
	for name, helper := range l.helpers {
		modules[name] = helper.Copy() // the compiler rewrites its modules
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		return nil, explainRego(path, compiler.Errors)
	}
	return compiler, nil
}

// parseRegoFile reads the Rego of v0.8's time, or else that of OPA 1. When it is neither, the complaint is the one of the
// version that understood more of the file.
func parseRegoFile(path string) (*ast.Module, error) {
	text, err := readRules(path)
	if err != nil {
		return nil, err
	}
	module, err := ast.ParseModuleWithOpts(path, string(text), ast.ParserOptions{RegoVersion: ast.RegoV0})
	if err == nil && module != nil {
		return module, nil
	}
	module, err1 := ast.ParseModuleWithOpts(path, string(text), ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err1 == nil && module != nil {
		return module, nil
	}
	if err == nil || err1 == nil {
		return nil, fmt.Errorf("%s: the file is empty", path)
	}
	if firstRow(err1) > firstRow(err) {
		err = err1
	}
	return nil, explainRego(path, err)
}

func firstRow(err error) int {
	if e, ok := firstRegoError(err); ok && e.Location != nil {
		return e.Location.Row
	}
	return 0
}

func firstRegoError(err error) (*ast.Error, bool) {
	var list ast.Errors
	if errors.As(err, &list) && len(list) > 0 {
		return list[0], true
	}
	var one *ast.Error
	return one, errors.As(err, &one)
}

// explainRego turns OPA's errors into one line: where, what, and how many more there are.
func explainRego(path string, err error) error {
	e, ok := firstRegoError(err)
	if !ok {
		return fmt.Errorf("%s: %w", path, err)
	}
	more := ""
	var list ast.Errors
	if errors.As(err, &list) && len(list) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(list)-1)
	}
	if e.Location == nil || e.Location.Row == 0 {
		return fmt.Errorf("%s: %s%s", path, oneLine(e.Message), more)
	}
	return &FileError{Path: e.Location.File, Line: e.Location.Row, Text: oneLine(e.Message) + more}
}

// oneLine joins the lines of a message of OPA.
func oneLine(message string) string { return strings.Join(strings.Fields(message), " ") }

func hasRule(module *ast.Module, name string) bool {
	for _, r := range module.Rules {
		if head := r.Head.Ref(); len(head) > 0 && head[0].Value.Compare(ast.Var(name)) == 0 {
			return true
		}
	}
	return false
}

// regoPackage is the compiled package of a signature.
type regoPackage struct {
	name     string // data.tracee.TRC_2
	path     string
	compiler *ast.Compiler
}

func (p regoPackage) prepare(rule string, partial bool) (rego.PreparedEvalQuery, error) {
	var options []rego.PrepareOption
	if partial {
		options = append(options, rego.WithPartialEval())
	}
	query := rego.New(rego.Query(p.name+"."+rule), rego.Compiler(p.compiler))
	var prepared rego.PreparedEvalQuery
	err := p.within(func(ctx context.Context) (err error) {
		prepared, err = query.PrepareForEval(ctx, options...)
		return err
	})
	return prepared, err
}

// within does something with the rules while they are loaded, within the limits of an evaluation. No stream waits for that, so a
// machine that is busy does not cost a rule.
func (p regoPackage) within(do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), budget.Patience*regoTime)
	defer cancel()
	limit := budget.Budget{Time: regoTime, Patient: true}
	limit.Begin(cancel)
	err := do(ctx)
	if spent := limit.End(); err != nil && (spent != nil || ctx.Err() != nil) {
		return fmt.Errorf("%s: %w", p.path, cmp.Or(spent, budget.ErrSlow))
	}
	if err != nil {
		return explainRego(p.path, err)
	}
	return nil
}

// wrong says what is wrong with a rule of the package, by its line.
func (p regoPackage) wrong(rule, what string) error {
	return &FileError{Path: p.path, Line: lineOf(p.compiler.Modules[p.path], rule), Text: rule + what}
}

// value evaluates a rule that does not depend on an event.
func (p regoPackage) value(rule string) (any, error) {
	query, err := p.prepare(rule, false)
	if err != nil {
		return nil, err
	}
	var results rego.ResultSet
	if err := p.within(func(ctx context.Context) (err error) {
		results, err = query.Eval(ctx)
		return err
	}); err != nil {
		return nil, fmt.Errorf("%w (in %s)", err, rule)
	}
	if len(results) == 0 {
		return nil, p.wrong(rule, " is undefined")
	}
	return plainNumbers(results[0].Expressions[0].Value), nil
}
