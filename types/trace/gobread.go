package trace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// GobReader reads a gob stream of v0.8's events, or of GobWriter. It decodes the wire format itself: the decoder of
// encoding/gob believes the sizes that maps in the stream claim to have, which lets a damaged file take all memory, and
// it takes several times longer.
//
// A message that is no event gives a *BadRecord. Inside garbage there is nothing to find the next message by: after
// some bad messages in a row, or one of an impossible length, the stream ends with another error.
type GobReader struct {
	source  gobBlock
	schemas schemaFinder
	names   interner
	wire    gobWire
	message []byte
	broken  error // of the source, inside of an event
	failed  error // what every further Read returns
	events  int   // that were read
	skipped int
	badRun  int // bad messages since the last event

	leaving   bool // this event's arguments out
	recall    recall
	recent    *remembered // the thread of the last event
	open      reading
	kind      *kindShape // of the event, where it is known
	argAt     int        // where the argument began that is being read, -1 if it is not to be remembered
	schema    *Schema    // the catalogue's, of the event that is being read
	args      []looseArg
	truncated [][]byte
	lost      []lostBytes
	stack     []uint64
	scratch   []byte
}

var _ StreamReader = (*GobReader)(nil)

// maxBadRun is how many bad messages in a row are taken for single accidents.
const maxBadRun = 16

// NewGobReader returns a reader of one stream. Lookup is that of NewJSONReader.
func NewGobReader(source io.Reader, lookup func(eventName string) *Schema) *GobReader {
	r := &GobReader{source: gobBlock{source: source}, schemas: schemaFinder{lookup: lookup}}
	r.wire.more = r.more
	return r
}

// LeaveOut implements StreamReader.
func (r *GobReader) LeaveOut(leaveOut func(eventName string) bool) { r.schemas.leave = leaveOut }

// Skipped returns the number of messages that were not events.
func (r *GobReader) Skipped() int { return r.skipped }

// Read reads the next event. The event and its arguments are valid until the next Read.
func (r *GobReader) Read(e *Event) error {
	if r.failed != nil {
		return r.failed
	}
	for defining := false; ; defining = true {
		message, err := r.source.message()
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
	r.message, r.broken = r.source.more(message)
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

var errGobLength = errors.New("impossible length of a message")

// cut makes an end of the source inside of an event recognisable.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parse decodes a message: the definition of a type, or an event.
func (r *GobReader) parse(e *Event) (isEvent bool, err error) {
	w := &r.wire
	w.reset(r.message)
	id := w.typeID()
	if id < 0 {
		w.define(-id)
		return false, w.finish()
	}
	r.schema, r.args, r.truncated, r.lost, r.scratch = nil, r.args[:0], r.truncated[:0], r.lost[:0], emptied(r.scratch)
	r.open, r.kind, r.argAt, r.leaving = reading{}, nil, -1, false
	if t := w.typeOf(id); w.want(t, gobStruct) {
		if last, whole := r.readUsual(e, t); !whole {
			r.readFields(e, t, last)
		}
	}
	if err := w.finish(); err != nil {
		return false, err
	}
	if len(r.lost) > 0 {
		restore(e, r.args, r.lost)
	}
	if r.leaving {
		return true, named(e)
	}
	return true, r.schemas.finish(e, r.schema, r.args, r.truncated, r.kind)
}

// readFields consumes the fields of the struct that is an event, behind the one in place i.
func (r *GobReader) readFields(e *Event, t *gobType, i int) {
	w := &r.wire
	straight := true // the fields came in the order of eventFields until now
	last := -1
	in := noStretch // that the last field is of
	if i >= 0 {
		last = t.fields[i].index
		in = stretchOf[last]
	}
	for w.failed == nil {
		at := w.at
		delta := uint64(w.next())
		if delta <= 0x7f { // as nearly always
			w.at++
		} else {
			delta = w.uint()
		}
		if delta == 0 {
			r.closeLast(e, t, i)
			return
		}
		before := i
		if i += int(min(delta, maxGobFields)); i >= len(t.fields) {
			w.fail(errGobType)
			return
		}
		f := &t.fields[i]
		if straight = straight && f.index > last; !straight {
			r.open, r.kind = reading{}, nil
		} else if s := stretchOf[f.index]; s != in {
			if in = s; r.open.stretch != noStretch {
				r.closeStretch(e, t, at, before)
			}
			if m := r.again(s, t, at, before); m != nil {
				s.take(e, &m.event)
				if s == processPart {
					return
				}
				i, last = m.last, t.fields[m.last].index
				continue
			}
		}
		last = f.index
		r.readField(e, f)
	}
}

func (r *GobReader) readField(e *Event, f *gobField) {
	w := &r.wire
	t := w.fieldType(f)
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
		f.read(r, e, t)
	}
}

// gobSpecial read the fields that are neither integers nor strings.
var gobSpecial map[string]func(r *GobReader, e *Event, t *gobType)

func init() { // here, for they lead to where they are used
	gobSpecial = map[string]func(r *GobReader, e *Event, t *gobType){
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
	if w := &r.wire; t.kind == gobStruct && w.left() > 0 && w.message[w.at] == 0 { // none is set
		w.at++
		return
	}
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
	if r.kind != nil {
		r.schema, r.leaving = r.kind.catalogue, r.kind.leaveOut
	} else {
		r.schema, r.leaving = r.schemas.catalogued(e.EventName), r.schemas.leaves(e.EventName)
	}
	r.args = r.args[:0]
	w := &r.wire
	n, element := w.elements(t, MaxFields)
	for i := 0; w.failed == nil; i++ {
		if r.leaving && r.kind != nil {
			i = r.pass(i, n)
		}
		if i >= n {
			return
		}
		if r.readKnownArg(i) {
			continue
		}
		if a := r.readArg(i, element); !r.leaving {
			r.args = append(r.args, a)
		}
	}
}

// pass consumes arguments from place i of n on, as long as they begin as those there did before and hold something short, and returns
// the place of the next.
func (r *GobReader) pass(i, n int) int {
	w, known := &r.wire, r.kind.args
	rest := viewString(w.message[w.at:])
	for ; i < n && i < len(known); i++ {
		k := &known[i]
		if len(rest) < len(k.text)+4 || rest[:len(k.text)] != string(k.text) {
			break
		}
		value := rest[len(k.text):] // behind its type: how long it is with a 0 that says it is no struct, that 0, itself, the end
		size := shortSize(k.typ.kind, value[2])
		if size == 0 || int(value[0]) != 1+size || value[1] != 0 || len(value) < 3+size || value[2+size] != 0 {
			break
		}
		rest = value[3+size:]
	}
	w.at = len(w.message) - len(rest)
	return i
}

// readArg decodes the argument in place i.
func (r *GobReader) readArg(i int, element *gobType) (a looseArg) {
	r.argAt = r.wire.at
	r.wire.structure(element, func(f *gobField, t *gobType) {
		switch f.name {
		case "ArgMeta":
			r.readMeta(&a, t)
		case "Value":
			if f != &element.fields[len(element.fields)-1] {
				r.argAt = -1
			}
			a.expect(r.schema, i)
			r.readValue(i, &a, t)
		default:
			r.wire.skip(t)
		}
	})
	return a
}

// A gobArg is how an argument begins, up to the type of its value, in events of one kind.
type gobArg struct {
	text   []byte
	arg    looseArg // without its value
	goType []byte
	typ    *gobType
}

// learnArg remembers how the argument that is being read begins, if its value is the last of it.
func (r *GobReader) learnArg(i int, a *looseArg, goType []byte, t *gobType) {
	k, w := r.kind, &r.wire
	if k == nil || r.argAt < 0 || w.typed < r.argAt || w.typed > r.argAt+recallText || i > len(k.args) {
		return
	}
	if i == len(k.args) {
		k.args = append(k.args, gobArg{})
	}
	known := &k.args[i]
	name, typ := known.arg.name, known.arg.typ
	known.text, known.goType, known.typ = append(known.text[:0], w.message[r.argAt:w.typed]...), append(known.goType[:0], goType...), t
	known.arg = *a
	known.arg.name, known.arg.typ = append(name[:0], a.name...), append(typ[:0], a.typ...)
}

// readKnownArg decodes the argument in place i, if it begins as the one there did before.
func (r *GobReader) readKnownArg(i int) bool {
	w := &r.wire
	if r.kind == nil || i >= len(r.kind.args) || !bytes.HasPrefix(w.message[w.at:], r.kind.args[i].text) {
		return false
	}
	known := &r.kind.args[i]
	w.at += len(known.text)
	if r.leaving {
		w.held(known.typ)
		w.skip(known.typ)
	} else {
		r.args = append(r.args, known.arg)
		if w.held(known.typ); w.failed == nil {
			r.readHeld(&r.args[i], known.goType, known.typ)
		}
	}
	if w.uint() != 0 {
		w.fail(errGobType)
	}
	return true
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
