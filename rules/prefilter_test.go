package rules

import (
	"fmt"
	"testing"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// matches are bodies of tracee_match, and whether the prefilter is expected to see something in them.
var matches = []struct {
	text    string
	decides bool
}{
	{`tracee_match { input.eventName == "openat" }`, true},
	{`tracee_match { "openat" = input.eventName }`, true},
	{`tracee_match { input.processName != "cat" }`, false},
	{`tracee_match { helpers.get_tracee_argument("pathname") == "/etc/passwd" }`, true},
	{`tracee_match { helpers.get_tracee_argument("pathname") }`, false},
	{`tracee_match { not helpers.get_tracee_argument("pathname") }`, false},
	{`tracee_match { p = helpers.get_tracee_argument("pathname"); startswith(p, "/etc/") }`, true},
	{`tracee_match { p := helpers.get_tracee_argument("pathname"); q := p; endswith(q, "passwd") }`, true},
	{`tracee_match { p := helpers.get_tracee_argument("pathname"); not endswith(p, "passwd") }`, true},
	{`tracee_match { contains(input.processName, "a") }`, true},
	{`tracee_match { contains("cat and dog", input.processName) }`, false},
	{`tracee_match { startswith("/etc/passwd and more", helpers.get_tracee_argument("pathname")) }`, true},
	{`tracee_match { helpers.is_file_write(helpers.get_tracee_argument("flags")) }`, true},
	{`tracee_match { helpers.is_file_read(helpers.get_tracee_argument("flags")); input.returnValue == 0 }`, true},
	{`tracee_match { not helpers.is_file_read(helpers.get_tracee_argument("flags")) }`, true},
	{`tracee_match { a := input.args[_]; a.name == "pathname"; a.value == "/etc/passwd" }`, true},
	{`tracee_match { a := input.args[_]; a.name == "pathname"; startswith(a.value, "/tmp") }`, true},
	{`tracee_match { a := input.args[_]; b := input.args[_]; a.name == "pathname"; b.name == "flags"; a.value == "/tmp/x"; b.value == "o_rdwr" }`, true},
	{`tracee_match { input.args[i].name == "pathname"; input.args[i].value == "/tmp/x" }`, false},
	{`tracee_match { input.args[0].value == "/tmp/x" }`, false},
	{`tracee_match { some i; input.args[i].value == "/tmp/x" }`, false},
	{`tracee_match { x = "cat"; x == input.processName }`, true},
	{`tracee_match { input.eventName == "openat" with input as {"eventName": "openat"} }`, false},
	{`tracee_match { n := helpers.get_tracee_argument("number"); n == 7 }`, true},
	{`tracee_match { n := helpers.get_tracee_argument("number"); n == "7" }`, true},
	{`tracee_match { n := helpers.get_tracee_argument("number"); contains(n, "7") }`, true},
	{`tracee_match { helpers.get_tracee_argument("list")[_] == "/tmp/x" }`, true},
	{`tracee_match { helpers.get_tracee_argument("list") == "/tmp/x" }`, true},
	{`tracee_match { helpers.get_tracee_argument("bytes") == "aGk=" }`, true},
	{"tracee_match { input.processName == \"cat\" }\ntracee_match { input.processName == \"dog\" }", true},
	{"tracee_match { input.processName == \"cat\" }\ntracee_match { input.returnValue == 0 }", false},
	{`tracee_match = {"a": 1} { input.processName == "cat" } else = {"b": 2} { input.processName == "dog" }`, true},
	{`tracee_match = {"a": 1} { input.processName == "cat" } else = {"b": 2} { true }`, false},
	{"default tracee_match = true\ntracee_match = false { input.processName == \"cat\" }", false},
	{`tracee_match[x] = 1 { x := "a"; input.processName == "cat" }`, false},
	{`tracee_match[x] { x := "a"; input.processName == "cat" }`, false},
	{`tracee_match = x { x := {p | p := input.processName; p == "cat"} }`, false},
	{`tracee_match = x { x := {"all": [p | p := input.processName; p == "cat"]} }`, false},
	{`tracee_match { ok }` + "\nok { input.processName == \"cat\" }", false},
	{`tracee_match { lower(helpers.get_tracee_argument("pathname")) == "/etc/passwd" }`, true},
}

// prefilterEvents are all combinations of what the rules look at.
func prefilterEvents() []*trace.Event {
	str, number := &trace.Type{Name: "const char*", Kind: trace.String}, &trace.Type{Name: "int", Kind: trace.Int32}
	list, raw := &trace.Type{Name: "const char**", Kind: trace.Strings}, &trace.Type{Name: "bytes", Kind: trace.Bytes}
	schemas := []*trace.Schema{{Name: "openat"}, {Name: "close"}}
	for _, s := range schemas {
		s.Fields = []trace.Field{
			{Name: "pathname", Type: str},
			{Name: "flags", Type: str},
			{Name: "number", Type: number},
			{Name: "list", Type: list},
			{Name: "bytes", Type: raw},
		}
	}
	var all []*trace.Event
	for _, schema := range schemas {
		for _, path := range []string{"-", "", "/etc/passwd", "/ETC/PASSWD", "/tmp/x"} {
			for _, flags := range []string{"-", "", "o_rdwr", "O_WRONLY|O_CREAT", "O_RDONLY"} {
				for i, command := range []string{"cat", "dog", ""} {
					var b trace.Builder
					b.Reset(schema)
					if path != "-" {
						b.Text(0, path)
						b.Strings(3, []string{path})
					}
					if flags != "-" {
						b.Text(1, flags)
						b.Slot(2, uint64(7+i))
						b.Tail(4, []byte("hi"))
					}
					e := &trace.Event{ProcessName: command, ReturnValue: i, ParseArguments: true}
					b.Finish(e)
					all = append(all, e)
				}
			}
		}
	}
	return all
}

func TestPrefilterNeverHidesAFinding(t *testing.T) {
	all := prefilterEvents()
	for i, m := range matches {
		dir := t.TempDir()
		write(t, dir, "a.rego", rule(fmt.Sprintf("P-%d", i), m.text))
		s := loadAll(t, dir, Options{})[0].(*regoSignature)
		if got := s.filter != nil; got != m.decides {
			t.Errorf("%s\nhas a prefilter: got %t, want %t", m.text, got, m.decides)
		}
		var found []string
		_ = s.Init(func(f detect.Finding) { found = append(found, fmt.Sprint(f.Data)) })
		for _, e := range all {
			found = nil
			_ = s.OnEvent(protocol.Event{Payload: e})
			got := fmt.Sprint(found)
			filter := s.filter
			s.filter, found = nil, nil
			_ = s.OnEvent(protocol.Event{Payload: e})
			s.filter = filter
			if want := fmt.Sprint(found); got != want {
				t.Fatalf("%s\non %s\ngot %s, without prefilter %s", m.text, e.AppendJSON(nil), got, want)
			}
		}
	}
}
