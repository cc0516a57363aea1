package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/rules"
)

// filesShown are blocks of a page of the guide that come after the name of their file.
var filesShown = regexp.MustCompile("(?ms)^`([a-zA-Z0-9_./-]+)`[^\n]*\n(?:[^\n`]*\n)*?\n?```(?:yaml|rego)\n(.*?)^```$")

// writeExamples writes the files that a page of the guide shows.
func writeExamples(t *testing.T, page string) (dir string, names []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for _, m := range filesShown.FindAllStringSubmatch(string(text), -1) {
		path := filepath.Join(dir, m[1])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(m[2]), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, m[1])
	}
	return dir, names
}

func TestExamplesOfTheGuideWork(t *testing.T) {
	dir, names := writeExamples(t, "../docs/guide/writing-signatures.md")
	want := []string{"yaml.yaml", "testdata/MINE-2.yaml", "rego.rego", "testdata/MINE-5.yaml", "cel.yaml"}
	if !slices.Equal(names, want) {
		t.Fatalf("examples: got %q, want %q", names, want)
	}
	for _, args := range [][]string{{"lint", dir}, {"test", dir}} {
		var stdout, stderr strings.Builder
		if code := Rules(args, os.Stdin, &stdout, &stderr); code != 0 {
			t.Errorf("%v: exit code %d\n%s%s", args, code, stdout.String(), stderr.String())
		}
		if args[0] == "test" && !strings.Contains(stderr.String(), "3 passed, 0 failed") {
			t.Errorf("got %s", stderr.String())
		}
	}
}

func TestExceptionOfTheGuideIsOne(t *testing.T) {
	text, err := os.ReadFile("../docs/guide/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```yaml\n")
	block, _, _ = strings.Cut(block, "```")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.yaml"), []byte(block), 0o600); err != nil {
		t.Fatal(err)
	}
	set, errs := rules.LoadDir(dir, rules.Options{})
	if len(errs) > 0 || len(set.Exceptions) != 1 {
		t.Errorf("got %d exceptions, %v", len(set.Exceptions), errs)
	}
}
