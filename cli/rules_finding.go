package cli

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"

	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// findingPrinter prints findings, in v0.8's text or by a template.
type findingPrinter struct {
	to       io.Writer
	template *template.Template // nil is v0.8's text
	log      *slog.Logger
	buffer   bytes.Buffer
	failed   uint64 // findings that the template could not print
	unread   unread // in the end
	err      error  // of writing; nothing is printed after it
}

func newFindingPrinter(to io.Writer, templatePath string, log *slog.Logger) (*findingPrinter, error) {
	p := &findingPrinter{to: to, log: log}
	if templatePath == "" {
		return p, nil
	}
	var err error
	p.template, err = readTemplate(templatePath)
	return p, err
}

// readTemplate reads a template with sprig's functions.
func readTemplate(path string) (*template.Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return template.New(filepath.Base(path)).Funcs(sprig.TxtFuncMap()).Parse(string(text))
}

func (p *findingPrinter) print(f detect.Finding) {
	if p.err != nil {
		return
	}
	p.buffer.Reset()
	if p.template == nil {
		writeFinding(&p.buffer, f)
	} else if err := p.template.Execute(&p.buffer, f); err != nil {
		if atomic.AddUint64(&p.failed, 1) == 1 {
			p.log.Error("finding can not be printed; others like it are only counted", "error", err)
		}
		return
	}
	_, err := p.to.Write(p.buffer.Bytes())
	p.err = p.unread.finding(err)
}

// writeFinding writes v0.8's text, but with the time of the event, which v0.8 had the time of printing for.
func writeFinding(to *bytes.Buffer, f detect.Finding) {
	e, _ := f.Event.Payload.(*trace.Event)
	fmt.Fprintf(to, `
*** Detection ***
Time: %s
Signature ID: %s
Signature: %s
Data: %s
Command: %s
Hostname: %s
`, time.Unix(0, int64(e.Timestamp)).UTC().Format(time.RFC3339), f.SigMetadata.ID, f.SigMetadata.Name,
		output.Printable(fmt.Sprint(f.Data)), output.Printable(e.ProcessName), output.Printable(e.HostName))
}
