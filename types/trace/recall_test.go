package trace

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawMixed draws a stream of events that share parts, as those of a few threads do.
func drawMixed(t *rapid.T) []*Event {
	pool := []*Event{typicalEvent(), largeEvent()}
	for i, e := range pool {
		e.ThreadEntityID, e.ProcessEntityID, e.ParentEntityID = 1<<63+uint64(i), 1<<62, 1<<61
		e.Executable, e.Rung = "/usr/bin/exa", Tracepoint
	}
	if rapid.Bool().Draw(t, "anything") {
		pool = append(pool, drawEvent(t).Clone())
	}
	var all []*Event
	for range rapid.IntRange(2, 30).Draw(t, "events") {
		one := func(label string) *Event { return rapid.SampledFrom(pool).Draw(t, label) }
		e := one("what").Clone()
		threadPart.take(e, one("thread"))
		processPart.take(e, one("process"))
		e.Timestamp = rapid.IntRange(1, 1<<62).Draw(t, "time")
		drawDetails(t, e)
		all = append(all, e)
	}
	return all
}

// drawDetails changes a field or two to what others may have or lack.
func drawDetails(t *rapid.T, e *Event) {
	for range rapid.IntRange(0, 2).Draw(t, "details") {
		switch rapid.IntRange(0, 10).Draw(t, "detail") {
		case 0:
			e.ThreadStartTime = 0
		case 1:
			e.PodUID = rapid.SampledFrom([]string{"", "a", "\xff"}).Draw(t, "uid")
		case 2:
			e.EventID = 0
		case 3:
			e.ReturnValue = rapid.SampledFrom([]int{0, 1, -2}).Draw(t, "ret")
		case 4:
			e.ThreadEntityID = 0
		case 5:
			e.Errno = rapid.SampledFrom([]string{"", "ENOENT"}).Draw(t, "errno")
		case 6:
			e.StackAddresses, e.StackSymbols = []uint64{1}, []string{"x"}
		case 7:
			e.ParseArguments = !e.ParseArguments
		case 8:
			e.truncated = e.present
		case 9:
			e.Executable = rapid.SampledFrom([]string{"", "/x", "\xfe"}).Draw(t, "executable")
		case 10:
			e.present &^= 1 << rapid.IntRange(0, 3).Draw(t, "absent")
		}
	}
}

// A member of a JSON object.
type member struct {
	key   string
	value json.RawMessage
}

func membersOf(line []byte) (all []member) {
	d := json.NewDecoder(bytes.NewReader(line))
	for {
		token, err := d.Token()
		must(err)
		if key, ok := token.(string); ok {
			m := member{key: key}
			must(d.Decode(&m.value))
			all = append(all, m)
		} else if token == json.Delim('}') {
			return all
		}
	}
}

// drawOddLine writes an event as others may write it: without a member, and with members that are elsewhere, twice, unknown or of
// another event.
func drawOddLine(t *rapid.T, line, other []byte, missing string) []byte {
	all, others := membersOf(line), membersOf(other)
	all = slices.DeleteFunc(all, func(m member) bool { return m.key == missing })
	place := func(label string) int { return rapid.IntRange(0, len(all)-1).Draw(t, label) }
	for range rapid.IntRange(0, 2).Draw(t, "changes") {
		i := place("place")
		again := rapid.SampledFrom(others).Draw(t, "member")
		if rapid.Bool().Draw(t, "telling") {
			again = others[slices.IndexFunc(others, func(m member) bool { return m.key == "eventName" })]
		}
		switch rapid.SampledFrom([]string{"swap", "repeat", "begin", "unknown", "replace"}).Draw(t, "change") {
		case "swap":
			j := place("other place")
			all[i], all[j] = all[j], all[i]
		case "repeat":
			all = slices.Insert(all, i, again)
		case "begin":
			if at := slices.IndexFunc(others, func(m member) bool { return m.key == missing }); at >= 0 {
				all = slices.Insert(all, 0, others[at])
			}
		case "unknown":
			all = slices.Insert(all, i, member{"unknown", json.RawMessage(`{"a":[1,"}"]}`)})
		case "replace":
			all[i].value = again.value
		}
	}
	space := rapid.SampledFrom([]string{"", "", "", " "}).Draw(t, "space")
	var b []byte
	for _, m := range all {
		b = fmt.Appendf(b, ",%s%q:%s%s", space, m.key, space, m.value)
	}
	return append(append([]byte{'{'}, b[1:]...), '}')
}

func TestWhatIsRememberedReadsAsBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines [][]byte
		missing := rapid.SampledFrom([]string{"", "", "hostName", "containerName", "argsNum", "podUID", "rung"}).Draw(t, "missing")
		for _, e := range drawMixed(t) {
			lines = append(lines, e.AppendJSON(nil))
			if rapid.IntRange(0, 2).Draw(t, "odd") > 0 {
				other := rapid.SampledFrom([]*Event{typicalEvent(), largeEvent()}).Draw(t, "other")
				lines[len(lines)-1] = drawOddLine(t, lines[len(lines)-1], other.AppendJSON(nil), missing)
			}
		}
		checkJSONRecall(t, drawDamage(t, bytes.Join(lines, []byte("\n"))))
	})
	rapid.Check(t, func(t *rapid.T) {
		checkGobRecall(t, drawDamage(t, gobStream(drawMixed(t)...)))
	})
	rapid.Check(t, func(t *rapid.T) { // v0.8 writes its types as it comes to them
		var buffer bytes.Buffer
		encoder := gob.NewEncoder(&buffer)
		for _, e := range drawMixed(t) {
			u := upstreamEvent{
				Timestamp: e.Timestamp, ThreadStartTime: e.ThreadStartTime, ProcessID: e.ProcessID, ProcessName: e.ProcessName,
				ContainerID: e.ContainerID, EventID: e.EventID, EventName: e.EventName, ReturnValue: e.ReturnValue,
			}
			for a := range e.All() {
				if value := gobValue(a); value != nil {
					u.Args = append(u.Args, upstreamArgument{ArgMeta{Name: a.Name(), Type: a.TypeName()}, value})
				}
			}
			u.ArgsNum = rapid.SampledFrom([]int{len(u.Args), 1}).Draw(t, "count")
			must(encoder.Encode(&u))
		}
		checkGobRecall(t, drawDamage(t, buffer.Bytes()))
	})
}

func TestWhatIsKnownOfAnEventIsNotThatOfAnotherName(t *testing.T) {
	const begin = `{"podUID":"","eventId":"257","eventName":"openat","argsNum":1,`
	last := everything.Fields[len(everything.Fields)-1]
	checkJSONRecall(t, fmt.Appendf(nil, "%s\"returnValue\":0,\"args\":[]}\n%s\"eventName\":\"everything\",\"args\":[{\"name\":%q,\"type\":%q,\"value\":0}]}",
		begin, begin, last.Name, last.Type.Name))
}

// What is left out is walked over, and the rest of the event is there.
func TestArgumentsAreLeftOut(t *testing.T) {
	typical, large := typicalEvent(), largeEvent()
	typical.ProcessEntityID, typical.Executable = 7, "/usr/bin/exa"
	bare := *typical
	bare.SetRecord(&Schema{ID: typical.EventID, Name: typical.EventName}, 0, 0, nil)
	var lines []byte
	for _, e := range []*Event{typical, large} {
		lines = append(e.AppendJSON(lines), '\n')
	}
	for name, r := range map[string]StreamReader{
		"json": NewJSONReader(bytes.NewReader(append(lines, lines...)), catalogue),
		"gob":  NewGobReader(bytes.NewReader(gobStream(typical, large, typical, large)), catalogue),
	} {
		r.LeaveOut(func(name string) bool { return name == typical.EventName })
		for i, want := range []*Event{&bare, large, &bare, large} {
			var e Event
			must(r.Read(&e))
			if got := string(e.AppendJSON(nil)); got != string(want.AppendJSON(nil)) {
				t.Errorf("%s, event %d: got\n%s\nwant\n%s", name, i, got, want.AppendJSON(nil))
			}
		}
	}
}

// What is left out is walked over as it is when nothing is known of it, whatever the values are.
func TestValuesOfAnySizeAreLeftOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []*Event
		for range rapid.IntRange(2, 8).Draw(t, "events") {
			e := typicalEvent()
			if rapid.IntRange(0, 3).Draw(t, "every kind") == 0 {
				drawArgs(t, e)
			} else {
				var b Builder
				b.Reset(openat)
				b.Slot(0, rapid.Uint64().Draw(t, "dirfd"))
				b.Text(1, strings.Repeat("x", rapid.OneOf(rapid.IntRange(0, 9), rapid.IntRange(120, 135)).Draw(t, "length")))
				b.Slot(2, rapid.Uint64Range(0, 200).Draw(t, "flags"))
				b.Slot(3, rapid.Uint64Range(0, 1<<16).Draw(t, "mode"))
				b.Finish(e)
			}
			all = append(all, e)
		}
		stream := drawDamage(t, gobStream(all...))
		leaving := func() *GobReader {
			r := NewGobReader(bytes.NewReader(stream), catalogue)
			r.LeaveOut(func(string) bool { return true })
			return r
		}
		without := leaving()
		checkSame(t, leaving(), without, without.forget, len(stream))
	})
}

func TestWhatIsLeftOutIsStillChecked(t *testing.T) {
	for _, value := range []string{"[1,}", "[1,,2]", `{"a" 1}`, `"\q"`, "tru", "01", ""} {
		line := fmt.Sprintf(`{"eventName":"openat","args":[{"name":"dirfd","type":"int","value":%s}]}`, value)
		r := NewJSONReader(strings.NewReader(line), catalogue)
		r.LeaveOut(func(string) bool { return true })
		var bad *BadRecord
		if err := r.Read(&Event{}); !errors.As(err, &bad) {
			t.Errorf("%s: got %v, want a bad record", value, err)
		}
	}
	stream := gobStream(typicalEvent())
	r := NewGobReader(bytes.NewReader(stream[:len(stream)-30]), catalogue)
	r.LeaveOut(func(string) bool { return true })
	if err := r.Read(&Event{}); err == nil {
		t.Error("a gob stream that is cut: no error")
	}
}

// drawDamage changes a byte of a stream, or none.
func drawDamage(t *rapid.T, stream []byte) []byte {
	if rapid.IntRange(0, 3).Draw(t, "damaged") == 0 && len(stream) > 0 {
		stream[rapid.IntRange(0, len(stream)-1).Draw(t, "damage")] = rapid.Byte().Draw(t, "byte")
	}
	return stream
}

// checkJSONRecall checks that a stream reads as it does when nothing is remembered from one event to the next.
func checkJSONRecall(t rapid.TB, stream []byte) {
	r, without := NewJSONReader(bytes.NewReader(stream), catalogue), NewJSONReader(bytes.NewReader(stream), catalogue)
	checkRecall(t, r, without, func() { without.recall = recall{} }, len(stream))
}

func checkGobRecall(t rapid.TB, stream []byte) {
	r, without := NewGobReader(bytes.NewReader(stream), catalogue), NewGobReader(bytes.NewReader(stream), catalogue)
	checkRecall(t, r, without, without.forget, len(stream))
}

// forget makes a reader remember nothing of the events that it has read.
func (r *GobReader) forget() { r.recall, r.recent = recall{}, nil }

func checkRecall(t rapid.TB, r, without StreamReader, forget func(), most int) {
	t.Helper()
	if most%3 == 0 { // some streams of all
		leaveOut := func(name string) bool { return name == openat.Name }
		r.LeaveOut(leaveOut)
		without.LeaveOut(leaveOut)
	}
	checkSame(t, r, without, forget, most)
}

func checkSame(t rapid.TB, r, without StreamReader, forget func(), most int) {
	t.Helper()
	for n := range most + 2 {
		var got, want Event
		forget()
		gotErr, wantErr := r.Read(&got), without.Read(&want)
		if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
			t.Fatalf("event %d: error\n%v\nwant\n%v", n, gotErr, wantErr)
		}
		var bad *BadRecord
		if errors.As(wantErr, &bad) {
			continue
		}
		if wantErr != nil {
			if errors.Is(wantErr, io.EOF) != errors.Is(gotErr, io.EOF) {
				t.Fatalf("event %d: got %v, want %v", n, gotErr, wantErr)
			}
			return
		}
		if gotText, wantText := shownWhole(&got), shownWhole(&want); gotText != wantText {
			t.Fatalf("event %d: got\n%s\nwant\n%s", n, gotText, wantText)
		}
	}
	t.Fatal("no end")
}

// shownWhole shows all of an event, its shape and its record included.
func shownWhole(e *Event) string {
	present, truncated, body := e.Record()
	var shape struct {
		ID     int
		Name   string
		Fields []Field
	}
	if s := e.Schema(); s != nil {
		shape.ID, shape.Name, shape.Fields = s.ID, s.Name, s.Fields
	}
	text := fmt.Sprintf("%s\n%d %s %x %x %q", e.AppendJSON(nil), shape.ID, shape.Name, present, truncated, body)
	for _, f := range shape.Fields {
		text += fmt.Sprintf(" %s %s %d", f.Name, f.Type.Name, f.Type.Kind)
	}
	bare := *e
	bare.schema, bare.body = nil, nil
	return text + fmt.Sprintf("\n%#v", bare)
}
