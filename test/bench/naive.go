package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/tracee-go/tracee/types/trace"
)

// helpersFile is the module that the rules import.
const helpersFile = "rules/helpers.rego"

// searching is how a helper finds an argument in an event that is nothing but its JSON; ours is given an object of them.
const searching = `package tracee.helpers

get_tracee_argument(name) = found {
	some i
	input.args[i].name == name
	found := input.args[i].value
}
`

// naive asks OPA as one would at first: a prepared query for each rule, about each event that the rule selects. The input is
// made of the event's JSON once for all rules.
type naive struct {
	rules map[string][]naiveRule // by the event that they select
	found int
}

// naiveRule is a rule that selects an event.
type naiveRule struct {
	query  rego.PreparedEvalQuery
	origin any // of the event; "*" or nil: any
}

func (r naiveRule) selects(e *trace.Event) bool {
	return r.origin == nil || r.origin == "*" || r.origin == e.Origin()
}

func newNaive(dir string) (*naive, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.rego"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no rules in %s (run from the root of the repository)", dir)
	}
	n := &naive{rules: map[string][]naiveRule{}}
	for _, file := range files {
		if err := n.load(file); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return n, nil
}

func (n *naive) load(file string) error {
	modules := map[string]*ast.Module{"searching": ast.MustParseModuleWithOpts(searching, ast.ParserOptions{RegoVersion: ast.RegoV0})}
	for _, path := range []string{file, helpersFile} {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if modules[path], err = ast.ParseModuleWithOpts(path, string(text), ast.ParserOptions{RegoVersion: ast.RegoV0}); err != nil {
			return err
		}
	}
	helpers := modules[helpersFile]
	helpers.Rules = slices.DeleteFunc(helpers.Rules, func(r *ast.Rule) bool { return r.Head.Name == "get_tracee_argument" })
	name := modules[file].Package.Path.String()
	compiler := ast.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		return compiler.Errors
	}
	ctx := context.Background()
	selected, err := rego.New(rego.Query(name+".tracee_selected_events[_]"), rego.Compiler(compiler)).Eval(ctx)
	if err != nil {
		return err
	}
	query, err := rego.New(rego.Query(name+".tracee_match"), rego.Compiler(compiler)).PrepareForEval(ctx)
	for _, one := range selected {
		selector, _ := one.Expressions[0].Value.(map[string]any)
		event := fmt.Sprint(selector["name"])
		n.rules[event] = append(n.rules[event], naiveRule{query, selector["origin"]})
	}
	return err
}

func (n *naive) show(e *trace.Event) {
	selected := n.rules[e.EventName]
	if !slices.ContainsFunc(selected, func(r naiveRule) bool { return r.selects(e) }) {
		return
	}
	as := e.ParseArguments
	e.ParseArguments = true
	text, err := json.Marshal(e)
	e.ParseArguments = as
	var input any
	if err != nil || json.Unmarshal(text, &input) != nil {
		return
	}
	for _, r := range selected {
		if !r.selects(e) {
			continue
		}
		results, err := r.query.Eval(context.Background(), rego.EvalInput(input))
		if err == nil && len(results) > 0 && results[0].Expressions[0].Value != false {
			n.found++
		}
	}
}
