package sink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/courier"
	"github.com/tracee-go/tracee/sink/schema"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// Config says what all destinations of a Set share.
type Config struct {
	Product  schema.Product
	Findings bool                         // the command makes findings; otherwise there are events only
	Stdout   io.Writer                    // nil: os.Stdout
	Gone     func(name string, err error) // called when a destination will never take anything again; may be nil
	Log      *slog.Logger                 // nil is slog.Default
}

// Defaults of queues.
const (
	defaultQueue = 10000
	drain        = 3 * time.Second // how long the end waits for all that is left, in all destinations at once
)

// Set is what destinations are shown. Event and Finding may be called from several goroutines. A nil Set takes nothing.
type Set struct {
	outlets []*outlet
	formats []*written

	events, findings bool // somebody wants them

	mu   sync.Mutex
	head []byte
}

// outlet is a destination that is open.
type outlet struct {
	*Destination
	queue *courier.Queue
	text  *written
}

// written is what an event or a finding looks like in one format.
type written struct {
	schema.Encoder
	text []byte
	done bool
}

// Open opens destinations. An error leaves nothing open.
func Open(destinations []*Destination, c Config) (*Set, error) {
	if len(destinations) == 0 {
		return nil, nil
	}
	s := &Set{}
	formats := map[string]*written{}
	names := map[string]bool{}
	for _, d := range destinations {
		err := d.settle(c.Findings)
		if names[d.Name] {
			err = errors.Join(err, fmt.Errorf("output %s: there are two of this name (give one another by name=)", d.Name))
		}
		names[d.Name] = true
		var queue *courier.Queue
		if err == nil {
			queue, err = d.start(c)
		}
		if err != nil {
			s.Close()
			return nil, err
		}
		if formats[d.Format] == nil {
			f, _ := schema.Lookup(d.Format) // Parse has checked it
			formats[d.Format] = &written{Encoder: f.New(c.Product)}
			s.formats = append(s.formats, formats[d.Format])
		}
		s.outlets = append(s.outlets, &outlet{d, queue, formats[d.Format]})
		s.events, s.findings = s.events || d.Events, s.findings || d.Findings
	}
	return s, nil
}

// settle fills in what is taken.
func (d *Destination) settle(findings bool) error {
	if !d.Events && !d.Findings {
		d.Events, d.Findings = !findings, findings
	}
	if !findings && (d.Findings && !d.Events || d.Severity > 0) {
		return fmt.Errorf("output %s: there are no findings here (tracee and tracee-rules make them)", d.Name)
	}
	d.Findings = d.Findings && findings
	return nil
}

func (d *Destination) start(c Config) (*courier.Queue, error) {
	carrier, err := d.kind.open(d, c)
	if err != nil {
		return nil, fmt.Errorf("output %w", err)
	}
	q := d.queue
	q.Name, q.Carrier, q.Log, q.Drain = d.Name, carrier, c.Log, drain
	if q.Queue == 0 {
		q.Queue = defaultQueue
	}
	if c.Gone != nil {
		q.Gone = func(err error) { c.Gone(d.Name, err) }
	}
	if dir := d.options.spillDir; dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, errors.Join(fmt.Errorf("output %s: %w", d.Name, err), carrier.Close())
		}
		q.Spill = filepath.Join(dir, url.PathEscape(d.Name))
	}
	queue, err := courier.New(q)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("output %s: %w", d.Name, err), carrier.Close())
	}
	return queue, nil
}

// WantsEvents says whether any destination takes events, beside findings.
func (s *Set) WantsEvents() bool { return s != nil && s.events }

// Selection are the events that filters of destinations name: those are to be traced.
func (s *Set) Selection() (selection []*events.Event) {
	if s == nil {
		return nil
	}
	for _, o := range s.outlets {
		if o.Events && o.Filter != nil && o.Filter.Selects() {
			selection = append(selection, o.Filter.Selection(events.Default)...)
		}
	}
	return selection
}

// UsePolicies says for each destination, by its name, one of which policies must be matched; nil: none has to be. It may be called
// again, between two events.
func (s *Set) UsePolicies(of func(destination string) []string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.outlets {
		o.Policies = of(o.Name)
	}
}

// Event shows an event.
func (s *Set) Event(e *trace.Event) {
	if s == nil || !s.events {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin(e, false, -1)
	for _, o := range s.outlets {
		if !o.Admits(e) {
			continue
		}
		if !o.text.done {
			o.text.text, o.text.done = o.text.AppendEvent(o.text.text[:0], e), true
		}
		o.queue.Add(s.head, o.text.text)
	}
}

// Finding shows a finding.
func (s *Set) Finding(f detect.Finding) {
	if s == nil || !s.findings {
		return
	}
	kept := f // only this moves to the heap
	s.finding(&kept)
}

func (s *Set) finding(f *detect.Finding) {
	e, ok := f.Event.Payload.(*trace.Event)
	if !ok {
		e = &trace.Event{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin(e, true, detect.SeverityLevel(f.SigMetadata.Severity()))
	for _, o := range s.outlets {
		if !o.AdmitsFinding(f, e) {
			continue
		}
		if !o.text.done {
			o.text.text, o.text.done = o.text.AppendFinding(o.text.text[:0], f, e), true
		}
		o.queue.Add(s.head, o.text.text)
	}
}

// mostKept bounds what a buffer keeps for the next event: few are larger.
const mostKept = 64 << 10

func (s *Set) begin(e *trace.Event, finding bool, level int) {
	s.head = appendHead(s.head[:0], e, finding, level)
	for _, f := range s.formats {
		f.done = false
		if cap(f.text) > mostKept {
			f.text = nil
		}
	}
}

// Close brings what is left to all destinations, for a few seconds at most. What remains goes to disk, or is counted.
func (s *Set) Close() {
	if s == nil {
		return
	}
	var all sync.WaitGroup
	for _, o := range s.outlets {
		all.Go(o.queue.Close)
	}
	all.Wait()
}

// Stats are the counters of one destination.
type Stats struct {
	Name string
	courier.Stats
}

// Stats may be called from any goroutine.
func (s *Set) Stats() (all []Stats) {
	if s == nil {
		return nil
	}
	for _, o := range s.outlets {
		all = append(all, Stats{o.Name, o.queue.Stats()})
	}
	return all
}

// message is what waits in a queue: a text, and what some carriers want to know of it without reading it.
type message struct {
	time    time.Time
	level   int // of a finding, a place in detect.Severities; -1: none
	finding bool
	name    string // of the event
	text    []byte
}

const headSize = 8 + 1 + 1 + 1 // time, level, finding, length of the name

func appendHead(b []byte, e *trace.Event, finding bool, level int) []byte {
	name := e.EventName[:min(len(e.EventName), 255)]
	kind := byte(0)
	if finding {
		kind = 1
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Timestamp))
	b = append(b, byte(level+1), kind, byte(len(name)))
	return append(b, name...)
}

// messageOf takes apart what waits in a queue. A file may have been damaged: then all of it is text.
func messageOf(text []byte) message {
	if len(text) < headSize || len(text) < headSize+int(text[10]) {
		return message{level: -1, text: text}
	}
	end := headSize + int(text[10])
	return message{
		time:  time.Unix(0, int64(binary.LittleEndian.Uint64(text))),
		level: int(text[8]) - 1, finding: text[9] == 1, name: string(text[headSize:end]), text: text[end:],
	}
}

// bare are the texts of messages alone.
func bare(texts [][]byte) [][]byte {
	list := make([][]byte, len(texts))
	for i, text := range texts {
		list[i] = messageOf(text).text
	}
	return list
}
