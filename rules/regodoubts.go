package rules

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// doubts finds what makes a rule useless, though it is well formed: OPA says nothing of names that it does not know, nor of
// patterns that are none. The rule is loaded, as v0.8 did.
func (s *regoSignature) doubts(module *ast.Module) (found []error) {
	doubt := func(line int, format string, arguments ...any) {
		found = append(found, &FileError{Path: s.path, Line: line, Kept: true, Text: fmt.Sprintf(format, arguments...)})
	}
	for _, text := range sourceDoubts(s.selectors) {
		doubt(lineOf(module, "tracee_selected_events"), "%s", text)
	}
	found = append(found, fieldDoubts(s.path, module)...)
	selected, unknown, any := s.selectedEvents()
	for _, name := range unknown {
		doubt(lineOf(module, "tracee_selected_events"), "%s", unknownEvent(name))
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

// sourceDoubts tells of selectors that select nothing, whatever the name of the event is.
func sourceDoubts(selectors []detect.SignatureEventSelector) (found []string) {
	for _, s := range selectors {
		if s.Source != Source {
			found = append(found, fmt.Sprintf("unknown source %q of event %s (want %s)", s.Source, cmp.Or(s.Name, "*"), Source))
		}
		if s.Origin != "" && originBit(s.Origin) == 0 {
			known := []string{trace.OriginContainer, trace.OriginContainerInit, trace.OriginHost}
			found = append(found, fmt.Sprintf("unknown origin %q of event %s (want %s)", s.Origin, cmp.Or(s.Name, "*"), strings.Join(known, ", ")))
		}
	}
	return found
}

// fieldDoubts tells of fields that no event has, once each.
func fieldDoubts(path string, module *ast.Module) (found []error) {
	var known []string
	for _, f := range inputFields {
		known = append(known, f.name)
	}
	told := map[string]bool{}
	ast.WalkRefs(module, func(r ast.Ref) bool {
		if len(r) < 2 || !r[0].Equal(ast.InputRootDocument) {
			return false
		}
		name, ok := r[1].Value.(ast.String)
		if ok && !slices.Contains(known, string(name)) && !told[string(name)] {
			told[string(name)] = true
			found = append(found, &FileError{Path: path, Line: rowOf(r[1].Location), Kept: true, Text: fmt.Sprintf(
				"unknown field %q%s of input", string(name), suggest.DidYouMean(string(name), known))})
		}
		return false
	})
	return found
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

// unknownEvent tells of an event that does not exist.
func unknownEvent(name string) string {
	var names []string
	for _, e := range events.All() {
		names = append(names, e.Name)
	}
	return fmt.Sprintf("unknown event %q%s", name, suggest.DidYouMean(name, names))
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
