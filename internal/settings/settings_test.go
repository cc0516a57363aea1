package settings

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"pgregory.net/rapid"

	"github.com/tracee-go/tracee/internal/suggest"
)

// machine is what the flags of the tests are about.
type machine struct {
	rules    []string
	metrics  bool
	pages    int
	repeats  time.Duration
	dir      string
	version  bool
	channels []string
}

func (m *machine) flags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("machine", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "metering" {
			name = "metrics"
		}
		return pflag.NormalizedName(name)
	})
	flags.StringArrayVar(&m.rules, "rules", nil, "ids")
	flags.BoolVar(&m.metrics, "metrics", false, "serve metrics")
	flags.IntVar(&m.pages, "pages", 4, "`pages`")
	flags.DurationVar(&m.repeats, "repeats", time.Minute, "window\nof repeats")
	flags.StringVar(&m.dir, "rules-dir", "/rules", "`directory`")
	flags.StringArrayVar(&m.channels, "channels", []string{"all"}, "channels")
	flags.BoolVar(&m.version, "version", false, "print the version")
	OnlyFlags(flags, "version")
	return flags
}

func write(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func apply(path string, args ...string) (machine, error) {
	var m machine
	flags := m.flags()
	if err := flags.Parse(args); err != nil {
		return m, err
	}
	f, err := Read(path)
	if err != nil {
		return m, err
	}
	return m, f.Apply(flags, suggest.DidYouMean, "policies")
}

func TestFileGivesWhatFlagsDoNot(t *testing.T) {
	path := write(t, "rules: [TRC-1, TRC-2]\nmetrics: true\npages: 8\nrepeats: 10s\nrules-dir: /other\nchannels: []\npolicies: []\n")
	m, err := apply(path, "--rules=TRC-9", "--pages=16")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.rules, []string{"TRC-9"}) {
		t.Errorf("a list on the command line replaces that of the file: got %q", m.rules)
	}
	if !m.metrics || m.pages != 16 || m.repeats != 10*time.Second || m.dir != "/other" || len(m.channels) != 0 {
		t.Errorf("got %+v", m)
	}
	m, err = apply(write(t, "rules: TRC-1\nchannels: [a, b]\n"))
	if err != nil || !slices.Equal(m.rules, []string{"TRC-1"}) || !slices.Equal(m.channels, []string{"a", "b"}) {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestEveryMistakeIsToldWithItsLine(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"unknown key", "metrics: true\nrule: [a]\n", `:2: unknown key "rule" (did you mean rules?)`},
		{"far from all", "xyzzy: 1\n", `:1: unknown key "xyzzy"`},
		{"an alias", "metering: true\n", `:1: unknown key "metering" (did you mean metrics?)`},
		{"flag without a key", "version: true\n", ":1: version is a flag only"},
		{"twice", "pages: 1\npages: 2\n", ":2: pages is given twice (also in line 1)"},
		{"no truth value", "metrics: perhaps\n", `:1: metrics: "perhaps": want true or false`},
		{"text for a number", "pages: many\n", `:1: pages: "many": want a whole number`},
		{"fraction", "pages: 1.5\n", `"1.5": want a whole number`},
		{"number for a text", "rules-dir: 5\n", ":1: rules-dir: 5: want a text (write it between quotes)"},
		{"nothing", "rules-dir:\n", ":1: rules-dir: want a text, not nothing"},
		{"no time", "repeats: soon\n", `:1: repeats: "soon": want a time, as 10s`},
		{"a list for one", "pages: [1]\n", ":1: pages: want a whole number, not a list"},
		{"a mapping in a list", "rules:\n  - a\n  - {b: c}\n", ":3: rules: want a text, or a list of texts, not a mapping"},
		{"help", "rules: help\n", "help is for the command line"},
		{"wrong though the command line wins", "pages: many\n", `want a whole number`},
		{"not YAML", "a: [\n", ":1: did not find expected node content"},
		{"no mapping", "- a\n", ":1: want a mapping"},
		{"two documents", "pages: 1\n---\npages: 2\n", "a second document"},
		{"alias", "rules: &a [x]\nchannels: *a\n", ":2: aliases (*a) are not read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := apply(write(t, test.content), "--pages=1")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	_, err := apply(write(t, "a: 1\nb: 2\npages: x\n"))
	var all Problems
	if !errors.As(err, &all) || len(all) != 3 {
		t.Errorf("want three problems, got %v", err)
	}
}

func TestLargeFilesAndBombsAreRefused(t *testing.T) {
	if _, err := Read(write(t, strings.Repeat("#", MaxFile+1))); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a large file: %v", err)
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		p := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+p+",", 9) + "]\n"
	}
	if _, err := Read(write(t, bomb)); err == nil || !strings.Contains(err.Error(), "aliases") {
		t.Errorf("a bomb: %v", err)
	}
	if _, err := Read(write(t, "a: "+strings.Repeat("[", 20000)+"\n")); err == nil {
		t.Error("a deep file is read")
	}
	if f, err := Read(os.DevNull); err != nil || f.Section("policies") != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func TestWhatIsPrintedGivesTheSame(t *testing.T) {
	dir := t.TempDir()
	texts := rapid.OneOf(rapid.SampledFrom([]string{"", "5", "true", "null", "~", "a: b", "# c", "0x1f", "1e3", "x\ny", "- a", "*", "'", "2001-01-01"}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		args := []string{
			"--rules-dir=" + texts.Draw(t, "dir"), "--pages=" + rapid.StringMatching("[1-9][0-9]{0,4}").Draw(t, "pages"),
		}
		for _, r := range rapid.SliceOfN(texts, 0, 4).Draw(t, "rules") {
			args = append(args, "--rules="+r)
		}
		if slices.Contains(args, "--rules=help") || args[0] == "--rules-dir=help" {
			t.Skip("a word of the command line")
		}
		var m machine
		flags := m.flags()
		if err := flags.Parse(args); err != nil {
			t.Fatal(err)
		}
		first, err := Print(flags, nil)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "printed.yaml")
		if err := os.WriteFile(path, first, 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := apply(path)
		if err != nil {
			t.Fatalf("%v\n%s", err, first)
		}
		if again.dir != m.dir || again.pages != m.pages || !slices.Equal(again.rules, m.rules) || !slices.Equal(again.channels, m.channels) {
			t.Fatalf("got %+v, want %+v\n%s", again, m, first)
		}
		if !bytes.Contains(first, []byte("# window of repeats\nrepeats: 1m0s")) {
			t.Fatalf("got %s", first)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add("rules: [a]\npages: 1\n")
	f.Add("a: &x [1]\nb: *x\n")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(dir, "fuzz.yaml")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := apply(path); err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
	})
}
