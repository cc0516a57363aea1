package top

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func anEvent(e *events.Event, name string, pid int) *trace.Event {
	return &trace.Event{EventID: e.ID, EventName: e.Name, ProcessName: name, HostProcessID: pid}
}

// watched is a view of a second with 30 opens of two processes and two findings.
func watched(style Style, name string) (*View, *Counter) {
	c := NewCounter()
	for i := range 30 {
		_ = c.Print(anEvent(events.SecurityFileOpen, name, 7+i%3/2))
	}
	_ = c.Print(anEvent(events.SchedProcessExec, name, 7))
	c.Found(Finding{Time: start, Severity: "high", ID: "TRC-1", Name: "first", Process: name + " (7)", Details: []string{"about the first"}})
	c.Found(Finding{Time: start.Add(time.Second), Severity: "critical", ID: "TRC-2", Name: "second", Process: name + " (8)", Details: []string{"about the second"}})
	v := NewView(style, start)
	v.update(c.take(), Status{Ready: true, Watched: "2 signatures in 3 events", CPU: 90 * time.Millisecond, Memory: 4 << 20}, start.Add(time.Second))
	return v, c
}

func TestViewShowsWhatHappensAndWhatItCosts(t *testing.T) {
	v, c := watched(Style{Unicode: true}, "cat")
	for range 31 {
		_ = c.Print(anEvent(events.SecurityFileOpen, "cat", 7))
	}
	status := Status{Ready: true, Watched: "2 signatures in 3 events", CPU: 92 * time.Millisecond, Memory: 4 << 20, Lost: 5, Losses: []string{"5 openat (ring_full)"}}
	v.update(c.take(), status, start.Add(2*time.Second))
	want := []string{
		"tracee  2 signatures in 3 events, 2s",
		"20 events/s  2 found (1 critical, 1 high)  5 lost  cpu 0.1%  40323 ns/event  4 MB",
		"lost 5 events: 5 openat (ring_full)",
		"",
		"EVENT                   PER S     TOTAL  PROCESS                 PER S     TOTAL",
		"security_file_open         20        61  cat 7                      17        52",
		"sched_process_exec        0.2         1  cat 8                     2.4        10",
		"", "", "",
		"FINDINGS, newest first (2)",
		"> 03:04:06 critical  TRC-2     second  cat (8)",
		"  03:04:05 high      TRC-1     first  cat (7)",
		"", "", "",
		"q quit  / filter  s sort: rate  p pause  Enter open  l lines  ? help",
	}
	var got []string
	for _, line := range v.Lines(81, len(want)) {
		got = append(got, strings.TrimRight(line, " "))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

var colors = regexp.MustCompile(`\x1b\[[0-9]+m`)

func TestScreenHoldsAnySizeAndAnyName(t *testing.T) {
	hostile := "\x1b[2J\x1b]0;owned\a\r\n\u202e漢字漢字漢字e\u0301\xff\xfe" + strings.Repeat("x", 300)
	for _, style := range []Style{{}, {Unicode: true}, {Color: true, Unicode: true}, {Color: true}} {
		v, _ := watched(style, hostile)
		v.message, v.filter = hostile, ""
		for _, keys := range []string{"", "?", "\x1b", "\r", "\x1b", "/x\xff漢", "\r"} {
			for _, key := range parseKeys([]byte(keys)) {
				v.key(key)
			}
			for width := range 130 {
				for _, height := range []int{0, 1, 2, 3, 5, 24, 60} {
					checkScreen(t, v, width, height)
				}
			}
		}
	}
}

func checkScreen(t *testing.T, v *View, width, height int) {
	t.Helper()
	lines := v.Lines(width, height)
	if len(lines) > height {
		t.Fatalf("%d lines in a height of %d", len(lines), height)
	}
	for _, line := range lines {
		plain := line
		if v.Color {
			plain = colors.ReplaceAllString(line, "")
		}
		n := 0
		for _, r := range plain {
			if r < ' ' || r == '\u202e' || !v.Unicode && r > '~' {
				t.Fatalf("%q drives the terminal, or can not be shown", line)
			}
			n += columns(r)
		}
		if n > width {
			t.Fatalf("%q has %d columns, more than %d", line, n, width)
		}
	}
}

func TestKeysDoWhatTheyAreFor(t *testing.T) {
	v, _ := watched(Style{}, "cat")
	screen := func() string { return strings.Join(v.Lines(80, 24), "\n") }
	for _, step := range []struct {
		keys, want, not string
		action          Action
	}{
		{keys: "\r", want: "about the second"},
		{keys: "\x1b", want: "FINDINGS"},
		{keys: "\x1b[B\r", want: "about the first"},
		{keys: "q", action: Quit},
		{keys: "\x1b", want: "sort: rate"},
		{keys: "s", want: "sort: total"},
		{keys: "/seco", want: "filter: seco_", not: "TRC-1"},
		{keys: "\x7f\x7f\r", want: "filter: se", not: "cat 7"},
		{keys: "\x1b", want: "cat 7"},
		{keys: "?", want: "Severities"},
		{keys: "\x1b[99;1~\x1bOP?", want: "FINDINGS"},
		{keys: "p", want: "paused"},
		{keys: "l", action: Lines},
		{keys: "c", action: Kernel},
		{keys: "\x03", action: Quit},
	} {
		action := None
		for _, key := range parseKeys([]byte(step.keys)) {
			action = v.key(key)
		}
		if got := screen(); action != step.action || !strings.Contains(got, step.want) || step.not != "" && strings.Contains(got, step.not) {
			t.Errorf("after %q: action %v, want %v; want %q and not %q in\n%s", step.keys, action, step.action, step.want, step.not, got)
		}
	}
}

func TestPausedFindingsStayAsTheyAre(t *testing.T) {
	v, c := watched(Style{}, "cat")
	v.key("p")
	c.Found(Finding{ID: "TRC-3", Name: "third"})
	v.update(c.take(), v.status, start.Add(2*time.Second))
	if len(v.shown()) != 2 {
		t.Errorf("got %d findings, want 2", len(v.shown()))
	}
	v.key("p")
	v.update(c.take(), v.status, start.Add(3*time.Second))
	if len(v.shown()) != 3 {
		t.Errorf("got %d findings, want 3", len(v.shown()))
	}
}

func TestSelectedFindingStaysSelectedWhenOthersCome(t *testing.T) {
	v, c := watched(Style{}, "cat")
	v.key("down")
	c.Found(Finding{ID: "TRC-3", Name: "third"})
	v.update(c.take(), v.status, start.Add(2*time.Second))
	if got := v.shown()[v.selected].Name; got != "first" {
		t.Errorf("selected: got %s, want first", got)
	}
}

func TestCounterIsBounded(t *testing.T) {
	c := NewCounter()
	for i := range 3 * maxProcesses {
		_ = c.Print(anEvent(events.SecurityFileOpen, "cat", i+1))
		c.Found(Finding{Name: fmt.Sprint(i), Severity: "low"})
		c.Say("message")
	}
	got := c.take()
	if len(got.processes) > maxProcesses || len(got.findings) > maxFindings || len(c.messages) > maxMessages {
		t.Errorf("kept %d processes, %d findings, %d messages", len(got.processes), len(got.findings), len(c.messages))
	}
	if last := got.findings[len(got.findings)-1].Name; last != fmt.Sprint(3*maxProcesses-1) || got.found["low"] != 3*maxProcesses {
		t.Errorf("last finding: got %s; counted %d", last, got.found["low"])
	}
}

func BenchmarkCounting(b *testing.B) {
	c, e := NewCounter(), anEvent(events.SecurityFileOpen, "cat", 7)
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Print(e)
	}
}

func TestAMessageIsShownBeforeAllKeysAre(t *testing.T) {
	v, _ := watched(Style{Unicode: true}, "cat")
	v.message = "what somebody has to know"
	for width, want := range map[int]string{
		120: "q quit  / filter  s sort: rate  p pause  Enter open  l lines  ? help  | what somebody has to know",
		60:  "q quit  ? help  | what somebody has to know",
	} {
		lines := v.Lines(width, 20)
		if got := strings.TrimRight(lines[len(lines)-1], " "); got != want {
			t.Errorf("%d columns: got %q, want %q", width, got, want)
		}
	}
}

func TestAMomentWithOneEventSaysNothingOfWhatEventsCost(t *testing.T) {
	v, c := NewView(Style{Unicode: true}, start), NewCounter()
	status := Status{Ready: true}
	for second := 1; second <= 20; second++ {
		n := 1000
		if second == 20 {
			n = 1
		}
		for range n {
			_ = c.Print(anEvent(events.SecurityFileOpen, "cat", 7))
		}
		status.CPU += time.Duration(n)*time.Microsecond + time.Millisecond // the second for itself: to draw
		v.update(c.take(), status, start.Add(time.Duration(second)*time.Second))
	}
	if got := v.Lines(81, 20)[1]; !strings.Contains(got, " 2666 ns/event") {
		t.Errorf("got %q, want 2666 ns/event in it", got)
	}
}
