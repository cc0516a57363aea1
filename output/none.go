package output

import "github.com/tracee-go/tracee/types/trace"

// None prints nothing.
var None = declare(Format{
	Name: "none",
	Doc:  "print no events; losses and errors are still told",
	New:  func(Config) (Printer, error) { return nonePrinter{}, nil },
})

type nonePrinter struct{}

func (nonePrinter) Preamble() error          { return nil }
func (nonePrinter) Print(*trace.Event) error { return nil }
func (nonePrinter) Flush() error             { return nil }
func (nonePrinter) Epilogue(Stats) error     { return nil }
func (nonePrinter) Close() error             { return nil }
