package report

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// maxLine bounds a line that is looked at.
const maxLine = 16 << 20

// format is how a recording is written.
type format int

const (
	lines format = iota // JSON, an object a line
	gob
)

// open opens a recording, unpacks it if need be, and finds out how it is written.
func open(in Input) (source *bufio.Reader, f format, closeAll func() error, err error) {
	file, err := in.Open()
	if err != nil {
		return nil, 0, nil, err
	}
	source = bufio.NewReaderSize(file, 1<<20)
	if begin, _ := source.Peek(2); bytes.Equal(begin, []byte{0x1f, 0x8b}) {
		unpacked, err := gzip.NewReader(source)
		if err != nil {
			return nil, 0, nil, errors.Join(fmt.Errorf("%s: unpack: %w", in.Name, err), file.Close())
		}
		source = bufio.NewReaderSize(unpacked, 1<<20)
	}
	// A gob stream begins with the definition of a type: its length, and a negative number. No text does.
	if begin, _ := source.Peek(1); len(begin) == 1 && begin[0] >= 0x80 {
		return source, gob, file.Close, nil
	}
	if begin, _ := source.Peek(512); bytes.IndexByte(begin, 0) >= 0 {
		return source, gob, file.Close, nil
	}
	return source, lines, file.Close, nil
}

// kind is what a line of a recording is, as far as its marks say.
type kind int

const (
	event kind = iota
	maybeFinding
	maybeArtifact
)

// Marks of lines. Within the strings of a JSON document, quotation marks are escaped: so these are keys.
var (
	findingMarks = [][]byte{[]byte(`"signature":`), []byte(`"SigMetadata":`)}
	eventMark    = []byte(`"eventName":`)
	stateMark    = []byte(`"state":`)
	kindMark     = []byte(`"kind":`)
)

func kindOf(line []byte) kind {
	for _, mark := range findingMarks {
		if bytes.Contains(line, mark) {
			return maybeFinding
		}
	}
	if bytes.Contains(line, stateMark) && bytes.Contains(line, kindMark) && !bytes.Contains(line, eventMark) {
		return maybeArtifact
	}
	return event
}

// lineReader reads lines that may be long.
type lineReader struct {
	source *bufio.Reader
	long   []byte
	number int
	tooBig func(number int)
}

// next returns the next line with its newline. It is valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	for {
		line, err := l.source.ReadSlice('\n')
		if len(line) > 0 {
			l.number++
		}
		if err == nil {
			return line, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return ended(line, err)
		}
		l.long = append(l.long[:0], line...)
		whole := true
		for errors.Is(err, bufio.ErrBufferFull) {
			line, err = l.source.ReadSlice('\n')
			if whole = whole && len(l.long)+len(line) <= maxLine; whole {
				l.long = append(l.long, line...)
			}
		}
		if whole {
			return ended(l.long, err)
		}
		l.long = nil
		l.tooBig(l.number)
		if err != nil {
			return nil, err
		}
	}
}

// ended gives the last line the newline that it may lack.
func ended(line []byte, err error) ([]byte, error) {
	if len(line) > 0 && errors.Is(err, io.EOF) {
		return append(line[:len(line):len(line)], '\n'), nil
	}
	return line, err
}

// eventLines hands a reader of events those lines that are to be events, one with each Read.
type eventLines struct {
	*lineReader
	other func(line []byte) bool // whether the line is something else
	rest  []byte
}

func (l *eventLines) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		line, err := l.next()
		if err != nil {
			return 0, err
		}
		if len(bytes.TrimSpace(line)) > 0 && !l.other(line) {
			l.rest = line
		}
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func schema(name string) *trace.Schema {
	if e, ok := events.Lookup(name); ok {
		return e.Schema()
	}
	return nil
}

// readFindings is the first reading.
func (r *recording) readFindings(in Input) error {
	source, f, closeInput, err := open(in)
	if err != nil {
		return err
	}
	defer closeInput()
	if f == gob {
		return nil // there are only events
	}
	reader := &lineReader{source: source, tooBig: func(int) {}}
	for {
		line, err := reader.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			r.breakOff(in, err)
			return nil
		}
		switch kindOf(line) {
		case maybeFinding:
			if f, ok := decodeFinding(line); ok {
				r.addFinding(f)
			}
		case maybeArtifact:
			if a, ok := decodeArtifact(line); ok {
				r.addArtifact(a)
			}
		}
	}
}

// readEvents is the second reading.
func (r *recording) readEvents(in Input) error {
	source, f, closeInput, err := open(in)
	if err != nil {
		return err
	}
	defer closeInput()
	var reader trace.Reader
	line := func() int { return 0 }
	if f == gob {
		reader = trace.NewGobReader(source, schema)
	} else {
		from := &lineReader{source: source, tooBig: func(n int) { r.broken(in, n, "it is too long") }}
		line = func() int { return from.number }
		reader = trace.NewJSONReader(&eventLines{lineReader: from, other: notAnEvent}, schema)
	}
	var e trace.Event
	for {
		err := reader.Read(&e)
		var bad *trace.BadRecord
		switch {
		case err == nil:
			r.addEvent(&e)
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			r.broken(in, max(line(), bad.Line), bad.Err.Error()+" in "+bad.Text)
		default:
			r.breakOff(in, err)
			return nil
		}
	}
}

// notAnEvent reports whether the first reading took the line.
func notAnEvent(line []byte) (ok bool) {
	switch kindOf(line) {
	case maybeFinding:
		_, ok = decodeFinding(line)
	case maybeArtifact:
		_, ok = decodeArtifact(line)
	}
	return ok
}

// broken notes a record that could not be read.
func (r *recording) broken(in Input, number int, why string) {
	if r.summary.Broken++; len(r.examples) < maxExamples {
		r.examples = append(r.examples, fmt.Sprintf("%s, record %d: %s", in.Name, number, cut(why, textShown)))
	}
}

// breakOff notes that a recording could not be read to its end. What was read counts.
func (r *recording) breakOff(in Input, why error) {
	note := fmt.Sprintf("%s breaks off: %s", in.Name, cut(why.Error(), textShown))
	for _, told := range r.breaks {
		if told == note {
			return
		}
	}
	r.breaks = append(r.breaks, note)
}
