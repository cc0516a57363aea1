package output

import (
	"fmt"
	"io"
)

// flushSize is how much is collected before it is written.
const flushSize = 64 << 10

// WriteError says that the writer of a printer has failed; nothing that is printed from then on arrives. It wraps the
// error of the writer: syscall.EPIPE when the reader of a pipe is gone.
type WriteError struct {
	Err    error
	Events int // that did not arrive whole, and that no earlier error was about
}

func (e *WriteError) Error() string { return fmt.Sprintf("write events: %v", e.Err) }

func (e *WriteError) Unwrap() error { return e.Err }

// buffer collects whole events and writes them together. Printers embed it, and append to text.
type buffer struct {
	to     io.Writer
	text   []byte
	ends   []int // of the events in text
	failed error
}

func newBuffer(to io.Writer) buffer {
	return buffer{to: to, text: make([]byte, 0, flushSize+flushSize/4)}
}

// printed is called when an event is complete in text.
func (b *buffer) printed() error {
	b.ends = append(b.ends, len(b.text))
	if len(b.text) < flushSize && b.failed == nil {
		return nil
	}
	return b.Flush()
}

// Flush writes what has been printed so far.
func (b *buffer) Flush() error {
	written := 0
	if b.failed == nil && len(b.text) > 0 {
		written, b.failed = b.to.Write(b.text)
	}
	var err error
	if b.failed != nil {
		err = &WriteError{Err: b.failed, Events: missing(b.ends, written)}
	}
	b.text, b.ends = b.text[:0], b.ends[:0]
	return err
}

// missing counts the events that do not end within what was written.
func missing(ends []int, written int) int {
	whole := 0
	for whole < len(ends) && ends[whole] <= written {
		whole++
	}
	return len(ends) - whole
}

// Write makes the buffer the writer of encoders.
func (b *buffer) Write(p []byte) (int, error) {
	b.text = append(b.text, p...)
	return len(p), nil
}

// Close flushes; the writer belongs to the caller.
func (b *buffer) Close() error { return b.Flush() }

// bare is the part of formats that have nothing around their events.
type bare struct{ buffer }

// Preamble prints nothing.
func (b *bare) Preamble() error { return nil }

// Epilogue prints nothing; what was printed is written.
func (b *bare) Epilogue(Stats) error { return b.Flush() }

// Lines collects what others make of events, as a Printer does, but for Print.
type Lines struct{ bare }

// NewLines writes to a writer.
func NewLines(to io.Writer) *Lines { return &Lines{bare{buffer{to: to}}} }

// Add takes what a function appends for one event.
func (l *Lines) Add(text func(b []byte) []byte) error {
	l.text = text(l.text)
	return l.printed()
}
