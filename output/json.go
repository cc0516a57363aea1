package output

import "github.com/tracee-go/tracee/types/trace"

// JSON prints one object per line.
var JSON = declare(Format{
	Name:  "json",
	Doc:   "one JSON object per line",
	Whole: true,
	New:   func(c Config) (Printer, error) { return &jsonPrinter{bare{newBuffer(c.Out)}}, nil },
})

type jsonPrinter struct{ bare }

func (p *jsonPrinter) Print(e *trace.Event) error {
	p.text = append(e.AppendJSON(p.text), '\n')
	return p.printed()
}
