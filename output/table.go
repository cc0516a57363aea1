package output

import (
	"fmt"
	"strconv"
	"time"

	"github.com/tracee-go/tracee/internal/paint"
	"github.com/tracee-go/tracee/types/trace"
)

// Table prints events for people.
var Table = declare(Format{
	Name: "table",
	Doc:  "events in table format (default)",
	New:  func(c Config) (Printer, error) { return newTable(c, briefColumns, briefContainerColumns), nil },
})

// column is a column of a table: its title, the width it is filled to, and what it shows of an event.
type column struct {
	title string
	width int
	cell  func(b []byte, e *trace.Event) []byte
}

// The columns, each followed by a blank. Behind them stand the arguments.
var (
	uid       = column{"UID", 6, number(func(e *trace.Event) int { return e.UserID })}
	comm      = column{"COMM", 16, text(func(e *trace.Event) string { return e.ProcessName })}
	uts       = column{"UTS_NAME", 16, text(func(e *trace.Event) string { return e.HostName })}
	container = column{"CONTAINER_ID", 13, text(shortContainerID)}
	mntNS     = column{"MNT_NS", 12, number(func(e *trace.Event) int { return e.MountNS })}
	pidNS     = column{"PID_NS", 12, number(func(e *trace.Event) int { return e.PIDNS })}
	pid       = column{"PID", 7, number(processID)}
	tid       = column{"TID", 7, number(threadID)}
	ppid      = column{"PPID", 7, number(parentID)}
	pidHost   = column{"PID/host", 15, pair(processID, func(e *trace.Event) int { return e.HostProcessID })}
	tidHost   = column{"TID/host", 15, pair(threadID, func(e *trace.Event) int { return e.HostThreadID })}
	ppidHost  = column{"PPID/host", 15, pair(parentID, func(e *trace.Event) int { return e.HostParentProcessID })}
	ret       = column{"RET", 16, number(func(e *trace.Event) int { return e.ReturnValue })}
	name      = column{"EVENT", 20, text(func(e *trace.Event) string { return e.EventName })}

	briefColumns          = []column{uid, comm, pid, tid, ret, name}
	briefContainerColumns = []column{container, uid, comm, pidHost, tidHost, ret, name}
)

const timeWidth = 16 // of the first column of every table

func processID(e *trace.Event) int { return e.ProcessID }
func threadID(e *trace.Event) int  { return e.ThreadID }
func parentID(e *trace.Event) int  { return e.ParentProcessID }

func shortContainerID(e *trace.Event) string { return e.ContainerID[:min(12, len(e.ContainerID))] }

func text(value func(*trace.Event) string) func([]byte, *trace.Event) []byte {
	return func(b []byte, e *trace.Event) []byte { return appendPrintable(b, value(e)) }
}

func number(value func(*trace.Event) int) func([]byte, *trace.Event) []byte {
	return func(b []byte, e *trace.Event) []byte { return strconv.AppendInt(b, int64(value(e)), 10) }
}

// pair shows the id in the container and the id on the host.
func pair(inside, host func(*trace.Event) int) func([]byte, *trace.Event) []byte {
	return func(b []byte, e *trace.Event) []byte {
		start := len(b)
		b = strconv.AppendInt(b, int64(inside(e)), 10)
		b = append(pad(b, start, 7), '/')
		start = len(b)
		return pad(strconv.AppendInt(b, int64(host(e)), 10), start, 7)
	}
}

type tablePrinter struct {
	buffer
	config  Config
	columns []column
	zone    *time.Location
	scratch []byte
	widths  []int // of columns that grow, see printOnTerminal
}

func newTable(c Config, columns, inContainers []column) *tablePrinter {
	p := &tablePrinter{buffer: newBuffer(c.Out), config: c, columns: columns, zone: time.Local}
	if c.ContainerMode {
		p.columns = inContainers
	}
	if c.RelativeTime {
		p.zone = time.UTC
	}
	return p
}

// Preamble writes the titles at once: probes take a while to load.
func (p *tablePrinter) Preamble() error {
	bold := paint.Painter(p.config.Terminal) && p.config.Color
	p.text = bold.Append(p.text, paint.Bold, p.appendTitles)
	return p.Flush()
}

func (p *tablePrinter) appendTitles(b []byte) []byte {
	b = append(pad(append(b, "TIME"...), len(b), timeWidth), ' ')
	for _, c := range p.columns {
		b = append(pad(append(b, c.title...), len(b), c.width), ' ')
	}
	return append(b, "ARGS\n"...)
}

func (p *tablePrinter) Print(e *trace.Event) error {
	if p.config.Terminal {
		return p.printOnTerminal(e)
	}
	b := append(p.appendTime(p.text, e.Timestamp), ' ')
	for i := range p.columns {
		c := &p.columns[i]
		b = append(pad(c.cell(b, e), len(b), c.width), ' ')
	}
	p.text = append(p.appendArgs(b, e), '\n')
	return p.printed()
}

// appendTime appends HH:MM:SS:micros, in the local time zone or since the start of tracing.
func (p *tablePrinter) appendTime(b []byte, timestamp int) []byte {
	t := time.Unix(0, int64(timestamp)).In(p.zone)
	hour, minute, second := t.Clock()
	micros := t.Nanosecond() / 1000
	start := len(b)
	b = append(twoDigits(b, hour), ':')
	b = append(twoDigits(b, minute), ':')
	b = append(twoDigits(b, second), ':')
	b = twoDigits(twoDigits(twoDigits(b, micros/10000), micros/100%100), micros%100)
	return pad(b, start, timeWidth)
}

func twoDigits(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

func (p *tablePrinter) appendArgs(b []byte, e *trace.Event) []byte {
	separator := ""
	for a := range e.All() {
		b = p.config.Color.Append(append(b, separator...), paint.Faint, func(b []byte) []byte { return append(b, a.Name()...) })
		b = append(b, ": "...)
		p.scratch = a.AppendText(p.scratch[:0])
		b = appendPrintable(b, p.scratch)
		separator = ", "
	}
	return b
}

// Epilogue ends the table as v0.8 does: the blank line is for the terminal, whatever file the table goes to.
func (p *tablePrinter) Epilogue(stats Stats) error {
	if err := p.Flush(); err != nil {
		return err
	}
	if _, err := p.config.Stdout.Write([]byte("\n")); err != nil {
		return &WriteError{Err: err}
	}
	p.text = append(p.text, "End of events stream\n"...)
	p.text = fmt.Appendf(p.text, "Stats: %+v\n", stats)
	return p.Flush()
}
