package declared

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/detect/detecttest"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

func load(t testing.TB, raw string) ([]*Signature, []error) {
	t.Helper()
	documents, err := Documents([]byte(raw))
	if err != nil {
		return nil, []error{err}
	}
	var all []*Signature
	var errs []error
	for _, d := range documents {
		loaded, wrong := Load(d)
		all, errs = append(all, loaded...), append(errs, wrong...)
	}
	return all, errs
}

func TestSignaturesOnData(t *testing.T) {
	for _, path := range []string{"testdata/rules.yaml", "testdata/cel.yaml"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all, errs := load(t, string(raw))
		for _, err := range errs {
			t.Errorf("%s: %v", path, err)
		}
		for i, s := range all {
			m, _ := s.GetMetadata()
			t.Run(m.ID, func(t *testing.T) {
				detecttest.Run(t, "testdata/"+m.ID+".yaml", func() detect.Signature {
					fresh, _ := load(t, string(raw))
					return fresh[i]
				})
			})
		}
	}
}

func TestMetadataIsComplete(t *testing.T) {
	for path, want := range map[string]string{
		"testdata/rules.yaml": "{Y-1  One event  [] map[MITRE ATT&CK:Credential Access: OS Credential Dumping Severity:3]}",
		"testdata/cel.yaml": "{CEL-1 0.1.0 Anti-Debugging Process uses anti-debugging technique to block debugger " +
			"[linux container] map[MITRE ATT&CK:Defense Evasion: Execution Guardrails Severity:3]}",
	} {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all, _ := load(t, string(raw))
		m, _ := all[0].GetMetadata()
		if got := fmt.Sprint(m); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

const header = "kind: Signatures\napiVersion: tracee/v1\nsignatures:\n"

var mistakes = []struct {
	text string // the list begins in line 4
	line int
	want string
}{
	{"- id: A\n  match: {event: opennat}", 5, `unknown event "opennat" (did you mean openat?)`},
	{"- id: A\n  match:\n    event: openat\n    when: args.pathnam == 'x'", 7, `unknown argument "pathnam" (did you mean pathname?) of openat`},
	{"- id: A\n  match:\n    event: openat\n    when: |\n      true &&\n      args.pathname == 5", 9, "no matching overload"},
	{"- id: A\n  match: {event: openat, when: \"input.eventName == 'open'\"}", 5, "can never match: it asks for input.eventName open, and sees only openat"},
	{"- id: A\n  mach: {event: openat}", 5, `unknown field "mach" (did you mean match?)`},
	{"- match: {event: openat}", 4, "id is missing"},
	{"- id: A", 4, "want one of match, sequence, count and distinct"},
	{"- id: A\n  match: {event: openat}\n  per: process", 4, "per and within are for"},
	{"- id: A\n  count: {event: openat, atLeast: 3}", 4, "want per"},
	{"- id: A\n  count: {event: openat, atLeast: 3}\n  per: procss\n  within: 5s", 6, "per procss: want container, host, process, tree (did you mean process?)"},
	{"- id: A\n  count: {event: openat, atLeast: 3}\n  per: process\n  within: 5", 7, "within 5: want a duration"},
	{"- id: A\n  count: {event: openat, atLeast: 1000000}\n  per: host\n  within: 5s", 4, "atLeast: want 2 to 10000"},
	{"- id: A\n  severity: urgent\n  match: {event: openat}", 5, "severity urgent: want 0 to 4"},
	{"- id: A\n  origin: moon\n  match: {event: openat}", 5, `unknown origin "moon"`},
	{"- id: A\n  match: {event: [openat, [x]]}", 5, "want a text"},
	{"- id: A\n  match: {event: openat, atLeast: x}", 5, "cannot unmarshal"},
	{"- id: A\n  data: {x: kept.y}\n  match: {event: openat}", 5, `unknown kept value "y"`},
	{"- id: A\n  match: {event: openat, when: \"input.stringArg('nope') == ''\"}", 5, `unknown argument "nope"`},
	{"- 5", 4, "cannot unmarshal"},
	{"  - id: [", 4, ""},
}

func TestMistakesAreToldByLine(t *testing.T) {
	for _, m := range mistakes {
		_, errs := load(t, header+m.text+"\n")
		var p *Problem
		if len(errs) != 1 || !errors.As(errs[0], &p) || p.Line != m.line || !strings.Contains(p.Text, m.want) || strings.Contains(p.Text, "\n") {
			line := 0
			if p != nil {
				line = p.Line
			}
			t.Errorf("%s\ngot line %d: %v, want line %d: %s", m.text, line, errs, m.line, m.want)
		}
	}
}

func TestMistakeLeavesTheOthersOfItsFile(t *testing.T) {
	all, errs := load(t, header+"- id: A\n  match: {event: openat}\n- id: B\n  match: {event: no}\n- id: C\n  match: {event: openat}\n")
	if len(all) != 2 || len(errs) != 1 {
		t.Errorf("got %d signatures and %v", len(all), errs)
	}
}

// What v0.8.3 loads is loaded, and doubts are told.
func TestDoubtsAboutCELAreWarnings(t *testing.T) {
	for _, test := range []struct{ selector, expression, want string }{
		{"openat", "input.eventName == 'open'", "can never match"},
		{"openat", "input.stringArg('nope') == ''", `unknown argument "nope"`},
		{"write", "input.stringArg('count') == '5'", `argument "count" of write is never a text`},
		{"write", "input.sockaddrArg('count').sa_family == AF_INET", `argument "count" of write is never an address`},
		{"opennat", "true", `unknown event "opennat"`},
	} {
		all, errs := load(t, "kind: SignaturesConfig\napiVersion: tracee.aquasecurity.github.io/v1alpha1\nsignatures:\n"+
			"- metadata: {id: A}\n  eventSelectors: [{source: tracee, name: "+test.selector+"}]\n  expression: \""+test.expression+"\"\n")
		var p *Problem
		if len(all) != 1 || len(errs) != 1 || !errors.As(errs[0], &p) || !p.Kept || !strings.Contains(p.Text, test.want) {
			t.Errorf("%s: got %d signatures, %v", test.expression, len(all), errs)
		}
	}
}

// flood makes events of ever new processes with ever new values.
func flood(t *testing.T, s *Signature, n int) {
	t.Helper()
	path := &trace.Type{Name: "const char*", Kind: trace.String}
	schema := &trace.Schema{Name: "openat", Fields: []trace.Field{{Name: "pathname", Type: path}}}
	if err := s.Init(func(detect.Finding) {}); err != nil {
		t.Fatal(err)
	}
	var b trace.Builder
	e := &trace.Event{}
	for i := range n {
		b.Reset(schema)
		b.Text(0, fmt.Sprintf("/%d/%s", i, strings.Repeat("x", 3000)))
		e.HostProcessID, e.Timestamp = i%(2*maxEntities)+2, i
		b.Finish(e)
		if err := s.OnEvent(protocol.Event{Payload: e}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMemoryIsBoundedAndWhatIsForgottenCounted(t *testing.T) {
	for name, text := range map[string]string{
		"sequence": "sequence: [{event: openat, keep: {p: args.pathname}}, {event: unlink, when: args.pathname == kept.p}]",
		"count":    "count: {event: openat, atLeast: 10000}",
		"distinct": "distinct: {event: openat, of: args.pathname, atLeast: 10000}",
	} {
		t.Run(name, func(t *testing.T) {
			all, errs := load(t, header+"- id: A\n  per: process\n  within: 24h\n  "+text+"\n")
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			flood(t, all[0], 15_000)
			m := all[0].memory
			if n := m.order.Len(); n > maxEntities || m.bytes > maxBytes || m.bytes <= 0 {
				t.Errorf("%d entities, %d bytes", n, m.bytes)
			}
			if all[0].Forgotten() == 0 {
				t.Error("nothing was counted as forgotten")
			}
			sum := 0
			for _, key := range m.order.Keys() {
				s, _ := m.order.Peek(key)
				sum += s.bytes
			}
			if sum != m.bytes {
				t.Errorf("the entities hold %d bytes, counted are %d", sum, m.bytes)
			}
		})
	}
}
