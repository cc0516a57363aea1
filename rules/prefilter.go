package rules

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/trace"
)

// prefilter says, from what is plain to see in a rule, which events it can not match, so that OPA is asked about the
// others only. It holds a list of conditions for each body of tracee_match: one body must have all of its conditions met.
// A nil prefilter lets every event pass.
//
// It looks at comparisons of fields and arguments with constant strings, and ignores whatever it does not understand: a
// condition too few costs time, never a finding.
type prefilter [][]condition

// condition is one of the conditions of a body.
type condition struct {
	// met reports false when the event surely fails it.
	met func(e *trace.Event) bool
	// needs says which events of a kind may meet it, as far as the kernel can tell; nil: any.
	needs func(e *events.Event) filter.Alternatives
}

// needs says which events of a kind may match.
func (p prefilter) needs(e *events.Event) filter.Alternatives {
	if p == nil {
		return filter.Anything()
	}
	some := filter.Nothing()
	for _, body := range p {
		all := filter.Anything()
		for _, c := range body {
			if c.needs != nil {
				all = all.And(c.needs(e))
			}
		}
		some = some.Or(all)
	}
	return some
}

func (p prefilter) mayMatch(e *trace.Event) bool {
	if p == nil {
		return true
	}
	for _, body := range p {
		if allMet(body, e) {
			return true
		}
	}
	return false
}

func allMet(conditions []condition, e *trace.Event) bool {
	for _, c := range conditions {
		if !c.met(e) {
			return false
		}
	}
	return true
}

// newPrefilter reads the compiled rules called name. Helpers are the functions of data.tracee.helpers that are ours.
func newPrefilter(module *ast.Module, name string, helpers map[string]bool) prefilter {
	var p prefilter
	for _, rule := range module.Rules {
		if head := rule.Head.Ref(); head[0].Value.Compare(ast.Var(name)) != 0 {
			continue
		}
		// A default, and a partial rule even when it is empty, have a value without any body being true.
		if rule.Default || rule.Head.RuleKind() != ast.SingleValue || len(rule.Head.Ref()) != 1 {
			return nil
		}
		for r := rule; r != nil; r = r.Else {
			b := bodyReader{helpers: helpers, operands: make(map[ast.Var]operand), elements: make(map[ast.Var]string)}
			conditions := b.read(r.Body)
			if len(conditions) == 0 {
				return nil
			}
			p = append(p, conditions)
		}
	}
	return p
}

// operand is something of an event that a rule compares: a text field or an argument.
type operand struct {
	name     string // of the field
	field    func(e *trace.Event) string
	argument string
}

// text returns the operand as Rego sees it. With decided false, ask OPA; with ok false, it is no string or absent.
func (o operand) text(e *trace.Event) (text string, ok, decided bool) {
	if o.field != nil {
		return o.field(e), true, true
	}
	a, found := e.Lookup(o.argument)
	switch {
	case !found:
		return "", false, true
	case a.HasText():
		return a.Text(), true, true
	default:
		return "", false, a.Type().Kind.InSlot()
	}
}

func (o operand) satisfies(test func(text string) bool) condition {
	return condition{met: func(e *trace.Event) bool {
		text, ok, decided := o.text(e)
		return !decided || ok && test(text)
	}}
}

// compared makes the condition that a text compares with a constant.
func (o operand) compared(with textTest, constant string) condition {
	test := func(text string) bool { return with.test(text, constant) }
	c := o.satisfies(test)
	switch {
	case o.field == nil:
		c.needs = func(e *events.Event) filter.Alternatives {
			return filter.AskText(e, o.argument, "=", with.before+constant+with.behind)
		}
	case o.name == "eventName":
		c.needs = func(e *events.Event) filter.Alternatives {
			if test(e.Name) {
				return filter.Anything()
			}
			return filter.Nothing()
		}
	}
	return c
}

// bodyReader reads one body of a rule as the compiler left it: calls are not nested, their results are variables.
type bodyReader struct {
	helpers  map[string]bool
	operands map[ast.Var]operand
	elements map[ast.Var]string // what stands for an element of input.args: its name, empty until that is known
}

func (b *bodyReader) read(body ast.Body) []condition {
	for range 3 { // the compiler may put a use before its definition
		for _, e := range body {
			b.define(e)
		}
	}
	var conditions []condition
	for _, e := range body {
		if c, ok := b.condition(e); ok {
			conditions = append(conditions, c)
		}
	}
	return conditions
}

// define learns what a variable stands for.
func (b *bodyReader) define(e *ast.Expr) {
	left, right, ok := binary(e)
	if !ok {
		return
	}
	switch operator := e.Operator().String(); {
	case operator == "eq" || operator == "equal" || operator == "assign":
		b.same(left, right)
		b.same(right, left)
	case b.isHelper(operator, "get_tracee_argument"):
		name, isString := left.Value.(ast.String)
		result, isVar := right.Value.(ast.Var)
		if isString && isVar {
			b.operands[result] = operand{argument: string(name)}
		}
	}
}

// same learns from the equation of two terms.
func (b *bodyReader) same(x, y *ast.Term) {
	if variable, ok := x.Value.(ast.Var); ok {
		if o, ok := b.operand(y); ok {
			b.operands[variable] = o
		}
		if _, known := b.elements[variable]; !known && isElementOfArgs(y) {
			b.elements[variable] = ""
		}
		return
	}
	// v.name = "request", where v = input.args[_]
	name, isString := y.Value.(ast.String)
	if variable, field, ok := fieldOf(x); ok && isString && field == "name" {
		if _, known := b.elements[variable]; known {
			b.elements[variable] = string(name)
		}
	}
}

func isElementOfArgs(t *ast.Term) bool {
	ref, ok := t.Value.(ast.Ref)
	if !ok || len(ref) != 3 || !ref.HasPrefix(ast.InputRootRef) || ref[1].Value.Compare(ast.String("args")) != 0 {
		return false
	}
	_, ok = ref[2].Value.(ast.Var)
	return ok
}

// fieldOf takes v.field apart.
func fieldOf(t *ast.Term) (variable ast.Var, field string, ok bool) {
	ref, ok := t.Value.(ast.Ref)
	if !ok || len(ref) != 2 {
		return "", "", false
	}
	variable, isVar := ref[0].Value.(ast.Var)
	name, isString := ref[1].Value.(ast.String)
	return variable, string(name), isVar && isString
}

// operand finds what a term stands for.
func (b *bodyReader) operand(t *ast.Term) (operand, bool) {
	if variable, ok := t.Value.(ast.Var); ok {
		o, known := b.operands[variable]
		return o, known
	}
	variable, field, ok := fieldOf(t)
	if !ok {
		return operand{}, false
	}
	if variable.Equal(ast.InputRootDocument.Value) {
		for _, f := range inputFields {
			if f.name == field && f.text != nil {
				return operand{name: f.name, field: f.text}, true
			}
		}
		return operand{}, false
	}
	if name := b.elements[variable]; name != "" && field == "value" {
		return operand{argument: name}, true
	}
	return operand{}, false
}

// condition makes a condition of an expression, if it sees one.
func (b *bodyReader) condition(e *ast.Expr) (condition, bool) {
	if c, ok := b.fileMode(e); ok {
		return c, true
	}
	left, right, ok := binary(e)
	if !ok {
		return condition{}, false
	}
	operator := e.Operator().String()
	if b.isHelper(operator, "get_tracee_argument") {
		name, ok := left.Value.(ast.String)
		return condition{met: func(e *trace.Event) bool { _, found := e.Lookup(string(name)); return found }}, ok
	}
	o, known := b.operand(left)
	constant, isString := right.Value.(ast.String)
	if !known && (operator == "eq" || operator == "equal") {
		o, known = b.operand(right)
		constant, isString = left.Value.(ast.String)
	}
	test, ok := textTests[operator]
	if !ok || !known || !isString {
		return condition{}, false
	}
	return o.compared(test, string(constant)), true
}

// textTest is one of OPA's comparisons of a text with a constant, and what stands around the constant in a pattern.
type textTest struct {
	test           func(text, constant string) bool
	before, behind string
}

var textTests = map[string]textTest{
	"contains":   {strings.Contains, "*", "*"},
	"endswith":   {strings.HasSuffix, "*", ""},
	"eq":         {func(text, constant string) bool { return text == constant }, "", ""},
	"equal":      {func(text, constant string) bool { return text == constant }, "", ""},
	"startswith": {strings.HasPrefix, "", "*"},
}

// fileMode makes a condition of is_file_write and is_file_read.
func (b *bodyReader) fileMode(e *ast.Expr) (condition, bool) {
	if e.Negated || len(e.With) > 0 || !e.IsCall() || len(e.Operands()) != 1 {
		return condition{}, false
	}
	o, known := b.operand(e.Operand(0))
	operator := e.Operator().String()
	switch {
	case known && b.isHelper(operator, "is_file_write"):
		return o.satisfies(func(flags string) bool { return hasFlag(flags, "o_wronly") || hasFlag(flags, "o_rdwr") }), true
	case known && b.isHelper(operator, "is_file_read"):
		return o.satisfies(func(flags string) bool { return hasFlag(flags, "o_rdonly") || hasFlag(flags, "o_rdwr") }), true
	default:
		return condition{}, false
	}
}

// hasFlag reports whether flags contain a flag in letters of either case.
func hasFlag(flags, flag string) bool {
	for i := 0; i+len(flag) <= len(flags); i++ {
		if strings.EqualFold(flags[i:i+len(flag)], flag) {
			return true
		}
	}
	return false
}

// binary returns the operands of an expression that must hold and has two.
func binary(e *ast.Expr) (left, right *ast.Term, ok bool) {
	if e.Negated || len(e.With) > 0 || !e.IsCall() || len(e.Operands()) != 2 {
		return nil, nil, false
	}
	return e.Operand(0), e.Operand(1), true
}

func (b *bodyReader) isHelper(operator, name string) bool {
	return b.helpers[name] && operator == "data.tracee.helpers."+name
}

// comparedEvents returns the constants that a module compares input.eventName with; nil when it may be compared with
// something else.
func comparedEvents(module *ast.Module) []string {
	var names []string
	plain := true
	eventName := ast.MustParseRef("input.eventName")
	ast.WalkExprs(module, func(e *ast.Expr) bool {
		left, right, ok := binary(e)
		mentions := false
		ast.WalkRefs(e, func(ref ast.Ref) bool {
			mentions = mentions || ref.Equal(eventName)
			return false
		})
		if !mentions {
			return false
		}
		operator := ""
		if ok {
			operator = e.Operator().String()
		}
		for _, t := range []*ast.Term{left, right} {
			if !ok || t == nil {
				continue
			}
			if name, isString := t.Value.(ast.String); isString && (operator == "eq" || operator == "equal") {
				names = append(names, string(name))
				return false
			}
		}
		plain = false
		return false
	})
	if !plain {
		return nil
	}
	return names
}
