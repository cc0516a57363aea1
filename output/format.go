// Package output prints events: as a table, as JSON, as a gob stream, through a template, or not at all.
//
// Start from New, which makes the Printer of a format; each format is declared in a file of its own. A Printer collects
// what it prints and writes whole events at a time: the caller calls Flush when no more events are waiting. It is for one
// goroutine.
//
// When the writer fails, that and every later call returns a *WriteError; any other error of Print is about one event,
// which then leaves no trace in the output. The tables show names that programs chose, so that they escape what a
// terminal would obey: see appendPrintable. The package does not turn on parse-arguments; that is for the command line.
package output

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/internal/paint"
	"github.com/tracee-go/tracee/types/trace"
)

// Printer prints a stream of events in one format.
type Printer interface {
	Preamble() error // what stands before the first event
	Print(event *trace.Event) error
	Flush() error               // writes what has been printed so far
	Epilogue(stats Stats) error // what stands behind the last event
	Close() error               // flushes; the writer stays open
}

// Config says where to print, and what the tables show.
type Config struct {
	Out           io.Writer
	Stdout        io.Writer // gets the blank line in front of the epilogue, even when Out is a file; nil: Out
	ContainerMode bool      // the tables show ids in containers and on the host
	RelativeTime  bool      // timestamps count from the start of tracing
	TemplatePath  string    // of gotemplate

	Terminal bool          // somebody looks at Out: tables keep their columns in line
	Color    paint.Painter // in colours
}

// Stats are the totals that the tables end with, under the names of v0.8.
type Stats struct {
	EventCount, NetEvCount, ErrorCount, LostEvCount, LostWrCount, LostNtCount uint64
}

// Format is a format that events can be printed in.
type Format struct {
	Name string
	Flag string // how the command line writes it, if not as its name
	Doc  string
	// Whole says that the format shows everything that is known of an event, so that it is worth to know more.
	Whole bool
	New   func(Config) (Printer, error)
}

var formats = make(map[string]Format)

// declare adds a format to the list.
func declare(f Format) Format {
	if _, ok := formats[f.Name]; ok {
		panic("output format " + f.Name + " is declared twice")
	}
	if f.Flag == "" {
		f.Flag = f.Name
	}
	formats[f.Name] = f
	return f
}

// Formats returns all formats by name.
func Formats() []Format {
	all := make([]Format, 0, len(formats))
	for _, f := range formats {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Format) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Whole reports whether the format called name shows everything that is known of an event.
func Whole(name string) bool { return formats[name].Whole }

// New returns the printer of the format called name.
func New(name string, config Config) (Printer, error) {
	f, ok := formats[name]
	if !ok {
		return nil, fmt.Errorf("unrecognized output format: %s. Valid format values: 'table', 'table-verbose', 'json', 'gob' "+
			"or 'gotemplate='. Use '--output help' for more info", name)
	}
	if config.Out == nil {
		return nil, fmt.Errorf("output %s: no writer", name)
	}
	if config.Stdout == nil {
		config.Stdout = config.Out
	}
	return f.New(config)
}
