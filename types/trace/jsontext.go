package trace

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// jsonPlain tells which bytes stand for themselves in a JSON string: those that encoding/json writes so, but for DEL, which
// a terminal obeys. Bytes from 0x80 up are looked at as runes.
var jsonPlain = func() (plain [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf-1; c++ {
		plain[c] = !strings.ContainsRune(`"\<>&`, rune(c))
	}
	return plain
}()

// AppendJSONString appends a string in quotes, escaped as in the JSON of events.
func AppendJSONString(b []byte, s string) []byte { return appendJSONString(b, s) }

// appendJSONString appends a string in quotes, escaped as encoding/json does by default: for HTML too. The control
// characters from 0x7f to 0x9f, which JSON allows as they are, are escaped as well.
func appendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	i := plainWords(s)
	for i < len(s) && jsonPlain[s[i]] {
		i++
	}
	if i == len(s) {
		b = append(b, s...)
		return append(b, '"')
	}
	return append(appendEscaped(b, s, i), '"')
}

// plainWords returns how far s is plain, in steps of eight bytes: container ids, paths and images are long, and nearly
// always plain. It may stop early, never late.
func plainWords(s string) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	b := viewBytes(s)
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		found := w | (w-each*' ')&^w | (w + each) // from 0x7f up, or control characters
		for _, zero := range [...]uint64{
			(w | each*2) ^ each*'>', // zero where w has < or >
			(w | each*4) ^ each*'&', // " or &
			w ^ each*'\\',
		} {
			found |= (zero - each) &^ zero
		}
		if found&high != 0 {
			break
		}
	}
	return i
}

// appendEscaped appends s, whose first i bytes are plain.
func appendEscaped(b []byte, s string, i int) []byte {
	done := 0
	for i < len(s) {
		if jsonPlain[s[i]] {
			i++
			continue
		}
		if s[i] < utf8.RuneSelf {
			b = appendEscapedByte(append(b, s[done:i]...), s[i])
			i++
			done = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[done:i]...), `\ufffd`...)
			done = i + size
		case r <= 0x9f: // control characters
			b = append(append(b, s[done:i]...), '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&0xf])
			done = i + size
		case r == '\u2028' || r == '\u2029': // end a line in JavaScript
			b = append(append(b, s[done:i]...), `\u202`...)
			b = append(b, hexDigits[r&0xf])
			done = i + size
		}
		i += size
	}
	return append(b, s[done:]...)
}

func appendEscapedByte(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	default:
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
	}
}

// appendJSONStrings appends an array of the elements of a Strings argument, each followed by a NUL.
func appendJSONStrings(b []byte, list string) []byte {
	b = append(b, '[')
	for first := true; list != ""; first = false {
		if !first {
			b = append(b, ',')
		}
		var element string
		element, list, _ = strings.Cut(list, "\x00")
		b = appendJSONString(b, element)
	}
	return append(b, ']')
}

func appendJSONBytes(b, raw []byte) []byte {
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, raw)
	return append(b, '"')
}

// appendJSONFloat appends a number as encoding/json does; what JSON cannot hold becomes null.
func appendJSONFloat(b []byte, f float64) []byte {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return append(b, "null"...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, 64)
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1] // e-09 is written e-9
		b = b[:n-1]
	}
	return b
}

// appendJSONSockaddr appends SocketAddress.Map without building it.
func appendJSONSockaddr(b, raw []byte) []byte {
	if len(raw) >= 2 && raw[0] == familyUnix && raw[1] == 0 {
		b = append(b, `{"sa_family":"AF_UNIX","sun_path":`...)
		b = appendJSONString(b, viewString(unixPath(raw)))
		return append(b, '}')
	}
	s := parseSockaddr(raw)
	switch s.Family {
	case familyInet:
		b = s.appendAddress(append(b, `{"sa_family":"AF_INET","sin_addr":"`...))
		b = strconv.AppendUint(append(b, `","sin_port":"`...), uint64(s.IP.Port()), 10)
	case familyInet6:
		b = s.appendAddress(append(b, `{"sa_family":"AF_INET6","sin6_addr":"`...))
		b = strconv.AppendUint(append(b, `","sin6_flowinfo":"`...), uint64(s.FlowInfo), 10)
		b = strconv.AppendUint(append(b, `","sin6_port":"`...), uint64(s.IP.Port()), 10)
		b = strconv.AppendUint(append(b, `","sin6_scopeid":"`...), uint64(s.ScopeID), 10)
	default:
		b = append(b, `{"sa_family":"`...)
		if int(s.Family) < len(familyNames) {
			b = append(b, familyNames[s.Family]...)
		} else {
			b = strconv.AppendUint(b, uint64(s.Family), 10)
		}
	}
	return append(b, `"}`...)
}

func (s SocketAddress) appendAddress(b []byte) []byte {
	if !s.IP.IsValid() {
		return b
	}
	return s.IP.Addr().AppendTo(b)
}

// appendJSONCred appends the object with v0.8's keys, which are the names of the Go fields.
func appendJSONCred(b []byte, c SlimCred) []byte {
	numbers := [...]struct {
		key   string
		value uint64
	}{
		{`{"Uid":`, uint64(c.Uid)},
		{`,"Gid":`, uint64(c.Gid)},
		{`,"Suid":`, uint64(c.Suid)},
		{`,"Sgid":`, uint64(c.Sgid)},
		{`,"Euid":`, uint64(c.Euid)},
		{`,"Egid":`, uint64(c.Egid)},
		{`,"Fsuid":`, uint64(c.Fsuid)},
		{`,"Fsgid":`, uint64(c.Fsgid)},
		{`,"UserNamespace":`, uint64(c.UserNamespace)},
		{`,"SecureBits":`, uint64(c.SecureBits)},
		{`,"CapInheritable":`, c.CapInheritable},
		{`,"CapPermitted":`, c.CapPermitted},
		{`,"CapEffective":`, c.CapEffective},
		{`,"CapBounding":`, c.CapBounding},
		{`,"CapAmbient":`, c.CapAmbient},
	}
	for i := range numbers {
		b = strconv.AppendUint(append(b, numbers[i].key...), numbers[i].value, 10)
	}
	return append(b, '}')
}

// appendJSONDocument appends a JSON text as encoding/json embeds one: without white space and with strings escaped for
// HTML. Numbers stay as they were written. A text that is not JSON becomes null.
func appendJSONDocument(b, text []byte) []byte {
	if !json.Valid(text) {
		return append(b, "null"...)
	}
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
		case '"':
			end := i + 1 + endOfString(text[i+1:])
			b = append(b, '"')
			b = appendEmbedded(b, viewString(text[i+1:end]))
			b = append(b, '"')
			i = end + 1
		default:
			b = append(b, c)
			i++
		}
	}
	return b
}

// endOfString returns where the closing quote stands in text, which begins inside a string of a valid JSON text.
func endOfString(text []byte) int {
	i := 0
	for text[i] != '"' {
		if text[i] == '\\' {
			i++
		}
		i++
	}
	return i
}

// appendEmbedded appends the inside of a JSON string, keeping its escapes and adding those of appendJSONString.
func appendEmbedded(b []byte, s string) []byte {
	for s != "" {
		escape := strings.IndexByte(s, '\\')
		if escape < 0 {
			return appendEscaped(b, s, 0)
		}
		b = appendEscaped(b, s[:escape], 0)
		b = append(b, s[escape:escape+2]...)
		s = s[escape+2:]
	}
	return b
}
