package tracer

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
)

// chunkOf is a record with more bytes of an argument.
func chunkOf(h bpf.TraceeEventHeader, index int, text string) []byte {
	h.Flags, h.Present, h.Size = events.RecordChunk, 1<<index, uint32(len(text))
	return append(recordOf(h), append([]byte(text), "rubbish behind it"...)...)
}

func recordOf(h bpf.TraceeEventHeader) []byte {
	record := make([]byte, headerSize)
	*headerOf(record) = h
	return record
}

// beginningOf is a record with two arguments in the tail.
func beginningOf(h bpf.TraceeEventHeader, first, second string) []byte {
	body := make([]byte, 16)
	for i, text := range []string{first, second} {
		binary.LittleEndian.PutUint32(body[i*8:], uint32(len(body)))
		binary.LittleEndian.PutUint32(body[i*8+4:], uint32(len(text)))
		body = append(body, text...)
	}
	h.Present, h.Size = 3, uint32(len(body))
	return append(recordOf(h), body...)
}

func texts(record []byte) (list []string) {
	body := record[headerSize : headerSize+int(headerOf(record).Size)]
	for i := range 2 {
		start, length := binary.LittleEndian.Uint32(body[i*8:]), binary.LittleEndian.Uint32(body[i*8+4:])
		list = append(list, string(body[start:start+length]))
	}
	return list
}

func TestChunksAreJoinedToTheirEvent(t *testing.T) {
	here := bpf.TraceeEventHeader{Event: 7, Timestamp: 1000, Cpu: 1, Lane: 2}
	elsewhere := here
	elsewhere.Lane = 3
	earlier := here
	earlier.Timestamp--
	for _, c := range []struct {
		name   string
		chunks [][]byte
		want   []string
	}{
		{"none", nil, []string{"first", "second"}},
		{"one", [][]byte{chunkOf(here, 0, " more")}, []string{"first more", "second"}},
		{
			"several", [][]byte{chunkOf(here, 0, " more"), chunkOf(here, 0, " and more"), chunkOf(here, 1, "!")},
			[]string{"first more and more", "second!"},
		},
		{"of another lane", [][]byte{chunkOf(elsewhere, 0, " more")}, []string{"first", "second"}},
		{"of an event that was lost", [][]byte{chunkOf(earlier, 0, " more")}, []string{"first", "second"}},
		{
			"after those of an event that was lost", [][]byte{chunkOf(earlier, 1, " less"), chunkOf(here, 0, " more")},
			[]string{"first more", "second"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var kept chunks
			for _, record := range c.chunks {
				if !kept.add(headerOf(record), record[headerSize:]) {
					t.Fatal("a chunk is taken for an event")
				}
			}
			record := beginningOf(here, "first", "second")
			if kept.add(headerOf(record), record[headerSize:]) {
				t.Fatal("an event is taken for a chunk")
			}
			got := texts(kept.join(record))
			if got[0] != c.want[0] || got[1] != c.want[1] {
				t.Errorf("got %q, want %q", got, c.want)
			}
			again := beginningOf(here, "first", "second")
			if !bytes.Equal(kept.join(again), again) {
				t.Error("chunks are joined twice")
			}
		})
	}
}
