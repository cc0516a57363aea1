package tracer

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/internal/kmem"
	"github.com/tracee-go/tracee/types/trace"
)

// When the kernel's memory is looked at, besides the start.
const (
	scanInterval = 30 * time.Second
	// afterModule is how long a module may take to do its harm: where the event comes before its start.
	afterModule = time.Second
)

// A scan looks for what one event tells.
type scan struct {
	event *events.Event
	look  func(occasion, emitter) error
	err   error // the last one, which is not told again
}

// An occasion is why there is a look. Those that an event gives are told of even if nothing has changed.
type occasion struct {
	number uint64 // of the look
	asked  bool   // at the start, or after a module
}

// An emitter fills the arguments of an event and sends it. It reports false when nobody wants more.
type emitter func(fill func(*trace.Builder)) bool

// scanner looks at the kernel's memory. It opens what it needs when the first event asks for it.
type scanner struct {
	loader  *loader // only while events are attached
	filter  *filter.Filter
	log     *slog.Logger
	now     func() int // the time for events
	symbols *kallsyms.Table
	memory  *kmem.Reader
	tracefs *os.File // mounted for this process alone
	types   kmem.Types

	scans   []scan
	number  uint64
	next    time.Time    // of the next look
	module  *trace.Event // whose effect the next look shows
	narrow  trace.Event  // the context of events without a cause
	builder trace.Builder
}

// scanOpeners start the scan for each event that is declared as Scanned.
var scanOpeners = map[*events.Event]func(*scanner) (func(occasion, emitter) error, error){
	events.PrintSyscallTable:  (*scanner).openSyscalls,
	events.PrintNetSeqOps:     (*scanner).openSeqOps,
	events.HiddenKernelModule: (*scanner).openModules,
	events.FtraceHook:         (*scanner).openFtrace,
	events.PrintMemDump:       (*scanner).openDumps,
}

// open makes an event of the scanner's available, or tells why it is not.
func (s *scanner) open(e *events.Event) error {
	if err := s.prepare(); err != nil {
		return err
	}
	look, err := scanOpeners[e](s)
	if err != nil {
		return err
	}
	s.scans = append(s.scans, scan{event: e, look: look})
	return nil
}

// prepare reads the symbols, which are kept only until everything is attached.
func (s *scanner) prepare() (err error) {
	if s.symbols == nil {
		if s.symbols, err = s.loader.from.symbols(); err != nil {
			return err
		}
	}
	if s.memory == nil {
		s.types = kmem.NewTypes(s.loader.options.Programs.KernelTypes)
		s.memory, err = kmem.Open(s.loader.from.cache)
	}
	return err
}

// watchModules adds the events that tell of modules if something is to be looked for after each of them.
func (t *Tracer) watchModules() {
	if !slices.ContainsFunc(t.config.Events, func(e *events.Event) bool { return e.Scanned }) {
		return
	}
	for _, e := range []*events.Event{events.DoInitModule, events.ModuleFree} {
		if !slices.Contains(t.config.Events, e) {
			t.config.Events, t.forScans = append(t.config.Events, e), append(t.forScans, e)
		}
	}
}

// opened drops what only the start needs.
func (s *scanner) opened() { s.symbols, s.loader, s.types = nil, nil, kmem.Types{} }

func (s *scanner) Close() error {
	var errs []error
	if s.memory != nil {
		errs = append(errs, s.memory.Close())
	}
	if s.tracefs != nil {
		errs = append(errs, s.tracefs.Close())
	}
	return errors.Join(errs...)
}

// watch passes events on, and looks after each that tells of a module: what it has done when it comes, and what of that
// is gone when it goes.
func (s *scanner) watch(yield func(*trace.Event) bool) func(*trace.Event) bool {
	if len(s.scans) == 0 {
		return yield
	}
	return func(e *trace.Event) bool {
		comes := e.EventID == events.DoInitModule.ID
		if !comes && e.EventID != events.ModuleFree.ID {
			return yield(e)
		}
		module := e.Clone() // a consumer may change what it is given
		if !yield(e) {
			return false
		}
		s.module = module
		wanted := s.look(comes, yield)
		if comes {
			s.next = time.Now().Add(afterModule)
		} else {
			s.module = nil
		}
		return wanted
	}
}

// start is the first look.
func (s *scanner) start(yield func(*trace.Event) bool) bool {
	s.next = time.Now().Add(scanInterval)
	return s.look(true, yield)
}

// due looks if it is time.
func (s *scanner) due(yield func(*trace.Event) bool) bool {
	if len(s.scans) == 0 || time.Now().Before(s.next) {
		return true
	}
	s.next = time.Now().Add(scanInterval)
	wanted := s.look(false, yield)
	s.module = nil
	return wanted
}

// look runs all scans. What goes wrong is told once.
func (s *scanner) look(asked bool, yield func(*trace.Event) bool) bool {
	s.number++
	wanted := true
	for i := range s.scans {
		each := &s.scans[i]
		err := each.look(occasion{s.number, asked}, func(fill func(*trace.Builder)) bool {
			if wanted {
				wanted = yield(s.build(each.event, fill))
			}
			return wanted
		})
		if err != nil && (each.err == nil || each.err.Error() != err.Error()) {
			s.log.Warn("the kernel's memory could not be looked at", "event", each.event.Name, "error", err)
		}
		each.err = err
		if !wanted {
			return false
		}
	}
	return true
}

// build makes an event with the context of the module's, if there is one, or of the tracer's own.
func (s *scanner) build(event *events.Event, fill func(*trace.Builder)) *trace.Event {
	if s.module != nil {
		s.narrow = *s.module
		s.narrow.ReturnValue, s.narrow.Rung = 0, trace.NoRung
	} else {
		pid, tid := os.Getpid(), unix.Gettid()
		s.narrow = trace.Event{
			Timestamp: s.now(), ProcessName: narrator, ProcessID: pid, HostProcessID: pid, ThreadID: tid, HostThreadID: tid,
		}
	}
	s.builder.Reset(event.Schema())
	fill(&s.builder)
	s.builder.Finish(&s.narrow)
	return &s.narrow
}

// document stores a value as JSON.
func document(b *trace.Builder, index int, value any) {
	text, err := json.Marshal(value)
	if err != nil { // of numbers and texts it can
		return
	}
	b.Tail(index, text)
}

// changes remembers a list of addresses, and tells whether it is another one.
type changes struct{ last []uint64 }

func (c *changes) differ(addresses []uint64) bool {
	if slices.Equal(c.last, addresses) {
		return false
	}
	c.last = slices.Clone(addresses)
	return true
}

// errNoSymbols is for kernels that do not list what is needed.
func errNoSymbols(what string) error {
	return errors.New("the kernel's symbols do not tell where " + what + " (it needs CONFIG_KALLSYMS_ALL)")
}

// setKernelBounds tells the kernel side where the kernel's code begins and ends, and where its data ends, if an event asks for
// that. Where the kernel hides its addresses, nothing lies outside, and the event sees no hook.
func setKernelBounds(spec *ebpf.CollectionSpec, c Config, from *sources) error {
	if !slices.Contains(c.Events, events.PrintProcFops) {
		return nil
	}
	var start uint64
	textEnd, end := uint64(math.MaxUint64), uint64(math.MaxUint64)
	symbols, err := from.symbols()
	switch {
	case err == nil:
		start, textEnd = symbols.Text()
		_, end = symbols.Image()
	case errors.Is(err, kallsyms.ErrNoAddresses):
		c.Log.Warn("event left out: not available on this kernel", "event", "hooked_proc_fops", "reason", err)
	default:
		return err
	}
	return setVariables(spec, map[string]any{"kernel_start": start, "kernel_text_end": textEnd, "kernel_end": end})
}
