package trace

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonScanner walks over one JSON text without building anything. Its methods consume what they are named after.
type jsonScanner struct {
	text    []byte
	at      int
	scratch []byte // strings whose text differs from what they mean
}

// jsonToken is a value in the text.
type jsonToken struct {
	start, end int  // a string without its quotes
	kind       byte // its first character, '0' for every number, 0 for none
	simple     bool // a string of ASCII without escapes
}

var errCut = errors.New("unexpected end")

func (s *jsonScanner) reset(text []byte) { s.text, s.at, s.scratch = text, 0, emptied(s.scratch) }

// raw returns the text of the token as it stands.
func (s *jsonScanner) raw(t jsonToken) []byte { return s.text[t.start:t.end] }

// peek skips white space and returns the next character, 0 at the end.
func (s *jsonScanner) peek() byte {
	if s.at < len(s.text) && s.text[s.at] > ' ' {
		return s.text[s.at]
	}
	return s.peekFar()
}

func (s *jsonScanner) peekFar() byte {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return c
		}
	}
	return 0
}

func (s *jsonScanner) expect(c byte) error {
	if s.peek() == c {
		s.at++
		return nil
	}
	return s.unexpected(strconv.QuoteRune(rune(c)))
}

func (s *jsonScanner) unexpected(wanted string) error {
	if s.at >= len(s.text) {
		return errCut
	}
	return fmt.Errorf("%q at offset %d, want %s", s.text[s.at], s.at, wanted)
}

// members consumes an object, calling member at the start of each key; member consumes the key and the value.
func (s *jsonScanner) members(member func() error) error {
	return s.sequence('{', '}', member)
}

// elements consumes an array, calling element at the start of each element; element consumes it.
func (s *jsonScanner) elements(element func() error) error {
	return s.sequence('[', ']', element)
}

func (s *jsonScanner) sequence(open, end byte, item func() error) error {
	if err := s.expect(open); err != nil {
		return err
	}
	if s.peek() == end {
		s.at++
		return nil
	}
	for {
		s.peek()
		if err := item(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.at++
		case end:
			s.at++
			return nil
		default:
			return s.unexpected("',' or " + strconv.QuoteRune(rune(end)))
		}
	}
}

// key consumes a key and the colon behind it, and returns what the key means.
func (s *jsonScanner) key() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.unexpected("a key")
	}
	t, err := s.str()
	if err != nil {
		return nil, err
	}
	if err := s.expect(':'); err != nil {
		return nil, err
	}
	return s.meaning(t)
}

// literal consumes text that stands here to the letter, if it does.
func (s *jsonScanner) literal(text string) bool {
	if len(s.text)-s.at < len(text) || string(s.text[s.at:s.at+len(text)]) != text {
		return false
	}
	s.at += len(text)
	return true
}

// value consumes any value. Of arrays and objects it only finds the end: who uses one as it stands calls check.
func (s *jsonScanner) value() (jsonToken, error) {
	switch c := s.peek(); c {
	case '"':
		return s.str()
	case '[', '{':
		return s.compound(c)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

func (s *jsonScanner) word(word string) (jsonToken, error) {
	t := jsonToken{start: s.at, end: s.at + len(word), kind: word[0]}
	if t.end > len(s.text) || string(s.raw(t)) != word {
		return jsonToken{}, s.unexpected("a value")
	}
	s.at = t.end
	return t, nil
}

// jsonInside tells which bytes may stand in a simple string.
var jsonInside = func() (inside [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		inside[c] = c != '"' && c != '\\'
	}
	return inside
}()

func (s *jsonScanner) str() (jsonToken, error) {
	start := s.at + 1
	simple := true
	for i := start; i < len(s.text); i++ {
		c := s.text[i]
		if jsonInside[c] {
			continue
		}
		switch {
		case c == '"':
			s.at = i + 1
			return jsonToken{start: start, end: i, kind: '"', simple: simple}, nil
		case c < ' ':
			return jsonToken{}, fmt.Errorf("control character %q in a string at offset %d", c, i)
		case c == '\\':
			i++
		}
		simple = false
	}
	return jsonToken{}, errCut
}

// digits consumes digits and reports whether there were any.
func (s *jsonScanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}

func (s *jsonScanner) next(c byte) bool {
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *jsonScanner) number() (jsonToken, error) {
	t := jsonToken{start: s.at, kind: '0'}
	s.next('-')
	if !s.next('0') && !s.digits() {
		return jsonToken{}, s.unexpected("a value")
	}
	if s.next('.') && !s.digits() {
		return jsonToken{}, s.unexpected("a digit")
	}
	if s.next('e') || s.next('E') {
		if !s.next('+') {
			s.next('-')
		}
		if !s.digits() {
			return jsonToken{}, s.unexpected("a digit")
		}
	}
	t.end = s.at
	return t, nil
}

func (s *jsonScanner) compound(kind byte) (jsonToken, error) {
	t := jsonToken{start: s.at, kind: kind}
	depth := 0
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '"':
			if _, err := s.str(); err != nil {
				return jsonToken{}, err
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		s.at++
		if depth == 0 {
			t.end = s.at
			return t, nil
		}
	}
	return jsonToken{}, errCut
}

// check reports whether the token is correct all through.
func (s *jsonScanner) check(t jsonToken) error {
	if text := s.whole(t); !json.Valid(text) {
		return fmt.Errorf("bad value at offset %d", t.start)
	}
	return nil
}

// whole returns the text of the token, with the quotes of a string.
func (s *jsonScanner) whole(t jsonToken) []byte {
	if t.kind == '"' {
		return s.text[t.start-1 : t.end+1]
	}
	return s.raw(t)
}

// skip consumes any value.
func (s *jsonScanner) skip() error {
	t, err := s.value()
	if err != nil {
		return err
	}
	return s.check(t)
}

// meaning returns what a string token means. The bytes live until the next reset.
func (s *jsonScanner) meaning(t jsonToken) ([]byte, error) {
	raw := s.raw(t)
	if t.simple {
		return raw, nil
	}
	start := len(s.scratch)
	var err error
	if s.scratch, err = appendUnescaped(s.scratch, raw); err != nil {
		return nil, err
	}
	return s.scratch[start:len(s.scratch):len(s.scratch)], nil
}

var unescaped = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// appendUnescaped appends what the inside of a JSON string means. As with encoding/json, what is no UTF-8 becomes U+FFFD.
func appendUnescaped(b, raw []byte) ([]byte, error) {
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '\\':
			if i+1 < len(raw) && unescaped[raw[i+1]] != 0 {
				b = append(b, unescaped[raw[i+1]])
				i += 2
				continue
			}
			r, size := escapedRune(raw[i:])
			if size == 0 {
				return b, errors.New("bad escape in a string")
			}
			b = utf8.AppendRune(b, r)
			i += size
		case c < utf8.RuneSelf:
			b = append(b, c)
			i++
		default:
			r, size := utf8.DecodeRune(raw[i:])
			b = utf8.AppendRune(b, r)
			i += size
		}
	}
	return b, nil
}

// escapedRune decodes \uXXXX, or two of them that form a surrogate pair. Size 0 means that there is none.
func escapedRune(raw []byte) (r rune, size int) {
	first, ok := hexRune(raw)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	if second, ok := hexRune(raw[6:]); ok {
		if pair := utf16.DecodeRune(first, second); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func hexRune(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(viewString(raw[2:6]), 16, 16)
	return rune(v), err == nil
}

// integer parses a number token that is an integer: its size and whether it is negative.
func (s *jsonScanner) integer(t jsonToken) (size uint64, negative, ok bool) {
	raw := s.raw(t)
	if raw[0] == '-' {
		negative, raw = true, raw[1:]
	}
	if len(raw) > 20 {
		return 0, false, false
	}
	for i, c := range raw {
		digit := uint64(c - '0')
		if digit > 9 || i == 19 && size > (math.MaxUint64-digit)/10 { // 19 digits always fit
			return 0, false, false
		}
		size = size*10 + digit
	}
	if negative && size > 1<<63 {
		return 0, false, false
	}
	return size, negative, true
}

// shortInteger consumes an integer of at most 18 digits, if one stands here.
func (s *jsonScanner) shortInteger() (int, bool) {
	v, i := 0, s.at
	negative := i < len(s.text) && s.text[i] == '-'
	if negative {
		i++
	}
	first := i
	for i < len(s.text) && s.text[i]-'0' <= 9 {
		v = v*10 + int(s.text[i]-'0')
		i++
	}
	digits := i - first
	if digits == 0 || digits > 19 || v < 0 || digits > 1 && s.text[first] == '0' || i == len(s.text) {
		return 0, false
	}
	if c := s.text[i]; c != ',' && c != '}' && c != ']' {
		return 0, false
	}
	s.at = i
	if negative {
		v = -v
	}
	return v, true
}

// float parses a number token that has a finite value.
func (s *jsonScanner) float(t jsonToken) (float64, bool) {
	f, err := strconv.ParseFloat(viewString(s.raw(t)), 64)
	return f, err == nil
}
