// Package paint colours text for terminals.
//
// Painter is all of it. Whether there is a terminal, and whether whoever sits there wants colours, the command line finds
// out.
package paint

// Color is how a terminal is told of a colour.
type Color string

// The colours in use. They are those that people have chosen for their terminals.
const (
	Bold   Color = "\x1b[1m"
	Faint  Color = "\x1b[2m"
	Red    Color = "\x1b[31m"
	Yellow Color = "\x1b[33m"
	Cyan   Color = "\x1b[36m"
)

const plain = "\x1b[0m"

// Painter colours text, or leaves it as it is.
type Painter bool

// Paint colours text. Without a colour, it stays as it is.
func (p Painter) Paint(color Color, text string) string {
	if !p || color == "" {
		return text
	}
	return string(color) + text + plain
}

// Append appends text that append appends, coloured.
func (p Painter) Append(b []byte, color Color, text func([]byte) []byte) []byte {
	if !p || color == "" {
		return text(b)
	}
	return append(text(append(b, color...)), plain...)
}
