package trace

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math/bits"
	"unicode/utf8"
)

// What JSON and v0.8's values cannot hold is kept beside them, in the field "bytes": texts that are not UTF-8, in which
// each wrong byte is shown as U+FFFD, and socket addresses that are more than their object says (abstract names, and
// families other than AF_UNIX, AF_INET and AF_INET6). It maps the name of a field, or "args." and the name of an
// argument, to the bytes as they were: of a text, of a list of strings with a NUL behind each, of a struct sockaddr.

// argumentKey is what stands in front of the name of an argument in "bytes".
const argumentKey = "args."

// replaced is how an encoder shows a byte that is no UTF-8. A valid U+FFFD is written as itself.
var replaced = []byte(`\ufffd`)

// lostTexts calls yield with each text of the context that is not UTF-8, under its name in JSON.
func (e *Event) lostTexts(yield func(name, text string)) {
	for i := range eventFields {
		if f := &eventFields[i]; f.text != nil {
			if text := *f.text(e); !utf8.ValidString(text) {
				yield(f.json, text)
			}
		}
	}
	if !utf8.ValidString(e.Executable) {
		yield("executable", e.Executable)
	}
}

// lostArgs calls yield with each argument whose value does not say all, and its bytes.
func (e *Event) lostArgs(yield func(a Arg, raw []byte)) {
	for rest := e.present; rest != 0; rest &= rest - 1 {
		a := Arg{event: e, index: bits.TrailingZeros64(rest)}
		switch a.Type().Kind {
		case String, Strings:
			if raw := a.Raw(); !utf8.Valid(raw) {
				yield(a, raw)
			}
		case Sockaddr:
			raw := a.Raw()
			if path := shownPath(raw); saysMore(raw) {
				yield(a, raw)
			} else if !utf8.Valid(path) {
				yield(a, raw[:2+len(path)])
			}
		default:
			if e.FilePaths && e.ParseArguments && a.hasFile() {
				if text := a.appendDescriptor(nil); !utf8.Valid(text) {
					yield(a, text)
				}
			}
		}
	}
}

// lostSockaddrs calls yield with each socket address that is more than its map.
func (e *Event) lostSockaddrs(yield func(a Arg)) {
	for rest := e.present; rest != 0; rest &= rest - 1 {
		a := Arg{event: e, index: bits.TrailingZeros64(rest)}
		if a.Type().Kind == Sockaddr && saysMore(a.Raw()) {
			yield(a)
		}
	}
}

// saysMore reports whether a socket address is more than SocketAddress.Map says of it.
func saysMore(raw []byte) bool {
	if len(raw) <= 2 {
		return false
	}
	switch family := uint16(raw[0]) | uint16(raw[1])<<8; family {
	case familyInet, familyInet6:
		return false
	case familyUnix:
		return raw[2] == 0 && notZero(raw[2:])
	default:
		return notZero(raw[2:])
	}
}

func notZero(raw []byte) bool { return len(bytes.TrimLeft(raw, "\x00")) > 0 }

// shownPath is what a socket address shows that a program chose.
func shownPath(raw []byte) []byte {
	if len(raw) > 2 && raw[0] == familyUnix && raw[1] == 0 {
		return unixPath(raw)
	}
	return nil
}

// appendLost appends the field "bytes".
func (e *Event) appendLost(b []byte) []byte {
	separator := byte('{')
	add := func(prefix, name string, raw []byte) {
		if separator == '{' {
			b = append(b, `,"bytes":`...)
		}
		b = append(b, separator)
		b = append(appendJSONString(b, prefix+name), ':')
		b = appendJSONBytes(b, raw)
		separator = ','
	}
	e.lostTexts(func(name, text string) { add("", name, viewBytes(text)) })
	e.lostArgs(func(a Arg, raw []byte) { add(argumentKey, a.Name(), raw) })
	if separator == ',' {
		b = append(b, '}')
	}
	return b
}

// lostBytes is an entry of "bytes" that was read.
type lostBytes struct{ name, raw []byte }

const maxLost = MaxFields + len(eventFields)

var errNoBase64 = errors.New("not base64")

func (r *JSONReader) readLost(*Event) error {
	if r.scan.peek() == 'n' {
		_, err := r.scan.value()
		return err
	}
	r.lost = r.lost[:0]
	return r.scan.members(func() error {
		name, err := r.scan.key()
		if err != nil {
			return err
		}
		text, err := r.readText()
		if err != nil {
			return err
		}
		if len(r.lost) == maxLost {
			return errTooLong
		}
		raw, err := base64.StdEncoding.AppendDecode(nil, text)
		if err != nil {
			return errNoBase64
		}
		r.lost = append(r.lost, lostBytes{name, raw})
		return nil
	})
}

// restore gives texts and arguments the bytes that were kept beside them. Bytes that would be shown otherwise than what
// stands there are not theirs, and ignored: nobody shall read one thing and match another.
func restore(e *Event, args []looseArg, lost []lostBytes) {
	for _, l := range lost {
		if name, ok := bytes.CutPrefix(l.name, []byte(argumentKey)); ok {
			for i := range args {
				if bytes.Equal(args[i].name, name) {
					args[i].restore(l.raw)
				}
			}
		} else if to := e.textByName(viewString(l.name)); to != nil && string(shown(l.raw)) == *to {
			*to = string(l.raw)
		}
	}
}

func (e *Event) textByName(name string) *string {
	if name == "executable" {
		return &e.Executable
	}
	for i := range eventFields {
		if f := &eventFields[i]; f.json == name && f.text != nil {
			return f.text(e)
		}
	}
	return nil
}

func (a *looseArg) restore(raw []byte) {
	switch {
	case (a.kind == String || a.kind == Strings) && bytes.Equal(shown(raw), a.tail):
		a.tail = raw
	case a.kind == Sockaddr && bytes.Equal(shown(appendJSONSockaddr(nil, raw)), shown(appendJSONSockaddr(nil, a.tail))),
		a.kind == Document && a.want == Sockaddr && bytes.Equal(appendJSONSockaddr(nil, raw), a.tail):
		a.setTail(Sockaddr, raw)
	}
}

// shown replaces what is no UTF-8 as a reader of JSON sees it, and the escape for it too.
func shown(raw []byte) []byte {
	if utf8.Valid(raw) {
		return bytes.ReplaceAll(raw, replaced, []byte("\ufffd"))
	}
	var b []byte
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		b = utf8.AppendRune(b, r)
		raw = raw[size:]
	}
	return b
}
