// Package process knows which program each process runs, and tells every event.
//
// Start from New and Stage. The kernel side says who begins to run what (the internal event process_image: at an exec, at
// a fork, at the end, and for everybody who is there when tracing begins); the stage keeps that and takes those events
// out of the stream. Processes are told apart by their entity ids, so it does not matter when a number is used again. The
// table is bounded: a process that finds no room is forgotten, and its events have no executable until its next exec. A
// stage is used by one goroutine.
package process

import (
	"iter"
	"log/slog"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

const (
	// livingMax bounds the processes that are known.
	livingMax = 1 << 17
	// endedMax is how many of those that ended are still known, because some of their events are yet to be read.
	endedMax = 1 << 10
)

// Table is which program each process runs.
type Table struct {
	executables map[uint64]string // by entity id
	ended       [endedMax]uint64  // a ring; 0: nobody
	next        int               // in ended
	full        bool
	log         *slog.Logger
}

// New returns an empty table; nil discards what it has to log.
func New(log *slog.Logger) *Table {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Table{executables: map[uint64]string{}, log: log}
}

// Stage yields the events of others, with the executable of the process that they are about where it is known.
func (t *Table) Stage(source iter.Seq[*trace.Event]) iter.Seq[*trace.Event] {
	return func(yield func(*trace.Event) bool) {
		for e := range source {
			if e.EventID == events.ProcessImage.ID {
				t.learn(e)
				continue
			}
			e.Executable = t.executables[e.ProcessEntityID]
			if !yield(e) {
				return
			}
		}
	}
}

// Arguments of process_image.
var (
	argProcess  = events.ProcessImage.Schema().Index("process")
	argPathname = events.ProcessImage.Schema().Index("pathname")
	argMaker    = events.ProcessImage.Schema().Index("maker")
)

func (t *Table) learn(e *trace.Event) {
	process, ok := e.At(argProcess)
	if !ok {
		return
	}
	if path, ok := e.At(argPathname); ok {
		// A path that was cut is none: half of it may be the name of something else.
		t.set(process.Uint(), strings.Clone(path.Text()), path.Truncated())
		return
	}
	if maker, ok := e.At(argMaker); ok {
		path, known := t.executables[maker.Uint()]
		t.set(process.Uint(), path, !known)
		return
	}
	t.end(process.Uint())
}

func (t *Table) set(process uint64, path string, unknown bool) {
	if unknown {
		delete(t.executables, process)
		return
	}
	if _, known := t.executables[process]; !known && len(t.executables) >= livingMax {
		if !t.full {
			t.full = true
			t.log.Warn("too many processes: the executables of some are not known", "known", livingMax)
		}
		return
	}
	t.executables[process] = path
}

// end notes that a process ended, and forgets the one that did so some time ago.
func (t *Table) end(process uint64) {
	delete(t.executables, t.ended[t.next])
	t.ended[t.next] = process
	t.next = (t.next + 1) % endedMax
}
