package tracer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// recorders are the iterators that write records, for whoever reads the events.
var recorders = []string{"process_image_existing", "existing_process", "existing_file", "existing_socket"}

// before yields what the recorders find: what was there before tracing began. Everything else is attached by now, so
// that nothing falls in between; what happens meanwhile waits in the rings. An iterator that fails costs what it had
// still to tell. It reports false when the consumer wants no more.
func (t *Tracer) before(yield func(*trace.Event) bool) bool {
	for _, l := range t.links {
		iterator, ok := l.Link.(*link.Iter)
		if !ok || !slices.Contains(recorders, l.program) || t.toldBefore(l.program) {
			continue
		}
		more, err := t.visit(iterator, yield)
		if err != nil {
			t.log.Warn("not all that was there before is known", "error", err)
		}
		if !more {
			return false
		}
	}
	return true
}

// toldBefore says whether a predecessor had the recorder.
func (t *Tracer) toldBefore(program string) bool {
	for i := range t.attachments {
		a := &t.attachments[i]
		if t.told[a.Event] && (a.hook.Program == program || slices.Contains(a.hook.With, program)) {
			return true
		}
	}
	return false
}

// visit yields the records of one iterator. The kernel makes them as they are read.
func (t *Tracer) visit(iterator *link.Iter, yield func(*trace.Event) bool) (more bool, err error) {
	source, err := iterator.Open()
	if err != nil {
		return true, fmt.Errorf("open an iterator: %w", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	records := bufio.NewReaderSize(patient{source}, 64<<10)
	r := t.reader
	for {
		if r.buffer, err = readRecord(records, r.buffer); err != nil {
			if err == io.EOF {
				err = nil
			}
			return true, err
		}
		if r.decode.event(&r.event, headerOf(r.buffer), r.buffer[headerSize:]) {
			r.losses.delivered++
			if !yield(&r.event) {
				return false, nil
			}
		}
	}
}

// patient goes on where the kernel pauses, which it does after a million tasks or files that nothing is said of.
type patient struct{ io.Reader }

func (p patient) Read(buffer []byte) (n int, err error) {
	for {
		n, err = p.Reader.Read(buffer)
		if n > 0 || !errors.Is(err, unix.EAGAIN) {
			return n, err
		}
	}
}

// readRecord reads a record into the buffer. io.EOF means that there is none.
func readRecord(from io.Reader, buffer []byte) ([]byte, error) {
	buffer = append(buffer[:0], make([]byte, headerSize)...)
	if _, err := io.ReadFull(from, buffer); err != nil {
		return buffer, err
	}
	buffer = append(buffer, make([]byte, headerOf(buffer).Size)...)
	if _, err := io.ReadFull(from, buffer[headerSize:]); err != nil {
		return buffer, fmt.Errorf("a record of an iterator is cut: %w", err)
	}
	return buffer, nil
}
