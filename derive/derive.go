// Package derive makes events of events: of a library that was mapped, the symbols it exports; of the addresses in the
// table of syscalls, those that do not lie in the kernel.
//
// Start from New and Stage. A derived event follows the event it was made of, with that one's context: time, process,
// container. What can not be made is counted and logged, once a second for each event; it stops nothing, and delays the
// stream by library.Patience at most. The package keeps no file open between events, and no goroutine but the few that a
// file system without an answer holds; its caches are bounded. Which events a derived one needs is said by its
// declaration in the catalogue (Event.From); package tracer selects them.
package derive

import (
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/library"
	"github.com/tracee-go/tracee/types/trace"
)

// A maker looks at a source event and emits the events that it derives. It is called on the stream's goroutine; the
// source is valid during the call.
type maker func(source *trace.Event, emit emitter) error

// An emitter fills the arguments of one derived event and sends it. It reports false when nobody wants more.
type emitter func(fill func(*trace.Builder)) bool

// A derivation is how one event is made. start is called once for each stream, so that makers can have state.
type derivation struct {
	event *events.Event
	start func(*settings) maker
}

// settings is what the derivations of one stream share.
type settings struct {
	filter    *filter.Filter // nil: everything is wanted
	libraries *library.Store
	symbols   *kernelSymbols
	packets   *packets
	names     *names
}

// derivations in the order of their files.
var derivations []derivation

// derived declares how an event of the catalogue is made.
func derived(event *events.Event, start func(*settings) maker) struct{} {
	derivations = append(derivations, derivation{event, start})
	return struct{}{}
}

// A Deriver is the derivations that one selection needs.
type Deriver struct {
	active   []*active
	bySource map[int][]*active
	settings *settings
	log      *slog.Logger
}

type active struct {
	event   *events.Event
	make    maker
	builder trace.Builder
	failed  failures
}

// New starts the derivations of the selected events. Makers leave to the filter what it decides later, but need not
// make what it would drop.
func New(selection []*events.Event, f *filter.Filter, log *slog.Logger) *Deriver {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := &Deriver{log: log}
	s := &settings{filter: f, libraries: library.NewStore(), packets: newPackets(), symbols: &kernelSymbols{}}
	s.names = newNames(s.packets)
	d.settings = s
	d.Change(selection, f)
	return d
}

// Change takes another selection and filter, between two events. What is known of addresses and libraries stays, and what was
// told of an event about which nothing has changed.
func (d *Deriver) Change(selection []*events.Event, f *filter.Filter) {
	d.report()
	before := d.active
	old := d.settings.filter
	d.settings.filter, d.active, d.bySource = f, nil, map[int][]*active{}
	for _, each := range derivations {
		if !slices.Contains(selection, each.event) {
			continue
		}
		i := slices.IndexFunc(before, func(a *active) bool { return a.event == each.event })
		if i >= 0 && f.SameArguments(old, each.event) {
			d.active = append(d.active, before[i])
		} else {
			d.active = append(d.active, &active{event: each.event, make: each.start(d.settings)})
		}
	}
	for _, a := range d.active {
		for _, from := range a.event.Sources() {
			d.bySource[from.ID] = append(d.bySource[from.ID], a)
		}
	}
}

// Stage yields every event, each followed by what is derived of it.
func (d *Deriver) Stage(source iter.Seq[*trace.Event]) iter.Seq[*trace.Event] {
	return func(yield func(*trace.Event) bool) {
		defer d.report()
		for e := range source {
			makers := d.bySource[e.EventID]
			if len(makers) == 0 {
				if !yield(e) {
					return
				}
				continue
			}
			if !d.derive(e, makers, yield) {
				return
			}
		}
	}
}

// derive yields the source first, so that cause comes before effect. A consumer may change an event it is given, so the
// makers get one of their own.
func (d *Deriver) derive(e *trace.Event, makers []*active, yield func(*trace.Event) bool) bool {
	source := e.Clone()
	if !yield(e) {
		return false
	}
	wanted := true
	for _, m := range makers {
		err := m.make(source, func(fill func(*trace.Builder)) bool {
			if wanted {
				wanted = yield(m.build(source, fill))
			}
			return wanted
		})
		if err != nil {
			m.failed.add(err)
			m.report(d.log, time.Second)
		}
		if !wanted {
			return false
		}
	}
	return true
}

// failures are what could not be made since it was last reported.
type failures struct {
	count    int
	last     error
	reported time.Time
}

func (f *failures) add(err error) { f.count, f.last = f.count+1, err }

// report logs failures, unless the last report was just now.
func (a *active) report(log *slog.Logger, pause time.Duration) {
	f := &a.failed
	if f.count == 0 || time.Since(f.reported) < pause {
		return
	}
	log.Warn("event not derived", "event", a.event.Name, "times", f.count, "error", f.last)
	*f = failures{reported: time.Now()}
}

// report logs what is left at the end of the stream.
func (d *Deriver) report() {
	for i := range d.active {
		d.active[i].report(d.log, 0)
	}
}

// build is an event with the context of its source. It is valid until the next one of the same derivation.
func (a *active) build(source *trace.Event, fill func(*trace.Builder)) *trace.Event {
	e := *source
	e.ReturnValue = 0
	a.builder.Reset(a.event.Schema())
	fill(&a.builder)
	a.builder.Finish(&e)
	return &e
}

// wrong is the error of a source without an argument that it should have.
func wrong(source *trace.Event, argument string) error {
	return fmt.Errorf("%s has no argument %s", source.EventName, argument)
}
