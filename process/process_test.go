package process

import (
	"slices"
	"testing"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// step is one event: of process_image, or, where there is a want, another, whose executable must be that.
type step struct {
	process, maker uint64
	path           string
	cut            bool
	want           string
	ends           bool
}

func (s step) event() *trace.Event {
	e := &trace.Event{EventName: "other", EventID: -1, ProcessEntityID: s.process}
	if s.path == "" && s.maker == 0 && !s.ends {
		return e
	}
	var b trace.Builder
	b.Reset(events.ProcessImage.Schema())
	b.Slot(argProcess, s.process)
	if s.path != "" {
		b.Text(argPathname, s.path)
	}
	if s.cut {
		b.Truncate(argPathname)
	}
	if s.maker != 0 {
		b.Slot(argMaker, s.maker)
	}
	b.Finish(e)
	return e
}

// run shows the events to a table and compares what it tells of the others.
func run(t *testing.T, table *Table, steps []step) {
	t.Helper()
	var all []*trace.Event
	var wants []string
	for _, s := range steps {
		e := s.event()
		if all = append(all, e); e.EventID < 0 {
			wants = append(wants, s.want)
		}
	}
	for e := range table.Stage(slices.Values(all)) {
		if e.EventID >= 0 {
			t.Fatalf("%s is left in the stream", e.EventName)
		}
		if len(wants) == 0 || e.Executable != wants[0] {
			t.Fatalf("process %d: got %q, want %q", e.ProcessEntityID, e.Executable, wants)
		}
		wants = wants[1:]
	}
	if len(wants) > 0 {
		t.Errorf("not told: %q", wants)
	}
}

func TestEventsHaveTheirExecutable(t *testing.T) {
	for name, steps := range map[string][]step{
		"unknown":       {{process: 1}},
		"exec":          {{process: 1, path: "/a"}, {process: 1, want: "/a"}, {process: 1, path: "/b"}, {process: 1, want: "/b"}},
		"fork":          {{process: 1, path: "/a"}, {process: 2, maker: 1}, {process: 2, want: "/a"}},
		"fork and exec": {{process: 1, path: "/a"}, {process: 2, maker: 1}, {process: 1, path: "/b"}, {process: 2, want: "/a"}, {process: 1, want: "/b"}},
		"of nobody":     {{process: 2, path: "/a"}, {process: 2, maker: 1}, {process: 2}},
		"cut":           {{process: 1, path: "/a"}, {process: 1, path: "/half", cut: true}, {process: 1}},
		"last words":    {{process: 1, path: "/a"}, {process: 1, ends: true}, {process: 1, want: "/a"}},
	} {
		t.Run(name, func(t *testing.T) { run(t, New(nil), steps) })
	}
}

func TestTheTableIsBounded(t *testing.T) {
	table := New(nil)
	var steps []step
	for i := range uint64(livingMax + 10) {
		steps = append(steps, step{process: i + 1, path: "/a"})
	}
	run(t, table, steps)
	run(t, table, []step{{process: livingMax, want: "/a"}, {process: livingMax + 1}})
	if n := len(table.executables); n != livingMax {
		t.Errorf("%d processes are known, want %d", n, livingMax)
	}
	steps = nil
	for i := range uint64(livingMax + endedMax) {
		steps = append(steps, step{process: i + 1, ends: true})
	}
	run(t, table, steps)
	if n := len(table.executables); n != 0 {
		t.Errorf("%d processes are known after all ended", n)
	}
}
