package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// terminal reports whether what is written there is seen at once, by a person.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colorful reports whether a person would see colours there, and does not object (no-color.org).
func colorful(w io.Writer) bool {
	return terminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// The colours in use, as terminals are told.
const (
	plain  = "\x1b[0m"
	bold   = "\x1b[1m"
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
)

// painter colours text, or leaves it as it is.
type painter bool

func (p painter) paint(color, text string) string {
	if !p || color == "" {
		return text
	}
	return color + text + plain
}
