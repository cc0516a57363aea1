package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	wide, high = 8.4, 18 // of a character
	margin     = 14
)

// style is how terminals show what the program says about colours.
const style = `text{font:14px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d4d4d4;white-space:pre}` +
	`.b{font-weight:bold;fill:#fff}.f{fill:#8a8a8a}.r{fill:#f2777a}.y{fill:#ffcc66}.c{fill:#66cccc}`

// classes are those of the style, by the numbers of terminals.
var classes = map[string]string{"1": "b", "2": "f", "31": "r", "33": "y", "36": "c"}

// draw makes a picture of lines with colours.
func draw(lines []string) []byte {
	var b bytes.Buffer
	width, height := columns*wide+2*margin, len(lines)*high+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" role="img" aria-label="tracee on a terminal">`+"\n", width, height)
	fmt.Fprintf(&b, "<style>%s</style>\n<rect width=\"100%%\" height=\"100%%\" rx=\"8\" fill=\"#1e1e1e\"/>\n", style)
	for row, line := range lines {
		column := 0
		for i, part := range strings.Split(line, "\x1b[") {
			class := ""
			if i > 0 {
				var code string
				code, part, _ = strings.Cut(part, "m")
				class = classes[code]
			}
			drawText(&b, part, class, column, row)
			column += utf8.RuneCountInString(part)
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// drawText writes words, each where it stands on the screen, whatever the font: a run of spaces is left out.
func drawText(b *bytes.Buffer, text, class string, column, row int) {
	for text != "" {
		rest := strings.TrimLeft(text, " ")
		column += len(text) - len(rest)
		word := rest
		if end := strings.Index(rest, "  "); end >= 0 {
			word = rest[:end]
		}
		text = rest[len(word):]
		if word == "" {
			return
		}
		length := utf8.RuneCountInString(word)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" textLength="%.1f"`, margin+float64(column)*wide, margin+row*high+13, float64(length)*wide)
		if class != "" {
			fmt.Fprintf(b, ` class="%s"`, class)
		}
		b.WriteString(">")
		_ = xml.EscapeText(b, []byte(word))
		b.WriteString("</text>\n")
		column += length
	}
}
