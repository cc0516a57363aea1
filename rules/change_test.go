package rules

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// counting finds each open, and says how many it has seen.
func counting(id string) *fake {
	n := 0
	return &fake{id: id, selectors: selects("openat", "*"), onEvent: func(e *trace.Event, handler detect.SignatureHandler) error {
		n++
		handler(detect.Finding{Data: map[string]any{"seen": n}, Event: protocol.Event{Payload: e}, SigMetadata: detect.SignatureMetadata{ID: id}})
		return nil
	}}
}

func TestChangeKeepsWhatIsTheSame(t *testing.T) {
	kept, gone, added := counting("KEPT"), counting("GONE"), counting("ADDED")
	var found []detect.Finding
	g, errs := New(Config{
		Signatures: []detect.Signature{kept, gone}, Finding: func(f detect.Finding) { found = append(found, f) }, Log: slog.New(slog.DiscardHandler),
	})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	g.Handle(event("openat", "/a"))
	change, errs := g.Prepare(Config{Signatures: []detect.Signature{added, kept}})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	g.Handle(event("openat", "/b")) // meanwhile everything is as it was
	g.Apply(change)
	g.Handle(event("openat", "/c"))
	var got []string
	for _, f := range found {
		got = append(got, f.SigMetadata.ID+" "+f.Event.Payload.(*trace.Event).EventName, string(rune('0'+f.Data["seen"].(int))))
	}
	want := []string{
		"KEPT openat", "1", "GONE openat", "1", "KEPT openat", "2", "GONE openat", "2", "ADDED openat", "1", "KEPT openat", "3",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found: got %q, want %q", got, want)
	}
	if !slices.Contains(gone.calls, "close") || slices.Contains(kept.calls, "close") {
		t.Errorf("closed: GONE got %q, KEPT got %q", gone.calls, kept.calls)
	}
	if s := g.Stats(); s.Signatures != 2 || s.Detections != 6 {
		t.Errorf("got %+v", s)
	}
}

func TestChangeThatIsDroppedHasDoneNothing(t *testing.T) {
	kept, added := counting("KEPT"), counting("ADDED")
	g, _ := engine(t, kept)
	change, errs := g.Prepare(Config{Signatures: []detect.Signature{kept, added, counting("ADDED"), &fake{}}})
	if len(errs) != 2 {
		t.Errorf("refused: got %v, want the second of an id, and the one without an id", errs)
	}
	g.Drop(change)
	g.Handle(event("openat", "/a"))
	if want := []string{"close"}; !slices.Equal(added.calls, want) {
		t.Errorf("ADDED: got %q, want %q", added.calls, want)
	}
	if want := []string{"openat@host"}; !slices.Equal(kept.calls, want) {
		t.Errorf("KEPT: got %q, want %q", kept.calls, want)
	}
}

// What stands for others goes on standing for them, unless the time for that is another one: then what is counted is told.
func TestChangeTellsRepeatsWhenTheirTimeIsAnother(t *testing.T) {
	s := counting("A")
	s.onEvent = func(e *trace.Event, handler detect.SignatureHandler) error {
		handler(detect.Finding{Event: protocol.Event{Payload: e}, SigMetadata: detect.SignatureMetadata{ID: "A"}})
		return nil
	}
	var repeated []uint64
	config := Config{
		Signatures: []detect.Signature{s}, Finding: func(f detect.Finding) { repeated = append(repeated, f.Repeated) },
		Log: slog.New(slog.DiscardHandler), Repeats: time.Minute,
	}
	g, _ := New(config)
	change := func(repeats time.Duration) {
		config.Repeats = repeats
		c, _ := g.Prepare(config)
		g.Apply(c)
		g.Handle(event("openat", "/a"))
	}
	g.Handle(event("openat", "/a"))
	change(time.Minute)
	change(time.Minute)
	if want := []uint64{0}; !slices.Equal(repeated, want) {
		t.Errorf("the same time: got %v, want %v", repeated, want)
	}
	change(0)
	change(0)
	if want := []uint64{0, 2, 0, 0}; !slices.Equal(repeated, want) {
		t.Errorf("without: got %v, want %v", repeated, want)
	}
}

func TestOthersMayLookDuringChanges(t *testing.T) {
	a, b := counting("A"), counting("B")
	g, _ := engine(t, a)
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_, _, _ = g.Stats(), g.Signatures(), g.SelectedEvents()
			}
		}
	}()
	for i := range 100 {
		c, _ := g.Prepare(Config{Signatures: []detect.Signature{[]detect.Signature{a, b}[i%2]}})
		g.Apply(c)
		g.Handle(event("openat", "/a"))
	}
	close(stop)
	<-done
}
