package output

import (
	"fmt"
	"io"
)

// flushSize is how much is collected before it is written.
const flushSize = 64 << 10

// WriteError says that the writer of a printer has failed; nothing that is printed from then on arrives. It wraps the
// error of the writer: syscall.EPIPE when the reader of a pipe is gone.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return fmt.Sprintf("write events: %v", e.Err) }

func (e *WriteError) Unwrap() error { return e.Err }

// buffer collects whole events and writes them together. Printers embed it, and append to text.
type buffer struct {
	to     io.Writer
	text   []byte
	failed error
}

func newBuffer(to io.Writer) buffer {
	return buffer{to: to, text: make([]byte, 0, flushSize+flushSize/4)}
}

// printed is called when an event is complete in text.
func (b *buffer) printed() error {
	if len(b.text) < flushSize && b.failed == nil {
		return nil
	}
	return b.Flush()
}

// Flush writes what has been printed so far.
func (b *buffer) Flush() error {
	if b.failed == nil && len(b.text) > 0 {
		if _, err := b.to.Write(b.text); err != nil {
			b.failed = &WriteError{Err: err}
		}
	}
	b.text = b.text[:0]
	return b.failed
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
