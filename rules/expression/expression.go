// Package expression compiles and evaluates the expressions of rule files: CEL over one event.
//
// Start from Compile, which checks an expression against a Scope (which events it will see, what was kept of earlier
// ones) and returns a Program. Evaluation never panics on what an event holds and is bounded in time. What is plain to
// see in a condition, comparisons of texts and numbers with constants, is extracted (see plain.go): most events are
// refuted without CEL, and a condition that consists of nothing else never needs it.
//
// An argument that the event does not have makes a condition that needs it false. Programs are used by one goroutine.
package expression

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/tracee-go/tracee/rules/budget"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// TimeLimit is how long one evaluation may take.
const TimeLimit = time.Second

const (
	maxRegex      = 2000 // instructions of a compiled regular expression
	maxNodes      = 5000 // of an expression
	interruptions = 256  // iterations between two looks at the clock
)

// Scope says what an expression can mention besides the context of the event.
type Scope struct {
	Schemas []*trace.Schema      // of the events that it will see; their arguments are args.<name>
	Kept    map[string]*cel.Type // by earlier expressions: kept.<name>
}

// Program is a compiled expression. The zero value is no program.
type Program struct {
	program cel.Program
	loops   bool // it has to be watched
	budget  *budget.Budget
	plain   plain
	typ     *cel.Type
	tree    *celast.AST
	doubt   *Problem
}

// Doubt is what is strange of the expression and no mistake in its language: an argument asked for by v0.8.3's functions
// that no event of the scope has. It may be nil.
func (p *Program) Doubt() *Problem { return p.doubt }

// Vars are what a program is evaluated on. They are reused from event to event.
type Vars struct {
	Event   *trace.Event
	Kept    map[string]ref.Val
	Count   int
	Values  []string
	Lineage Lineage // nil: nobody's ancestors are known
}

// Lineage knows the process of an event and its ancestors.
type Lineage interface {
	Of(e *trace.Event) []detect.Process
}

// Types of values, for Scope.Kept.
type Type = cel.Type

// Problem is what is wrong with an expression, and where in its text.
type Problem struct {
	Line int // counted from 1
	Text string
}

func (p *Problem) Error() string { return p.Text }

// environments are made once for each set of events: making one costs more than compiling an expression.
var environments = struct {
	mu sync.Mutex
	of map[string]*cel.Env
}{of: map[string]*cel.Env{}}

// maxEnvironments bounds the cache, which rules with many combinations of events would fill.
const maxEnvironments = 512

func environment(s *Scope) (*cel.Env, error) {
	if len(s.Kept) > 0 {
		return newEnvironment(s)
	}
	names := make([]string, len(s.Schemas))
	for i, schema := range s.Schemas {
		names[i] = schema.Name
	}
	key := strings.Join(names, ",")
	environments.mu.Lock()
	defer environments.mu.Unlock()
	if env, ok := environments.of[key]; ok {
		return env, nil
	}
	env, err := newEnvironment(s)
	if err == nil && len(environments.of) < maxEnvironments {
		environments.of[key] = env
	}
	return env, err
}

func newEnvironment(s *Scope) (*cel.Env, error) {
	p, err := newProvider(s)
	if err != nil {
		return nil, err
	}
	options := []cel.EnvOption{
		cel.CustomTypeProvider(p), cel.CustomTypeAdapter(p),
		cel.Variable("input", typeOfEvent), cel.Variable("args", typeOfArgs), cel.Variable("kept", typeOfKept),
		cel.Variable("count", cel.IntType), cel.Variable("values", cel.ListType(cel.StringType)),
		cel.Variable("ancestors", cel.ListType(typeOfProcess)),
		cel.CrossTypeNumericComparisons(true), cel.DefaultUTCTimeZone(true),
		cel.RegexProgramSizeLimit(maxRegex), cel.ExpressionNodeLimit(maxNodes),
		ext.Strings(),
	}
	options = append(options, cel.StdLib())
	options = append(options, functions()...)
	return cel.NewCustomEnv(append(options, families()...)...)
}

// Compile checks an expression. An error is a *Problem.
func Compile(text string, s *Scope) (*Program, error) {
	env, err := environment(s)
	if err != nil {
		return nil, &Problem{1, err.Error()}
	}
	parsed, issues := env.Parse(text)
	if err := issues.Err(); err != nil {
		return nil, explain(issues)
	}
	mistake, doubt := unknownNames(parsed, s)
	if mistake != nil {
		return nil, mistake
	}
	checked, issues := env.Check(parsed)
	if err := issues.Err(); err != nil {
		return nil, explain(issues)
	}
	loops := hasLoops(checked.NativeRep().Expr())
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if loops {
		options = append(options, cel.InterruptCheckFrequency(interruptions))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, &Problem{1, oneLine(err.Error())}
	}
	tree := checked.NativeRep()
	return &Program{program: program, loops: loops, budget: &budget.Budget{Time: TimeLimit}, plain: plainReader{tree}.read(tree.Expr()), typ: checked.OutputType(), tree: tree, doubt: doubt}, nil
}

// CompileCondition is Compile for what has to be true or false.
func CompileCondition(text string, s *Scope) (*Program, error) {
	p, err := Compile(text, s)
	if err != nil {
		return nil, err
	}
	if !p.typ.IsExactType(cel.BoolType) && !p.typ.IsExactType(cel.DynType) {
		return nil, &Problem{1, fmt.Sprintf("expected boolean value, got: %s", p.typ)}
	}
	return p, nil
}

// Type is what the expression evaluates to.
func (p *Program) Type() *cel.Type { return p.typ }

// Met evaluates a condition.
func (p *Program) Met(v *Vars) (bool, error) {
	if p.plain.test != nil {
		if !p.plain.test(v.Event) {
			return false, nil
		}
		if p.plain.exact {
			return true, nil
		}
	}
	result, err := p.Value(v)
	if err != nil || result == nil {
		return false, err
	}
	met, ok := result.(types.Bool)
	if !ok {
		return false, fmt.Errorf("expected boolean value, got: %s", result.Type().TypeName())
	}
	return bool(met), nil
}

// Value evaluates the expression. Without an error, nil says that it needs an argument that the event does not have.
func (p *Program) Value(v *Vars) (ref.Val, error) {
	result, err := p.evaluate(v)
	switch {
	case err == nil:
		return result, nil
	case isAbsent(err):
		return nil, nil
	case budget.Exceeded(err):
		return nil, err
	default:
		return nil, errors.New(oneLine(err.Error()))
	}
}

func (p *Program) evaluate(v *Vars) (ref.Val, error) {
	if !p.loops {
		result, _, err := p.program.Eval(v)
		return result, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p.budget.Begin(cancel)
	result, _, err := p.program.ContextEval(ctx, v)
	if spent := p.budget.End(); err != nil && spent != nil {
		return nil, spent
	}
	return result, err
}

// explain keeps the first of CEL's issues.
func explain(issues *cel.Issues) *Problem {
	list := issues.Errors()
	first := list[0]
	text := oneLine(first.Message)
	if len(list) > 1 {
		text += fmt.Sprintf(" (and %d more)", len(list)-1)
	}
	line := 1
	if first.Location != nil {
		line = max(line, first.Location.Line())
	}
	return &Problem{line, text}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func hasLoops(e celast.Expr) bool {
	found := false
	celast.PreOrderVisit(e, celast.NewExprVisitor(func(e celast.Expr) {
		found = found || e.Kind() == celast.ComprehensionKind
	}))
	return found
}

// EventNames returns the names that a condition compares input.eventName with for equality; nil when it does not.
func (p *Program) EventNames() []string {
	var names []string
	celast.PreOrderVisit(p.tree.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		names = append(names, comparedNames(e)...)
	}))
	slices.Sort(names)
	return slices.Compact(names)
}
