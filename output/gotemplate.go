package output

import (
	"errors"
	"fmt"
	"path/filepath"
	"text/template"

	"github.com/tracee-go/tracee/types/trace"
)

// GoTemplate prints events through a text/template. The event is its dot: fields and methods of trace.Event, such as
// .ProcessName, .Args (each with .Name .Type .Value) and .Origin. Nothing is added, not even a newline.
var GoTemplate = declare(Format{
	Name:  "gotemplate",
	Flag:  "gotemplate=/path/to/template",
	Doc:   "each event rendered with a Go text/template file",
	Whole: true,
	New:   newTemplatePrinter,
})

type templatePrinter struct {
	bare
	template *template.Template
}

func newTemplatePrinter(c Config) (Printer, error) {
	if c.TemplatePath == "" {
		return nil, errors.New("please specify a gotemplate for event-based output")
	}
	t, err := template.New(filepath.Base(c.TemplatePath)).ParseFiles(c.TemplatePath)
	if err != nil {
		return nil, fmt.Errorf("read gotemplate: %w", err)
	}
	return &templatePrinter{bare: bare{newBuffer(c.Out)}, template: t}, nil
}

func (p *templatePrinter) Print(e *trace.Event) error {
	start := len(p.text)
	if err := p.template.Execute(p, e); err != nil {
		p.text = p.text[:start]
		return fmt.Errorf("gotemplate: event %s: %w", e.EventName, err)
	}
	return p.printed()
}
