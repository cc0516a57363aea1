package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/types/detect"
)

// ExceptionDoubts tells of exceptions that take nothing out from any of these signatures: it is of another one, or asks for
// an argument that no event has which its signature looks at.
func ExceptionDoubts(list []*Exception, all []detect.Signature) (found []error) {
	looksAt := map[string][]string{} // names of events, by signature
	for _, s := range all {
		for id, selectors := range selectorsByID(s) {
			for _, selector := range selectors {
				looksAt[id] = append(looksAt[id], selector.Name)
			}
		}
	}
	ids := slices.Sorted(maps.Keys(looksAt))
	for _, x := range list {
		doubt := func(format string, arguments ...any) {
			found = append(found, &FileError{Path: x.Where.Path, Line: x.Where.Line, Kept: true, Text: "exception: " + fmt.Sprintf(format, arguments...)})
		}
		for _, id := range x.Signatures {
			names, ok := looksAt[id]
			if !ok {
				doubt("unknown signature %q%s", id, suggest.DidYouMean(id, ids))
				continue
			}
			if slices.ContainsFunc(names, unnamed) {
				continue // it looks at all events
			}
			known := argumentNames(names)
			for _, argument := range slices.Sorted(maps.Keys(x.arguments)) {
				if !slices.Contains(known, argument) {
					doubt("unknown argument %q%s of what %s looks at: %s", argument, suggest.DidYouMean(argument, known), id, strings.Join(names, ", "))
				}
			}
		}
	}
	return found
}

// unnamed reports whether a selector's name of an event is that of none in particular.
func unnamed(name string) bool {
	_, ok := events.Lookup(name)
	return !ok
}

// selectorsByID is what a signature selects, and what each of those does that it stands for.
func selectorsByID(s detect.Signature) map[string][]detect.SignatureEventSelector {
	if a, ok := s.(*aggregated); ok {
		by := map[string][]detect.SignatureEventSelector{}
		for _, r := range a.rules {
			by[r.metadata.ID] = r.selectors
		}
		return by
	}
	selectors, _ := s.GetSelectedEvents()
	return map[string][]detect.SignatureEventSelector{idOf(s): selectors}
}
