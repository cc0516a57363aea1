package top

import (
	"os"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/width"

	"github.com/tracee-go/tracee/internal/paint"
	"github.com/tracee-go/tracee/output"
)

// Style is what the terminal can show.
type Style struct {
	Color   paint.Painter
	Unicode bool
}

// unicodeTerminal reports whether the locale says that the terminal takes UTF-8.
func unicodeTerminal() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			value = strings.ToUpper(value)
			return strings.Contains(value, "UTF-8") || strings.Contains(value, "UTF8")
		}
	}
	return false
}

// visible escapes what a terminal would obey, and what this one can not show.
func (s Style) visible(text string) string {
	return s.encoded(output.Printable(text))
}

// encoded escapes what the terminal can not show.
func (s Style) encoded(text string) string {
	if s.Unicode {
		return text
	}
	quoted := strconv.QuoteToASCII(text)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}

// columns is how wide a rune is on a terminal.
func columns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// fit makes a visible text exactly so many columns wide.
func fit(text string, want int) string {
	if want <= 0 {
		return ""
	}
	var b strings.Builder
	n := 0
	for _, r := range text {
		w := columns(r)
		if n+w > want {
			break
		}
		n += w
		b.WriteRune(r)
	}
	b.WriteString(strings.Repeat(" ", want-n))
	return b.String()
}

// wrap breaks a visible text into lines of so many columns. What goes on is indented as the text is, and a little more.
func wrap(text string, want int) (lines []string) {
	indent := strings.Repeat(" ", min(len(text)-len(strings.TrimLeft(text, " "))+4, want/2))
	var b strings.Builder
	n := 0
	for _, r := range text {
		w := columns(r)
		if n+w > want {
			lines = append(lines, b.String())
			b.Reset()
			b.WriteString(indent)
			n = len(indent)
		}
		b.WriteRune(r)
		n += w
	}
	return append(lines, b.String())
}
