package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/suggest"
)

// doubts finds what makes a rule useless, though it is well formed: OPA says nothing of names that it does not know, nor of
// patterns that are none. The rule is loaded, as v0.8 did.
func (s *regoSignature) doubts(module *ast.Module) (found []error) {
	doubt := func(line int, format string, arguments ...any) {
		found = append(found, &FileError{Path: s.path, Line: line, Kept: true, Text: fmt.Sprintf(format, arguments...)})
	}
	selected, unknown, any := s.selectedEvents()
	for _, name := range unknown {
		doubt(lineOf(module, "tracee_selected_events"), "unknown event %q%s", name, suggest.DidYouMean(name, eventNames()))
	}
	if any {
		return append(found, patternDoubts(s.path, module)...)
	}
	compared := comparedEvents(module)
	if len(compared) > 0 && !slices.ContainsFunc(compared, func(n string) bool { return slices.Contains(selected, n) || slices.Contains(unknown, n) }) {
		doubt(1, "can never match: it asks for input.eventName %s, and selects only %s",
			strings.Join(compared, ", "), strings.Join(slices.Concat(selected, unknown), ", "))
	}
	if len(unknown) == 0 {
		names := argumentNames(selected)
		calls(module, "data.tracee.helpers.get_tracee_argument", 0, func(name string, line int) {
			if !slices.Contains(names, name) {
				doubt(line, "unknown argument %q%s of %s", name, suggest.DidYouMean(name, names), strings.Join(selected, ", "))
			}
		})
	}
	return append(found, patternDoubts(s.path, module)...)
}

// selectedEvents are the names of events that exist, and of those that do not. With any, all are selected.
func (s *regoSignature) selectedEvents() (known, unknown []string, any bool) {
	for _, selector := range s.selectors {
		if selector.Name == "" || selector.Name == "*" {
			return nil, nil, true
		}
		if _, ok := events.Lookup(selector.Name); ok {
			known = append(known, selector.Name)
		} else {
			unknown = append(unknown, selector.Name)
		}
	}
	return known, unknown, false
}

func eventNames() (names []string) {
	for _, e := range events.All() {
		names = append(names, e.Name)
	}
	return names
}

// argumentNames are those that one of the events has.
func argumentNames(selected []string) (names []string) {
	for _, name := range selected {
		e, _ := events.Lookup(name)
		for _, field := range e.Schema().Fields {
			names = append(names, field.Name)
		}
	}
	return names
}

// patternPlaces are the functions that take a regular expression, and where.
var patternPlaces = map[string]int{
	"regex.match": 0, "re_match": 0, "regex.split": 0, "regex.find_n": 0, "regex.find_all_string_submatch_n": 0, "regex.replace": 1,
}

// patternDoubts tells of regular expressions that are none, or too large: calls with those are undefined.
func patternDoubts(path string, module *ast.Module) (found []error) {
	for function, place := range patternPlaces {
		calls(module, function, place, func(pattern string, line int) {
			if _, err := regexp.Compile(pattern); err != nil {
				found = append(found, &FileError{Path: path, Line: line, Kept: true, Text: fmt.Sprintf("%s is never defined: %v", function, err)})
			}
		})
	}
	return found
}

// calls finds the calls of a function in which an argument is a constant text.
func calls(module *ast.Module, function string, place int, yield func(text string, line int)) {
	ast.WalkExprs(module, func(e *ast.Expr) bool {
		if !e.IsCall() || e.Operator().String() != function || len(e.Operands()) <= place {
			return false
		}
		if text, ok := e.Operand(place).Value.(ast.String); ok {
			yield(string(text), rowOf(e.Location))
		}
		return false
	})
}

// lineOf is where a rule begins.
func lineOf(module *ast.Module, name string) int {
	for _, r := range module.Rules {
		if head := r.Head.Ref(); len(head) > 0 && head[0].Value.Compare(ast.Var(name)) == 0 {
			return rowOf(r.Location)
		}
	}
	return 1
}

func rowOf(l *ast.Location) int {
	if l == nil {
		return 1
	}
	return l.Row
}
