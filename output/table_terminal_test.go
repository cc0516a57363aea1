package output

import (
	"regexp"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/types/trace"
)

func TestColumnsOnATerminalStayInLine(t *testing.T) {
	var b strings.Builder
	p, err := New("table", Config{Out: &b, Terminal: true})
	if err != nil {
		t.Fatal(err)
	}
	long := &trace.Event{EventName: "an_event_with_a_very_long_name", ReturnValue: -2, Errno: "ENOENT"}
	for _, e := range []*trace.Event{{EventName: "open"}, long, {EventName: "open"}} {
		if err := p.Print(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	if !strings.Contains(lines[1], "-2 ENOENT ") {
		t.Errorf("got %q, want the name of the error", lines[1])
	}
	if len(lines[0]) >= len(lines[1]) || len(lines[1]) != len(lines[2]) {
		t.Errorf("lengths of lines: got %d, %d, %d, want the last two alike", len(lines[0]), len(lines[1]), len(lines[2]))
	}
}

func TestColoursChangeNothingElse(t *testing.T) {
	print := func(config Config) string {
		var b strings.Builder
		config.Out = &b
		p, err := New("table", config)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Preamble(); err != nil {
			t.Fatal(err)
		}
		for _, e := range sample() {
			if err := p.Print(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	colored := print(Config{Terminal: true, Color: true})
	bare := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(colored, "")
	if bare == colored {
		t.Error("there are no colours")
	}
	if want := print(Config{Terminal: true}); bare != want {
		t.Errorf("got %q, want %q", bare, want)
	}
}
