package trace

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func gobStream(events ...*Event) []byte {
	var buffer bytes.Buffer
	w := NewGobWriter(&buffer)
	for _, e := range events {
		must(w.Write(e))
	}
	return buffer.Bytes()
}

// upstreamEvent is v0.8's event as its gob decoder sees it.
type upstreamEvent struct {
	Timestamp, ThreadStartTime, ProcessorID, ProcessID                          int
	CgroupID                                                                    uint
	ThreadID, ParentProcessID, HostProcessID, HostThreadID, HostParentProcessID int
	UserID, MountNS, PIDNS                                                      int
	ProcessName, HostName, ContainerID, ContainerImage, ContainerName           string
	PodName, PodNamespace, PodUID                                               string
	EventID                                                                     int
	EventName                                                                   string
	ArgsNum, ReturnValue                                                        int
	StackAddresses                                                              []uint64
	ContextFlags                                                                struct{ ContainerStarted bool }
	Args                                                                        []upstreamArgument
}

type upstreamArgument struct {
	ArgMeta
	Value any
}

func TestGobIsThatOfV08(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawEvent(t)
		var got gobEvent
		if err := gob.NewDecoder(bytes.NewReader(gobStream(want))).Decode(&got); err != nil {
			t.Fatal(err)
		}
		args := want.Args()
		if len(got.Args) != len(args) || got.ArgsNum != len(args) {
			t.Fatalf("got %d arguments and the number %d, want %d", len(got.Args), got.ArgsNum, len(args))
		}
		for i, a := range got.Args {
			if reflect.TypeOf(a.Value) != reflect.TypeFor[gobDocument]() && reflect.TypeOf(a.Value) != reflect.TypeOf(args[i].Value) {
				t.Fatalf("%s: got a %T, want a %T", a.Name, a.Value, args[i].Value)
			}
			if !equalInGob(a.Value, args[i].Value) || a.ArgMeta != args[i].ArgMeta {
				t.Fatalf("got %#v, want %#v", a, args[i])
			}
		}
		compareContext(t, &got, want)
	})
}

// equalInGob compares values where gob tells them apart; documents are compared by what reads them.
func equalInGob(got, want any) bool {
	switch g := got.(type) {
	case []string:
		return slices.Equal(g, want.([]string))
	case []byte:
		return bytes.Equal(g, want.([]byte))
	case string, bool, int32, int64, uint8, uint16, uint32, uint64, uintptr, float64, [2]int32, SlimCred, map[string]string:
		return reflect.DeepEqual(got, want)
	default:
		return true
	}
}

// compareContext compares what encoding/gob read with the event, field by field of the same name.
func compareContext(t *rapid.T, got *gobEvent, want *Event) {
	g, w := reflect.ValueOf(got).Elem(), reflect.ValueOf(want).Elem()
	for i := range g.NumField() {
		name := g.Type().Field(i).Name
		same := w.FieldByName(name)
		if !same.IsValid() || same.Type() != g.Field(i).Type() || name == "StackAddresses" && len(got.StackAddresses) == 0 {
			continue
		}
		if !reflect.DeepEqual(g.Field(i).Interface(), same.Interface()) {
			t.Fatalf("%s: got %v, want %v", name, g.Field(i), same)
		}
	}
	if got.Executable.Path != want.Executable || got.Rung != want.Rung.String() || len(got.StackAddresses) != len(want.StackAddresses) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func TestGobReaderLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(drawEvent), 1, 3).Draw(t, "events")
		r := NewGobReader(bytes.NewReader(gobStream(events...)), catalogue)
		for _, want := range events {
			var got Event
			if err := r.Read(&got); err != nil {
				t.Fatal(err)
			}
			if g, w := withoutEscapes(&got), withoutEscapes(want); g != w {
				t.Fatalf("got  %s\nwant %s", g, w)
			}
		}
		var e Event
		if err := r.Read(&e); err != io.EOF {
			t.Fatalf("got %v, want the end", err)
		}
	})
}

// withoutEscapes is the JSON of an event where gob cannot tell from each other what is equal here: an empty list and none,
// and in documents an escaped rune and the rune.
func withoutEscapes(e *Event) string {
	if len(e.StackAddresses) == 0 {
		e.StackAddresses = nil
	}
	return strings.ReplaceAll(strings.ReplaceAll(string(e.AppendJSON(nil)), `\ufffd`, "\ufffd"), `"dns_answer":null`, `"dns_answer":[]`)
}

func TestGobReaderUsesTheSchemaOfTheCatalogue(t *testing.T) {
	var e Event
	must(NewGobReader(bytes.NewReader(gobStream(typicalEvent())), catalogue).Read(&e))
	if e.Schema() != openat {
		t.Errorf("got schema %+v, want that of openat", e.Schema())
	}
	if diff := cmp.Diff(plain(typicalEvent()), plain(&e)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestGobReaderReadsTheEventsOfV08(t *testing.T) {
	want := upstreamEvent{
		Timestamp: 5, CgroupID: 7, EventID: 42, EventName: "connect", ArgsNum: 5, StackAddresses: []uint64{0},
		Args: []upstreamArgument{
			{ArgMeta{Name: "fd", Type: "int"}, int32(-1)},
			{ArgMeta{Name: "addr", Type: "struct sockaddr*"}, map[string]string{"sa_family": "AF_UNIX", "sun_path": "/x"}},
			{ArgMeta{Name: "buf", Type: "void*"}, uintptr(77)},
			{ArgMeta{Name: "text", Type: "void*"}, "0x1f"},
			{ArgMeta{Name: "argv", Type: "const char**"}, []string{"a", ""}},
			{ArgMeta{Name: "false", Type: "bool"}, false},
			{ArgMeta{Name: "cred", Type: "slim_cred_t"}, SlimCred{Uid: 1, CapAmbient: 1 << 40}},
			{ArgMeta{Name: "bytes", Type: "bytes"}, []byte{0}},
			{ArgMeta{Name: "addrs", Type: "unsigned long[]"}, []uint64{1, 1 << 63}},
			{ArgMeta{Name: "nil", Type: "int"}, nil},
		},
	}
	var buffer bytes.Buffer
	must(gob.NewEncoder(&buffer).Encode(want))
	var e Event
	must(NewGobReader(&buffer, nil).Read(&e))
	if e.Timestamp != 5 || e.CgroupID != 7 || e.EventID != 42 || e.EventName != "connect" || len(e.StackAddresses) != 1 {
		t.Errorf("got %+v", e)
	}
	got := e.Args()
	if len(got) != len(want.Args)-1 {
		t.Fatalf("got %d arguments, want %d", len(got), len(want.Args)-1)
	}
	for i, a := range got {
		if a.Name != want.Args[i].Name || a.Type != want.Args[i].Type || !reflect.DeepEqual(a.Value, want.Args[i].Value) {
			t.Errorf("got %+v, want %+v", a, want.Args[i])
		}
	}
}

func TestGobReaderReadsNestedInterfaces(t *testing.T) {
	gob.Register(map[string]any{})
	gob.Register([]any{})
	want := map[string]any{"a": map[string]any{"b": SlimCred{Uid: 3}}, "c": []any{"x", 1}}
	e := gobEvent{EventName: "x", Args: []Argument{{ArgMeta{"a", "made_up_t"}, want}}}
	var buffer bytes.Buffer
	must(gob.NewEncoder(&buffer).Encode(e))
	var got Event
	must(NewGobReader(&buffer, nil).Read(&got))
	a, _ := got.Lookup("a")
	if v := asJSON(t, a.Value()); v != `{"a":{"b":{"Uid":3}},"c":["x",1]}` {
		t.Errorf("got %s", v)
	}
}

func TestGobReaderTellsACutStreamFromAnEnd(t *testing.T) {
	stream := gobStream(typicalEvent(), typicalEvent())
	clean := 0
	for n := range len(stream) {
		r := NewGobReader(bytes.NewReader(stream[:n]), catalogue)
		var e Event
		err := r.Read(&e)
		for err == nil {
			err = r.Read(&e)
		}
		if err == io.EOF {
			clean++ // between two messages
		} else if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "events") {
			t.Errorf("cut at %d: got %v", n, err)
		}
		if again := r.Read(&e); again != err {
			t.Errorf("cut at %d: got %v, then %v", n, err, again)
		}
	}
	if clean != 2 {
		t.Errorf("%d cuts went unnoticed, want those in front of the two events", clean)
	}
}

func TestGobReaderGoesOnBehindABadMessage(t *testing.T) {
	good := gobStream(typicalEvent())
	stream := append(append([]byte{}, good...), 3, 0xff, 0xff, 0xff)
	events := gobStream(typicalEvent(), typicalEvent())
	stream = append(stream, events[len(good):]...)
	r := NewGobReader(bytes.NewReader(stream), catalogue)
	var e Event
	must(r.Read(&e))
	var bad *BadRecord
	if err := r.Read(&e); !errors.As(err, &bad) || bad.Line != 2 {
		t.Errorf("got %v, want a bad record 2", err)
	}
	if err := r.Read(&e); err != nil || e.EventName != "openat" || r.Skipped() != 1 {
		t.Errorf("got %v, %q and %d skipped", err, e.EventName, r.Skipped())
	}
}

func TestGobReaderGivesUpOnGarbage(t *testing.T) {
	tests := map[string][]byte{
		"zeros":    make([]byte, 1<<16),
		"text":     bytes.Repeat([]byte("{\"eventName\":\"openat\"}\n"), 1000),
		"length":   {0xf8, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0},
		"too long": {0xfc, 0x04, 0, 0, 1},
		"count":    {0x80, 1, 2, 3},
		"other gob": func() []byte {
			var b bytes.Buffer
			must(gob.NewEncoder(&b).Encode(map[string]int{"a": 1}))
			return b.Bytes()
		}(),
		"huge claim": {0xfc, 0x03, 0xff, 0xff, 0xff, 1},
	}
	for name, garbage := range tests {
		r := NewGobReader(bytes.NewReader(garbage), catalogue)
		var e Event
		reads := 0
		err := r.Read(&e)
		for bad := (*BadRecord)(nil); errors.As(err, &bad); reads++ {
			err = r.Read(&e)
		}
		if err == nil || reads > maxBadRun {
			t.Errorf("%s: got %v after %d bad records", name, err, reads)
		}
	}
}

// A map that claims 2^40 entries made encoding/gob ask for all memory.
func TestGobReaderDoesNotBelieveSizes(t *testing.T) {
	e := typicalEvent()
	var b Builder
	schema := &Schema{Name: "x", Fields: []Field{{Name: "a", Type: &Type{Name: "struct sockaddr*", Kind: Sockaddr}}}}
	b.Reset(schema)
	must(b.Set(0, map[string]string{"sa_family": "AF_UNSPEC"}))
	b.Finish(e)
	stream := gobStream(e)
	at := bytes.LastIndex(stream, []byte("\x01\x09sa_family"))
	stream[at] = 0x7f
	r := NewGobReader(bytes.NewReader(stream), nil)
	var bad *BadRecord
	if err := r.Read(e); !errors.As(err, &bad) || !errors.Is(err, errGobShort) {
		t.Errorf("got %v", err)
	}
}

func FuzzGobReader(f *testing.F) {
	f.Add(gobStream(typicalEvent(), largeEvent()))
	e := typicalEvent()
	rapid.Custom(func(t *rapid.T) int { drawArgs(t, e); return 0 }).Example(1)
	f.Add(gobStream(e))
	f.Add(gobStream(typicalEvent(), typicalEvent(), largeEvent(), largeEvent(), typicalEvent()))
	f.Fuzz(func(t *testing.T, input []byte) {
		checkGobRecall(t, input)
		r := NewGobReader(bytes.NewReader(input), catalogue)
		var e Event
		for range len(input) + 2 {
			err := r.Read(&e)
			var bad *BadRecord
			if errors.As(err, &bad) {
				continue
			}
			if err != nil {
				return
			}
			e.Args()
			if b := e.AppendJSON(nil); !json.Valid(b) {
				t.Fatalf("wrote %s", b)
			}
		}
		t.Fatal("no end")
	})
}
