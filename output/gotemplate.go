package output

import (
	"errors"
	"fmt"
	"path/filepath"
	"text/template"

	"github.com/Masterminds/sprig/v3"

	"github.com/tracee-go/tracee/types/trace"
)

// GoTemplate prints events through a text/template with sprig's functions, and "printable", which shows a text as the
// tables do. The event is its dot: fields and methods of trace.Event, such as .ProcessName, .Args (each with .Name .Type
// .Value) and .Origin. Nothing is added, not even a newline.
var GoTemplate = declare(Format{
	Name:  "gotemplate",
	Flag:  "gotemplate=/path/to/template",
	Doc:   "each event rendered with a Go text/template file and sprig's functions",
	Whole: true,
	New:   newTemplatePrinter,
})

type templatePrinter struct {
	bare
	template *template.Template
	terminal bool // the text goes to a terminal, which must not obey what programs chose as names
	scratch  []byte
}

func newTemplatePrinter(c Config) (Printer, error) {
	if c.TemplatePath == "" {
		return nil, errors.New("please specify a gotemplate for event-based output")
	}
	functions := sprig.TxtFuncMap()
	functions["printable"] = Printable
	t, err := template.New(filepath.Base(c.TemplatePath)).Funcs(functions).ParseFiles(c.TemplatePath)
	if err != nil {
		return nil, fmt.Errorf("read gotemplate: %w", err)
	}
	return &templatePrinter{bare: bare{newBuffer(c.Out)}, template: t, terminal: isTerminal(c.Out)}, nil
}

func (p *templatePrinter) Print(e *trace.Event) error {
	start := len(p.text)
	if err := p.template.Execute(p, e); err != nil {
		p.text = p.text[:start]
		return fmt.Errorf("gotemplate: event %s: %w", e.EventName, err)
	}
	if p.terminal {
		p.scratch = append(p.scratch[:0], p.text[start:]...)
		p.text = appendLines(p.text[:start], p.scratch)
	}
	return p.printed()
}
