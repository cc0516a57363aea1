package expression

import (
	"slices"
	"strconv"
	"strings"

	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/trace"
)

// plain is what can be said of a condition without CEL. The test is false only where the condition is not true; when it
// is exact, it is the condition. A nil test says nothing.
//
// It knows comparisons of fields and arguments with constants, joined by && and ||. Both treat what CEL calls an error,
// such as an argument that is not there, like false: below a negation that would be wrong, so there is none here.
type plain struct {
	test  func(e *trace.Event) bool
	exact bool
	needs needs
}

// needs says which events of a kind may pass the test, as far as the kernel can tell; nil: any.
type needs func(e *events.Event) filter.Alternatives

func (n needs) of(e *events.Event) filter.Alternatives {
	if n == nil {
		return filter.Anything()
	}
	return n(e)
}

// plainReader reads the conditions of a checked expression.
type plainReader struct{ tree *celast.AST }

func (r plainReader) read(e celast.Expr) plain {
	if e.Kind() != celast.CallKind {
		return plain{}
	}
	call := e.AsCall()
	switch args := call.Args(); call.FunctionName() {
	case operators.LogicalAnd:
		return both(r.read(args[0]), r.read(args[1]))
	case operators.LogicalOr:
		return either(r.read(args[0]), r.read(args[1]))
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return r.comparison(call.FunctionName(), args[0], args[1])
	case operators.In:
		return r.membership(args[0], args[1])
	case "is_file_write":
		return r.textTest(args[0], writes, comparing{})
	case "is_file_read":
		return r.textTest(args[0], reads, comparing{})
	case "startsWith", "endsWith", "contains":
		return r.substring(call)
	}
	return plain{}
}

func both(a, b plain) plain {
	switch {
	case a.test == nil:
		return plain{test: b.test, needs: b.needs}
	case b.test == nil:
		return plain{test: a.test, needs: a.needs}
	}
	return plain{
		func(e *trace.Event) bool { return a.test(e) && b.test(e) }, a.exact && b.exact,
		func(e *events.Event) filter.Alternatives { return a.needs.of(e).And(b.needs.of(e)) },
	}
}

func either(a, b plain) plain {
	if a.test == nil || b.test == nil {
		return plain{}
	}
	return plain{
		func(e *trace.Event) bool { return a.test(e) || b.test(e) }, a.exact && b.exact,
		func(e *events.Event) filter.Alternatives { return a.needs.of(e).Or(b.needs.of(e)) },
	}
}

// flipped are the operators for constants on the left.
var flipped = map[string]string{
	operators.Equals: operators.Equals, operators.NotEquals: operators.NotEquals,
	operators.Less: operators.Greater, operators.Greater: operators.Less,
	operators.LessEquals: operators.GreaterEquals, operators.GreaterEquals: operators.LessEquals,
}

func (r plainReader) comparison(operator string, left, right celast.Expr) plain {
	if left.Kind() == celast.LiteralKind {
		left, right, operator = right, left, flipped[operator]
	}
	if right.Kind() != celast.LiteralKind {
		return plain{}
	}
	switch constant := right.AsLiteral().(type) {
	case types.String:
		want := string(constant)
		switch operator {
		case operators.Equals:
			return r.textTest(left, func(s string) bool { return s == want }, comparing{"=", []string{want}})
		case operators.NotEquals:
			return r.textTest(left, func(s string) bool { return s != want }, comparing{"!=", []string{want}})
		}
	case types.Int:
		return r.numberTest(left, operator, int64(constant))
	}
	return plain{}
}

var order = map[string]func(a, b int64) bool{
	operators.Equals:        func(a, b int64) bool { return a == b },
	operators.NotEquals:     func(a, b int64) bool { return a != b },
	operators.Less:          func(a, b int64) bool { return a < b },
	operators.LessEquals:    func(a, b int64) bool { return a <= b },
	operators.Greater:       func(a, b int64) bool { return a > b },
	operators.GreaterEquals: func(a, b int64) bool { return a >= b },
}

func (r plainReader) membership(element, list celast.Expr) plain {
	var wanted []string
	if list.Kind() != celast.ListKind {
		return plain{}
	}
	for _, e := range list.AsList().Elements() {
		s, ok := literalText(e)
		if !ok {
			return plain{}
		}
		wanted = append(wanted, s)
	}
	if len(wanted) > 8 {
		set := make(map[string]bool, len(wanted))
		for _, s := range wanted {
			set[s] = true
		}
		return r.textTest(element, func(s string) bool { return set[s] }, comparing{"=", wanted})
	}
	return r.textTest(element, func(s string) bool { return slices.Contains(wanted, s) }, comparing{"=", wanted})
}

func (r plainReader) substring(call celast.CallExpr) plain {
	if !call.IsMemberFunction() || len(call.Args()) != 1 {
		return plain{}
	}
	part, ok := literalText(call.Args()[0])
	if !ok {
		return plain{}
	}
	test := map[string]func(s, part string) bool{
		"startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix, "contains": strings.Contains,
	}[call.FunctionName()]
	pattern := map[string]string{"startsWith": part + "*", "endsWith": "*" + part, "contains": "*" + part + "*"}[call.FunctionName()]
	return r.textTest(call.Target(), func(s string) bool { return test(s, part) }, comparing{"=", []string{pattern}})
}

func literalText(e celast.Expr) (string, bool) {
	if e.Kind() != celast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// textTest is a test of a field or an argument that is a text, and how that can be asked of the kernel.
func (r plainReader) textTest(operand celast.Expr, test func(string) bool, asked comparing) plain {
	if name, ok := fieldOf(operand, "input"); ok {
		if get, ok := texts[name]; ok {
			return plain{func(e *trace.Event) bool { return test(get(e)) }, true, ofName(name, test)}
		}
		return plain{}
	}
	if name, ok := fieldOf(operand, "args"); ok {
		find, exact := finder(name), r.isOf(operand, types.StringType)
		return plain{func(e *trace.Event) bool {
			a, ok := find(e)
			switch {
			case !ok:
				return false
			case a.HasText():
				return test(a.Text())
			default:
				return !exact // where events differ in the type of the argument, CEL decides
			}
		}, exact, asked.text(name)}
	}
	if name, ok := stringArgument(operand); ok {
		find, askable := finder(name), asked.text(name)
		if test("") { // which is what an absent argument is
			askable = nil
		}
		return plain{func(e *trace.Event) bool {
			if a, ok := find(e); ok && a.HasText() {
				return test(a.Text())
			}
			return test("")
		}, true, askable}
	}
	return plain{}
}

func (r plainReader) numberTest(operand celast.Expr, operator string, constant int64) plain {
	compare, asked := order[operator], comparing{spelt[operator], []string{strconv.FormatInt(constant, 10)}}
	if name, ok := fieldOf(operand, "input"); ok {
		if get, ok := numbers[name]; ok {
			var askable needs
			if name == "returnValue" {
				askable = asked.number("retval")
			}
			return plain{func(e *trace.Event) bool { return compare(int64(get(e)), constant) }, true, askable}
		}
		return plain{}
	}
	name, ok := fieldOf(operand, "args")
	if !ok {
		return plain{}
	}
	find, exact := finder(name), r.isOf(operand, types.IntType)
	return plain{func(e *trace.Event) bool {
		a, ok := find(e)
		if !ok {
			return false
		}
		n, ok := number(a)
		if !ok {
			return !exact
		}
		return compare(n, constant)
	}, exact, asked.number(name)}
}

// isOf reports whether an operand is surely of a type.
func (r plainReader) isOf(operand celast.Expr, typ *types.Type) bool {
	return r.tree.GetType(operand.ID()).IsExactType(typ)
}

// finder looks an argument up by name, and by position while the events keep their shape.
func finder(name string) func(e *trace.Event) (trace.Arg, bool) {
	var schema *trace.Schema
	index := -1
	return func(e *trace.Event) (trace.Arg, bool) {
		if s := e.Schema(); s != schema {
			if s == nil {
				return trace.Arg{}, false
			}
			schema, index = s, s.Index(name)
		}
		return e.At(index)
	}
}

// fieldOf takes variable.field apart.
func fieldOf(e celast.Expr, variable string) (string, bool) {
	if e.Kind() != celast.SelectKind || e.AsSelect().IsTestOnly() {
		return "", false
	}
	operand := e.AsSelect().Operand()
	if operand.Kind() != celast.IdentKind || operand.AsIdent() != variable {
		return "", false
	}
	return e.AsSelect().FieldName(), true
}

// stringArgument takes input.stringArg('name') apart.
func stringArgument(e celast.Expr) (string, bool) {
	return calledWithText(e, "stringArg")
}

func calledWithText(e celast.Expr, functions ...string) (string, bool) {
	if e.Kind() != celast.CallKind {
		return "", false
	}
	call := e.AsCall()
	if !call.IsMemberFunction() || !slices.Contains(functions, call.FunctionName()) || len(call.Args()) != 1 {
		return "", false
	}
	if t := call.Target(); t.Kind() != celast.IdentKind || t.AsIdent() != "input" {
		return "", false
	}
	return literalText(call.Args()[0])
}

// comparedNames returns the constants that an expression compares the name of the event with.
func comparedNames(e celast.Expr) []string {
	if e.Kind() != celast.CallKind || len(e.AsCall().Args()) != 2 {
		return nil
	}
	left, right := e.AsCall().Args()[0], e.AsCall().Args()[1]
	if e.AsCall().FunctionName() == operators.Equals && left.Kind() == celast.LiteralKind {
		left, right = right, left
	}
	if name, ok := fieldOf(left, "input"); !ok || name != "eventName" {
		return nil
	}
	switch e.AsCall().FunctionName() {
	case operators.Equals:
		if name, ok := literalText(right); ok {
			return []string{name}
		}
	case operators.In:
		if right.Kind() == celast.ListKind {
			return literalTexts(right.AsList().Elements())
		}
	}
	return nil
}

func literalTexts(list []celast.Expr) []string {
	var texts []string
	for _, e := range list {
		if s, ok := literalText(e); ok {
			texts = append(texts, s)
		}
	}
	return texts
}
