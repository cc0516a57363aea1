package output

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// appendPrintable appends text that a program chose, such as the name of a file, so that it cannot forge a line of the
// table or drive the terminal. Printable Unicode stays. Everything else is escaped as in Go's strings: newline \n,
// escape \x1b, a byte that is no UTF-8 \xff, marks that turn the direction of writing \u202e. A backslash that would read
// as the beginning of such an escape is doubled; any other stays as v0.8 shows it. So the text can be had back, see
// docs/guide/output.md.
func appendPrintable[T string | []byte](b []byte, text T) []byte {
	start := 0
	for i := 0; i < len(text); {
		if c := text[i]; c >= ' ' && c <= '~' {
			i++
			if c == '\\' && beginsEscape(text[i:]) {
				b = append(append(b, text[start:i]...), '\\')
				start = i
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
		if strconv.IsPrint(r) && (r != utf8.RuneError || size > 1) {
			i += size
			continue
		}
		b = append(b, text[start:i]...)
		if r == utf8.RuneError && size == 1 {
			b = append(b, `\x`...)
			b = append(b, "0123456789abcdef"[text[i]>>4], "0123456789abcdef"[text[i]&0xf])
		} else {
			quoted := strconv.AppendQuoteRune(nil, r)
			b = append(b, quoted[1:len(quoted)-1]...)
		}
		i += size
		start = i
	}
	return append(b, text[start:]...)
}

// Printable returns a text as the tables show it: see appendPrintable.
func Printable(text string) string { return string(appendPrintable(nil, text)) }

// beginsEscape reports whether a backslash in front of this text would read as the beginning of an escape.
func beginsEscape[T string | []byte](rest T) bool {
	if len(rest) == 0 {
		return false
	}
	if c := rest[0]; c < utf8.RuneSelf {
		return c < ' ' || c > '~' || strings.IndexByte(`\abfnrtvxuU`, c) >= 0
	}
	r, size := utf8.DecodeRuneInString(string(rest[:min(utf8.UTFMax, len(rest))]))
	return !strconv.IsPrint(r) || r == utf8.RuneError && size == 1
}

// pad fills the cell that begins at start with blanks; width is in runes, as with fmt. Longer cells stay whole.
func pad(b []byte, start, width int) []byte {
	for n := utf8.RuneCount(b[start:]); n < width; n++ {
		b = append(b, ' ')
	}
	return b
}
