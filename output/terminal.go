package output

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/term"
)

// isTerminal reports whether what is written there is obeyed by a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	return term.IsTerminal(int(f.Fd()))
}

// appendLines appends a text of several lines so that it cannot drive a terminal: each line as appendPrintable does, but
// with its tabs.
func appendLines(b, text []byte) []byte {
	for len(text) > 0 {
		line := text
		end := bytes.IndexAny(text, "\n\t")
		if end >= 0 {
			line = text[:end]
		}
		b = appendPrintable(b, line)
		text = text[len(line):]
		if end >= 0 {
			b, text = append(b, text[0]), text[1:]
		}
	}
	return b
}
