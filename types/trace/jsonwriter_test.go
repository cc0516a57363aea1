package trace

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestJSONWriterWritesWhatEventsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w JSONWriter
		var b, want []byte
		for _, e := range drawMixed(t) {
			before := len(b)
			b, want = w.AppendJSON(b, e), e.AppendJSON(want)
			if string(b) != string(want) {
				t.Fatalf("got\n%s, want\n%s", b[before:], want[before:])
			}
		}
	})
}

// Whatever field changes from one event of a thread to the next, the text is that of the next.
func TestJSONWriterNoticesEachField(t *testing.T) {
	for i := range reflect.TypeFor[Event]().NumField() {
		field := reflect.TypeFor[Event]().Field(i)
		if !field.IsExported() {
			continue
		}
		var w JSONWriter
		e := typicalEvent()
		for range 3 {
			w.AppendJSON(nil, e)
		}
		value := reflect.ValueOf(e).Elem().Field(i)
		before := string(e.AppendJSON(nil))
		switch value.Kind() {
		case reflect.Int:
			value.SetInt(value.Int() + 64) // another thread in the same place
		case reflect.Uint, reflect.Uint64, reflect.Uint8:
			value.SetUint(value.Uint() + 1)
		case reflect.String:
			value.SetString(value.String() + "\xff")
		case reflect.Bool:
			value.SetBool(!value.Bool())
		case reflect.Slice:
			value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		default:
			e.ContextFlags.ContainerStarted = !e.ContextFlags.ContainerStarted
		}
		want := string(e.AppendJSON(nil))
		for range 3 {
			if got := string(w.AppendJSON(nil, e)); got != want {
				t.Errorf("%s changed: got\n%s, want\n%s", field.Name, got, want)
			}
		}
		if want == before && field.Name != "ParseArguments" && field.Name != "FilePaths" && field.Name != "StackSymbols" {
			t.Errorf("%s is not in the text", field.Name)
		}
	}
}

func BenchmarkJSONWriter(b *testing.B) {
	for name, e := range map[string]*Event{"typical": typicalEvent(), "large": largeEvent()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var w JSONWriter
			var buffer []byte
			for b.Loop() {
				buffer = w.AppendJSON(buffer[:0], e)
			}
			b.SetBytes(int64(len(buffer)))
		})
		b.Run(name+"/ever another thread", func(b *testing.B) {
			b.ReportAllocs()
			var w JSONWriter
			var buffer []byte
			for b.Loop() {
				e.HostThreadID += threadsWritten
				buffer = w.AppendJSON(buffer[:0], e)
			}
			b.SetBytes(int64(len(buffer)))
		})
	}
}
