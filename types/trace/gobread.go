package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
)

// GobReader reads a gob stream of v0.8's events, or of GobWriter. It decodes the wire format itself: the decoder of
// encoding/gob believes the sizes that maps in the stream claim to have, which lets a damaged file take all memory, and
// it takes several times longer.
//
// A message that is no event gives a *BadRecord. Inside garbage there is nothing to find the next message by: after
// some bad messages in a row, or one of an impossible length, the stream ends with another error.
type GobReader struct {
	source  *bufio.Reader
	schemas schemaFinder
	names   interner
	wire    gobWire
	message []byte
	broken  error // of the source, inside of an event
	failed  error // what every further Read returns
	events  int   // that were read
	skipped int
	badRun  int // bad messages since the last event

	schema    *Schema // the catalogue's, of the event that is being read
	args      []looseArg
	truncated [][]byte
	lost      []lostBytes
	stack     []uint64
	scratch   []byte
}

var _ Reader = (*GobReader)(nil)

// maxBadRun is how many bad messages in a row are taken for single accidents.
const maxBadRun = 16

// NewGobReader returns a reader of one stream. Lookup is that of NewJSONReader.
func NewGobReader(source io.Reader, lookup func(eventName string) *Schema) *GobReader {
	r := &GobReader{source: bufio.NewReaderSize(source, 64<<10), schemas: schemaFinder{lookup: lookup}}
	r.wire.more = r.more
	return r
}

// Skipped returns the number of messages that were not events.
func (r *GobReader) Skipped() int { return r.skipped }

// Read reads the next event. The event and its arguments are valid until the next Read.
func (r *GobReader) Read(e *Event) error {
	if r.failed != nil {
		return r.failed
	}
	for defining := false; ; defining = true {
		message, err := r.readMessage(emptied(r.message))
		if err == io.EOF && !defining {
			r.failed = err
			return err
		}
		if err != nil {
			return r.end(cut(err))
		}
		r.message = message
		isEvent, err := r.parse(e)
		switch {
		case r.broken != nil:
			return r.end(r.broken)
		case err != nil:
			return r.bad(err)
		case isEvent:
			r.events++
			r.badRun = 0
			return nil
		}
	}
}

// end makes the error behind which nothing can be read.
func (r *GobReader) end(err error) error {
	r.failed = fmt.Errorf("gob stream after %d events: %w", r.events, err)
	return r.failed
}

// more continues an event in the next message.
func (r *GobReader) more(message []byte) ([]byte, error) {
	if len(message) > maxRecord {
		return nil, errGobLength
	}
	r.message, r.broken = r.readMessage(message)
	r.broken = cut(r.broken)
	return r.message, r.broken
}

// bad makes the error for a message that was read but is no event.
func (r *GobReader) bad(err error) error {
	r.skipped++
	if r.badRun++; r.badRun >= maxBadRun {
		return r.end(fmt.Errorf("no event in %d messages: %w", r.badRun, err))
	}
	return &BadRecord{Line: r.events + r.skipped, Err: err}
}

// readMessage reads the next message and appends it. io.EOF means that the stream ended in front of it.
func (r *GobReader) readMessage(to []byte) ([]byte, error) {
	first, err := r.source.ReadByte()
	if err != nil {
		return to, err
	}
	size := uint64(first)
	if first > 0x7f {
		n := -int(int8(first))
		if n > 8 {
			return to, errGobLength
		}
		size = 0
		for range n {
			next, err := r.source.ReadByte()
			if err != nil {
				return to, cut(err)
			}
			size = size<<8 | uint64(next)
		}
	}
	if size > maxRecord {
		return to, fmt.Errorf("%w: %d bytes", errGobLength, size)
	}
	return r.readBytes(to, int(size))
}

var errGobLength = errors.New("impossible length of a message")

// cut makes an end of the source inside of an event recognisable.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readBytes takes memory as bytes arrive, so that a wrong length costs nothing.
func (r *GobReader) readBytes(to []byte, size int) ([]byte, error) {
	const step = 1 << 20
	for size > 0 {
		start, n := len(to), min(size, step)
		to = slices.Grow(to, n)[:start+n]
		if _, err := io.ReadFull(r.source, to[start:]); err != nil {
			return to, cut(err)
		}
		size -= n
	}
	return to, nil
}

// parse decodes a message: the definition of a type, or an event.
func (r *GobReader) parse(e *Event) (isEvent bool, err error) {
	w := &r.wire
	w.reset(r.message)
	id := w.int()
	if id < 0 {
		w.define(-id)
		return false, w.finish()
	}
	*e = Event{}
	r.schema, r.args, r.truncated, r.lost, r.scratch = nil, r.args[:0], r.truncated[:0], r.lost[:0], emptied(r.scratch)
	w.structure(w.typeOf(id), func(f *gobField, t *gobType) {
		switch {
		case f.event == nil:
			w.skip(t)
		case f.event.number != nil:
			*f.event.number(e) = w.intOf(t)
		case f.event.text != nil:
			*f.event.text(e) = r.names.get(w.textOf(t))
		case f.event.entity != nil:
			*f.event.entity(e) = w.uintOf(t)
		default:
			gobSpecial[f.name](r, e, t)
		}
	})
	if err := w.finish(); err != nil {
		return false, err
	}
	restore(e, r.args, r.lost)
	return true, r.schemas.finish(e, r.schema, r.args, r.truncated)
}

// gobSpecial read the fields that are neither integers nor strings.
var gobSpecial = map[string]func(r *GobReader, e *Event, t *gobType){
	"CgroupID":        func(r *GobReader, e *Event, t *gobType) { e.CgroupID = uint(r.wire.uintOf(t)) },
	"EventID":         func(r *GobReader, e *Event, t *gobType) { e.EventID = r.wire.intOf(t) },
	"ArgsNum":         func(r *GobReader, _ *Event, t *gobType) { r.wire.intOf(t) },
	"StackAddresses":  (*GobReader).readStack,
	"ContextFlags":    (*GobReader).readContextFlags,
	"Args":            (*GobReader).readArgs,
	"Executable":      (*GobReader).readExecutable,
	"Rung":            func(r *GobReader, e *Event, t *gobType) { e.Rung = rungByName(viewString(r.wire.textOf(t))) },
	"Compat":          func(r *GobReader, e *Event, t *gobType) { e.Compat = r.wire.boolOf(t) },
	"StackSymbols":    (*GobReader).readStackSymbols,
	"MatchedPolicies": (*GobReader).readPolicies,
	"Truncated":       (*GobReader).readTruncated,
	"Bytes":           (*GobReader).readLost,
}

func (r *GobReader) readStack(e *Event, t *gobType) {
	if r.stack == nil {
		r.stack = make([]uint64, 0, 32)
	}
	r.stack = r.stack[:0]
	r.wire.list(t, maxStack, func(element *gobType) { r.stack = append(r.stack, r.wire.uintOf(element)) })
	e.StackAddresses = r.stack
}

func (r *GobReader) readContextFlags(e *Event, t *gobType) {
	r.wire.structure(t, func(f *gobField, t *gobType) {
		if f.name == "ContainerStarted" {
			e.ContextFlags.ContainerStarted = r.wire.boolOf(t)
		} else {
			r.wire.skip(t)
		}
	})
}

func (r *GobReader) readExecutable(e *Event, t *gobType) {
	r.wire.structure(t, func(f *gobField, t *gobType) {
		if f.name == "Path" {
			e.Executable = r.names.get(r.wire.textOf(t))
		} else {
			r.wire.skip(t)
		}
	})
}

func (r *GobReader) readStackSymbols(e *Event, t *gobType) {
	r.wire.list(t, maxStack, func(element *gobType) {
		e.StackSymbols = append(e.StackSymbols, r.names.get(r.wire.textOf(element)))
	})
}

func (r *GobReader) readPolicies(e *Event, t *gobType) {
	e.MatchedPolicies = nil
	r.wire.list(t, maxPolicies, func(element *gobType) {
		e.MatchedPolicies = append(e.MatchedPolicies, r.names.get(r.wire.textOf(element)))
	})
}

func (r *GobReader) readTruncated(_ *Event, t *gobType) {
	r.wire.list(t, MaxFields, func(element *gobType) { r.truncated = append(r.truncated, r.wire.textOf(element)) })
}

func (r *GobReader) readLost(_ *Event, t *gobType) {
	if !r.wire.want(t, gobMap) {
		return
	}
	r.wire.entries(t, func(key, value *gobType) {
		name := r.wire.textOf(key)
		if !r.wire.want(value, gobBytes) {
			return
		}
		if len(r.lost) == maxLost {
			r.wire.fail(errTooLong)
			return
		}
		r.lost = append(r.lost, lostBytes{name, r.wire.bytes()})
	})
}

// readArgs decodes the arguments. The name of the event comes before them, and the name of each before its value; where
// they do not, the values still get the kinds of their Go types.
func (r *GobReader) readArgs(e *Event, t *gobType) {
	r.schema = r.schemas.catalogued(e.EventName)
	r.args = r.args[:0]
	r.wire.list(t, MaxFields, func(element *gobType) {
		var a looseArg
		r.wire.structure(element, func(f *gobField, t *gobType) {
			switch f.name {
			case "ArgMeta":
				r.readMeta(&a, t)
			case "Value":
				a.expect(r.schema, len(r.args))
				r.readValue(&a, t)
			default:
				r.wire.skip(t)
			}
		})
		r.args = append(r.args, a)
	})
}

func (r *GobReader) readMeta(a *looseArg, t *gobType) {
	r.wire.structure(t, func(f *gobField, t *gobType) {
		switch f.name {
		case "Name":
			a.name = r.wire.textOf(t)
		case "Type":
			a.typ = r.wire.textOf(t)
		default:
			r.wire.skip(t)
		}
	})
}
