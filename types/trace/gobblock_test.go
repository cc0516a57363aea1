package trace

import (
	"bytes"
	"encoding/gob"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// A value of a type that the stream has not had yet goes on in another message, which may lie in another block. What was read of the
// first must stay.
func TestAnEventGoesOnInAnotherBlock(t *testing.T) {
	for size := gobBlockSize - 1200; size < gobBlockSize; size++ {
		text := strings.Repeat("0123456789abcdef", gobBlockSize/16)[:size]
		var buffer bytes.Buffer
		must(gob.NewEncoder(&buffer).Encode(upstreamEvent{EventName: "x", Args: []upstreamArgument{
			{ArgMeta{Name: "text", Type: "const char*"}, text}, {ArgMeta{Name: "list", Type: "const char*const*"}, []string{"a", "b"}},
		}}))
		buffer.WriteString(strings.Repeat("\x00", 2*gobBlockSize))
		var e Event
		must(NewGobReader(&buffer, nil).Read(&e))
		got, _ := e.Lookup("text")
		list, _ := e.Lookup("list")
		if got.Text() != text || string(list.Raw()) != "a\x00b\x00" {
			t.Fatalf("%d bytes: got %d, %.40q and %q", size, len(got.Text()), got.Text(), list.Raw())
		}
	}
}

func TestGobSourcesThatGiveLittle(t *testing.T) {
	stream := gobStream(typicalEvent(), largeEvent())
	for name, source := range map[string]io.Reader{
		"bytes":          iotest.OneByteReader(bytes.NewReader(stream)),
		"error with end": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		r := NewGobReader(source, catalogue)
		for _, want := range []*Event{typicalEvent(), largeEvent()} {
			var e Event
			must(r.Read(&e))
			if got := string(e.AppendJSON(nil)); got != string(want.AppendJSON(nil)) {
				t.Errorf("%s: got %s", name, got)
			}
		}
		var e Event
		if err := r.Read(&e); err != io.EOF {
			t.Errorf("%s: got %v, want the end", name, err)
		}
	}
	var e Event
	if err := NewGobReader(idle{}, nil).Read(&e); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("of a source that gives nothing: got %v", err)
	}
}

// idle is a source that never gives anything.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }
