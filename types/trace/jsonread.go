package trace

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

// JSONReader reads events from lines of JSON, those of v0.6 and v0.8 as well as those of AppendJSON. Nothing of an
// argument is lost: a value that does not fit its type's usual form is kept in its own. Fields that it does not know
// are ignored, and so are empty lines.
type JSONReader struct {
	source  *bufio.Reader
	schemas schemaFinder
	names   interner
	line    int
	skipped int
	long    []byte // a line that is longer than source's buffer

	scan      jsonScanner
	next      int  // where eventFields most likely has the next key
	straight  bool // keys came in the order of eventFields until now, each once
	recall    recall
	open      reading
	kind      *kindShape // of the event, where it is known
	schema    *Schema    // the catalogue's, that was known when the arguments were read
	args      []looseArg
	values    []jsonToken // of args
	truncated [][]byte
	lost      []lostBytes
	stack     []uint64
}

var _ StreamReader = (*JSONReader)(nil)

// NewJSONReader returns a reader of lines. Lookup finds the catalogue's schema of an event, nil for an event that it does
// not have; lookup itself may be nil.
func NewJSONReader(source io.Reader, lookup func(eventName string) *Schema) *JSONReader {
	return &JSONReader{source: bufio.NewReaderSize(source, 64<<10), schemas: schemaFinder{lookup: lookup}}
}

// LeaveOut implements StreamReader.
func (r *JSONReader) LeaveOut(leaveOut func(eventName string) bool) { r.schemas.leave = leaveOut }

// Skipped returns the number of lines that were not events.
func (r *JSONReader) Skipped() int { return r.skipped }

// Read reads the next event. The event and its arguments are valid until the next Read.
func (r *JSONReader) Read(e *Event) error {
	for {
		line, err := r.readLine()
		if err == io.EOF {
			return err
		}
		if err != nil && !errors.Is(err, bufio.ErrTooLong) {
			return fmt.Errorf("read events: %w", err)
		}
		if err == nil {
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			err = r.parse(e, line)
		}
		if err != nil {
			r.skipped++
			return &BadRecord{Line: r.line, Err: err, Text: shorten(line)}
		}
		return nil
	}
}

// shorten returns the beginning of a line, enough to recognise it.
func shorten(line []byte) string {
	const enough = 200
	if line = bytes.TrimSpace(line); len(line) > enough {
		return string(line[:enough]) + "…"
	}
	return string(line)
}

// readLine returns the next line. A line above the limit is skipped; it gives bufio.ErrTooLong and its beginning.
func (r *JSONReader) readLine() ([]byte, error) {
	line, err := r.source.ReadSlice('\n')
	if len(line) > 0 {
		r.line++
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return lastLine(line, err)
	}
	r.long = append(emptied(r.long), line...)
	tooLong := false
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = r.source.ReadSlice('\n')
		if tooLong = tooLong || len(r.long)+len(line) > maxRecord; !tooLong {
			r.long = append(r.long, line...)
		}
	}
	if tooLong {
		line, r.long = r.long[:1<<10], nil
		if err == nil || err == io.EOF {
			err = bufio.ErrTooLong
		}
		return line, err
	}
	return lastLine(r.long, err)
}

// lastLine lets the last line do without a newline.
func lastLine(line []byte, err error) ([]byte, error) {
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	return line, err
}

func (r *JSONReader) parse(e *Event, line []byte) error {
	*e = Event{}
	r.scan.reset(line)
	r.next, r.args, r.values, r.truncated, r.lost = 0, r.args[:0], r.values[:0], r.truncated[:0], r.lost[:0]
	r.schema, r.straight, r.open, r.kind = nil, true, reading{}, nil
	err := r.scan.members(func() error { return r.member(e) })
	if err != nil {
		return err
	}
	if o := r.open; r.straight && o.stretch == processPart && len(r.truncated) == 0 && len(r.lost) == 0 && e.StackSymbols == nil {
		o.in.keep(line[o.at:r.scan.at-1], e, len(eventFields))
	}
	if c := r.scan.peek(); c != 0 || r.scan.at < len(r.scan.text) {
		return r.scan.unexpected("the end of the line")
	}
	if r.kind != nil && r.kind.leaveOut || r.kind == nil && r.schemas.leaves(e.EventName) {
		return r.withoutArgs(e)
	}
	schema := r.catalogued(e)
	for i := range r.args {
		if schema != r.schema || !r.args[i].expected {
			r.args[i].expect(schema, i)
		}
		if err := r.convert(&r.args[i], r.values[i]); err != nil {
			return fmt.Errorf("argument %s: %w", r.args[i].name, err)
		}
	}
	restore(e, r.args, r.lost)
	return r.schemas.finish(e, schema, r.args, r.truncated, r.kind)
}

// withoutArgs checks the values of arguments that are left out.
func (r *JSONReader) withoutArgs(e *Event) error {
	for i, t := range r.values {
		var err error
		switch {
		case t.kind == '[' || t.kind == '{':
			err = r.scan.check(t)
		case t.kind == '"' && !t.simple:
			_, err = r.scan.meaning(t)
		}
		if err != nil {
			return fmt.Errorf("argument %s: %w", r.args[i].name, err)
		}
	}
	restore(e, nil, r.lost)
	return named(e)
}

// catalogued returns the catalogue's schema of the event.
func (r *JSONReader) catalogued(e *Event) *Schema {
	if r.kind != nil {
		return r.kind.catalogue
	}
	return r.schemas.catalogued(e.EventName)
}

// jsonRecallKeys are where the stretches are told apart: behind the key of the start time, of the flags and of the entity id.
var jsonRecallKeys = [stretches]recallKey{
	threadPart: {len(`"threadStartTime":`), 32}, kindPart: {0, 32}, flagsPart: {32, 32}, processPart: {len(`"threadEntityId":`), 32},
}

// again consumes the stretches that begin here and are remembered, and reports whether the object ends behind the last. One that is
// not is noted, to be remembered when it has been read.
func (r *JSONReader) again(e *Event) (end bool) {
	for {
		r.closeStretch(e)
		s := stretchAt[r.next]
		if s == noStretch {
			return false
		}
		rest := r.scan.text[r.scan.at:]
		m := r.recall.slot(s, rest, jsonRecallKeys[s])
		if m == nil {
			return false
		}
		if !m.begins(rest) || s == processPart && (len(rest) == len(m.text) || rest[len(m.text)] != '}') {
			r.open = reading{s, r.scan.at, m, 0}
			return false
		}
		s.take(e, &m.event)
		r.scan.at += len(m.text)
		r.next = m.last
		if s == kindPart {
			r.kind = m.kind
		}
		if s == processPart {
			return true
		}
	}
}

// closeStretch remembers the stretch that ends here.
func (r *JSONReader) closeStretch(e *Event) {
	o := r.open
	end := stretchEnd[o.stretch]
	if o.stretch == noStretch || o.stretch == processPart || r.next < end {
		return
	}
	r.open = reading{}
	if r.next > end || e.StackAddresses != nil || !o.in.keep(r.scan.text[o.at:r.scan.at], e, r.next) {
		return
	}
	if o.stretch == kindPart {
		r.kind = r.schemas.kind(e.EventName)
		o.in.kind = r.kind
	}
}

// jsonSpecial read the fields that are neither integers nor strings. The number of arguments is what there are.
var jsonSpecial = map[string]func(r *JSONReader, e *Event) error{
	"cgroupId":        (*JSONReader).readCgroup,
	"eventId":         (*JSONReader).readEventID,
	"argsNum":         func(r *JSONReader, _ *Event) error { return r.readInt(new(int)) },
	"stackAddresses":  (*JSONReader).readStack,
	"contextFlags":    (*JSONReader).readContextFlags,
	"args":            (*JSONReader).readArgs,
	"executable":      (*JSONReader).readExecutable,
	"rung":            (*JSONReader).readRung,
	"compat":          func(r *JSONReader, e *Event) error { return r.readBool(&e.Compat) },
	"stackSymbols":    (*JSONReader).readStackSymbols,
	"matchedPolicies": (*JSONReader).readPolicies,
	"truncated":       (*JSONReader).readTruncated,
	"bytes":           (*JSONReader).readLost,
}

// jsonKeys are the keys of eventFields as AppendJSON writes them.
var jsonKeys = func() (keys [len(eventFields)]string) {
	for i, f := range eventFields {
		keys[i] = `"` + f.json + `":`
	}
	return keys
}()

// member consumes one field of the event. They come in the order of the table, so that the next is nearly always the one.
func (r *JSONReader) member(e *Event) error {
	if r.straight && r.again(e) {
		return nil
	}
	if r.next < len(jsonKeys) && r.scan.literal(jsonKeys[r.next]) {
		r.next++
		return r.readField(e, &eventFields[r.next-1])
	}
	key, err := r.scan.key()
	if err != nil {
		return err
	}
	for i := range eventFields {
		if eventFields[i].json == string(key) {
			if i < r.next {
				r.astray()
			}
			r.next = i + 1
			return r.readField(e, &eventFields[i])
		}
	}
	r.astray()
	return r.scan.skip()
}

// astray is for a record whose keys are others, or in another order: nothing of it is remembered any more.
func (r *JSONReader) astray() { r.straight, r.open, r.kind = false, reading{}, nil }

func (r *JSONReader) readField(e *Event, f *eventField) (err error) {
	switch {
	case f.number != nil:
		err = r.readInt(f.number(e))
	case f.text != nil:
		err = r.readString(f.text(e))
	case f.entity != nil:
		err = r.readUint(f.entity(e))
	default:
		err = jsonSpecial[f.json](r, e)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.json, err)
	}
	return nil
}

// token consumes a value of the given kind, or null: then ok is false.
func (r *JSONReader) token(kind byte, wanted string) (t jsonToken, ok bool, err error) {
	t, err = r.scan.value()
	if err == nil && t.kind != kind && t.kind != 'n' {
		err = fmt.Errorf("%s is not %s", shorten(r.scan.raw(t)), wanted)
	}
	return t, err == nil && t.kind == kind, err
}

func (r *JSONReader) readInt(to *int) error {
	r.scan.peek()
	if v, ok := r.scan.shortInteger(); ok {
		*to = v
		return nil
	}
	t, ok, err := r.token('0', "a number")
	if !ok {
		return err
	}
	*to, err = r.int(t)
	return err
}

// int returns the value of a number token. Some tools write large integers as 1.6e18: it accepts those.
func (r *JSONReader) int(t jsonToken) (int, error) {
	size, negative, ok := r.scan.integer(t)
	if !ok {
		f, finite := r.scan.float(t)
		if !finite || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
			return 0, fmt.Errorf("%s is not an integer of 64 bits", r.scan.raw(t))
		}
		return int(f), nil
	}
	if negative {
		return int(-size), nil
	}
	if size > math.MaxInt64 {
		return 0, fmt.Errorf("%s is not an integer of 64 bits", r.scan.raw(t))
	}
	return int(size), nil
}

func (r *JSONReader) readUint(to *uint64) error {
	t, ok, err := r.token('0', "a number")
	if !ok {
		return err
	}
	size, negative, ok := r.scan.integer(t)
	if !ok || negative {
		return fmt.Errorf("%s is not an unsigned integer of 64 bits", r.scan.raw(t))
	}
	*to = size
	return nil
}

func (r *JSONReader) readBool(to *bool) error {
	t, err := r.scan.value()
	if err == nil && t.kind != 't' && t.kind != 'f' && t.kind != 'n' {
		err = fmt.Errorf("%s is not a boolean", shorten(r.scan.raw(t)))
	}
	*to = t.kind == 't'
	return err
}

// readText consumes a string; null is an empty one.
func (r *JSONReader) readText() ([]byte, error) {
	t, ok, err := r.token('"', "a string")
	if !ok {
		return nil, err
	}
	return r.scan.meaning(t)
}

func (r *JSONReader) readString(to *string) error {
	text, err := r.readText()
	*to = r.names.get(text)
	return err
}

func (r *JSONReader) readCgroup(e *Event) error {
	var id uint64
	err := r.readUint(&id)
	e.CgroupID = uint(id)
	return err
}

// readEventID accepts the string that v0.8 writes and the number that it is.
func (r *JSONReader) readEventID(e *Event) (err error) {
	if r.scan.peek() != '"' {
		return r.readInt(&e.EventID)
	}
	t, err := r.scan.str()
	if err != nil {
		return err
	}
	inside := jsonScanner{text: r.scan.raw(t)}
	number, err := inside.number()
	if err != nil || number.end != len(inside.text) {
		return fmt.Errorf("%q is not a number", shorten(inside.text))
	}
	number.start, number.end = t.start, t.end
	e.EventID, err = r.int(number)
	return err
}

func (r *JSONReader) readStack(e *Event) error {
	if r.scan.peek() == 'n' {
		_, err := r.scan.value()
		return err
	}
	if r.stack == nil {
		r.stack = make([]uint64, 0, 32)
	}
	r.stack = r.stack[:0]
	err := r.scan.elements(func() error {
		var address uint64
		err := r.readUint(&address)
		r.stack = append(r.stack, address)
		if len(r.stack) > maxStack {
			return errTooLong
		}
		return err
	})
	e.StackAddresses = r.stack
	return err
}

func (r *JSONReader) readStackSymbols(e *Event) error { return r.readTexts(&e.StackSymbols, maxStack) }

func (r *JSONReader) readPolicies(e *Event) error {
	return r.readTexts(&e.MatchedPolicies, maxPolicies)
}

// maxPolicies bounds the policies that an event can name.
const maxPolicies = 1 << 10

// readTexts reads a list of texts that are likely to come again.
func (r *JSONReader) readTexts(into *[]string, most int) error {
	if r.scan.peek() == 'n' {
		_, err := r.scan.value()
		return err
	}
	*into = nil
	return r.scan.elements(func() error {
		text, err := r.readText()
		*into = append(*into, r.names.get(text))
		if len(*into) > most {
			return errTooLong
		}
		return err
	})
}

func (r *JSONReader) readContextFlags(e *Event) error {
	if r.scan.peek() == 'n' {
		_, err := r.scan.value()
		return err
	}
	return r.scan.members(func() error {
		key, err := r.scan.key()
		if err == nil && string(key) == "containerStarted" {
			return r.readBool(&e.ContextFlags.ContainerStarted)
		}
		if err == nil {
			err = r.scan.skip()
		}
		return err
	})
}

func (r *JSONReader) readExecutable(e *Event) error {
	if r.scan.peek() == 'n' {
		_, err := r.scan.value()
		return err
	}
	return r.scan.members(func() error {
		key, err := r.scan.key()
		if err == nil && string(key) == "path" {
			return r.readString(&e.Executable)
		}
		if err == nil {
			err = r.scan.skip()
		}
		return err
	})
}

func (r *JSONReader) readRung(e *Event) error {
	text, err := r.readText()
	e.Rung = rungByName(viewString(text))
	return err
}

func (r *JSONReader) readTruncated(*Event) error {
	if r.scan.peek() == 'n' {
		_, err := r.scan.value()
		return err
	}
	r.truncated = r.truncated[:0]
	return r.scan.elements(func() error {
		name, err := r.readText()
		r.truncated = append(r.truncated, name)
		if len(r.truncated) > MaxFields {
			return errTooLong
		}
		return err
	})
}
