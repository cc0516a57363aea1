package expression

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"

	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/types/trace"
)

// unknownNames finds fields and arguments that nothing has, and tells of the first with a hint; CEL's own messages have
// none. An argument that a function of v0.8.3 asks for, and that is
// not there or of another type, is a doubt only: the function has an answer.
func unknownNames(parsed *cel.Ast, s *Scope) (mistake, doubt *Problem) {
	tree := parsed.NativeRep()
	note := func(e celast.Expr, known *Problem, text string) *Problem {
		if known != nil || text == "" {
			return known
		}
		return &Problem{max(tree.SourceInfo().GetStartLocation(e.ID()).Line(), 1), text}
	}
	celast.PreOrderVisit(tree.Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		mistake = note(e, mistake, unknownName(e, s))
		if name, ok := calledWithText(e, "stringArg", "sockaddrArg", "truncated"); ok && len(s.Schemas) > 0 {
			doubt = note(e, doubt, s.unknownArgument(name))
		}
		if name, ok := calledWithText(e, "stringArg"); ok {
			doubt = note(e, doubt, s.never(name, textForm, "a text, so stringArg is empty"))
		}
		if name, ok := calledWithText(e, "sockaddrArg"); ok {
			doubt = note(e, doubt, s.never(name, forms[trace.Sockaddr], "an address, so sockaddrArg is empty"))
		}
	}))
	return mistake, doubt
}

func unknownName(e celast.Expr, s *Scope) string {
	if e.Kind() != celast.SelectKind || e.AsSelect().Operand().Kind() != celast.IdentKind {
		return ""
	}
	name := e.AsSelect().FieldName()
	switch e.AsSelect().Operand().AsIdent() {
	case "input":
		return unknown("field", name, keys(eventFields))
	case "args":
		return s.unknownArgument(name)
	case "kept":
		return unknown("kept value", name, keys(s.Kept))
	}
	return ""
}

func (s *Scope) unknownArgument(name string) string {
	text := unknown("argument", name, s.arguments())
	if text == "" {
		return ""
	}
	events := make([]string, len(s.Schemas))
	for i, schema := range s.Schemas {
		events[i] = schema.Name
	}
	return text + " of " + strings.Join(events, ", ")
}

// never tells of an argument that no event has in a form.
func (s *Scope) never(name string, wanted form, what string) string {
	var events []string
	for _, schema := range s.Schemas {
		for _, f := range schema.Fields {
			if f.Name != name {
				continue
			}
			if formOf(f.Type).typ.IsExactType(wanted.typ) {
				return ""
			}
			events = append(events, schema.Name)
		}
	}
	if len(events) == 0 {
		return ""
	}
	return fmt.Sprintf("argument %q of %s is never %s", name, strings.Join(events, ", "), what)
}

func unknown(what, name string, known []string) string {
	for _, k := range known {
		if k == name {
			return ""
		}
	}
	return fmt.Sprintf("unknown %s %q%s", what, name, suggest.DidYouMean(name, known))
}

func (s *Scope) arguments() []string {
	var names []string
	for _, schema := range s.Schemas {
		for _, f := range schema.Fields {
			names = append(names, f.Name)
		}
	}
	return names
}

func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for key := range m {
		list = append(list, key)
	}
	return list
}
