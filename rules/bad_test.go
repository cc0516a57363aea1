package rules

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sound is a rule file that nothing is wrong with.
const sound = "kind: Signatures\napiVersion: tracee/v1\nsignatures:\n- {id: SOUND, match: {event: openat}}\n"

// bombs are files that are made to hurt whoever reads them.
var bombs = map[string]struct{ text, want string }{
	"huge.yaml":   {strings.Repeat("# padding\n", 10<<20), ": the file is larger than 4 MiB (split it)"},
	"huge.rego":   {"package x\n" + strings.Repeat("# padding\n", 1<<20), ": the file is larger than 4 MiB"},
	"aliases.yml": {"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c]\nkind: Signatures\napiVersion: tracee/v1\nsignatures: [*d,*d]\n", ":"},
	"deep.yaml":   {strings.Repeat("[", 200_000), ":"},
	"regex.yaml":  {strings.Replace(sound, "event: openat", `event: openat, when: "args.pathname.matches('((((a{1,100}){1,100}){1,100}){1,100})')"`, 1), ":4: signature SOUND: "},
	"nested.yaml": {strings.Replace(sound, "event: openat", `event: openat, when: "`+strings.Repeat("(", 5000)+"true"+strings.Repeat(")", 5000)+`"`, 1), ":4: signature SOUND: "},
	"binary.yaml": {"\x00\x01\x02\xff", ":1: "},
	"binary.rego": {"\x00\x01\x02\xff", ":"},
	"empty.yaml":  {"", ": the file is empty"},
	"no.yaml":     {"- a\n- b\n", ":1: want a mapping with kind"},
	"kind.yaml":   {"kind: Pod\n", ":1: unrecognized config kind: expected SignaturesConfig got Pod"},
}

func TestFilesThatAreMadeToHurtAreReportedAndLeftOut(t *testing.T) {
	dir := t.TempDir()
	for name, bomb := range bombs {
		write(t, dir, name, bomb.text)
	}
	write(t, dir, "sound.yaml", sound)
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe.rego"), 0o600); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	set, errs := LoadDir(dir, Options{})
	if took := time.Since(started); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	if len(set.Signatures) != 1 || idOf(set.Signatures[0]) != "SOUND" {
		t.Errorf("loaded %d signatures", len(set.Signatures))
	}
	for name, bomb := range bombs {
		if !mentions(errs, filepath.Join(dir, name)+bomb.want) {
			t.Errorf("no error begins with %s%s", name, bomb.want)
		}
	}
	if !mentions(errs, filepath.Join(dir, "dangling.yaml")+": no such file") {
		t.Error("the link that leads nowhere is not reported")
	}
	if !mentions(errs, filepath.Join(dir, "pipe.rego")+": no regular file") {
		t.Error("the pipe is not reported")
	}
	for _, err := range errs {
		if text := err.Error(); len(text) > 1000 || strings.Contains(text, "\n") {
			t.Errorf("the error is long: %.200s", text)
		}
	}
}

func mentions(errs []error, prefix string) bool {
	for _, err := range errs {
		if strings.HasPrefix(err.Error(), prefix) {
			return true
		}
	}
	return false
}

func TestErrorsOfFilesHaveTheirPlace(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.yaml", strings.Replace(sound, "openat", "opennat", 1))
	_, errs := LoadDir(dir, Options{})
	var file *FileError
	if len(errs) != 1 || !errors.As(errs[0], &file) || file.Path != filepath.Join(dir, "a.yaml") || file.Line != 4 || file.Kept {
		t.Errorf("got %v", errs)
	}
	dir = t.TempDir()
	write(t, dir, "a.rego", strings.Replace(rule("U-1", `tracee_match { true }`), `"id": "U-1"`, `"id": 7`, 1))
	if _, errs := LoadDir(dir, Options{}); len(errs) != 1 || !mentions(errs, filepath.Join(dir, "a.rego")+":3: __rego_metadoc__: id is not a string") {
		t.Errorf("got %v", errs)
	}
}

// useless are rules that are well formed, and useless.
var useless = map[string]struct{ text, want string }{
	"event.rego":  {strings.Replace(rule("U-1", `tracee_match { true }`), `"openat"`, `"opennat"`, 1), `:4: unknown event "opennat" (did you mean openat?)`},
	"never.rego":  {rule("U-2", `tracee_match { input.eventName == "ptrace" }`), ":1: can never match: it asks for input.eventName ptrace, and selects only openat"},
	"source.rego": {strings.Replace(rule("U-5", `tracee_match { true }`), `"tracee"`, `"trace"`, 1), `:4: unknown source "trace" of event openat (want tracee)`},
	"field.rego":  {rule("U-6", "tracee_match {\n\tinput.procesName == \"x\"\n}"), `:6: unknown field "procesName" (did you mean processName?) of input`},
	"source.cel": {"kind: SignaturesConfig\napiVersion: tracee.aquasecurity.github.io/v1alpha1\nsignatures:\n" +
		"- metadata: {id: U-7, version: 0.1.0, name: x}\n  eventSelectors: [{source: trace, name: openat}]\n  expression: input.processName == 'x'\n",
		`:4: signature U-7: unknown source "trace" of event openat (want tracee)`},
	"argument.rego": {rule("U-3", "tracee_match {\n\tlower(helpers.get_tracee_argument(\"pathnme\")) == \"x\"\n}"), `:6: unknown argument "pathnme" (did you mean pathname?) of openat`},
	"pattern.rego":  {rule("U-4", "tracee_match {\n\tregex.match(`(((a{1,900}){1,900}){1,900})`, input.processName)\n}"), ":6: regex.match is never defined: error parsing regexp"},
}

func TestRuleThatIsUselessIsDoubtedByLine(t *testing.T) {
	dir := t.TempDir()
	for name, u := range useless {
		write(t, dir, name, u.text)
	}
	write(t, dir, "useful.rego", rule("U-0", `tracee_match { input.eventName == "openat"; regex.match("^/etc", helpers.get_tracee_argument("pathname")) }`))
	set, errs := LoadDir(dir, Options{})
	if len(set.Signatures) != len(useless)+1 || len(errs) != len(useless) {
		t.Errorf("loaded %d signatures, errors %v", len(set.Signatures), errs)
	}
	for name, u := range useless {
		if !mentions(errs, filepath.Join(dir, name)+u.want) {
			t.Errorf("no error begins with %s%s:\n%v", name, u.want, errors.Join(errs...))
		}
	}
	for _, err := range errs {
		var file *FileError
		if !errors.As(err, &file) || !file.Kept {
			t.Errorf("not kept: %v", err)
		}
	}
}
