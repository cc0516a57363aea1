package output

import (
	"unicode/utf8"

	"github.com/tracee-go/tracee/internal/paint"
	"github.com/tracee-go/tracee/types/trace"
)

// widest is how far a column of a table on a terminal grows. Elsewhere columns do not grow, as in v0.8.
const widest = 40

// printOnTerminal prints for eyes: columns grow with what they hold, so that what follows stays in line; what failed is
// red, with the name of its error.
func (p *tablePrinter) printOnTerminal(e *trace.Event) error {
	if p.widths == nil {
		for _, c := range p.columns {
			p.widths = append(p.widths, c.width)
		}
	}
	b := p.config.Color.Append(p.text, paint.Faint, func(b []byte) []byte { return p.appendTime(b, e.Timestamp) })
	b = append(b, ' ')
	for i := range p.columns {
		c := &p.columns[i]
		color := c.color(e)
		p.scratch = c.cell(p.scratch[:0], e)
		if c.title == ret.title && e.Errno != "" {
			p.scratch = append(append(p.scratch, ' '), e.Errno...)
		}
		length := utf8.RuneCount(p.scratch)
		p.widths[i] = max(p.widths[i], min(length, widest))
		b = p.config.Color.Append(b, color, func(b []byte) []byte { return append(b, p.scratch...) })
		for ; length <= p.widths[i]; length++ {
			b = append(b, ' ')
		}
	}
	p.text = append(p.appendArgs(b, e), '\n')
	return p.printed()
}

func (c *column) color(e *trace.Event) paint.Color {
	switch {
	case c.title == name.title:
		return paint.Cyan
	case c.title == ret.title && e.ReturnValue < 0:
		return paint.Red
	default:
		return ""
	}
}
