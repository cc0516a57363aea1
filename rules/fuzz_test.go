package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/rules/declared"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// largestFuzzed is the length of texts that are tried: longer ones only take longer.
const largestFuzzed = 4 << 10

// try loads a file in its language. What is wrong with it is one line, and what is loaded can be shown events.
func try(t *testing.T, path string, l language, events []*trace.Event) {
	t.Helper()
	set := &Set{Files: map[detect.Signature]Place{}}
	errs := l.load(path, set)
	errs = append(errs, l.finish(set)...)
	for _, err := range errs {
		if text := err.Error(); !strings.Contains(text, filepath.Base(path)) || strings.Contains(text, "\n") {
			t.Errorf("the error does not name the file, or is of several lines: %q", text)
		}
	}
	for _, s := range set.Signatures {
		if _, err := s.GetMetadata(); err != nil {
			t.Errorf("loaded, but no metadata: %v", err)
		}
		if err := s.Init(func(detect.Finding) {}); err != nil {
			t.Errorf("loaded, but can not begin: %v", err)
			continue
		}
		for _, e := range events {
			_ = s.OnEvent(protocol.Event{Payload: e}) // whether it understands the event is up to the rule
		}
		s.Close()
	}
	for _, x := range set.Exceptions {
		if x.Where.Path == "" || x.Reason == "" || len(x.Signatures) == 0 {
			t.Errorf("loaded, but is no exception: %+v", x)
		}
	}
}

// fuzzedFile returns how to write the text of a file.
func fuzzedFile(f *testing.F, name string) func(t *testing.T, text string) (path string) {
	f.Helper()
	path := filepath.Join(f.TempDir(), name)
	return func(t *testing.T, text string) string {
		t.Helper()
		if len(text) > largestFuzzed {
			t.Skip("too long")
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
}

// seed adds the files of directories, and texts.
func seed(f *testing.F, patterns []string, texts ...string) {
	f.Helper()
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatalf("%s: no files, %v", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			texts = append(texts, string(text))
		}
	}
	for _, text := range texts {
		f.Add(text)
	}
}

func FuzzRego(f *testing.F) {
	texts := []string{"", "package x", "package tracee.X\n__rego_metadoc__ := 1\ntracee_selected_events := {}\ntracee_match { true }"}
	for _, m := range matches {
		texts = append(texts, rule("X", m.text))
	}
	seed(f, []string{"../signatures/rego/*.rego", "testdata/rules/*.rego"}, texts...)
	file, events := fuzzedFile(f, "x.rego"), prefilterEvents()[:3]
	f.Fuzz(func(t *testing.T, text string) {
		try(t, file(t, text), newRegoLoader(Options{}), events)
	})
}

// FuzzYAML reads files of all kinds: signatures of ours, those of v0.8.3 with CEL, and exceptions.
func FuzzYAML(f *testing.F) {
	texts := []string{
		sound, exception("executable: {path: /usr/bin/x, device: 1, inode: 2}"), exception("user: 0, arguments: {pathname: /etc/*}"),
		"kind: SignaturesConfig\napiVersion: tracee.aquasecurity.github.io/v1alpha1\nsignatures:\n- metadata: {id: X}\n" +
			"  eventSelectors: [{source: tracee, name: openat, origin: host}]\n  expression: input.eventName == 'openat'\n",
		sound + "---\n" + exception("image: a*"), "- a", "a: &a [*a]", "&a a: *a\nkind: Signatures",
	}
	for _, bomb := range bombs {
		if len(bomb.text) <= largestFuzzed {
			texts = append(texts, bomb.text)
		}
	}
	seed(f, []string{"declared/testdata/*.yaml"}, texts...)
	file, events := fuzzedFile(f, "x.yaml"), prefilterEvents()[:3]
	f.Fuzz(func(t *testing.T, text string) {
		try(t, file(t, text), yamlLoader{}, events)
	})
}

// FuzzExceptions varies what an exception says, inside of a document that is sound.
func FuzzExceptions(f *testing.F) {
	for _, text := range []string{
		"{signature: A, reason: r, owner: o, expires: 2027-01-31, user: 1}", "{signature: [A, B], expires: 2027-01-31T00:00:00Z}",
		"{executable: {path: '/usr/*', sha256: '00'}}", "{image: '[', comm: '\\'}", "{}", "null", "[]",
	} {
		f.Add(text)
	}
	event := prefilterEvents()[0]
	f.Fuzz(func(t *testing.T, text string) {
		documents, err := declared.Documents([]byte(exceptionsHeader + "- " + text))
		if err != nil {
			return
		}
		set := &Set{}
		for _, d := range documents {
			if d.Kind != kindExceptions {
				continue
			}
			for _, err := range loadExceptions("x.yaml", d, set) {
				if err.Error() == "" {
					t.Error("an error without words")
				}
			}
		}
		for _, x := range set.Exceptions {
			x.covers(detect.Finding{}, event)
		}
	})
}
