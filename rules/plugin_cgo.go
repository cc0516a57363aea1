//go:build cgo && linux

package rules

import (
	"fmt"
	"plugin"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/detect"
)

// pluginLoader loads signatures from Go plugins: the variable ExportedSignatures, a []detect.Signature. Such code can do
// anything, so its signatures are isolated.
type pluginLoader struct{}

func (pluginLoader) load(path string, into *Set) (errs []error) {
	list, err := openPlugin(path)
	if err != nil {
		return []error{&FileError{Path: path, Text: err.Error()}}
	}
	for _, s := range list {
		guarded := Isolate(s)
		into.Signatures = append(into.Signatures, guarded)
		into.Files[guarded] = Place{Path: path}
		for _, text := range selectorDoubts(guarded) {
			errs = append(errs, &FileError{Path: path, Text: fmt.Sprintf("signature %s: %s", idOf(guarded), text), Kept: true})
		}
	}
	return errs
}

// selectorDoubts tells of selectors that select nothing. What a signature says when it is loaded may be an error: then the
// engine refuses it.
func selectorDoubts(s detect.Signature) (found []string) {
	selectors, err := s.GetSelectedEvents()
	if err != nil {
		return nil
	}
	for _, s := range selectors {
		if _, ok := events.Lookup(s.Name); !ok && s.Name != "" && s.Name != "*" {
			found = append(found, unknownEvent(s.Name))
		}
	}
	return append(found, sourceDoubts(selectors)...)
}

func openPlugin(path string) (list []detect.Signature, err error) {
	defer recoverInto(&err, "open plugin of")
	p, err := plugin.Open(path)
	if err != nil {
		hint := ""
		if strings.Contains(err.Error(), "different version") {
			hint = " (build it from the same source, with the same Go, as this program)"
		}
		return nil, fmt.Errorf("error opening plugin: %s%s", oneLine(err.Error()), hint)
	}
	symbol, err := p.Lookup("ExportedSignatures")
	if err != nil {
		return nil, fmt.Errorf("missing Export symbol in plugin: %w", err)
	}
	exported, ok := symbol.(*[]detect.Signature)
	if !ok {
		return nil, fmt.Errorf("ExportedSignatures is a %T, want []detect.Signature", symbol)
	}
	return *exported, nil
}

func (pluginLoader) finish(*Set) []error { return nil }
