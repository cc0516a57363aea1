// Package rules is the detection engine: it shows events to signatures and hands on what they find.
//
// Start from New, and LoadDir for signatures that are files. The engine is synchronous and belongs to one goroutine, the
// one of the stream: Handle returns when every signature that selected the event has seen it, in the order in which the
// signatures were given, each event once. Findings are delivered from within Handle and Close, and own their event.
//
// A signature that returns errors, panics, takes too long or holds too much memory hurts itself only: that is counted, and
// logged once a minute. Rules have limited time and memory for an event, and code that does not promise to be bounded runs
// apart (Isolate); who is too slow or panics three times is no longer called. The engine queues nothing and so loses nothing.
//
// To what a signature finds the engine adds the process and its ancestors and whether events were lost shortly before;
// exceptions take findings out, and repeats may be folded. All times are those of events.
package rules

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tracee-go/tracee/rules/lineage"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// Source is the name of the only source of events.
const Source = "tracee"

// lostEvents is the event that says how many events the tracer could not deliver.
const lostEvents = "lost_events"

// Config says what an engine runs. Only Signatures is required.
type Config struct {
	Signatures []detect.Signature
	// Finding is called for each finding, one at a time, from within Handle and Close.
	Finding func(detect.Finding)
	Log     *slog.Logger // nil is slog.Default

	Exceptions []*Exception
	Files      map[detect.Signature]Place // where signatures are from, for errors about them
	// Repeats is how long a finding stands for others like it, see folder. 0: each is delivered.
	Repeats time.Duration
	// Processes is a proc file system whose processes are known before the first event; empty: none are.
	Processes string
}

// Stats are counters since the start of the engine.
type Stats struct {
	Events     uint64 // events handled
	Signatures uint64 // signatures loaded
	Detections uint64 // findings
	Errors     uint64 // events that a signature failed on, panics included
	Forgotten  uint64 // pieces of state that signatures gave up because their memory is bounded
	Lost       uint64 // events lost by the tracer, as told by lost_events
	Excepted   uint64 // findings that an exception took out
	Repeated   uint64 // findings that an earlier one stands for
	CutOff     uint64 // signatures that are no longer called
}

// namedTargets is who selects the events of a name.
type namedTargets struct {
	name    string
	targets []target
}

// Engine shows events to signatures.
type Engine struct {
	finding func(detect.Finding)
	log     *slog.Logger
	mu      sync.RWMutex // for members, which Apply replaces
	members []*member
	index   map[string][]target  // by event name: who selects it, by name or by "*"
	rest    []target             // who selects every event
	known   [1 << 8]namedTargets // of index and rest, by event id
	inputs  []*regoInput         // shared by Rego signatures for the length of one event
	closed  bool

	processes  *lineage.Table
	exceptions exceptions
	folder     *folder
	losses     losses
	memory     memoryWatch

	events, detections, errors, lost, excepted, repeated, cutOff, forgotten atomic.Uint64
}

// New makes an engine. It is usable whatever the errors are: each of them tells of one signature that was refused.
func New(c Config) (*Engine, []error) {
	g := &Engine{
		finding: c.Finding, log: c.Log, processes: lineage.New(), exceptions: newExceptions(c.Exceptions),
		memory: memoryWatch{heap: memoryHeap, limit: memoryLimit},
	}
	if c.Repeats > 0 {
		g.folder = newFolder(c.Repeats)
	}
	if c.Processes != "" {
		g.processes.Seed(c.Processes)
	}
	if g.finding == nil {
		g.finding = func(detect.Finding) {}
	}
	if g.log == nil {
		g.log = slog.Default()
	}
	var refused []error
	for _, s := range c.Signatures {
		if err := g.add(s); err != nil {
			refused = append(refused, c.named(s, err))
		}
	}
	g.reindex()
	return g, refused
}

// reindex finds who selects what.
func (g *Engine) reindex() {
	g.index, g.rest = indexByName(g.members)
	clear(g.known[:])
}

// named says where a signature is from.
func (c *Config) named(s detect.Signature, err error) error {
	var taken *takenError
	if errors.As(err, &taken) {
		if file, ok := c.Files[taken.by.given]; ok {
			err = fmt.Errorf("%w of %s", err, file)
		}
	}
	if file, ok := c.Files[s]; ok {
		return fmt.Errorf("%s: %w", file, err)
	}
	return err
}

// takenError refuses a signature whose id another one has.
type takenError struct{ refused, by *member }

func (e *takenError) Error() string {
	m := e.refused.metadata
	return fmt.Sprintf("signature %s (%s) is refused: the id is taken by %s", m.ID, m.Name, e.by.metadata.Name)
}

func (g *Engine) add(s detect.Signature) error { return g.addFor(g, s) }

// addFor adds a signature whose findings are another engine's.
func (g *Engine) addFor(owner *Engine, given detect.Signature) error {
	s := apart(given)
	m, err := newMember(s, g.log)
	if err != nil {
		return err
	}
	m.given = given
	for _, other := range g.members {
		if other.metadata.ID == m.metadata.ID {
			return &takenError{m, other}
		}
	}
	if u, ok := s.(interface{ UseLineage(*lineage.Table) }); ok {
		u.UseLineage(g.processes)
	}
	deliver := func(f detect.Finding) {
		if f.SigMetadata.ID == "" {
			f.SigMetadata = m.metadata
		}
		owner.deliver(f)
	}
	if err := m.init(deliver); err != nil {
		return fmt.Errorf("initialise signature %s: %w", m.metadata.ID, err)
	}
	g.shareOf(s)
	g.members = append(g.members, m)
	return nil
}

// shareOf shares what a signature has in common with others.
func (g *Engine) shareOf(s detect.Signature) {
	switch r := s.(type) {
	case *regoSignature:
		g.share(r.input)
	case *aggregated:
		for _, rule := range r.rules {
			g.share(rule.input)
		}
	}
}

// share lets Rego signatures of one directory build their input once per event.
func (g *Engine) share(input *regoInput) {
	for _, known := range g.inputs {
		if known == input {
			return
		}
	}
	if !input.shared { // another goroutine may read it
		input.shared = true
	}
	g.inputs = append(g.inputs, input)
}

// Handle shows an event to the signatures that selected it. They see arguments in the form of parse-arguments, whatever
// the event says; it gets its own setting back.
func (g *Engine) Handle(e *trace.Event) {
	if n := g.events.Add(1); n%memoryStride == 0 {
		g.limitMemory()
	}
	if e.EventName == lostEvents {
		g.countLost(e)
	}
	g.processes.Learn(e)
	if g.folder != nil {
		g.folder.pass(e.Timestamp, g.hand)
	}
	targets := g.targets(e)
	if len(targets) == 0 {
		return
	}
	parse := e.ParseArguments
	e.ParseArguments = true
	g.dispatch(e, targets)
	e.ParseArguments = parse
}

// targets returns who selects an event.
func (g *Engine) targets(e *trace.Event) []target {
	known := &g.known[uint(e.EventID)%uint(len(g.known))]
	if known.name == e.EventName && known.name != "" {
		return known.targets
	}
	*known = namedTargets{e.EventName, g.selecting(e.EventName)}
	return known.targets
}

// selecting returns who selects events of a name.
func (g *Engine) selecting(eventName string) []target {
	if targets, ok := g.index[eventName]; ok {
		return targets
	}
	return g.rest
}

// Ignores reports whether the arguments of events of this name are of no use to anybody. It belongs to the goroutine of Handle.
func (g *Engine) Ignores(eventName string) bool {
	return len(g.selecting(eventName)) == 0 && eventName != lostEvents && !lineage.Needs(eventName)
}

func (g *Engine) dispatch(e *trace.Event, targets []target) {
	origin := e.Origin()
	event := protocol.Event{
		Headers: protocol.EventHeaders{Selector: protocol.Selector{Name: e.EventName, Origin: origin, Source: Source}},
		Payload: e,
	}
	bit := originBit(origin)
	var sifted sifted
	for i := range targets {
		t := &targets[i]
		if t.origins&bit == 0 || t.sieve != nil && !sifted.concerns(t, e) || t.off() {
			continue
		}
		if !t.onEvent(event) {
			g.errors.Add(1)
			g.countCutOff(t.member)
		}
	}
	for _, input := range g.inputs {
		input.forget()
	}
}

// sifted is what the last sieve said of an event.
type sifted struct {
	by        detect.Sieve
	concerned []uint64
	ok        bool
}

// concerns reports whether a signature with a sieve is to see an event.
func (s *sifted) concerns(t *target, e *trace.Event) bool {
	if s.by != t.sieve {
		s.by = t.sieve
		s.sift(e)
	}
	return !s.ok || s.concerned[t.number/64]&(1<<(t.number%64)) != 0
}

// sift asks the sieve. When it panics, all signatures see the event: one of them will do the same, and be to blame.
func (s *sifted) sift(e *trace.Event) {
	defer func() {
		if recover() != nil {
			s.ok = false
		}
	}()
	s.concerned, s.ok = s.by.Sift(e)
}

func (g *Engine) countCutOff(m *member) {
	if m.disabled {
		g.cutOff.Add(1)
	}
}

// memoryStride is how many events pass between two looks at the clock for the sake of memory.
const memoryStride = 1 << 10

func (g *Engine) limitMemory() {
	for _, m := range g.memory.look(g.members) {
		m.back = time.Time{}
		m.release()
		g.countCutOff(m)
	}
}

func (g *Engine) countLost(e *trace.Event) {
	if lost, ok := e.Lookup("lost"); ok && lost.Type().Kind.InSlot() {
		g.lost.Add(lost.Uint())
		g.losses.add(e.Timestamp, lost.Uint())
	}
}

// deliver is the handler of all signatures.
func (g *Engine) deliver(f detect.Finding) {
	e, ok := f.Event.Payload.(*trace.Event)
	if ok && e != nil {
		f.Process = g.processes.Of(e)
		f.LostNearby = g.losses.near(e.Timestamp)
		if g.exceptions.apply(f, e) {
			g.excepted.Add(1)
			return
		}
		f.Event.Payload = e.Clone()
	}
	g.detections.Add(1)
	if g.folder != nil && ok && e != nil && g.folder.repeats(f, g.hand) {
		g.repeated.Add(1)
		return
	}
	g.hand(f)
}

func (g *Engine) hand(f detect.Finding) { g.finding(f) }

// Close tells the signatures that the source is complete, which may make them find something, and then closes them.
func (g *Engine) Close() {
	if g.closed {
		return
	}
	g.closed = true
	for _, m := range g.members {
		if !m.disabled && !m.onSignal(detect.SignalSourceComplete(Source)) {
			g.errors.Add(1)
		}
	}
	for _, m := range g.members {
		m.close()
	}
	if g.folder != nil {
		g.folder.flush(g.hand)
	}
}

// Signatures describes the loaded signatures, in the order in which they see an event.
func (g *Engine) Signatures() []detect.SignatureMetadata {
	return metadataOf(g.current())
}

func metadataOf(members []*member) []detect.SignatureMetadata {
	all := make([]detect.SignatureMetadata, len(members))
	for i, m := range members {
		all[i] = m.metadata
	}
	return all
}

// SelectedEvents returns what the loaded signatures select, in their order. Name and Origin are never empty.
func (g *Engine) SelectedEvents() []detect.SignatureEventSelector {
	return selectorsOf(g.current())
}

func selectorsOf(members []*member) []detect.SignatureEventSelector {
	var all []detect.SignatureEventSelector
	for _, m := range members {
		all = append(all, m.selectors...)
	}
	return all
}

// Stats may be called from any goroutine.
func (g *Engine) Stats() Stats {
	s := Stats{
		Events:     g.events.Load(),
		Signatures: uint64(len(g.current())),
		Forgotten:  g.forgotten.Load(),
		Detections: g.detections.Load(),
		Errors:     g.errors.Load(),
		Lost:       g.lost.Load(),
		Excepted:   g.excepted.Load(),
		Repeated:   g.repeated.Load(),
		CutOff:     g.cutOff.Load(),
	}
	for _, m := range g.current() {
		if m.forgotten != nil {
			s.Forgotten += m.forgotten()
		}
	}
	return s
}
