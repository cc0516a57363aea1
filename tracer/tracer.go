// Package tracer brings events from the kernel to the program: it loads what the selection needs, climbs the hook ladder
// of each event, reads the rings and turns records into events.
//
// Start from New and Events. Events are yielded in the order in which the kernel made them, as far as one thread, or
// one cause and its effect, is concerned; the rings of critical and of other events are merged by time. What could not
// be delivered is counted per event and reason, and a lost_events record appears where the gap is. Events runs on its
// caller's goroutine and starts none of its own, but for one that empties the rings into Config.Cache, and those that look
// into files; an event is valid until the next one. The package writes to no output and knows no signature.
package tracer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/cgroup"
	"github.com/tracee-go/tracee/types/trace"
)

// Config says what to trace and how.
type Config struct {
	Events []*events.Event // those to deliver; sources of derived ones are delivered too
	// Required are events that were asked for by name: New fails if one of them cannot be had. Others are left out
	// with a warning.
	Required []*events.Event
	Filter   *filter.Filter // nil: no filter
	// Needs are events that must arrive whatever flags say about their arguments. Sources of derived ones are added.
	Needs filter.Needs

	// Without lists rungs that are not to be tried: of a kernel on which one misbehaves, and to compare rungs.
	Without []trace.Rung

	// Containers makes events say whether they come from a container that has started, and tells about containers by
	// events.ContainerGroups; a filter on containers does so too.
	Containers bool

	Capture *Capture // nil: nothing is captured

	Ahead *Ahead // what was read of the kernel ahead; may be nil

	// Itself makes events.ExistingProcess tell of the tracer, too, so that who detects knows whom attacks on it are aimed at.
	Itself bool

	DetectSyscall bool // fill the arguments called "syscall"
	ExecEnv       bool // keep the environment of executions
	FilePaths     bool // tell the files of arguments called "fd", see trace.Event.FilePaths
	Stacks        bool // tell where the traced program was
	RelativeTime  bool // timestamps count from the start instead of the epoch

	// CriticalBytes and BulkBytes are the sizes of the rings, rounded up to a power of two; 0 means the default.
	CriticalBytes, BulkBytes int

	Sort  bool        // yield events in the order of their timestamps, SortWindow later
	Cache CacheConfig // a queue between the rings and the consumer of Events

	// Record, if set, is given every record as the kernel wrote it, before it is decoded; the bytes are valid during
	// the call. See Decoder.
	Record func(record []byte)
	// Executed, if set, is shown every sched_process_exec when it comes from the rings, before it is sorted or queued; the
	// reader is woken for each. It may run on another goroutine than Events, and the event is valid during the call.
	Executed func(*trace.Event)
	// Successor, if set, is asked from time to time for another tracer, one that New has made and nobody has read from. Events
	// goes on with that one's events, so that none is lost, and none comes twice; Succeeded is called between the two. The
	// successor's configuration names its Predecessor. There must be no Cache and no Sort.
	Successor   func() *Tracer
	Succeeded   func(next *Tracer)
	Predecessor *Tracer
	// Idle is called when everything that was there has been delivered, before Events waits for more.
	Idle func()
	// Pending, if set, is asked from time to time, by whoever runs Events, whether a stage of the stream has something to
	// tell: then there is an events.CaptureTick, should nothing else happen.
	Pending func() bool
	since   uint64 // when tracing began, CLOCK_BOOTTIME in ns

	// Log receives warnings; nil discards them.
	Log *slog.Logger
}

// Attachment tells how an event is observed on this kernel.
type Attachment struct {
	Event *events.Event
	Rung  trace.Rung
	// Err says why the event has no better rung, or, when Attached is false, why it has none.
	Err      error
	Attached bool

	hook events.Hook // in use, if Attached
}

// Tracer is a running trace. Close it to detach from the kernel.
type Tracer struct {
	config      Config
	log         *slog.Logger
	maps        map[string]*ebpf.Map
	variables   map[string]*ebpf.Variable
	programs    map[string]*ebpf.Program
	links       []programLink
	closers     []io.Closer
	attachments []Attachment
	eventNames  map[string]string // see eventOf
	from        *sources          // only until everything is attached
	rungs       *rungs
	scanner     *scanner
	forScans    []*events.Event // selected for the scanner alone
	uring       uringTable
	existing    []cgroup.Group // of containers that were there at the start
	reader      *reader
	readErr     error

	next       *Tracer                // the successor
	told       map[*events.Event]bool // what predecessors have told from the start on
	takesScans bool                   // the predecessor's scans go on
	ended      *Stats                 // when it was succeeded
}

// New loads and attaches what the configuration needs. The errors of what is missing on the machine say what to do.
func New(config Config) (*Tracer, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Filter == nil {
		empty, err := filter.Parse(nil)
		if err != nil {
			return nil, err
		}
		config.Filter = empty
	}
	if err := Check(); err != nil {
		return nil, err
	}
	config.Events = withProcesses(config.Filter, withContainers(config))
	t := &Tracer{config: config, log: config.Log, programs: map[string]*ebpf.Program{}}
	if p := config.Predecessor; p != nil {
		t.config.since, t.takesScans = p.config.since, t.scansLike(p)
		t.config.Predecessor = nil // once it is gone, nothing shall keep it
	} else {
		t.config.since = uint64(clock(unix.CLOCK_BOOTTIME))
	}
	t.watchModules()
	if config.Successor != nil {
		_, _ = cgroups() // which a successor may need; if it can not be opened, that one says so
	}
	t.config.Needs = t.needs()
	if err := t.start(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// start does New's work; whatever it leaves behind when it fails, Close removes.
func (t *Tracer) start() error {
	t.from = t.config.Ahead.take()
	defer t.from.wait()
	t.rungs = t.from.rungs
	t.from.readSymbols(&t.config, !t.takesScans)
	loader, err := newLoader(t.config, t.from, t.likely())
	if err != nil {
		return err
	}
	return t.startWith(loader)
}

// startWith attaches the programs of the loader, which it closes.
func (t *Tracer) startWith(loader *loader) error {
	defer func() { t.from = nil }()
	defer loader.close()
	t.maps, t.variables = loader.maps, loader.variables
	err := errors.Join(t.config.Filter.Install(t.maps), loader.judges.Install(t.maps))
	if err != nil {
		return err
	}
	if err := t.config.Capture.install(t.maps); err != nil {
		return err
	}
	if t.reader, err = newReader(t); err != nil {
		return err
	}
	t.closers = append(t.closers, t.reader)
	t.scanner = &scanner{
		loader: loader, filter: t.config.Filter, log: t.log,
		now: func() int { return t.reader.decode.timestamp(uint64(clock(unix.CLOCK_BOOTTIME))) },
	}
	t.closers = append(t.closers, t.scanner)
	defer t.scanner.opened()
	loader.loadAhead(t.likely())
	if err := t.trackContainers(loader); err != nil {
		return err
	}
	if err := t.trackProcesses(loader); err != nil {
		return err
	}
	return t.attach(loader)
}

// Attachments tells, per selected event, the rung it is observed on.
func (t *Tracer) Attachments() []Attachment { return slices.Clone(t.attachments) }

// Close detaches all programs and frees the maps. It is safe to call more than once.
func (t *Tracer) Close() error {
	var errs []error
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	for _, p := range t.programs {
		errs = append(errs, p.Close())
	}
	for _, c := range t.closers {
		errs = append(errs, c.Close())
	}
	for _, m := range t.maps {
		errs = append(errs, m.Close())
	}
	t.links, t.programs, t.closers, t.maps = nil, nil, nil, nil
	t.variables = nil // they are mapped memory, which goes when they are collected
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop tracing: %w", err)
	}
	return nil
}
