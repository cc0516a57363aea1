package rules

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

func at(e *trace.Event, second, pid int) *trace.Event {
	e.Timestamp, e.HostProcessID, e.HostThreadID = second*int(time.Second), pid, pid
	return e
}

// told is the findings of an engine, as signature, path and number of repeats.
func told(c Config, stream ...*trace.Event) []string {
	var got []string
	c.Finding = func(f detect.Finding) {
		e := f.Event.Payload.(*trace.Event)
		a, _ := e.Lookup("pathname")
		got = append(got, fmt.Sprintf("%d:%s:%d", e.Timestamp/int(time.Second), a.Text(), f.Repeated))
	}
	g, _ := New(c)
	for _, e := range stream {
		g.Handle(e)
	}
	g.Close()
	return got
}

func TestRepeatsAreFolded(t *testing.T) {
	signatures := func() []detect.Signature {
		return []detect.Signature{&fake{id: "A", selectors: selects("openat", "*"), onEvent: reports}}
	}
	stream := []*trace.Event{
		at(event("openat", "/a"), 1, 7), at(event("openat", "/a"), 2, 7), at(event("openat", "/b"), 3, 7), at(event("openat", "/a"), 4, 8),
		at(event("openat", "/a"), 5, 7), at(event("close", "/"), 70, 7), at(event("openat", "/a"), 71, 7), at(event("openat", "/a"), 72, 7),
	}
	want := []string{"1:/a:0", "3:/b:0", "4:/a:0", "5:/a:2", "71:/a:0", "72:/a:1"}
	if got := told(Config{Signatures: signatures(), Repeats: time.Minute}, stream...); !slices.Equal(got, want) {
		t.Errorf("folded: got %q, want %q", got, want)
	}
	if got := told(Config{Signatures: signatures()}, stream...); len(got) != 7 {
		t.Errorf("not folded: got %q", got)
	}
}

func TestOneSignatureDoesNotMuteAnother(t *testing.T) {
	low := &fake{id: "LOW", selectors: selects("openat", "*"), onEvent: reports}
	high := &fake{id: "HIGH", selectors: selects("openat", "*")}
	high.onEvent = func(e *trace.Event, handler detect.SignatureHandler) error {
		if e.Timestamp == 50 {
			return reports(e, handler)
		}
		return nil
	}
	heard := map[string]int{}
	g, _ := New(Config{
		Signatures: []detect.Signature{low, high}, Repeats: time.Minute,
		Finding: func(f detect.Finding) { heard[f.SigMetadata.ID]++ },
	})
	e := event("openat", "/a")
	for i := range 100 {
		e.Timestamp = i
		g.Handle(e)
	}
	if heard["HIGH"] != 1 || heard["LOW"] != 1 {
		t.Errorf("before the end: got %v", heard)
	}
}

func TestFoldsAreBounded(t *testing.T) {
	g, _ := New(Config{
		Signatures: []detect.Signature{&fake{id: "A", selectors: selects("openat", "*"), onEvent: reports}}, Repeats: time.Hour,
	})
	for i := range 3 * maxFolds {
		g.Handle(at(event("openat", fmt.Sprint("/", i)), 1, 7))
	}
	if n := len(g.folder.order); n > maxFolds || len(g.folder.folds) != n {
		t.Errorf("%d folds, %d keys", n, len(g.folder.folds))
	}
	if got := g.Stats().Detections; got != 3*maxFolds {
		t.Errorf("detections: got %d", got)
	}
}

func TestFindingSaysWhoAndWhetherEventsWereLost(t *testing.T) {
	number := &trace.Type{Name: "u64", Kind: trace.Uint64}
	var b trace.Builder
	b.Reset(&trace.Schema{Name: lostEvents, Fields: []trace.Field{{Name: "lost", Type: number}}})
	b.Slot(0, 42)
	lost := &trace.Event{}
	b.Finish(lost)
	lost.Timestamp = int(3 * time.Second)
	var got []detect.Finding
	g, _ := New(Config{
		Signatures: []detect.Signature{&fake{id: "A", selectors: selects("openat", "*"), onEvent: reports}},
		Finding:    func(f detect.Finding) { got = append(got, f) },
	})
	child := at(event("openat", "/a"), 5, 8)
	child.HostParentProcessID, child.ProcessName = 7, "child"
	late := at(event("openat", "/b"), 60, 8)
	late.HostParentProcessID, late.ProcessName = 7, "child"
	parent := at(event("close", "/"), 1, 7)
	parent.ProcessName = "parent"
	for _, e := range []*trace.Event{parent, lost, child, late} {
		g.Handle(e)
	}
	if len(got) != 2 || got[0].LostNearby != 42 || got[1].LostNearby != 0 {
		t.Fatalf("got %+v", got)
	}
	if line := got[0].Process; len(line) != 2 || line[0].Name != "child" || line[1].Name != "parent" || line[1].PID != 7 {
		t.Errorf("processes: got %+v", line)
	}
}
