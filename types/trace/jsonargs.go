package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
)

// errTwice is about keys that would make other readers see other arguments.
var errTwice = errors.New("given twice")

// readArgs notes where the values stand; they are converted when the whole line has been read, because the name of the
// event may come later.
func (r *JSONReader) readArgs(e *Event) error {
	if r.scan.peek() == 'n' {
		_, err := r.scan.value()
		return err
	}
	if len(r.args) > 0 {
		return errTwice
	}
	if r.schema = r.catalogued(e); r.schema == nil {
		return r.scan.elements(r.readArg)
	}
	prefixes := r.schema.jsonParts().arguments
	next := 0
	return r.scan.elements(func() error {
		if next < len(prefixes) && (r.readExpectedArg(next, prefixes[next].plain) || r.readParsedArg(next, prefixes[next].parsed)) {
			next++
			return nil
		}
		err := r.readArg()
		next = r.schema.Index(viewString(r.args[len(r.args)-1].name)) + 1
		return err
	})
}

// readExpectedArg reads an argument that is written as AppendJSON writes that field, if it is.
func (r *JSONReader) readExpectedArg(field int, prefix string) bool {
	start := r.scan.at
	if len(r.args) == MaxFields || !r.scan.literal(prefix) {
		return false
	}
	value, err := r.scan.value()
	if err != nil || r.scan.peek() != '}' {
		r.scan.at = start
		return false
	}
	r.scan.at++
	f := &r.schema.Fields[field]
	r.args = append(r.args, looseArg{
		name: viewBytes(f.Name), typ: viewBytes(f.Type.Name), field: field, want: f.Type.Kind, expected: true,
	})
	r.values = append(r.values, value)
	return true
}

// readParsedArg is the same for an argument that option:parse-arguments has made a text of.
func (r *JSONReader) readParsedArg(field int, prefix string) bool {
	if !r.readExpectedArg(field, prefix) {
		return false
	}
	a := &r.args[len(r.args)-1]
	a.typ = viewBytes(r.schema.Fields[field].Type.parsedName())
	a.expect(r.schema, field)
	return true
}

func (r *JSONReader) readArg() error {
	if len(r.args) == MaxFields {
		return errTooLong
	}
	var a looseArg
	var value jsonToken
	err := r.scan.members(func() error {
		key, err := r.scan.key()
		if err != nil {
			return err
		}
		switch string(key) {
		case "name":
			a.name, err = r.readText()
		case "type":
			a.typ, err = r.readText()
		case "value":
			if value.kind != 0 {
				return errTwice
			}
			value, err = r.scan.value()
		default:
			err = r.scan.skip()
		}
		return err
	})
	r.args, r.values = append(r.args, a), append(r.values, value)
	return err
}

// convert gives the argument its value. Without one, or with null, it stays absent.
func (r *JSONReader) convert(a *looseArg, t jsonToken) error {
	switch {
	case t.kind == 0:
	case a.want == Document && (t.kind != 'n' || documentTypes[string(a.typ)] != nil):
		return r.convertDocument(a, t)
	case t.kind == 'n':
	case t.kind == 't':
		a.setSlot(Bool, 1)
	case t.kind == 'f':
		a.setSlot(Bool, 0)
	case t.kind == '0':
		r.convertNumber(a, t)
	case t.kind == '"':
		return r.convertString(a, t)
	case t.kind == '[':
		return r.convertArray(a, t)
	default:
		if !r.convertObject(a, t) {
			return r.convertDocument(a, t)
		}
	}
	return nil
}

func (r *JSONReader) convertNumber(a *looseArg, t jsonToken) {
	if a.want == Float64 || bytes.ContainsAny(r.scan.raw(t), ".eE") {
		if f, finite := r.scan.float(t); finite {
			a.setSlot(Float64, math.Float64bits(f))
			return
		}
	}
	if size, negative, ok := r.scan.integer(t); ok {
		if negative {
			a.setInt(int64(-size))
		} else {
			a.setUint(size)
		}
		return
	}
	a.setTail(Document, r.scan.raw(t)) // an integer of more than 64 bits keeps its digits
}

func (r *JSONReader) convertString(a *looseArg, t jsonToken) error {
	s, err := r.scan.meaning(t)
	if err != nil {
		return err
	}
	if a.want == Bytes {
		r.scan.scratch = a.setBase64(s, r.scan.scratch)
	} else {
		a.setString(s)
	}
	return nil
}

// convertArray makes a list of strings or a pair of integers; any other array stays as it is.
func (r *JSONReader) convertArray(a *looseArg, t jsonToken) error {
	inside := jsonScanner{text: r.scan.raw(t), scratch: r.scan.scratch}
	if a.want == IntPair {
		if slot, ok := inside.pair(); ok {
			a.setSlot(IntPair, slot)
			return nil
		}
	} else if list, ok, err := inside.list(); err != nil {
		return err
	} else if ok {
		r.scan.scratch = inside.scratch
		a.setTail(Strings, list)
		return nil
	}
	return r.convertDocument(a, t)
}

// pair consumes an array of two int32 and returns it as a slot holds it.
func (s *jsonScanner) pair() (slot uint64, ok bool) {
	n, fits := 0, true
	err := s.elements(func() error {
		t, err := s.value()
		if err != nil || t.kind != '0' {
			fits = false
			return err
		}
		size, negative, integer := s.integer(t)
		if negative {
			fits = fits && size <= -math.MinInt32
			size = -size
		} else {
			fits = fits && size <= math.MaxInt32
		}
		fits = fits && integer
		slot |= uint64(uint32(size)) << (n & 1 * 32)
		n++
		return nil
	})
	return slot, err == nil && fits && n == 2
}

// list consumes an array of strings and returns its elements, each followed by a NUL. It is no list when it holds
// anything else, or a string with a NUL.
func (s *jsonScanner) list() (list []byte, ok bool, err error) {
	start, ok := len(s.scratch), true
	err = s.elements(func() error {
		t, err := s.value()
		if err != nil || t.kind != '"' {
			ok = false
			return err
		}
		element := len(s.scratch)
		if t.simple {
			s.scratch = append(s.scratch, s.raw(t)...)
		} else if s.scratch, err = appendUnescaped(s.scratch, s.raw(t)); err != nil {
			return err
		}
		ok = ok && bytes.IndexByte(s.scratch[element:], 0) < 0
		s.scratch = append(s.scratch, 0)
		return nil
	})
	return s.scratch[start:len(s.scratch):len(s.scratch)], ok, err
}

// convertObject makes a socket address or credentials of an object that is one, to the letter.
func (r *JSONReader) convertObject(a *looseArg, t jsonToken) bool {
	switch a.want {
	case Sockaddr:
		start := len(r.scan.scratch)
		raw, ok := r.scan.sockaddr(r.scan.raw(t))
		a.setTail(Sockaddr, raw)
		if ok {
			// The scratch holds what the address is in JSON; it is the one that was read in all but odd cases.
			r.scan.scratch = appendJSONSockaddr(r.scan.scratch, raw)
			ok = bytes.Equal(r.scan.scratch[start+len(raw):], r.scan.raw(t)) || sameSockaddr(raw, r.scan.raw(t))
		}
		return ok
	case Cred:
		var cred SlimCred
		if json.Unmarshal(r.scan.raw(t), &cred) != nil {
			return false
		}
		a.setTail(Cred, cred.encode())
		return bytes.Equal(appendJSONCred(nil, cred), r.scan.raw(t))
	default:
		return false
	}
}

// sockaddr reads a socket address in the form of SocketAddress.Map and appends its bytes to the scratch.
func (s *jsonScanner) sockaddr(text []byte) (raw []byte, ok bool) {
	var pairs [maxSockaddrKeys]struct{ key, value []byte }
	n := 0
	inside := jsonScanner{text: text}
	err := inside.members(func() (err error) {
		if n == len(pairs) {
			return errTooLong
		}
		if pairs[n].key, err = inside.key(); err != nil {
			return err
		}
		if inside.peek() != '"' {
			return inside.unexpected("a string")
		}
		t, err := inside.str()
		if err != nil {
			return err
		}
		pairs[n].value, err = inside.meaning(t)
		n++
		return err
	})
	if err != nil {
		return nil, false
	}
	start := len(s.scratch)
	s.scratch, err = appendSockaddr(s.scratch, func(key string) string {
		for i := range pairs[:n] {
			if string(pairs[i].key) == key {
				return viewString(pairs[i].value)
			}
		}
		return ""
	})
	return s.scratch[start:len(s.scratch):len(s.scratch)], err == nil
}

// sameSockaddr reports whether the object means the address, in whatever spelling.
func sameSockaddr(raw, text []byte) bool {
	var m map[string]string
	return json.Unmarshal(text, &m) == nil && parseSockaddr(raw).is(m)
}

// convertDocument keeps a value as it stands.
func (r *JSONReader) convertDocument(a *looseArg, t jsonToken) error {
	a.setTail(Document, r.scan.whole(t))
	return r.scan.check(t)
}
