package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/tracee-go/tracee/internal/ptytest"
	"github.com/tracee-go/tracee/types/trace"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	time.Local = time.FixedZone("test", 2*60*60)
	os.Exit(m.Run())
}

var (
	openFlags = &trace.Type{Name: "int", Kind: trace.Int32, Text: func(v uint64) string {
		return map[uint64]string{524288: "O_RDONLY|O_CLOEXEC"}[v]
	}}
	openat = &trace.Schema{ID: 257, Name: "openat", Fields: []trace.Field{
		{Name: "dirfd", Type: &trace.Type{Name: "int", Kind: trace.Int32}},
		{Name: "pathname", Type: &trace.Type{Name: "const char*", Kind: trace.String}},
		{Name: "flags", Type: openFlags},
		{Name: "mode", Type: &trace.Type{Name: "mode_t", Kind: trace.Uint32}},
	}}
	mixed = &trace.Schema{ID: 999, Name: "an_event_with_a_very_long_name", Fields: []trace.Field{
		{Name: "argv", Type: &trace.Type{Name: "const char*const*", Kind: trace.Strings}},
		{Name: "addr", Type: &trace.Type{Name: "struct sockaddr*", Kind: trace.Sockaddr}},
		{Name: "bytes", Type: &trace.Type{Name: "bytes", Kind: trace.Bytes}},
		{Name: "buf", Type: &trace.Type{Name: "void*", Kind: trace.Pointer}},
		{Name: "fds", Type: &trace.Type{Name: "int[2]", Kind: trace.IntPair}},
		{Name: "hooked", Type: &trace.Type{Name: "[]trace.HookedSymbolData", Kind: trace.Document}},
		{Name: "nothing", Type: &trace.Type{Name: "made_up_t", Kind: trace.Document}},
	}}
	exit = &trace.Schema{ID: 60, Name: "exit"}
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// record gives the event its arguments; nil ones are absent.
func record(e trace.Event, schema *trace.Schema, parse bool, values ...any) *trace.Event {
	var b trace.Builder
	b.Reset(schema)
	for i, v := range values {
		if v != nil {
			must(b.Set(i, v))
		}
	}
	b.Finish(&e)
	e.ParseArguments = parse
	return &e
}

func sample() []*trace.Event {
	host := trace.Event{
		Timestamp: 1657290111254199000, ProcessorID: 1, ProcessID: 1639459, ThreadID: 1639459, ParentProcessID: 1, HostProcessID: 1639459,
		HostThreadID: 1639459, HostParentProcessID: 1, UserID: 1000, MountNS: 4026531840, PIDNS: 4026531836, ProcessName: "exa",
		HostName: "fujitsu", ReturnValue: 3,
	}
	inside := trace.Event{
		Timestamp: 1657290111000007999, ProcessID: 7, ThreadID: 8, ParentProcessID: 1, HostProcessID: 30007, HostThreadID: 30008,
		HostParentProcessID: 30000, MountNS: 4026532000, PIDNS: 4026532001, ProcessName: "sh", HostName: "web",
		ContainerID: strings.Repeat("0123456789abcdef", 4), ReturnValue: -2, Rung: trace.Fentry,
		ContextFlags: trace.ContextFlags{ContainerStarted: true},
	}
	hostile := host
	hostile.ProcessName = "x\n\x1b[2J\xff"
	return []*trace.Event{
		record(host, openat, true, -100, "/etc/ld.so.cache", 524288, 0),
		record(host, openat, false, -100, "/etc/ld.so.cache", 524288, 0),
		record(inside, openat, true, nil, "/tmp/été 漢字", nil, nil),
		record(inside, mixed, true, []string{"sh", "-c", "ls"}, map[string]string{"sa_family": "AF_INET", "sin_addr": "127.0.0.1", "sin_port": "80"},
			[]byte("\x7fELF"), uintptr(0x7fff0000), [2]int32{3, 4}, []byte(`[{"SymbolName":"read","ModuleOwner":"rk"}]`), []byte(`null`)),
		record(hostile, openat, true, 0, "/tmp/a\n11:21:51:254199  0      forged\u202e\\n\u0085\x7f", 0, 0),
		record(host, exit, true),
	}
}

func printAll(t *testing.T, name string, config Config) string {
	t.Helper()
	var out bytes.Buffer
	config.Out = &out
	p, err := New(name, config)
	if err != nil {
		t.Fatal(err)
	}
	must(p.Preamble())
	for _, e := range sample() {
		if err := p.Print(e); err != nil {
			t.Fatal(err)
		}
	}
	must(p.Epilogue(Stats{EventCount: 6, LostEvCount: 1}))
	must(p.Close())
	return out.String()
}

func TestFormatsPrintAsInTheGoldenFiles(t *testing.T) {
	tests := []struct {
		golden, format string
		config         Config
	}{
		{"table", "table", Config{}},
		{"table-container", "table", Config{ContainerMode: true}},
		{"table-relative", "table", Config{RelativeTime: true}},
		{"table-verbose", "table-verbose", Config{}},
		{"table-verbose-container", "table-verbose", Config{ContainerMode: true}},
		{"json", "json", Config{}},
		{"gotemplate", "gotemplate", Config{TemplatePath: "testdata/event.tmpl"}},
		{"none", "none", Config{}},
	}
	for _, test := range tests {
		t.Run(test.golden, func(t *testing.T) {
			got := printAll(t, test.format, test.config)
			file := filepath.Join("testdata", test.golden+".golden")
			if *update {
				must(os.WriteFile(file, []byte(got), 0o644))
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestGobIsReadAgain(t *testing.T) {
	r := trace.NewGobReader(strings.NewReader(printAll(t, "gob", Config{})), nil)
	for _, want := range sample() {
		var got trace.Event
		if err := r.Read(&got); err != nil {
			t.Fatal(err)
		}
		if got.EventName != want.EventName || got.Timestamp != want.Timestamp || got.Rung != want.Rung {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if err := r.Read(new(trace.Event)); err != io.EOF {
		t.Errorf("got %v, want the end", err)
	}
}

func TestEveryFormatIsDeclaredWithItsDoc(t *testing.T) {
	var names []string
	for _, f := range Formats() {
		names = append(names, f.Flag)
		if f.Doc == "" {
			t.Errorf("%s has no doc", f.Name)
		}
	}
	const want = "gob gotemplate=/path/to/template json none table table-verbose"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNewExplainsWhatIsWrong(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.tmpl")
	must(os.WriteFile(broken, []byte("{{"), 0o600))
	tests := []struct {
		format string
		config Config
		want   string
	}{
		{"foo", Config{}, "unrecognized output format: foo. Valid format values: 'table', 'table-verbose', 'json', 'gob' or 'gotemplate='. Use '--output help' for more info"},
		{"json", Config{}, "output json: no writer"},
		{"gotemplate", Config{Out: io.Discard}, "please specify a gotemplate for event-based output"},
		{"gotemplate", Config{Out: io.Discard, TemplatePath: "testdata/no.tmpl"}, "read gotemplate: open testdata/no.tmpl: no such file or directory"},
		{"gotemplate", Config{Out: io.Discard, TemplatePath: broken}, "read gotemplate: template: broken.tmpl:1: unclosed action"},
	}
	for _, test := range tests {
		if _, err := New(test.format, test.config); err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.format, err, test.want)
		}
	}
}

func TestDeclareRefusesTheSameNameTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("got no panic")
		}
	}()
	declare(Format{Name: "json"})
}

func TestEventsAreWrittenWhole(t *testing.T) {
	for _, format := range []string{"json", "table"} {
		var writes [][]byte
		p, err := New(format, Config{Out: writer(func(b []byte) (int, error) {
			writes = append(writes, bytes.Clone(b))
			return len(b), nil
		})})
		must(err)
		events := sample()
		for range 1000 {
			must(p.Print(events[0]))
		}
		before := len(writes)
		must(p.Flush())
		if before == 0 || len(writes) != before+1 {
			t.Errorf("%s: got %d writes, then %d", format, before, len(writes))
		}
		for _, w := range writes {
			if w[len(w)-1] != '\n' {
				t.Errorf("%s: a write ends inside of a line", format)
			}
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestAClosedPipeIsReported(t *testing.T) {
	for _, f := range Formats() {
		if f.Name == "none" {
			continue
		}
		r, w, err := os.Pipe()
		must(err)
		must(r.Close())
		p, err := New(f.Name, Config{Out: w, TemplatePath: "testdata/event.tmpl"})
		must(err)
		err = p.Print(sample()[0])
		must(err)
		var failed *WriteError
		events := 0
		for _, err := range []error{p.Flush(), p.Print(sample()[0]), p.Epilogue(Stats{}), p.Close()} {
			if !errors.Is(err, syscall.EPIPE) || !errors.As(err, &failed) {
				t.Fatalf("%s: got %v, want a closed pipe", f.Name, err)
			}
			events += failed.Events
		}
		if events != 2 {
			t.Errorf("%s: the errors are about %d events, want 2", f.Name, events)
		}
		must(w.Close())
	}
}

func TestAFailingTemplateLeavesNoTrace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.tmpl")
	must(os.WriteFile(file, []byte("[{{.EventName}}{{if eq .EventName \"exit\"}}{{index .Args 9}}{{end}}]"), 0o600))
	var out bytes.Buffer
	p, err := New("gotemplate", Config{Out: &out, TemplatePath: file})
	must(err)
	var failed *WriteError
	if err := p.Print(sample()[5]); err == nil || errors.As(err, &failed) {
		t.Errorf("got %v, want an error of the template", err)
	}
	must(p.Print(sample()[0]))
	must(p.Close())
	if got := out.String(); got != "[openat]" {
		t.Errorf("got %s, want [openat]", got)
	}
}

func TestTemplatesHaveTheFunctionsOfSprig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.tmpl")
	must(os.WriteFile(file, []byte("{{.EventName | upper | trunc 4}} {{printable .ProcessName}} {{(index .Args 1).Value | base}}"), 0o600))
	var out bytes.Buffer
	p, err := New("gotemplate", Config{Out: &out, TemplatePath: file})
	must(err)
	must(p.Print(sample()[4]))
	must(p.Close())
	if got, want := out.String(), `OPEN x\n\x1b[2J\xff `; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q in front", got, want)
	}
}

func TestTemplatesCannotDriveATerminal(t *testing.T) {
	screen, terminal := ptytest.Open(t)
	file := filepath.Join(t.TempDir(), "t.tmpl")
	must(os.WriteFile(file, []byte("{{.ProcessName}}\t{{(index .Args 1).Value}}\n"), 0o600))
	p, err := New("gotemplate", Config{Out: terminal, TemplatePath: file})
	must(err)
	must(p.Print(sample()[4]))
	must(p.Close())
	buffer := make([]byte, 4096)
	n, err := screen.Read(buffer)
	must(err)
	for _, c := range string(buffer[:n]) {
		if !strconv.IsPrint(c) && !strings.ContainsRune("\r\n\t", c) {
			t.Errorf("%q reached the terminal in %q", c, buffer[:n])
		}
	}
	if !strings.Contains(string(buffer[:n]), `\x1b[2J`) {
		t.Errorf("got %q, want the escape in it", buffer[:n])
	}
}

func FuzzTemplates(f *testing.F) {
	for _, text := range []string{
		"{{.EventName}}", "{{range .Args}}{{.Name}}={{.Value}} {{end}}\n", "{{", "{{.Nothing}}", "{{index .Args 9}}", "{{.Origin | quote}}",
		"{{template \"x\"}}", "{{printf \"%d\" .ProcessID}}", "{{define \"x\"}}{{.}}{{end}}", "{{toJson .}}",
	} {
		f.Add(text)
	}
	file := filepath.Join(f.TempDir(), "t.tmpl")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "range") || strings.Contains(text, "template") || len(text) > 200 {
			return // what a template is told to do for ever, it does
		}
		must(os.WriteFile(file, []byte(text), 0o600))
		var out bytes.Buffer
		p, err := New("gotemplate", Config{Out: &out, TemplatePath: file})
		if err != nil {
			return
		}
		for _, e := range sample() {
			before := len(p.(*templatePrinter).text)
			if p.Print(e) != nil && len(p.(*templatePrinter).text) != before {
				t.Errorf("%q failed and left text behind", text)
			}
		}
	})
}

func TestTheBlankLineGoesToTheTerminal(t *testing.T) {
	var out, stdout bytes.Buffer
	p, err := New("table", Config{Out: &out, Stdout: &stdout})
	must(err)
	must(p.Epilogue(Stats{}))
	if stdout.String() != "\n" || !strings.HasPrefix(out.String(), "End of events stream\n") {
		t.Errorf("got %q on the terminal and %q", stdout.String(), out.String())
	}
}

func TestPrintableTextCannotForgeLines(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"plain /path", "plain /path"},
		{"é漢😀", "é漢😀"},
		{"a\nb\t\r\x00", `a\nb\t\r\x00`},
		{"\x1b[31m\x7f", `\x1b[31m\x7f`},
		{"\xff\xe2\x80", `\xff\xe2\x80`},
		{"\u009b\u202e\u200b\u2028", `\u009b\u202e\u200b\u2028`},
		{"\ufffd", "\ufffd"},
		{`\n"'`, `\\n"'`},
		{`a\b\ \"\é\`, `a\\b\ \"\é\`},
		{"\\\n\\\xff\\\u202e", `\\\n\\\xff\\\u202e`},
		{`\\z`, `\\\z`},
	}
	for _, test := range tests {
		if got := string(appendPrintable(nil, test.in)); got != test.want {
			t.Errorf("%q: got %s, want %s", test.in, got, test.want)
		}
		if got := string(appendPrintable(nil, []byte(test.in))); got != test.want {
			t.Errorf("%q: got %s, want %s", test.in, got, test.want)
		}
	}
}

// original undoes appendPrintable as the guide says: known escapes mean what they mean in Go, other backslashes themselves.
func original(t *rapid.T, shown string) string {
	var b []byte
	for shown != "" {
		if shown[0] != '\\' || len(shown) == 1 || !strings.Contains(`\abfnrtvxuU`, shown[1:2]) {
			b, shown = append(b, shown[0]), shown[1:]
			continue
		}
		r, multibyte, rest, err := strconv.UnquoteChar(shown, 0)
		if err != nil {
			t.Fatalf("%q: %v", shown, err)
		}
		if shown = rest; multibyte {
			b = utf8.AppendRune(b, r)
		} else {
			b = append(b, byte(r))
		}
	}
	return string(b)
}

func TestPrintableTextCanBeHadBack(t *testing.T) {
	pieces := []string{`\`, "n", "x41", "\n", "\x1b", "\xff", "é", "\u202e", "\u009b", "\U000e0001", "/tmp", "\\x", "\x7f", "\xc2", "\x80"}
	rapid.Check(t, func(t *rapid.T) {
		want := strings.Join(rapid.SliceOf(rapid.SampledFrom(pieces)).Draw(t, "text"), "")
		shown := string(appendPrintable(nil, want))
		for _, r := range shown {
			if !strconv.IsPrint(r) {
				t.Fatalf("%q shows %q", want, shown)
			}
		}
		if got := original(t, shown); got != want {
			t.Fatalf("%q is shown as %s, which reads as %q", want, shown, got)
		}
	})
}

func TestJSONLinesAreJSON(t *testing.T) {
	for line := range strings.Lines(printAll(t, "json", Config{})) {
		if !json.Valid([]byte(line)) {
			t.Errorf("got %s", line)
		}
	}
}

func BenchmarkPrint(b *testing.B) {
	for _, f := range Formats() {
		b.Run(f.Name, func(b *testing.B) {
			p, err := New(f.Name, Config{Out: io.Discard, TemplatePath: "testdata/event.tmpl"})
			must(err)
			e := sample()[0]
			b.ReportAllocs()
			for b.Loop() {
				must(p.Print(e))
			}
		})
	}
}
