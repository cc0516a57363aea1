package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func readOne(t testing.TB, line string) *Event {
	t.Helper()
	var e Event
	if err := NewJSONReader(strings.NewReader(line), catalogue).Read(&e); err != nil {
		t.Fatalf("read %s: %v", line, err)
	}
	return &e
}

func TestJSONReaderLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		event := drawEvent(t)
		want := string(event.AppendJSON(nil))
		lookup := catalogue
		if rapid.Bool().Draw(t, "no catalogue") {
			lookup = nil
		}
		var e Event
		if err := NewJSONReader(strings.NewReader(want), lookup).Read(&e); err != nil {
			t.Fatalf("%v in %s", err, want)
		}
		if got := string(e.AppendJSON(nil)); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		if diff := cmp.Diff(event.Args(), e.Args()); diff != "" && !event.ParseArguments {
			t.Fatalf("-want +got\n%s", diff)
		}
		for a := range event.All() {
			got, ok := e.Lookup(a.Name())
			if text := a.Type().Kind == String || a.Type().Kind == Strings; text && (!ok || !bytes.Equal(got.Raw(), a.Raw())) {
				t.Fatalf("%s: got %q, want %q", a.Name(), got.Raw(), a.Raw())
			}
		}
	})
}

func TestBytesThatAreNotThoseOfTheTextAreIgnored(t *testing.T) {
	e := readOne(t, `{"processName":"sh","eventName":"openat","args":[{"name":"pathname","type":"const char*","value":"/etc/hosts"},`+
		`{"name":"addr","type":"struct sockaddr*","value":{"sa_family":"AF_UNIX","sun_path":"/x"}}],`+
		`"bytes":{"processName":"YmFk","args.pathname":"L2V0Yy9zaGFkb3c=","args.addr":"AQAvYmFk","args.none":"","nothing":""}}`)
	if path, _ := e.Lookup("pathname"); e.ProcessName != "sh" || path.Text() != "/etc/hosts" {
		t.Errorf("got %q and %q", e.ProcessName, path.Text())
	}
	if addr, _ := e.Lookup("addr"); addr.Sockaddr().Path != "/x" {
		t.Errorf("got %q", addr.Sockaddr().Path)
	}
	var bad *BadRecord
	for _, lost := range []string{`1`, `[]`, `{"a":1}`, `{"a":"?"}`, `"x"`} {
		line := `{"eventName":"openat","bytes":` + lost + `}`
		if err := NewJSONReader(strings.NewReader(line), catalogue).Read(e); !errors.As(err, &bad) {
			t.Errorf("%s: got %v, want a bad record", line, err)
		}
	}
}

func TestJSONReaderGivesTheGoTypesOfV08(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawEvent(t)
		want.ParseArguments = false
		var got Event
		must(NewJSONReader(bytes.NewReader(want.AppendJSON(nil)), catalogue).Read(&got))
		for _, w := range want.Args() {
			a, ok := got.Lookup(w.Name)
			if !ok {
				t.Fatalf("%s is absent", w.Name)
			}
			if g := a.Value(); reflect.TypeOf(g) != reflect.TypeOf(w.Value) {
				t.Fatalf("%s: got a %T, want a %T", w.Name, g, w.Value)
			}
		}
	})
}

func TestJSONReaderUsesTheSchemaOfTheCatalogue(t *testing.T) {
	e := readOne(t, string(typicalEvent().AppendJSON(nil)))
	if e.Schema() != openat {
		t.Errorf("got schema %+v, want that of openat", e.Schema())
	}
	e = readOne(t, `{"eventName":"openat","eventId":5,"args":[{"name":"mode","type":"mode_t","value":1}]}`)
	if e.Schema() != openat || e.EventID != 5 || e.ArgsNum() != 1 {
		t.Errorf("got schema %+v, id %d and %d arguments, want openat, 5 and 1", e.Schema(), e.EventID, e.ArgsNum())
	}
}

func TestJSONReaderReadsSortedAndSpacedObjects(t *testing.T) {
	want := largeEvent()
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(want.AppendJSON(nil)))
	decoder.UseNumber()
	must(decoder.Decode(&fields))
	sorted, err := json.Marshal(fields)
	must(err)
	var spaced bytes.Buffer
	must(json.Indent(&spaced, sorted, " ", "\t"))
	for _, line := range []string{string(sorted), strings.ReplaceAll(spaced.String(), "\n", "  ") + "\r\n"} {
		if diff := cmp.Diff(plain(want), plain(readOne(t, line))); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
}

func TestJSONReaderTakesValuesInEveryForm(t *testing.T) {
	tests := []struct {
		name, typ, value string
		want             any
	}{
		{"pointer as number", "void*", `140737488355328`, uintptr(1 << 47)},
		{"pointer as text", "struct timespec*", `"0x7fff0000"`, "0x7fff0000"},
		{"pointer that is no pointer", "void*", `"0x7FFF"`, "0x7FFF"},
		{"loff_t", "loff_t", `18446744073709551615`, uint64(1<<64 - 1)},
		{"int", "int", `-100`, int32(-100)},
		{"int that is too large", "int", `2147483648`, int64(1 << 31)},
		{"negative unsigned", "unsigned long", `-1`, int64(-1)},
		{"int as name", "string", `"O_RDONLY"`, "O_RDONLY"},
		{"int with its type and a name", "int", `"execve"`, "execve"},
		{"fraction", "int", `1.5`, 1.5},
		{"integer with exponent", "made_up_t", `1e3`, 1000.0},
		{"huge integer", "made_up_t", `123456789012345678901234567890`, 123456789012345678901234567890.0},
		{"unknown type", "made_up_t", `18446744073709551615`, uint64(1<<64 - 1)},
		{"unknown text", "made_up_t", `"text"`, "text"},
		{"bool", "bool", `true`, true},
		{"bytes", "bytes", `"f0VMRg=="`, []byte("\x7fELF")},
		{"bytes that are no base64", "bytes", `"f0VMRg"`, "f0VMRg"},
		{"empty bytes", "bytes", `""`, []byte{}},
		{"pair", "int[2]", `[3,-4]`, [2]int32{3, -4}},
		{"pair of three", "int[2]", `[3,4,5]`, []any{3.0, 4.0, 5.0}},
		{"strings", "const char**", `["a","","b\n"]`, []string{"a", "", "b\n"}},
		{"no strings", "const char*const*", `[]`, []string{}},
		{"strings with NUL", "const char**", `["a\u0000b"]`, []string{"a\x00b"}},
		{"strings of unknown type", "made_up_t", `["a"]`, []string{"a"}},
		{"sockaddr", "struct sockaddr*", `{"sa_family":"AF_UNIX","sun_path":"/run/x"}`, map[string]string{"sa_family": "AF_UNIX", "sun_path": "/run/x"}},
		{"sockaddr in other words", "struct sockaddr*", `{"sa_family":"AF_INET","sin_port":"0080"}`, map[string]string{"sa_family": "AF_INET", "sin_port": "0080"}},
		{"sockaddr of v0.6", "struct sockaddr*", `"{'sa_family': 'AF_UNIX'}"`, "{'sa_family': 'AF_UNIX'}"},
		{"credentials with some keys", "slim_cred_t", `{"Uid":5}`, SlimCred{Uid: 5}},
		{"packet", "trace.PktMeta", `{"src_ip":"1.2.3.4"}`, PktMeta{SrcIP: "1.2.3.4"}},
		{"no symbols", "[]trace.HookedSymbolData", `null`, []HookedSymbolData(nil)},
		{"object", "made_up_t", `{"a":[1]}`, map[string]any{"a": []any{1.0}}},
		{"escapes", "const char*", `"\u00e9\ud83d\ude00\ud83d\n\/` + "\xff" + `"`, "é😀\ufffd\n/\ufffd"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := readOne(t, `{"eventName":"x","args":[{"name":"a","type":"`+test.typ+`","value":`+test.value+`}]}`)
			a, ok := e.Lookup("a")
			if !ok {
				t.Fatal("absent")
			}
			if got := a.Value(); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %#v, want %#v", got, test.want)
			}
			if got := a.TypeName(); got != test.typ {
				t.Errorf("got type %s, want %s", got, test.typ)
			}
		})
	}
}

func TestJSONReaderKeepsPointersOfBothFormsApart(t *testing.T) {
	const args = `"args":[{"name":"a","type":"void*","value":"0x1"},{"name":"b","type":"void*","value":2}]}`
	e := readOne(t, `{"eventName":"x",`+args)
	if got := string(e.AppendJSON(nil)); !strings.HasSuffix(got, args) {
		t.Errorf("got %s", got)
	}
}

func TestJSONReaderReadsOlderEvents(t *testing.T) {
	e := readOne(t, `{"timestamp":1.5e3,"processId":1,"eventId":"59","eventName":"execve","argsNum":1,"future":{"x":[1]},`+
		`"stackAddresses":[],"args":null,"containerId":null}`)
	want := &Event{Timestamp: 1500, ProcessID: 1, EventID: 59, EventName: "execve", StackAddresses: []uint64{}}
	if diff := cmp.Diff(plain(want), plain(e)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestJSONReaderGoesOnBehindABadLine(t *testing.T) {
	good := string(typicalEvent().AppendJSON(nil))
	tests := []string{
		`x`, `{`, `[]`, `{}`, `{"eventName":"x"`, `{"eventName":"x"}}`, `{"eventName":7}`, `{"eventName":"x","processId":"7"}`,
		`{"eventName":"x","processId":01}`, `{"eventName":"x","processId":99999999999999999999}`, `{"eventName":"x","cgroupId":-1}`,
		`{"eventName":"x","eventId":"x"}`, `{"eventName":"x","args":[}`, `{"eventName":"x","args":[{"name":"a","value":[1,]}]}`,
		`{"eventName":"x","args":[{"name":"a","value":"\x"}]}`, `{"eventName":"x","args":[{"value":1,"value":2}]}`,
		`{"eventName":"x","args":[],"other":{]}`, `{"eventName":"x\`, `{"eventName":"x` + "\x01" + `"}`, `{"eventName":"x","args":[` + strings.Repeat(`{},`, 64) + `{}]}`,
		good[:len(good)/2], strings.Repeat("y", 300),
	}
	for _, bad := range tests {
		r := NewJSONReader(strings.NewReader(good+"\n"+bad+"\n \n"+good), catalogue)
		var e Event
		must(r.Read(&e))
		err := r.Read(&e)
		var record *BadRecord
		if !errors.As(err, &record) {
			t.Errorf("%s: got %v, want a bad record", bad, err)
			continue
		}
		if record.Line != 2 || !strings.HasPrefix(bad, strings.TrimSuffix(record.Text, "…")) || len(record.Text) > 210 {
			t.Errorf("%s: got line %d, text %q", bad, record.Line, record.Text)
		}
		if err := r.Read(&e); err != nil || e.EventName != "openat" {
			t.Errorf("%s: behind it: got %q, %v", bad, e.EventName, err)
		}
		if err := r.Read(&e); err != io.EOF || r.Skipped() != 1 {
			t.Errorf("%s: got %v and %d skipped, want the end and 1", bad, err, r.Skipped())
		}
	}
}

func TestJSONReaderReadsLongLinesAndSkipsTooLongOnes(t *testing.T) {
	long := strings.Repeat("z", 200<<10)
	line := `{"eventName":"x","args":[{"name":"a","type":"const char*","value":"` + long + `"}]}` + "\n"
	var tooLong io.Reader = io.LimitReader(&repeated{again: bytes.Repeat([]byte("w"), 1<<20)}, maxRecord+10)
	r := NewJSONReader(io.MultiReader(strings.NewReader(line), tooLong, strings.NewReader("\n"+line)), nil)
	var e Event
	for i := range 3 {
		err := r.Read(&e)
		if i == 1 {
			if !errors.Is(err, bufio.ErrTooLong) {
				t.Errorf("got %v, want a line that is too long", err)
			}
			continue
		}
		if a, ok := e.Lookup("a"); err != nil || !ok || a.Text() != long {
			t.Errorf("line %d: got %v", i+1, err)
		}
	}
	if err := r.Read(&e); err != io.EOF {
		t.Errorf("got %v, want the end", err)
	}
}

func TestJSONReaderReportsAnErrorOfTheSource(t *testing.T) {
	broken := errors.New("broken")
	r := NewJSONReader(iotest.ErrReader(broken), nil)
	var e Event
	var record *BadRecord
	if err := r.Read(&e); !errors.Is(err, broken) || errors.As(err, &record) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestReadEventsStayAfterClone(t *testing.T) {
	line := string(largeEvent().AppendJSON(nil)) + "\n"
	r := NewJSONReader(strings.NewReader(line+strings.ToUpper(line)+strings.ReplaceAll(line, "program", "PROGRAM")), catalogue)
	var e Event
	must(r.Read(&e))
	c := e.Clone()
	_, _ = r.Read(&e), r.Read(&e)
	if got := string(c.AppendJSON(nil)) + "\n"; got != line {
		t.Errorf("got  %s\nwant %s", got, line)
	}
}

func TestJSONReaderForgetsShapesWhenThereAreTooMany(t *testing.T) {
	var r JSONReader
	for i := range 3 * madeSchemas {
		var e Event
		e.EventName = "x"
		must(r.schemas.finish(&e, nil, []looseArg{{name: []byte{byte(i), byte(i >> 8)}, kind: Int32}}, nil, nil))
	}
	if n := len(r.schemas.made); n > madeSchemas {
		t.Errorf("got %d shapes, want at most %d", n, madeSchemas)
	}
}

func FuzzJSONReader(f *testing.F) {
	f.Add(typicalEvent().AppendJSON(nil))
	f.Add(largeEvent().AppendJSON(nil))
	f.Add([]byte(`{"eventName":"x","args":[{"name":"a","type":"void*","value":"0x1"},{"name":"b","type":"int[2]","value":[1,2]}]}`))
	f.Add([]byte(`{"eventName":"everything","args":[{"type":"slim_cred_t","name":"cred","value":{"Uid":1}}],"truncated":["cred"]}`))
	f.Add([]byte(`{"processName":"\ufffd","eventName":"everything","args":[{"type":"struct sockaddr*","name":"remote_addr",` +
		`"value":{"sa_family":"AF_UNIX","sun_path":"x"}}],"bytes":{"processName":"/w==","args.remote_addr":"AQAAeA=="}}`))
	f.Fuzz(func(t *testing.T, input []byte) {
		checkJSONRecall(t, input)
		r := NewJSONReader(bytes.NewReader(input), catalogue)
		lines := bytes.Split(input, []byte("\n"))
		var e Event
		for range len(input) + 2 {
			err := r.Read(&e)
			if err == io.EOF {
				return
			}
			var bad *BadRecord
			if errors.As(err, &bad) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if line := lines[r.line-1]; !json.Valid(line) {
				t.Fatalf("accepted %q", line)
			}
			checkStable(t, &e)
		}
		t.Fatal("no end")
	})
}

// checkStable checks that an event which was read is the same when it is written and read again.
func checkStable(t *testing.T, e *Event) {
	e.Args()
	want := string(e.AppendJSON(nil))
	if !json.Valid([]byte(want)) {
		t.Fatalf("wrote %s", want)
	}
	if got := string(readOne(t, want).AppendJSON(nil)); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}
