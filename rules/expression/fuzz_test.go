package expression

import (
	"errors"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/types/trace"
)

// FuzzExpressions compiles CEL. What is accepted is evaluated, within its time.
func FuzzExpressions(f *testing.F) {
	for _, c := range conditions {
		f.Add(c.text)
	}
	for _, text := range []string{"", "1", "(", "args", "args.path.matches('(a')", "[1, 2].map(x, x / 0)", "args.doc.a[9] == {}", "'\\xff'", "size(args.argv) > 0u"} {
		f.Add(text)
	}
	e := sample(f)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<10 {
			t.Skip("too long")
		}
		for _, compile := range []func(string, *Scope) (*Program, error){Compile, CompileCondition} {
			p, err := compile(text, &Scope{Schemas: []*trace.Schema{opened}})
			var problem *Problem
			switch {
			case err != nil && (!errors.As(err, &problem) || strings.TrimSpace(problem.Text) == ""):
				t.Errorf("%q: an error without place or words: %v", text, err)
			case err == nil:
				_, _ = p.Value(&Vars{Event: e})
				p.EventNames()
			}
		}
	})
}
