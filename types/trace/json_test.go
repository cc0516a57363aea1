package trace

import (
	"encoding/json"
	"math"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestJSONIsThatOfTheDocumentation(t *testing.T) {
	const want = `{"timestamp":1657290245020855990,"threadStartTime":615325807626168,"processorId":22,"processId":1664936,` +
		`"cgroupId":1,"threadId":1664936,"parentProcessId":3795408,"hostProcessId":1664936,"hostThreadId":1664936,` +
		`"hostParentProcessId":3795408,"userId":1000,"mountNamespace":4026531840,"pidNamespace":4026531836,` +
		`"processName":"exa","hostName":"fujitsu","containerId":"","containerImage":"","containerName":"","podName":"",` +
		`"podNamespace":"","podUID":"","eventId":"257","eventName":"openat","argsNum":4,"returnValue":3,` +
		`"stackAddresses":null,"contextFlags":{"containerStarted":false},"args":[{"name":"dirfd","type":"int","value":-100},` +
		`{"name":"pathname","type":"const char*","value":"/etc/ld.so.cache"},{"name":"flags","type":"int","value":524288},` +
		`{"name":"mode","type":"mode_t","value":0}]}`
	if got := string(typicalEvent().AppendJSON(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestJSONEqualsEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		theirs, err := json.Marshal(plain(e))
		if err != nil {
			t.Fatal(err)
		}
		want := escaped(string(theirs))
		if got := e.AppendJSON(nil); string(got) != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		marshalled, err := json.Marshal(*e)
		if err != nil || string(marshalled) != want {
			t.Fatalf("MarshalJSON: got %s, %v", marshalled, err)
		}
	})
}

func TestJSONOfAnEventWithoutRecord(t *testing.T) {
	e := &Event{EventName: "bare"}
	if got, want := string(e.AppendJSON(nil)), asJSON(t, plain(e)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEventsOfOneSchemaAreWrittenAtTheSameTime(t *testing.T) {
	want := string(typicalEvent().AppendJSON(nil))
	schema := &Schema{ID: openat.ID, Name: openat.Name, Fields: openat.Fields}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			e := typicalEvent()
			present, truncated, body := e.Record()
			e.SetRecord(schema, present, truncated, body)
			if got := string(e.AppendJSON(nil)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	group.Wait()
}

func TestIntegersEqualThoseOfStrconv(t *testing.T) {
	check := func(v uint64) {
		if got, want := string(appendUint([]byte("x"), v)), "x"+strconv.FormatUint(v, 10); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, want := string(appendInt(nil, int64(v))), strconv.FormatInt(int64(v), 10); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for shift := range 64 {
		for d := range uint64(3) {
			check(1<<shift + d - 1)
		}
	}
	for power := uint64(1); power < math.MaxUint64/10; power *= 10 {
		check(power*10 - 1)
		check(power * 10)
	}
	check(math.MaxUint64)
}

func TestJSONStringEqualsEncodingJSON(t *testing.T) {
	for r := range rune(0x3000) {
		s := string(r) + "x" + string([]byte{byte(r), byte(r >> 8)})
		for _, s := range []string{s, "1234567" + s, "12345678" + s + "12345678", s + s + s + s} {
			if got, want := string(appendJSONString(nil, s)), escaped(asJSON(t, s)); got != want {
				t.Errorf("%q: got %s, want %s", s, got, want)
			}
		}
	}
}

func TestJSONFloatEqualsEncodingJSON(t *testing.T) {
	for _, f := range []float64{0, math.Copysign(0, -1), 1, 1.5, 1e-6, 9e-7, 1e-9, 1e-10, 1e20, 1e21, 1e22, 1e100, math.MaxFloat64, 5e-324} {
		if got, want := string(appendJSONFloat(nil, f)), asJSON(t, f); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := string(appendJSONFloat(nil, math.NaN())); got != "null" {
		t.Errorf("NaN: got %s, want null", got)
	}
}

func TestJSONDocumentIsEmbeddedAsEncodingJSONDoes(t *testing.T) {
	tests := []string{
		`null`, ` { "a" : [ 1 , 2.50, "x y" ] } `, `"<\u003c&\"\\>` + "\u2028" + `"`, `12345678901234567890123`, `[]`, `{}`,
	}
	for _, text := range tests {
		want := asJSON(t, json.RawMessage(text))
		if got := string(appendJSONDocument(nil, []byte(text))); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"", "{", "nil", `"`, `"\`, "[1,]"} {
		if got := string(appendJSONDocument(nil, []byte(text))); got != "null" {
			t.Errorf("%q: got %s, want null", text, got)
		}
	}
}

func TestArgIsWrittenAlone(t *testing.T) {
	e := typicalEvent()
	a, _ := e.Lookup("pathname")
	if got, want := asJSON(t, a), `{"name":"pathname","type":"const char*","value":"/etc/ld.so.cache"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAppendJSONDoesNotAllocate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		if plainBytes(e) != nil {
			return
		}
		e.ParseArguments = false // Type.Text makes a string
		present, truncated, body := e.Record()
		for i, f := range everything.Fields {
			if f.Type.Kind == Document {
				present &^= 1 << i // encoding/json checks it, with a scanner from a pool that may be empty
			}
		}
		e.SetRecord(everything, present, truncated, body)
		buffer := e.AppendJSON(nil)
		if n := testing.AllocsPerRun(5, func() { buffer = e.AppendJSON(buffer[:0]) }); n > 0 {
			t.Fatalf("%v allocations for %s", n, buffer)
		}
	})
}
