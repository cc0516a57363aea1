package trace

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"testing"
)

func BenchmarkAppendJSON(b *testing.B) {
	for name, e := range map[string]*Event{"typical": typicalEvent(), "large": largeEvent()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var buffer []byte
			for b.Loop() {
				buffer = e.AppendJSON(buffer[:0])
			}
			b.SetBytes(int64(len(buffer)))
		})
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	for name, e := range map[string]*Event{"typical": typicalEvent(), "large": largeEvent()} {
		p := plain(e)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var buffer bytes.Buffer
			encoder := json.NewEncoder(&buffer)
			for b.Loop() {
				buffer.Reset()
				if err := encoder.Encode(&p); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(buffer.Len()))
		})
	}
}

func BenchmarkCopy(b *testing.B) {
	e := typicalEvent()
	b.ReportAllocs()
	for b.Loop() {
		_ = e.Clone()
	}
}

func BenchmarkGobWrite(b *testing.B) {
	e := typicalEvent()
	var buffer bytes.Buffer
	w := NewGobWriter(&buffer)
	b.ReportAllocs()
	for b.Loop() {
		buffer.Reset()
		if err := w.Write(e); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(buffer.Len()))
}

// repeated gives what comes before, then a part for ever.
type repeated struct{ first, again, rest []byte }

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		r.rest = r.again
		if r.first != nil {
			r.rest, r.first = r.first, nil
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func gobSource(b *testing.B) *repeated {
	var buffer bytes.Buffer
	w := NewGobWriter(&buffer)
	must(w.Write(typicalEvent()))
	n := buffer.Len()
	must(w.Write(typicalEvent()))
	b.SetBytes(int64(buffer.Len() - n))
	return &repeated{first: buffer.Bytes()[:n], again: buffer.Bytes()[n:]}
}

func BenchmarkGobRead(b *testing.B) { benchmarkRead(b, NewGobReader(gobSource(b), catalogue)) }

func BenchmarkEncodingGobRead(b *testing.B) {
	decoder := gob.NewDecoder(gobSource(b))
	b.ReportAllocs()
	for b.Loop() {
		var e gobEvent
		if err := decoder.Decode(&e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJSONRead(b *testing.B) {
	for name, e := range map[string]*Event{"typical": typicalEvent(), "large": largeEvent()} {
		b.Run(name, func(b *testing.B) {
			line := append(e.AppendJSON(nil), '\n')
			b.SetBytes(int64(len(line)))
			benchmarkRead(b, NewJSONReader(&repeated{again: line}, catalogue))
		})
	}
}

func benchmarkRead(b *testing.B, r Reader) {
	var e Event
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Read(&e); err != nil {
			b.Fatal(err)
		}
	}
}
