package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/detect/cases"
)

// checkNames tells of events and arguments of a case that do not exist: of those a rule finds nothing, whatever it says.
func checkNames(test *cases.Case) error {
	var wrong []string
	for i, described := range test.Events {
		if described == nil {
			continue // running it says so
		}
		e, ok := events.Lookup(described.EventName)
		if !ok {
			name := described.EventName
			wrong = append(wrong, fmt.Sprintf("event %d: unknown event %q%s", i+1, name, suggest.DidYouMean(name, eventNames())))
			continue
		}
		var known []string
		for _, field := range e.Schema().Fields {
			known = append(known, field.Name)
		}
		for j := 0; j+1 < len(described.Args.Content); j += 2 {
			if name := described.Args.Content[j].Value; !slices.Contains(known, name) {
				wrong = append(wrong, fmt.Sprintf("event %d: unknown argument %q%s of %s", i+1, name, suggest.DidYouMean(name, known), e.Name))
			}
		}
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	return nil
}

// strayTests are files of tests for which there is no signature: nobody runs them.
func strayTests(files []string, set *rules.Set) (stray []string) {
	for _, path := range files {
		id, ok := strings.CutSuffix(filepath.Base(path), ".yaml")
		if ok && !slices.ContainsFunc(set.Signatures, func(s detect.Signature) bool { return idOf(s) == id }) {
			stray = append(stray, path)
		}
	}
	return stray
}
