package rules

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// isolatedFake is an isolated signature with a short limit, so that tests are short.
func isolatedFake(id string, onEvent func(e *trace.Event, handler detect.SignatureHandler) error) *isolated {
	s := Isolate(&fake{id: id, selectors: selects("openat", "*"), onEvent: onEvent}).(*isolated)
	s.limit = 50 * time.Millisecond
	return s
}

func reports(e *trace.Event, handler detect.SignatureHandler) error {
	handler(detect.Finding{Event: protocol.Event{Payload: e}})
	return nil
}

func TestSignatureThatBlocksIsLeftBehind(t *testing.T) {
	release := make(chan struct{})
	blocks := isolatedFake("BLOCKS", func(e *trace.Event, handler detect.SignatureHandler) error {
		<-release
		return reports(e, handler)
	})
	other := &fake{id: "OTHER", selectors: selects("openat", "*"), onEvent: reports}
	var log strings.Builder
	found := 0
	g, errs := New(Config{Signatures: []detect.Signature{blocks, other}, Finding: func(detect.Finding) { found++ }, Log: logTo(&log)})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	const n = 1000
	started := time.Now()
	for range n {
		g.Handle(event("openat", "/a"))
	}
	if took := time.Since(started); took > time.Second {
		t.Errorf("%d events took %v", n, took)
	}
	g.Close()
	if found != n {
		t.Errorf("findings of the other: got %d, want %d", found, n)
	}
	close(release) // what it finds now comes too late
	runtime.Gosched()
	if s := g.Stats(); s.CutOff != 1 || s.Errors != 1 || s.Detections != n {
		t.Errorf("stats: %+v", s)
	}
	if !strings.Contains(log.String(), "switched off") {
		t.Errorf("log: %s", log.String())
	}
}

func TestSignatureIsNotBlamedForAFindingThatNobodyTakes(t *testing.T) {
	s := isolatedFake("A", reports)
	found := 0
	g, _ := New(Config{Signatures: []detect.Signature{s}, Finding: func(detect.Finding) {
		time.Sleep(4 * s.limit)
		found++
	}})
	g.Handle(event("openat", "/a"))
	g.Handle(event("openat", "/b"))
	g.Close()
	if stats := g.Stats(); found != 2 || stats.CutOff != 0 {
		t.Errorf("found %d, stats %+v", found, stats)
	}
}

func TestIsolatedSignatureSeesCopiesAndItsPanicsAreCounted(t *testing.T) {
	var seen []string
	s := isolatedFake("A", func(e *trace.Event, _ detect.SignatureHandler) error {
		a, _ := e.Lookup("pathname")
		seen = append(seen, strings.Clone(a.Text()))
		if a.Text() == "/panic" {
			panic("at the disco")
		}
		return nil
	})
	var log strings.Builder
	g, _ := New(Config{Signatures: []detect.Signature{s}, Log: logTo(&log)})
	for _, path := range []string{"/a", "/panic", "/panic", "/b", "/panic", "/c"} {
		g.Handle(event("openat", path))
	}
	g.Close()
	if got, want := fmt.Sprint(seen), "[/a /panic /panic /b /panic]"; got != want {
		t.Errorf("seen: got %s, want %s", got, want)
	}
	if stats := g.Stats(); stats.Errors != 3 || stats.CutOff != 1 {
		t.Errorf("stats: %+v", stats)
	}
	if got := strings.Count(log.String(), "at the disco"); got != 2 { // once when it happens, once when it is switched off
		t.Errorf("log: got %d mentions\n%s", got, log.String())
	}
}

func TestErrorsAreReportedOnceAMinute(t *testing.T) {
	s := &fake{id: "A", selectors: selects("openat", "*"), onEvent: func(*trace.Event, detect.SignatureHandler) error {
		return errors.New("no idea")
	}}
	var log strings.Builder
	g, _ := New(Config{Signatures: []detect.Signature{s}, Log: logTo(&log)})
	for range 1000 {
		g.Handle(event("openat", "/a"))
	}
	g.Close()
	if n := strings.Count(log.String(), "no idea"); n != 1 || !strings.Contains(log.String(), "unreported=999") {
		t.Errorf("log:\n%s", log.String())
	}
	if got := g.Stats().Errors; got != 1000 {
		t.Errorf("errors: got %d", got)
	}
}

// glutton keeps what it gets, unless it is on a diet.
type glutton struct {
	fake
	diet bool
	seen int
	kept [][]byte
}

func (s *glutton) OnEvent(protocol.Event) error {
	s.seen++
	block := make([]byte, 1<<20)
	if !s.diet {
		s.kept = append(s.kept, block)
	}
	return nil
}

func TestSignatureThatEatsMemoryIsReleased(t *testing.T) {
	eater := &glutton{fake: fake{id: "EATS", selectors: selects("openat", "*")}}
	sibling := &glutton{fake: fake{id: "SIBLING", selectors: selects("openat", "*")}, diet: true} // of the same code
	other := &fake{id: "OTHER", selectors: selects("openat", "*"), onEvent: reports}
	var log strings.Builder
	found := 0
	all := []detect.Signature{Isolate(eater), Isolate(sibling), other}
	g, _ := New(Config{Signatures: all, Finding: func(detect.Finding) { found++ }, Log: logTo(&log)})
	g.memory.heap, g.memory.limit = 0, 16<<20
	for range 40 {
		g.Handle(event("openat", "/a"))
	}
	g.limitMemory()
	g.Handle(event("openat", "/a"))
	g.Close()
	if len(eater.kept) != 40 || found != 41 || g.Stats().CutOff != 1 || !strings.Contains(log.String(), "MiB of memory") {
		t.Errorf("kept %d, found %d, stats %+v, log %s", len(eater.kept), found, g.Stats(), log.String())
	}
	if sibling.seen != 41 {
		t.Errorf("a signature of the same code was shown %d of 41 events", sibling.seen)
	}
}

func TestMarksOfGoroutinesAreRead(t *testing.T) {
	for _, n := range []uint64{1, 7, 8, 9, 64, 0o1234567} {
		marked(n, func() {
			var stack [32]uintptr
			if got := markOf(stack[:runtime.Callers(0, stack[:])]); got != n {
				t.Errorf("got %o, want %o", got, n)
			}
		})
	}
	var stack [32]uintptr
	if got := markOf(stack[:runtime.Callers(0, stack[:])]); got != 0 {
		t.Errorf("without a mark: got %o", got)
	}
}

// foreign is a signature of somebody who promises nothing.
type foreign struct{ detect.Signature }

func TestEngineIsolatesWhatPromisesNothing(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	var calls atomic.Int32 // by a goroutine that is left behind
	blocks := foreign{&fake{id: "BLOCKS", selectors: selects("openat", "*"), onEvent: func(*trace.Event, detect.SignatureHandler) error {
		calls.Add(1)
		<-release
		return nil
	}}}
	other := foreign{&fake{id: "OTHER", selectors: selects("openat", "*"), onEvent: reports}}
	found := 0
	g, errs := New(Config{Signatures: []detect.Signature{blocks, other}, Finding: func(detect.Finding) { found++ }, Log: slog.New(slog.DiscardHandler)})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for range 100 {
		g.Handle(event("openat", "/a"))
	}
	g.Close()
	if s := g.Stats(); found != 100 || calls.Load() != 1 || s.CutOff != 1 || s.Errors != 1 {
		t.Errorf("found %d, calls %d, stats %+v", found, calls.Load(), s)
	}
}

// BenchmarkCall shows what it costs to call a signature apart.
func BenchmarkCall(b *testing.B) {
	for name, make := range map[string]func(detect.Signature) detect.Signature{
		"here":  func(s detect.Signature) detect.Signature { return s },
		"apart": Isolate,
	} {
		b.Run(name, func(b *testing.B) {
			s := make(&silent{fake{id: "A", selectors: selects("openat", "*")}})
			g, _ := New(Config{Signatures: []detect.Signature{s}})
			defer g.Close()
			e := event("openat", "/a")
			for b.Loop() {
				g.Handle(e)
			}
		})
	}
}

// silent is a fake that does not even record.
type silent struct{ fake }

func (s *silent) OnEvent(protocol.Event) error { return nil }
