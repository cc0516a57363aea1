package rules

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/types/detect"
)

// Options say how signatures are loaded from files.
type Options struct {
	// PartialEval lets OPA evaluate ahead of time what does not depend on the event.
	PartialEval bool
	// Aggregate makes one signature of all Rego rules, which stands for them in lists and selections.
	Aggregate bool
}

// Set is what a directory holds.
type Set struct {
	Signatures []detect.Signature
	Exceptions []*Exception
	Files      map[detect.Signature]Place
}

// Place is where a signature is from.
type Place struct {
	Path string
	Line int // 0: the whole file
}

func (p Place) String() string {
	if p.Line == 0 {
		return p.Path
	}
	return fmt.Sprintf("%s:%d", p.Path, p.Line)
}

func idOf(s detect.Signature) string {
	m, _ := s.GetMetadata()
	return m.ID
}

// FileError is what is wrong with a rule file. It is about one signature of it where Line is not 0.
type FileError struct {
	Path string
	Line int
	Text string
	Kept bool // a doubt: what it is about is loaded
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.Path + ": " + e.Text
	}
	return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Text)
}

// language is a way to write rules. It is chosen by the name of a file.
type language interface {
	// load adds what a file holds, and returns what is wrong with it.
	load(path string, into *Set) []error
	// finish is called after the last file.
	finish(into *Set) []error
}

// suffixes are the names of rule files, in the order in which their languages are loaded.
var suffixes = []struct {
	suffix string
	order  int
}{
	{".so", 0},
	{"helpers.rego", 1},
	{".rego", 2},
	{".cel", 3},
	{".yaml", 3},
	{".yml", 3},
}

// languages makes the language of each order.
func languages(o Options) []language {
	rego := newRegoLoader(o)
	return []language{pluginLoader{}, regoHelpers{rego}, rego, yamlLoader{}}
}

// LoadDir loads the signatures of a directory and of those below it: Go plugins, then Rego, then YAML, each in lexical
// order. Each error tells of one file, or of one signature in it, that was left out, or of a doubt about one that is
// there; the others are loaded all the same.
//
// A file named *helpers.rego is a module for all others, except the one named exactly helpers.rego: those helpers are
// built in. Files named *_test.rego are for "opa test" and *.rego.disabled are switched off; both are left out silently,
// as are directories called testdata, which hold tests, and those whose name begins with "..", where Kubernetes keeps
// earlier versions of mounted files.
func LoadDir(dir string, o Options) (*Set, []error) {
	set := &Set{Files: map[detect.Signature]Place{}}
	found, errs := findRules(dir)
	all := languages(o)
	for order, l := range all {
		for _, f := range found {
			if f.order == order {
				errs = append(errs, l.load(f.path, set)...)
			}
		}
		errs = append(errs, l.finish(set)...)
	}
	return set, errs
}

// ruleFile is a file by what it is.
type ruleFile struct {
	path  string
	order int
}

func findRules(dir string) (found []ruleFile, errs []error) {
	// os.DirFS follows dir itself when it is a symbolic link; filepath.WalkDir would not.
	_ = fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			errs = append(errs, fmt.Errorf("rules directory %s: %w", filepath.Join(dir, path), withoutPath(err)))
			return nil
		}
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), "..") || d.Name() == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if order, ok := orderOf(d.Name()); ok {
			found = append(found, ruleFile{filepath.Join(dir, path), order})
		}
		return nil
	})
	slices.SortStableFunc(found, func(a, b ruleFile) int { return cmp.Compare(a.order, b.order) })
	return found, errs
}

func orderOf(name string) (int, bool) {
	if name == "helpers.rego" || strings.HasSuffix(name, "_test.rego") {
		return 0, false
	}
	for _, s := range suffixes {
		if strings.HasSuffix(name, s.suffix) {
			return s.order, true
		}
	}
	return 0, false
}

// maxRuleFile is the largest rule file that is read.
const maxRuleFile = 4 << 20

// readRules reads a rule file of a reasonable size.
func readRules(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &FileError{Path: path, Text: withoutPath(err).Error()}
	}
	if !info.Mode().IsRegular() {
		return nil, &FileError{Path: path, Text: "no regular file"}
	}
	if info.Size() > maxRuleFile {
		return nil, &FileError{Path: path, Text: fmt.Sprintf("the file is larger than %d MiB (split it)", maxRuleFile>>20)}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, &FileError{Path: path, Text: withoutPath(err).Error()}
	}
	return raw, nil
}

// withoutPath strips the path that an error of package fs begins with, for callers that name it better.
func withoutPath(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
