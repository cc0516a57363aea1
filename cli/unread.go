package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tracee-go/tracee/internal/patient"
	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/types/trace"
)

// lastPatience is how long standard output and standard error may be read after the signal that ends a command. Service
// managers and container runtimes wait for ten seconds and more, and the destinations have theirs.
const lastPatience = 5 * time.Second

// unread is what is missing in an output because nobody read it in the end. All else goes on: others get what there is.
type unread struct {
	cut              bool // something is missing, and be it the end of a table
	events, findings uint64
}

// err says how much is missing.
func (u *unread) err() error {
	if !u.cut {
		return nil
	}
	var what []string
	for _, counted := range []struct {
		n    uint64
		name string
	}{{u.findings, "finding"}, {u.events, "event"}} {
		if counted.n > 0 {
			what = append(what, count(counted.n, counted.name))
		}
	}
	if what == nil {
		what = []string{"its end"}
	}
	return fmt.Errorf("nobody read the output for %d s after the signal: %s missing in it", int(lastPatience.Seconds()), strings.Join(what, " and "))
}

// finding counts a finding that nobody read, and passes on any other error.
func (u *unread) finding(err error) error {
	if !errors.Is(err, patient.ErrUnread) {
		return err
	}
	u.cut = true
	u.findings++
	return nil
}

// someEvents counts events that nobody read, and passes on any other error.
func (u *unread) someEvents(err error) error {
	var write *output.WriteError
	if !errors.As(err, &write) || !errors.Is(err, patient.ErrUnread) {
		return err
	}
	u.cut = true
	u.events += uint64(write.Events)
	return nil
}

// unreadPrinter is a printer that counts what nobody reads in the end.
type unreadPrinter struct {
	output.Printer
	*unread
}

// Print is part of output.Printer.
func (p unreadPrinter) Print(e *trace.Event) error { return p.someEvents(p.Printer.Print(e)) }

// Flush is part of output.Printer.
func (p unreadPrinter) Flush() error { return p.someEvents(p.Printer.Flush()) }

// Epilogue is part of output.Printer.
func (p unreadPrinter) Epilogue(s output.Stats) error { return p.someEvents(p.Printer.Epilogue(s)) }

// Close is part of output.Printer.
func (p unreadPrinter) Close() error { return p.someEvents(p.Printer.Close()) }
