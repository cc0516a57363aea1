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
