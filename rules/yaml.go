package rules

import (
	"errors"
	"fmt"

	"github.com/tracee-go/tracee/rules/declared"
)

// yamlLoader loads the documents of YAML files: signatures of ours and of v0.8.3, and exceptions.
type yamlLoader struct{}

func (yamlLoader) load(path string, into *Set) []error {
	raw, err := readRules(path)
	if err != nil {
		return []error{err}
	}
	documents, err := declared.Documents(raw)
	var errs []error
	if err != nil {
		errs = append(errs, inFile(path, err))
	} else if len(documents) == 0 {
		errs = append(errs, &FileError{Path: path, Text: "the file is empty"})
	}
	for _, d := range documents {
		var wrong []error
		if d.Kind == kindExceptions {
			wrong = loadExceptions(path, d, into)
		} else {
			wrong = loadDeclared(path, d, into)
		}
		for _, err := range wrong {
			errs = append(errs, inFile(path, err))
		}
	}
	return errs
}

func (yamlLoader) finish(*Set) []error { return nil }

func loadDeclared(path string, d declared.Document, into *Set) []error {
	loaded, errs := declared.Load(d)
	for _, s := range loaded {
		into.Signatures = append(into.Signatures, s)
		into.Files[s] = Place{path, s.Line()}
		selectors, _ := s.GetSelectedEvents()
		for _, text := range sourceDoubts(selectors) {
			errs = append(errs, &declared.Problem{Line: s.Line(), Text: fmt.Sprintf("signature %s: %s", idOf(s), text), Kept: true})
		}
	}
	return errs
}

// inFile says in which file a problem is.
func inFile(path string, err error) error {
	var p *declared.Problem
	if errors.As(err, &p) {
		return &FileError{Path: path, Line: p.Line, Text: p.Text, Kept: p.Kept}
	}
	return fmt.Errorf("%s: %w", path, err)
}
