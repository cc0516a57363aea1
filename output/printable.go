package output

import (
	"strconv"
	"unicode/utf8"
)

// appendPrintable appends text that a program chose, such as the name of a file, so that it cannot forge a line of the
// table or drive the terminal. Printable Unicode stays. Everything else is escaped as in Go's strings: newline \n,
// escape \x1b, a byte that is no UTF-8 \xff, marks that turn the direction of writing \u202e. A backslash stays as
// v0.8 shows it, so that "\n" may also be what the name says; the JSON formats tell the two apart.
func appendPrintable[T string | []byte](b []byte, text T) []byte {
	start := 0
	for i := 0; i < len(text); {
		if c := text[i]; c >= ' ' && c <= '~' {
			i++
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

// pad fills the cell that begins at start with blanks; width is in runes, as with fmt. Longer cells stay whole.
func pad(b []byte, start, width int) []byte {
	for n := utf8.RuneCount(b[start:]); n < width; n++ {
		b = append(b, ' ')
	}
	return b
}
