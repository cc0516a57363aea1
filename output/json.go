package output

import "github.com/tracee-go/tracee/types/trace"

// JSON prints one object per line.
var JSON = declare(Format{
	Name:  "json",
	Doc:   "one JSON object per line",
	Whole: true,
	New:   func(c Config) (Printer, error) { return &jsonPrinter{bare: bare{newBuffer(c.Out)}}, nil },
})

type jsonPrinter struct {
	bare
	writer trace.JSONWriter
}

func (p *jsonPrinter) Print(e *trace.Event) error {
	p.text = append(p.writer.AppendJSON(p.text, e), '\n')
	return p.printed()
}
