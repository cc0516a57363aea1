package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tracee-go/tracee/types/detect"
)

// Options say how signatures are loaded from files.
type Options struct {
	// PartialEval lets OPA evaluate ahead of time what does not depend on the event.
	PartialEval bool
}

// ruleFiles are the rule files of a directory by what they are, each in lexical order of their paths.
type ruleFiles struct {
	helpers []string // Rego modules for the others
	rego    []string
	errors  []error
}

// notLoaded are the kinds of rule files that this build does not load.
var notLoaded = map[string]string{
	".so":   "Go plugins need a build with cgo",
	".cel":  "CEL signatures are not supported yet",
	".yaml": "CEL signatures are not supported yet",
	".yml":  "CEL signatures are not supported yet",
}

// LoadDir loads the signatures of a directory and of those below it, in lexical order. Each error tells of one file that
// was left out; the others are loaded all the same.
//
// A file named *helpers.rego is a module for all others, except the one named exactly helpers.rego: those helpers are
// built in. Files named *_test.rego are for "opa test" and *.rego.disabled are switched off; both are left out silently,
// as are directories whose name begins with "..", where Kubernetes keeps earlier versions of mounted files.
func LoadDir(dir string, o Options) ([]detect.Signature, []error) {
	files := findRules(dir)
	if len(files.rego) == 0 {
		return nil, files.errors
	}
	rego, errs := newRegoLoader(dir, files.helpers, o)
	errs = append(files.errors, errs...)
	var loaded []detect.Signature
	for _, path := range files.rego {
		s, err := rego.load(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		loaded = append(loaded, s)
	}
	return loaded, errs
}

func findRules(dir string) ruleFiles {
	var files ruleFiles
	// os.DirFS follows dir itself when it is a symbolic link; filepath.WalkDir would not.
	_ = fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			files.errors = append(files.errors, fmt.Errorf("rules directory %s: %w", dir, withoutPath(err)))
			return nil
		}
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), "..") {
				return fs.SkipDir
			}
			return nil
		}
		files.add(dir, path)
		return nil
	})
	return files
}

func (files *ruleFiles) add(dir, path string) {
	name := filepath.Base(path)
	path = filepath.Join(dir, path)
	if why, ok := notLoaded[filepath.Ext(name)]; ok {
		files.errors = append(files.errors, fmt.Errorf("%s: not loaded: %s", path, why))
		return
	}
	switch {
	case !strings.HasSuffix(name, ".rego"), strings.HasSuffix(name, "_test.rego"), name == "helpers.rego":
	case strings.HasSuffix(name, "helpers.rego"):
		files.helpers = append(files.helpers, path)
	default:
		files.rego = append(files.rego, path)
	}
}

// withoutPath strips the path that an error of package fs begins with, for callers that name it better.
func withoutPath(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
