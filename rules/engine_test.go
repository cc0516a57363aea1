package rules

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a signature that records what happens to it.
type fake struct {
	id        string
	selectors []detect.SignatureEventSelector
	onEvent   func(e *trace.Event, handler detect.SignatureHandler) error

	handler detect.SignatureHandler
	calls   []string
}

func (s *fake) GetMetadata() (detect.SignatureMetadata, error) {
	if s.id == "" {
		return detect.SignatureMetadata{}, errors.New("no id")
	}
	return detect.SignatureMetadata{ID: s.id, Name: "name of " + s.id}, nil
}

func (s *fake) GetSelectedEvents() ([]detect.SignatureEventSelector, error) { return s.selectors, nil }

func (s *fake) Init(handler detect.SignatureHandler) error {
	s.handler = handler
	return nil
}

func (s *fake) Bounded() {}

func (s *fake) Close() { s.calls = append(s.calls, "close") }

func (s *fake) OnSignal(signal detect.Signal) error {
	s.calls = append(s.calls, fmt.Sprintf("%T(%v)", signal, signal))
	return nil
}

func (s *fake) OnEvent(event protocol.Event) error {
	h := event.Headers.Selector
	s.calls = append(s.calls, h.Name+"@"+h.Origin)
	if s.onEvent == nil {
		return nil
	}
	return s.onEvent(event.Payload.(*trace.Event), s.handler)
}

func selects(pairs ...string) []detect.SignatureEventSelector {
	var list []detect.SignatureEventSelector
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, detect.SignatureEventSelector{Source: Source, Name: pairs[i], Origin: pairs[i+1]})
	}
	return list
}

var pathSchemas = map[string]*trace.Schema{}

// event makes an event with the argument "pathname".
func event(name, path string) *trace.Event {
	schema, ok := pathSchemas[name]
	if !ok {
		str := &trace.Type{Name: "const char*", Kind: trace.String}
		schema = &trace.Schema{Name: name, Fields: []trace.Field{{Name: "pathname", Type: str}}}
		pathSchemas[name] = schema
	}
	var b trace.Builder
	b.Reset(schema)
	b.Text(0, path)
	e := &trace.Event{}
	b.Finish(e)
	return e
}

func engine(t *testing.T, signatures ...detect.Signature) (*Engine, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	g, errs := New(Config{Signatures: signatures, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if len(errs) > 0 {
		t.Fatalf("New: %v", errs)
	}
	return g, &log
}

func TestEngineDispatchesByNameAndOrigin(t *testing.T) {
	inContainer := event("openat", "/a")
	inContainer.ContextFlags.ContainerStarted = true
	starting := event("openat", "/a")
	starting.ContainerID = "abc"
	stream := []*trace.Event{event("openat", "/a"), inContainer, starting, event("close", "")}

	tests := []struct {
		name      string
		selectors []detect.SignatureEventSelector
		want      []string
	}{
		{"name", selects("openat", "*"), []string{"openat@host", "openat@container", "openat@container-init"}},
		{"name with empty origin", selects("close", ""), []string{"close@host"}},
		{"name and origin", selects("openat", "container"), []string{"openat@container"}},
		{"set-up of containers", selects("*", "container-init"), []string{"openat@container-init"}},
		{
			"everything", selects("", ""),
			[]string{"openat@host", "openat@container", "openat@container-init", "close@host"},
		},
		{
			"overlapping selectors give each event once", selects("openat", "container", "*", "container", "openat", "*"),
			[]string{"openat@host", "openat@container", "openat@container-init"},
		},
		{"two origins", selects("openat", "container", "openat", "host"), []string{"openat@host", "openat@container"}},
		{"other source", []detect.SignatureEventSelector{{Source: "elsewhere", Name: "openat"}}, nil},
		{"no source", []detect.SignatureEventSelector{{Name: "openat"}}, nil},
		{"unknown origin", selects("openat", "moon"), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &fake{id: "A", selectors: test.selectors}
			g, _ := engine(t, s)
			for _, e := range stream {
				g.Handle(e)
			}
			if !slices.Equal(s.calls, test.want) {
				t.Errorf("calls: got %q, want %q", s.calls, test.want)
			}
		})
	}
}

func TestEngineRefusesASecondSignatureOfTheSameID(t *testing.T) {
	first, second, third := &fake{id: "A"}, &fake{id: "A"}, &fake{id: "B"}
	g, errs := New(Config{Signatures: []detect.Signature{first, second, &fake{}, third}, Log: slog.New(slog.DiscardHandler)})
	if len(errs) != 2 || !strings.Contains(errs[0].Error(), "A (name of A) is refused: the id is taken") {
		t.Errorf("errors: got %v", errs)
	}
	var ids []string
	for _, m := range g.Signatures() {
		ids = append(ids, m.ID)
	}
	if want := []string{"A", "B"}; !slices.Equal(ids, want) {
		t.Errorf("loaded: got %v, want %v", ids, want)
	}
	if second.handler != nil {
		t.Error("the refused signature was initialised")
	}
}

func TestEngineFindingOwnsItsEvent(t *testing.T) {
	s := &fake{id: "A", selectors: selects("openat", "*")}
	s.onEvent = func(e *trace.Event, handler detect.SignatureHandler) error {
		if !e.ParseArguments {
			t.Error("the signature sees raw arguments")
		}
		handler(detect.Finding{Event: protocol.Event{Payload: e}})
		return nil
	}
	var found []detect.Finding
	g, _ := New(Config{Signatures: []detect.Signature{s}, Finding: func(f detect.Finding) { found = append(found, f) }})
	e := event("openat", "/etc/passwd")
	g.Handle(e)
	if e.ParseArguments {
		t.Error("the event did not get its own setting back")
	}
	_, _, body := e.Record()
	clear(body)

	if len(found) != 1 {
		t.Fatalf("findings: got %d, want 1", len(found))
	}
	path, _ := found[0].Event.Payload.(*trace.Event).Lookup("pathname")
	if got, want := path.Text(), "/etc/passwd"; got != want {
		t.Errorf("path of the finding's event: got %q, want %q", got, want)
	}
	if got, want := g.Stats(), (Stats{Events: 1, Signatures: 1, Detections: 1}); got != want {
		t.Errorf("stats: got %+v, want %+v", got, want)
	}
}

func TestEngineCountsErrorsAndLogsThemOnceASecond(t *testing.T) {
	bad := &fake{id: "BAD", selectors: selects("openat", "*")}
	bad.onEvent = func(*trace.Event, detect.SignatureHandler) error { return errors.New("out of luck") }
	good := &fake{id: "GOOD", selectors: selects("openat", "*")}
	g, log := engine(t, bad, good)
	for range 100 {
		g.Handle(event("openat", "/a"))
	}
	if got, want := g.Stats().Errors, uint64(100); got != want {
		t.Errorf("errors: got %d, want %d", got, want)
	}
	if got := strings.Count(log.String(), "out of luck"); got < 1 || got > 2 {
		t.Errorf("log lines: got %d, want 1 (or 2 on a slow machine):\n%s", got, log)
	}
	if got, want := len(good.calls), 100; got != want {
		t.Errorf("events of the other signature: got %d, want %d", got, want)
	}
}

func TestEngineSwitchesOffASignatureAfterThreePanics(t *testing.T) {
	bad := &fake{id: "BAD", selectors: selects("openat", "*")}
	bad.onEvent = func(e *trace.Event, _ detect.SignatureHandler) error {
		var none *trace.Event
		_ = none.EventName
		return nil
	}
	good := &fake{id: "GOOD", selectors: selects("openat", "*")}
	g, log := engine(t, bad, good)
	for range 10 {
		g.Handle(event("openat", "/a"))
	}
	g.Close()
	if got, want := bad.calls, []string{"openat@host", "openat@host", "openat@host", "close"}; !slices.Equal(got, want) {
		t.Errorf("calls of the bad one: got %q, want %q", got, want)
	}
	if got, want := len(good.calls), 12; got != want {
		t.Errorf("calls of the good one: got %d, want %d", got, want)
	}
	if got, want := g.Stats().Errors, uint64(3); got != want {
		t.Errorf("errors: got %d, want %d", got, want)
	}
	for _, want := range []string{"nil pointer", "engine_test.go:", "signature=BAD", "switched off"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log lacks %q:\n%s", want, log)
		}
	}
}

func TestEngineCloseSignalsAfterAllEventsAndOnce(t *testing.T) {
	a, b := &fake{id: "A", selectors: selects("*", "*")}, &fake{id: "B", selectors: selects("close", "*")}
	g, _ := engine(t, a, b)
	g.Handle(event("openat", "/a"))
	g.Handle(event("close", ""))
	g.Close()
	g.Close()
	complete := reflect.TypeFor[detect.SignalSourceComplete]().String() + "(tracee)"
	if want := []string{"openat@host", "close@host", complete, "close"}; !slices.Equal(a.calls, want) {
		t.Errorf("calls of A: got %q, want %q", a.calls, want)
	}
	if want := []string{"close@host", complete, "close"}; !slices.Equal(b.calls, want) {
		t.Errorf("calls of B: got %q, want %q", b.calls, want)
	}
}

func TestEngineSumsUpLostEvents(t *testing.T) {
	schema := &trace.Schema{Name: "lost_events", Fields: []trace.Field{
		{Name: "event", Type: &trace.Type{Name: "const char*", Kind: trace.String}},
		{Name: "lost", Type: &trace.Type{Name: "u64", Kind: trace.Uint64}},
	}}
	g, _ := engine(t)
	for _, lost := range []uint64{40, 2} {
		var b trace.Builder
		b.Reset(schema)
		b.Slot(1, lost)
		var e trace.Event
		b.Finish(&e)
		g.Handle(&e)
	}
	if got, want := g.Stats().Lost, uint64(42); got != want {
		t.Errorf("lost: got %d, want %d", got, want)
	}
}

func BenchmarkEngineHandle(b *testing.B) {
	s := &fake{id: "A", selectors: selects("openat", "*")}
	g, _ := New(Config{Signatures: []detect.Signature{s}})
	for _, name := range []string{"openat", "close"} {
		b.Run(map[string]string{"openat": "selected", "close": "not selected"}[name], func(b *testing.B) {
			e := event(name, "/a")
			b.ReportAllocs()
			for b.Loop() {
				s.calls = s.calls[:0]
				g.Handle(e)
			}
		})
	}
}
