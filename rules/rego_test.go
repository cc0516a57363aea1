package rules

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/detect/detecttest"
	"github.com/tracee-go/tracee/types/trace"
)

func loadAll(t testing.TB, dir string, o Options) []detect.Signature {
	t.Helper()
	loaded, errs := LoadDir(dir, o)
	for _, err := range errs {
		var file *FileError
		if !errors.As(err, &file) || !file.Kept { // a doubt: tests make up arguments
			t.Errorf("load: %v", err)
		}
	}
	return loaded.Signatures
}

func TestRegoSignaturesOnData(t *testing.T) {
	for _, partial := range []bool{false, true} {
		for i, s := range loadAll(t, "testdata/rules", Options{}) {
			t.Run(fmt.Sprintf("%s/partial=%t", idOf(s), partial), func(t *testing.T) {
				detecttest.Run(t, filepath.Join("testdata/events", idOf(s)+".yaml"), func() detect.Signature {
					return loadAll(t, "testdata/rules", Options{PartialEval: partial})[i]
				})
			})
		}
	}
}

func TestLoadDirIsRecursiveAndLexical(t *testing.T) {
	var got []string
	for _, s := range loadAll(t, "testdata/rules", Options{}) {
		got = append(got, idOf(s))
	}
	if want := []string{"MINE-1", "MINE-2", "MINE-3"}; !slices.Equal(got, want) {
		t.Errorf("loaded: got %v, want %v", got, want)
	}
}

func TestRegoMetadataIsComplete(t *testing.T) {
	s := loadAll(t, "testdata/rules", Options{})[0]
	m, _ := s.GetMetadata()
	want := `{ID:MINE-1 Version:0.1.0 Name:Asks to be traced Description:In the language of v0.8's time ` +
		`Tags:[linux container] Properties:map[MITRE ATT&CK:Defense Evasion: Execution Guardrails Severity:3]}`
	if got := fmt.Sprintf("%+v", m); got != want {
		t.Errorf("metadata:\n got %s\nwant %s", got, want)
	}
	if _, ok := m.Properties["Severity"].(int64); !ok {
		t.Errorf("severity: got %T, want int64", m.Properties["Severity"])
	}
}

// rule returns the text of a signature that selects openat and matches as given.
func rule(id, match string) string {
	return `package tracee.` + strings.ReplaceAll(id, "-", "_") + `
import data.tracee.helpers
__rego_metadoc__ := {"id": "` + id + `", "version": "1", "name": "` + id + `", "description": "", "tags": [], "properties": {}}
tracee_selected_events[s] { s := {"source": "tracee", "name": "openat"} }
` + match + "\n"
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestLoadDirLeavesOutWhatIsBroken(t *testing.T) {
	tests := []struct {
		file, text string
		want       string // after the path of the file
	}{
		{"syntax.rego", rule("S-1", "tracee_match {\n\tinput.eventName ==\n}"), ":7: "},
		{"v1syntax.rego", "package tracee.S_2\n\na if { true }\nb if { true\n", ":5: "},
		{"unsafe.rego", rule("S-3", "tracee_match = x { y == 2 }"), ":5: "},
		{"function.rego", rule("S-4", `tracee_match { helpers.no_such("a") }`), ":5: "},
		{"empty.rego", "", ": empty module"},
		{"nomatch.rego", rule("S-5", ""), ":1: rule tracee_match is missing"},
		{"noid.rego", strings.Replace(rule("S-7", "tracee_match { true }"), `"id": "S-7"`, `"id": ""`, 1), ":3: __rego_metadoc__: id is missing"},
		{
			"undefined.rego", strings.ReplaceAll(rule("S-6", "tracee_match { true }"), "__rego_metadoc__ :=", "__rego_metadoc__ = x { false; x := 1 }\ny :="),
			":3: __rego_metadoc__ is undefined",
		},
		{"plugin.so", "\x7fELF", ": "},
		{"some.yaml", "kind: SignaturesConfig", ":1: unrecognized config apiVersion: expected tracee.aquasecurity.github.io/v1alpha1 got "},
		{"other.yml", "a: [\n", ":"},
		{"bad_helpers.rego", "package tracee.bad\n\nf(x) {", ":3: "},
	}
	dir := t.TempDir()
	for _, test := range tests {
		write(t, dir, test.file, test.text)
	}
	write(t, dir, "whole.rego", rule("S-0", "tracee_match { true }"))
	write(t, dir, "..old/whole.rego", rule("S-0", "tracee_match { true }"))

	set, errs := LoadDir(dir, Options{})
	if loaded := set.Signatures; len(loaded) != 1 || idOf(loaded[0]) != "S-0" {
		t.Errorf("loaded: got %d signatures, want S-0 alone", len(loaded))
	}
	if got, want := len(errs), len(tests); got != want {
		t.Errorf("errors: got %d, want %d", got, want)
	}
	for _, test := range tests {
		prefix := filepath.Join(dir, test.file) + test.want
		i := slices.IndexFunc(errs, func(err error) bool { return strings.HasPrefix(err.Error(), prefix) })
		if i < 0 {
			t.Errorf("no error begins with %q; there are:\n%v", prefix, errs)
			continue
		}
		if strings.Contains(errs[i].Error(), "\n") {
			t.Errorf("the error is more than one line: %v", errs[i])
		}
	}
}

func TestLoadDirTellsWhatIsMissing(t *testing.T) {
	_, errs := LoadDir("testdata/nowhere", Options{})
	if len(errs) != 1 || errs[0].Error() != "rules directory testdata/nowhere: no such file or directory" {
		t.Errorf("errors: got %v", errs)
	}
}

var regoResults = []struct {
	match string
	want  []string // data of findings
	err   string
}{
	{`tracee_match { true }`, []string{"map[]"}, ""},
	{`tracee_match = false { true }`, nil, ""},
	{`tracee_match = "yes" { true }`, nil, ""},
	{`tracee_match = 1 { true }`, nil, ""},
	{`tracee_match = [1] { true }`, nil, ""},
	{`tracee_match[x] { x := "set" }`, nil, ""},
	{`tracee_match { false }`, nil, ""},
	{
		`tracee_match = {"n": 1, "big": 18446744073709551615, "half": 0.5, "list": [{"a": 2}]} { true }`,
		[]string{"map[big:1.8446744073709552e+19 half:0.5 list:[map[a:2]] n:1]"},
		"",
	},
	{"tracee_match = {\"a\": 1} { true }\ntracee_match = {\"a\": 2} { true }", nil, "produced conflicting values"},
	{`tracee_match { helpers.get_tracee_argument("pathname") == "/etc/passwd" }`, []string{"map[]"}, ""},
	{`tracee_match { helpers.get_tracee_argument("missing") }`, nil, ""},
	{`tracee_match { input.eventName == "openat"; input.processId == 7; input.eventId == "257" }`, []string{"map[]"}, ""},
	{`tracee_match = {"all": x.processName} { x := input }`, []string{"map[all:cat]"}, ""},
	{`tracee_match = {"computed": input[x]} { x := concat("", ["process", "Name"]) }`, []string{"map[computed:cat]"}, ""},
	{
		`tracee_match = {"args": input.args} { true }`,
		[]string{"map[args:[map[name:pathname type:const char* value:/etc/passwd]]]"},
		"",
	},
	{`tracee_match { input.contextFlags.containerStarted == false; input.stackAddresses == null }`, []string{"map[]"}, ""},
	{`tracee_match { helpers.is_file_write("o_wronly|o_creat"); not helpers.is_file_write("O_RDONLY") }`, []string{"map[]"}, ""},
	{
		`tracee_match { helpers.is_file_read("O_RDONLY"); not helpers.is_file_read("O_WRONLY"); not helpers.is_file_read(7) }`,
		[]string{"map[]"},
		"",
	},
}

func TestRegoResults(t *testing.T) {
	for i, test := range regoResults {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "a.rego", rule("R-1", test.match))
			var log strings.Builder
			var found []string
			g, errs := New(Config{
				Signatures: loadAll(t, dir, Options{}),
				Finding:    func(f detect.Finding) { found = append(found, fmt.Sprint(f.Data)) },
				Log:        slog.New(slog.NewTextHandler(&log, nil)),
			})
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			e := event("openat", "/etc/passwd")
			e.ProcessID, e.ProcessName, e.EventID = 7, "cat", 257
			g.Handle(e)
			if !slices.Equal(found, test.want) {
				t.Errorf("%s\nfindings: got %q, want %q", test.match, found, test.want)
			}
			if (test.err == "") != (log.Len() == 0) || !strings.Contains(log.String(), test.err) {
				t.Errorf("%s\nlog: got %q, want %q", test.match, log.String(), test.err)
			}
		})
	}
}

func TestHelpersOfTheUserWin(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "my_helpers.rego", "package tracee.helpers\n\nis_file_write(flags) { flags == \"W\" }\n\nmine { true }\n")
	write(t, dir, "a.rego", rule("R-1",
		`tracee_match { helpers.is_file_write("W"); not helpers.is_file_write("O_WRONLY"); helpers.mine; helpers.is_file_read("O_RDONLY") }`))
	found := 0
	g, _ := New(Config{Signatures: loadAll(t, dir, Options{}), Finding: func(detect.Finding) { found++ }})
	g.Handle(event("openat", "/a"))
	if found != 1 {
		t.Errorf("findings: got %d, want 1", found)
	}
}

func TestRegoInputIsOfTheEvent(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.rego", rule("R-1", `tracee_match = {"a": helpers.get_tracee_argument("pathname")} { true }`))
	write(t, dir, "b.rego", rule("R-2", `tracee_match = {"b": input.args[_].value} { true }`))
	var found []string
	g, _ := New(Config{
		Signatures: loadAll(t, dir, Options{}),
		Finding:    func(f detect.Finding) { found = append(found, fmt.Sprint(f.Data)) },
	})
	var e trace.Event // one event that is filled again and again, as readers do
	for _, path := range []string{"/1", "/2"} {
		next := event("openat", path)
		e.SetRecord(next.Schema(), 1, 0, recordOf(next))
		g.Handle(&e)
	}
	if want := []string{"map[a:/1]", "map[b:/1]", "map[a:/2]", "map[b:/2]"}; !slices.Equal(found, want) {
		t.Errorf("findings: got %q, want %q", found, want)
	}
}

func recordOf(e *trace.Event) []byte {
	_, _, body := e.Record()
	return body
}

// BenchmarkRego measures rules on an event: "refuted" ones the prefilter tells from the event, "asked" ones OPA.
func BenchmarkRego(b *testing.B) {
	for _, kind := range []struct{ name, more string }{{"refuted", ""}, {"asked", "count(path) > 1000"}} {
		for _, n := range []int{1, 5, 20} {
			for _, partial := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/rules=%d/partial=%t", kind.name, n, partial), func(b *testing.B) {
					suffix := map[string]string{"refuted": "release_agent", "asked": ".so.6"}[kind.name]
					benchmarkRules(b, n, suffix, kind.more, partial)
				})
			}
		}
	}
}

func benchmarkRules(b *testing.B, n int, suffix, more string, partial bool) {
	dir := b.TempDir()
	for i := range n {
		write(b, dir, fmt.Sprintf("%02d.rego", i), rule(fmt.Sprintf("B-%d", i), `tracee_match = res {
	input.eventName == "openat"
	flags := helpers.get_tracee_argument("flags")
	helpers.is_file_write(flags)
	path := helpers.get_tracee_argument("pathname")
	endswith(path, "`+suffix+`")
	`+more+`
	res := {"path": path}
}`))
	}
	g, _ := New(Config{Signatures: loadAll(b, dir, Options{PartialEval: partial})})
	str := &trace.Type{Name: "const char*", Kind: trace.String}
	var record trace.Builder
	record.Reset(&trace.Schema{Name: "openat", Fields: []trace.Field{
		{Name: "pathname", Type: str}, {Name: "flags", Type: str}, {Name: "dev", Type: str}, {Name: "inode", Type: str},
	}})
	for i, text := range []string{"/usr/lib/x86_64-linux-gnu/libc.so.6", "O_RDWR|O_CLOEXEC", "8388609", "123456"} {
		record.Text(i, text)
	}
	var e trace.Event
	record.Finish(&e)
	b.ReportAllocs()
	for b.Loop() {
		g.Handle(&e)
	}
	if got := g.Stats(); got.Detections+got.Errors > 0 {
		b.Errorf("stats: %+v", got)
	}
}
