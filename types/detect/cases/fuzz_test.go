package cases

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/types/trace"
)

// FuzzCases reads any file of cases. What is accepted makes events, or says why it does not.
func FuzzCases(f *testing.F) {
	paths, err := filepath.Glob("../../../signatures/testdata/TRC-10*.yaml")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no examples, %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	for _, text := range []string{
		"", "- null", "- events: [null]", "- {events: [{event: x, args: {a: !!binary '?', b: [1], c: {d: e}, f: !document 'x {'}}]}",
		"- {events: [{event: x, args: [a]}], want: ['']}", "- {events: [{event: x, args: {a: &a [*a]}}]}",
	} {
		f.Add(text)
	}
	file := filepath.Join(f.TempDir(), "x.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := Read(file)
		if err != nil {
			if !strings.Contains(err.Error(), file) {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		for i := range all {
			_ = all[i].Run(func(e *trace.Event) { e.Args() })
		}
	})
}
