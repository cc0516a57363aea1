package cli

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/signatures"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/detect/cases"
	"github.com/tracee-go/tracee/types/trace"
)

// sensor stands for a kernel that sends what is needed and nothing else.
type sensor struct{ needs filter.Needs }

// sends says whether an event is needed. Events that the catalogue does not have are made in user space.
func (s sensor) sends(e *trace.Event) bool {
	declared, ok := events.Lookup(e.EventName)
	if !ok {
		return true
	}
	for _, conditions := range s.needs.Any[declared] {
		if !slices.ContainsFunc(conditions, func(c filter.Condition) bool { return !holds(c, declared, e) }) {
			return true
		}
	}
	return false
}

func holds(c filter.Condition, declared *events.Event, e *trace.Event) bool {
	a, ok := e.Lookup(c.Argument)
	return (ok || c.Argument == "retval") && compares(c, declared, e, a)
}

// compares compares as flags do, by text or by number.
func compares(c filter.Condition, declared *events.Event, e *trace.Event, a trace.Arg) bool {
	return slices.ContainsFunc(c.Values, func(value string) bool {
		n, err := strconv.ParseInt(value, 10, 64)
		have := int64(e.ReturnValue)
		if c.Argument != "retval" {
			i := declared.Schema().Index(c.Argument)
			if kind := declared.Args[i].Type; kind.Kind == trace.String {
				return matches(value, a.Text()) == (c.Operator == "=")
			} else if a.Type().Kind == trace.String { // by its name
				return kind.Text != nil && kind.Text(uint64(n)) == a.Text()
			}
			have = a.Int()
		}
		return err == nil && map[string]bool{
			"=": have == n, "!=": have != n, "<": have < n, "<=": have <= n, ">": have > n, ">=": have >= n,
		}[c.Operator]
	})
}

// matches is a pattern with * by trying all ways.
func matches(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	if pattern[0] == '*' {
		return matches(pattern[1:], text) || text != "" && matches(pattern, text[1:])
	}
	return text != "" && text[0] == pattern[0] && matches(pattern[1:], text[1:])
}

// findingsOf is what signatures find in a stream, and how many events they are shown: of all, or of what is needed only.
func findingsOf(make func() []detect.Signature, stream []*trace.Event, onlyNeeded bool) (findings []string, shown int) {
	g, _ := rules.New(rules.Config{
		Signatures: make(), Log: slog.New(slog.DiscardHandler),
		Finding: func(f detect.Finding) {
			findings = append(findings, fmt.Sprint(f.SigMetadata.ID, " ", f.Data, " ", f.Event.Payload.(*trace.Event).Timestamp))
		},
	})
	s := sensor{g.Needs()}
	for _, e := range stream {
		if !onlyNeeded || s.sends(e) {
			g.Handle(e)
			shown++
		}
	}
	g.Close()
	return findings, shown
}

// lost compares what is found with and without.
func lost(make func() []detect.Signature, stream []*trace.Event) (difference string, shown, findings int) {
	all, _ := findingsOf(make, stream, false)
	some, shown := findingsOf(make, stream, true)
	if !slices.Equal(all, some) {
		difference = fmt.Sprintf("with all events:\n%s\nwith what is needed:\n%s", strings.Join(all, "\n"), strings.Join(some, "\n"))
	}
	return difference, shown, len(all)
}

// selections are sets of signatures that need different things: what one needs whole hides what another needs of it.
func selections(t *testing.T) map[string]func() []detect.Signature {
	all := map[string]func() []detect.Signature{}
	for name, make := range detectors {
		all[name] = func() []detect.Signature { return make(t) }
	}
	for i, s := range signatures.All() {
		all[idOf(s)] = func() []detect.Signature { return signatures.All()[i : i+1] }
	}
	return all
}

func TestNothingIsLostOfARecordedStreamByWhatIsNeeded(t *testing.T) {
	stream := mixed(t)
	for name, make := range selections(t) {
		difference, shown, findings := lost(make, stream)
		if difference != "" {
			t.Errorf("%s: %s", name, difference)
		}
		if _, several := detectors[name]; several {
			t.Logf("%s: %d of %d events are needed, %d findings", name, shown, len(stream), findings)
		}
	}
}

// BenchmarkNeeded tells which part of the recorded stream's events, out of those that signatures select, they need: the rest
// stays in the kernel.
func BenchmarkNeeded(b *testing.B) {
	stream := mixed(b)
	for _, name := range []string{"go", "yaml", "rego", "TRC-3 and TRC-10"} {
		b.Run(name, func(b *testing.B) {
			make := detectors[name]
			if make == nil {
				make = func(testing.TB) []detect.Signature {
					return slices.DeleteFunc(signatures.All(), func(s detect.Signature) bool { return idOf(s) != "TRC-3" && idOf(s) != "TRC-10" })
				}
			}
			g, _ := rules.New(rules.Config{Signatures: make(b), Log: slog.New(slog.DiscardHandler)})
			selection, _ := selectedEvents(g)
			s := sensor{g.Needs()}
			selected, needed := 0, 0
			for b.Loop() {
				selected, needed = 0, 0
				for _, e := range stream {
					if slices.ContainsFunc(selection, func(one *events.Event) bool { return one.Name == e.EventName }) {
						selected++
						if s.sends(e) {
							needed++
						}
					}
				}
			}
			b.ReportMetric(float64(selected), "selected")
			b.ReportMetric(100*float64(needed)/float64(selected), "%needed")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func TestNothingIsLostOfTestCasesByWhatIsNeeded(t *testing.T) {
	files, err := filepath.Glob("../signatures/testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	one := selections(t)
	for _, file := range files {
		all, err := cases.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		id := strings.TrimSuffix(filepath.Base(file), ".yaml")
		for _, c := range all {
			var stream []*trace.Event
			if err := c.Run(func(e *trace.Event) { stream = append(stream, e) }); err != nil {
				t.Fatal(err)
			}
			if difference, _, _ := lost(one[id], stream); difference != "" {
				t.Errorf("%s, %s: %s", file, c.Name, difference)
			}
		}
	}
}

// mountsDrawn are what is mounted again in generated streams: parts of file systems, and the whole of the first one.
var mountsDrawn = [][2]string{{"/etc", "/mnt/e"}, {"/etc/cron.d", "/srv/jobs"}, {"/etc/shadow", "/tmp/x"}, {"/", "/mnt/root"}, {"/root/.ssh", "/srv/keys"}}

// textsDrawn are texts that some conditions are met by, and texts near them.
func textsDrawn(needs filter.Needs) []string {
	list := []string{"", "/", "/usr/bin/id", "/etc/shadow", "/root/.ssh/id_rsa", "/etc/cron.d/job", "/tmp/a.b", "/home/u/.bash_history", "/dev/null", "bash"}
	for _, some := range needs.Any {
		for _, conditions := range some {
			for _, c := range conditions {
				for _, value := range c.Values {
					list = append(list, strings.ReplaceAll(value, "*", ""), strings.ReplaceAll(value, "*", "/a"), strings.ReplaceAll(value, "*", "1"))
				}
			}
		}
	}
	for _, m := range mountsDrawn {
		for _, path := range []string{"/shadow", "", "/job", "/etc/shadow", "/etc/cron.d/job", "/id_rsa", "/root/.ssh/id_rsa"} {
			list = append(list, m[1]+path)
		}
	}
	slices.Sort(list) // maps have no order, and what fails is to be drawn again
	return slices.Compact(list)
}

// drawEvent makes an event of a few processes.
func drawEvent(t *rapid.T, declared *events.Event, texts []string, at int) *trace.Event {
	var b trace.Builder
	b.Reset(declared.Schema())
	mount := rapid.SampledFrom(mountsDrawn).Draw(t, "mount")
	for i, field := range declared.Args {
		switch {
		case rapid.IntRange(0, 15).Draw(t, "absent") == 0:
		case declared == events.SecuritySbMount && field.Name == "dev_name":
			b.Text(i, mount[0])
		case declared == events.SecuritySbMount && field.Name == "path":
			b.Text(i, mount[1])
		case field.Type.Kind == trace.String:
			b.Text(i, rapid.SampledFrom(texts).Draw(t, field.Name))
		case field.Type.Kind == trace.Strings:
			_ = b.Set(i, []string{rapid.SampledFrom(texts).Draw(t, field.Name), "LD_PRELOAD=x"})
		case field.Type.Kind == trace.Sockaddr:
			_ = b.Set(i, map[string]string{"sa_family": "AF_INET", "sin_addr": "10.0.0.1", "sin_port": "80"})
		case field.Type.Kind.InSlot():
			b.Slot(i, rapid.SampledFrom([]uint64{0, 1, 2, 3, 4, 6, 9, 16, 35, 0x40, 0x41, 0x42, 0x241, 0x1000, 0x4206}).Draw(t, field.Name))
		}
	}
	pid := rapid.IntRange(1, 4).Draw(t, "pid")
	e := &trace.Event{
		Timestamp: at, ProcessID: pid, HostProcessID: pid, ThreadID: pid, HostThreadID: pid, HostParentProcessID: 1, ProcessName: "bash",
		ReturnValue: rapid.SampledFrom([]int{0, 0, 3, -2}).Draw(t, "retval"), ContainerID: rapid.SampledFrom([]string{"", "c1"}).Draw(t, "container"),
		EventID: declared.ID, EventName: declared.Name,
	}
	e.ContextFlags.ContainerStarted = e.ContainerID != ""
	b.Finish(e)
	e.ParseArguments = true
	return e
}

func TestNothingIsLostOfGeneratedStreamsByWhatIsNeeded(t *testing.T) {
	for _, name := range []string{"go", "go+yaml", "rego"} {
		make := selections(t)[name]
		g, _ := rules.New(rules.Config{Signatures: make(), Log: slog.New(slog.DiscardHandler)})
		selection, _ := selectedEvents(g)
		texts := textsDrawn(g.Needs())
		shown, all, findings := 0, 0, 0
		rapid.Check(t, func(t *rapid.T) {
			var stream []*trace.Event
			for i := range 60 {
				declared := rapid.OneOf(rapid.SampledFrom(selection), rapid.SampledFrom([]*events.Event{events.SecurityFileOpen, events.SecuritySbMount})).Draw(t, "event")
				stream = append(stream, drawEvent(t, declared, texts, (i+1)*1e8))
			}
			difference, n, found := lost(make, stream)
			if difference != "" {
				t.Fatal(difference)
			}
			shown, all, findings = shown+n, all+len(stream), findings+found
		})
		t.Logf("%s: %d of %d events are needed, %d findings", name, shown, all, findings)
		if findings == 0 || shown == all {
			t.Errorf("%s: the streams show nothing", name)
		}
	}
}
