package output

import "github.com/tracee-go/tracee/types/trace"

// Gob prints the stream that tracee-rules reads.
var Gob = declare(Format{
	Name:  "gob",
	Doc:   "Go gob stream, for tracee-rules",
	Whole: true,
	New: func(c Config) (Printer, error) {
		p := &gobPrinter{bare: bare{newBuffer(c.Out)}}
		p.writer = trace.NewGobWriter(p)
		return p, nil
	},
})

type gobPrinter struct {
	bare
	writer *trace.GobWriter
}

// Print keeps what a failing event has written: the definitions of types, which gob does not write again.
func (p *gobPrinter) Print(e *trace.Event) error {
	if err := p.writer.Write(e); err != nil {
		return err
	}
	return p.printed()
}
