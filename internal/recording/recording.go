// Package recording holds recorded streams in memory, to show them to detection again and again: in tests, and to measure.
//
// Start from Read. The times of a Stream go on with each round, so that what signatures remember for a while is forgotten as it
// would be in a stream that never ends.
package recording

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tracee-go/tracee/types/trace"
)

// Stream is a recorded stream. One goroutine uses it at a time.
type Stream struct {
	Events []*trace.Event
	span   int
}

// Read reads a file of events as JSON, compressed by gzip. The schema of an event is found by its name.
func Read(path string, schemaOf func(name string) *trace.Schema) (*Stream, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var s Stream
	for reader := trace.NewJSONReader(unpacked, schemaOf); ; {
		var e trace.Event
		switch err := reader.Read(&e); {
		case err == nil:
			s.Events = append(s.Events, e.Clone())
		case errors.Is(err, io.EOF) && len(s.Events) > 0:
			s.span = s.Events[len(s.Events)-1].Timestamp - s.Events[0].Timestamp
			return &s, nil
		default:
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
}

// Play shows the stream, whole rounds of it, until at least n events are shown. It returns how many those were.
func (s *Stream) Play(n int, show func(*trace.Event)) (shown int) {
	for shown < n {
		for _, e := range s.Events {
			show(e)
			e.Timestamp += s.span
		}
		shown += len(s.Events)
	}
	return shown
}
