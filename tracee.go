// Package tracee is the story of an event: from the kernel, through the stages that understand it, to whoever wants to
// know.
//
// Start from Config and Run. Run owns everything it starts: when it returns, nothing is left attached, running or
// unprinted. It runs on the goroutine of its caller. What each stage does is said by its own package; this one only
// names them, in order.
package tracee

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tracee-go/tracee/capture"
	"github.com/tracee-go/tracee/container"
	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/derive"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/policy"
	"github.com/tracee-go/tracee/process"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/sink"
	"github.com/tracee-go/tracee/stream"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// Config says what to watch and whom to tell.
type Config struct {
	Events   []*events.Event // what is watched; lost_events is always in the stream
	Required []*events.Event // those without which Run fails, see tracer.Config
	Filter   *filter.Filter  // nil: everything passes
	Needs    filter.Needs    // what must arrive though flags about arguments say no
	Policies *policy.Set     // only what one of them selects is shown; nil: everything is

	NameContainers bool              // ask container runtimes for names
	ContainerWait  time.Duration     // how long an event is held at most for such a name
	Runtimes       []runtimes.Socket // whom; nil: those that answer where they do by custom

	DetectSyscall  bool // fill the arguments called "syscall"
	ExecEnv        bool // keep the environment of executions
	RelativeTime   bool // timestamps count from the start
	ParseArguments bool // show flags and the like by their names
	FilePaths      bool // show descriptors with the paths of their files, if ParseArguments
	ExecHash       bool // tell the hashes of executed files
	Stacks         bool // tell where the traced program was
	Executables    bool // tell which program the process of an event runs

	SortEvents bool               // in the order of their timestamps, tracer.SortWindow later
	Cache      tracer.CacheConfig // a queue in front of all stages; zero: none

	Ahead *tracer.Ahead // what was read of the kernel ahead; may be nil

	Capture   capture.Options         // what artifacts are kept
	Capturing func(*capture.Capturer) // called with what keeps them, which is valid until Run returns; may be nil

	CriticalBytes, BulkBytes int // sizes of the rings; 0: the tracer's choice

	Engine  *rules.Engine  // detects; nil: nothing is detected
	Sinks   *sink.Set      // is shown events; nil: there is none
	Printer output.Printer // prints events; nil: nothing is printed

	Control  *Control                   // changes what is done; nil: nothing changes
	Ready    func(*tracer.Tracer) error // called when everything is attached; an error ends Run
	Progress *Progress                  // shows others how far Run is; nil: nobody looks
	// Log receives warnings and errors about single events; nil discards them.
	Log *slog.Logger
}

// Summary is what Run has to say in the end.
type Summary struct {
	tracer.Stats
	Seen    uint64 // events that passed all filters
	NetSeen uint64 // those of the network among them
	Errors  uint64 // events that could not be printed

	Capture capture.Stats      // what became of artifacts
	Unnamed []runtimes.Unnamed // containers without a name, of those who asked for names
}

// Run watches until the context ends or the output breaks. The summary is valid whatever the error.
func Run(ctx context.Context, c Config) (Summary, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := newRun(c, stop)
	if err := r.prepare(); err != nil {
		return r.summary, errors.Join(err, r.endCapture())
	}
	t, err := tracer.New(r.tracerConfig())
	if err != nil {
		return r.summary, errors.Join(err, r.endCapture())
	}
	r.tracer = t
	r.captureReady(t)
	r.containers, r.deriver = container.New(r.containerConfig()), derive.New(c.Events, c.Filter, c.Log)
	r.usePolicies()
	c.Control.begin(r)
	if c.Ready != nil {
		if err := c.Ready(t); err != nil {
			c.Control.end(r)
			return r.summary, errors.Join(err, r.endCapture(), t.Close())
		}
	}
	// To load took several times the memory that is needed from here on. Meanwhile the reader reads.
	var release sync.WaitGroup
	release.Go(func() { giveBack(ctx, c.Log) })
	defer release.Wait()
	defer stop()

	story := stream.Chain(t.Events(ctx),
		process.New(c.Log).Stage,
		r.containers.Stage,
		stream.Each(r.inspect),
		r.captured,
		r.deriver.Stage,
		stream.Keep(r.keep),
		stream.Each(r.understand),
		stream.Each(r.detect),
		stream.Each(r.print),
	)
	r.moved()
	for e := range story {
		r.summary.count(e.EventID)
	}

	c.Control.end(r)
	t = r.tracer // a successor, perhaps
	if c.Engine != nil {
		c.Engine.Close()
	}
	r.summary.Stats = r.past.Add(t.Stats())
	r.summary.Unnamed = r.containers.Unnamed()
	r.tell()
	err = r.endCapture() // before the summary is read
	return r.summary, errors.Join(t.Err(), r.err, err, r.epilogue(), t.Close())
}

// run is one call of Run.
type run struct {
	Config
	stop    context.CancelFunc
	wanted  map[int]bool // ids of Config.Events
	summary Summary
	err     error // what broke the output
	hasher  *process.Hasher
	stacks  *process.Stacks

	tracer *tracer.Tracer
	steps  int       // events since the clock was looked at
	told   time.Time // when Progress got the counters

	capturer *capture.Capturer // nil: nothing is captured
	packets  *derive.Captured  // which packets it captures; nil: all

	containers *container.Tracker
	deriver    *derive.Deriver
	past       tracer.Stats // of tracers that were replaced
	next       *pendingChange
	closing    sync.WaitGroup // of tracers that were replaced
}

func newRun(c Config, stop context.CancelFunc) *run {
	r := &run{Config: c, stop: stop}
	r.want()
	if c.ExecHash && r.wanted[events.SchedProcessExec.ID] {
		r.hasher = process.NewHasher(c.Log)
	}
	if c.Stacks {
		r.stacks = process.NewStacks()
	}
	return r
}

// want notes the events that are more than what others are made of.
func (r *run) want() {
	r.wanted = map[int]bool{events.ArtifactCaptured.ID: r.Capture.Enabled()}
	for _, e := range r.Events {
		r.wanted[e.ID] = true
	}
}

// usePolicies lets policies ask about containers.
func (r *run) usePolicies() {
	if r.Policies != nil {
		r.Policies.AskContainers(r.containers.Existed)
	}
}

func (r *run) containerConfig() container.Config {
	return container.Config{
		Events: r.Events, Filter: r.Filter, Enrich: r.NameContainers, Sockets: r.Runtimes, Log: r.Log,
		Wait: r.ContainerWait, Now: func() int { return r.tracer.Now() },
	}
}

func (r *run) tracerConfig() tracer.Config {
	c := r.tracerConfigOf(r.Events, r.Filter, r.Needs, r.Capture)
	c.Ahead = r.Ahead
	return c
}

// tracerConfigOf is the configuration for events, a filter, needs and artifacts, which can change.
func (r *run) tracerConfigOf(watched []*events.Event, f *filter.Filter, needs filter.Needs, artifacts capture.Options) tracer.Config {
	if r.Executables { // first, so that a program is known before anything is said of its process
		watched = append([]*events.Event{events.ProcessImage}, watched...)
	}
	watched = slices.Concat(watched, artifacts.Events())
	c := tracer.Config{
		Events:        watched,
		Capture:       r.captureConfig(artifacts),
		Required:      r.Required,
		Filter:        f,
		Needs:         needs,
		Containers:    true,
		Itself:        r.Engine != nil,
		DetectSyscall: r.DetectSyscall,
		ExecEnv:       r.ExecEnv,
		FilePaths:     r.FilePaths,
		Stacks:        r.Stacks,
		RelativeTime:  r.RelativeTime,
		Sort:          r.SortEvents,
		Cache:         r.Cache,
		Executed:      r.executed(),
		CriticalBytes: r.CriticalBytes,
		BulkBytes:     r.BulkBytes,
		Idle:          r.idle,
		Pending:       r.pending,
		Log:           r.Log,
	}
	if r.Control != nil {
		c.Successor, c.Succeeded = r.successor, r.succeeded
	}
	return c
}

// pending says whether a stage has something to tell though nothing happens.
func (r *run) pending() bool {
	return r.containers.Pending() || r.capturer != nil && r.capturer.Pending()
}

// executed is who is to be told early of executions, nil: nobody.
func (r *run) executed() func(*trace.Event) {
	if r.hasher == nil {
		return nil
	}
	return r.hasher.Begin
}

// inspect looks at what the process of the event has, as long as it has it.
func (r *run) inspect(e *trace.Event) error {
	if r.hasher != nil {
		r.hasher.Add(e)
	}
	if r.stacks != nil {
		r.stacks.Locate(e)
	}
	return nil
}

// keep decides what the kernel could not, and leaves out what was only there to derive others from. Losses pass.
func (r *run) keep(e *trace.Event) bool {
	r.step()
	if e.EventID == events.LostEvents.ID {
		return true
	}
	return r.wanted[e.EventID] && (r.Filter == nil || r.Filter.Match(e))
}

// understand adds to the event what user space knows.
func (r *run) understand(e *trace.Event) error {
	e.MatchedPolicies = r.Policies.Match(e)
	e.ParseArguments = r.ParseArguments
	if r.ParseArguments {
		e.Errno = events.ErrnoName(e.ReturnValue)
	}
	return nil
}

func (r *run) detect(e *trace.Event) error {
	if r.Engine != nil {
		r.Engine.Handle(e)
	}
	return nil
}

// print shows the event, if there are policies and it matches one, or there are none. An event that can not be shown is counted; an output that is gone ends the run.
func (r *run) print(e *trace.Event) error {
	if r.Policies != nil && len(e.MatchedPolicies) == 0 && e.EventID != events.LostEvents.ID {
		return nil
	}
	r.Sinks.Event(e)
	if r.Printer == nil {
		return nil
	}
	err := r.Printer.Print(e)
	if err == nil || r.broken(err) {
		return err
	}
	r.summary.Errors++
	r.Log.Error("event not printed", "event", e.EventName, "error", err)
	return nil
}

// broken notes an error of the output as a whole.
func (r *run) broken(err error) bool {
	var write *output.WriteError
	if !errors.As(err, &write) {
		return false
	}
	r.err = err
	return true
}

// idle runs when nothing more is waiting, so that nobody waits for what has been printed.
func (r *run) idle() {
	r.moved()
	if r.Printer == nil {
		return
	}
	if err := r.Printer.Flush(); err != nil && r.broken(err) {
		r.stop()
	}
}

// prepare does what can fail before anything is attached; nothing is printed on a machine that can not be watched.
func (r *run) prepare() error {
	if err := tracer.Check(); err != nil {
		return err
	}
	if err := r.startCapture(); err != nil {
		return err
	}
	return r.preamble()
}

func (r *run) preamble() error {
	if r.Printer == nil {
		return nil
	}
	if err := r.Printer.Preamble(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func (r *run) epilogue() error {
	if r.Printer == nil || r.err != nil {
		return nil
	}
	return errors.Join(r.Printer.Epilogue(output.Stats{
		EventCount:  r.summary.Seen,
		NetEvCount:  r.summary.NetSeen,
		ErrorCount:  r.summary.Errors,
		LostEvCount: r.summary.LostTotal(),
		LostWrCount: r.summary.LostWrites(),
		LostNtCount: r.summary.LostNetwork(),
	}), r.Printer.Close())
}
