package declared

import (
	"slices"
	"sync/atomic"

	"cel.dev/cel-go/common/types/ref"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tracee-go/tracee/rules/expression"
	"github.com/tracee-go/tracee/rules/lineage"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

// The bounds of what one signature remembers.
const (
	maxEntities = 4096    // processes, trees or containers
	maxPartials = 8       // sequences that one entity has begun and not ended
	maxBytes    = 8 << 20 // of all values
	maxAtLeast  = 10_000
)

// scope says what belongs together.
type scope uint8

const (
	perProcess scope = iota
	perTree
	perContainer
	perHost
)

var scopes = map[string]scope{"process": perProcess, "tree": perTree, "container": perContainer, "host": perHost}

// entity is one process, container and so on.
type entity struct {
	process   lineage.Key
	container string
}

// state is what is remembered of an entity.
type state struct {
	partials []partial
	times    []int          // of a count, oldest first
	values   map[string]int // of distinct: when each was last seen
	bytes    int
}

// partial is a sequence of which some steps have happened.
type partial struct {
	next  int // the step that it waits for
	since int // when it began
	kept  map[string]ref.Val
	bytes int
}

// memory is what a signature remembers, by entity. The one that nothing happened to for longest is forgotten first.
type memory struct {
	order     *simplelru.LRU[entity, *state]
	bytes     int
	latest    int // of all events seen
	window    int
	forgotten *atomic.Uint64
}

func newMemory(forgotten *atomic.Uint64) *memory {
	m := &memory{forgotten: forgotten}
	var err error
	m.order, err = simplelru.NewLRU(maxEntities+1, func(_ entity, s *state) { m.bytes -= s.bytes })
	if err != nil {
		panic(err) // only for a size below 1
	}
	return m
}

// of returns the state of an entity, and makes it.
func (m *memory) of(key entity) *state {
	if s, ok := m.order.Get(key); ok {
		return s
	}
	for m.order.Len() >= maxEntities {
		m.dropOldest()
	}
	s := &state{}
	m.order.Add(key, s)
	return s
}

// dropOldest forgets an entity. That counts unless its time was over.
func (m *memory) dropOldest() {
	_, s, ok := m.order.RemoveOldest()
	if ok && m.latest-s.latest() <= m.window {
		m.forgotten.Add(1)
	}
}

// latest is when something was last added.
func (s *state) latest() int {
	latest := 0
	for _, p := range s.partials {
		latest = max(latest, p.since)
	}
	for _, at := range s.times {
		latest = max(latest, at)
	}
	for _, at := range s.values {
		latest = max(latest, at)
	}
	return latest
}

func (m *memory) grow(s *state, bytes int) {
	s.bytes += bytes
	m.bytes += bytes
	for m.bytes > maxBytes && m.order.Len() > 1 {
		m.dropOldest()
	}
}

func (m *memory) forget(key entity) { m.order.Remove(key) }

// entity is what an event belongs to. A tree is all that descends from the same child of a service, which is a child of
// the first process: a session of somebody who logged in, the worker of a server, a job, a container.
func (s *Signature) entity(e *trace.Event) entity {
	switch s.per {
	case perProcess:
		return entity{process: lineage.KeyOf(e)}
	case perContainer:
		return entity{container: e.ContainerID}
	case perHost:
		return entity{}
	}
	var last [3]lineage.Key // the last ones, the last first
	n, first := 0, false
	s.lineage.Keys(e, func(key lineage.Key, pid int) bool {
		last[2], last[1], last[0] = last[1], last[0], key
		n++
		first = pid == 1
		return true
	})
	if first && n > 1 {
		return entity{process: last[min(n, len(last))-1]}
	}
	return entity{process: last[0]}
}

// advance takes the sequences further that wait for this event, and begins one if it is a first step.
func (s *Signature) advance(event protocol.Event) error {
	e := event.Payload.(*trace.Event)
	m := s.memory
	m.latest, m.window = max(m.latest, e.Timestamp), int(s.within)
	if m.order.Len() > 0 && s.awaited(e) {
		key := s.entity(e)
		if known, ok := m.order.Get(key); ok {
			done, err := s.advanceState(known, e)
			if err != nil {
				return err
			}
			if len(known.partials) == 0 {
				m.order.Remove(key)
			}
			if done {
				return s.report(event)
			}
		}
	}
	s.vars.Kept = nil
	return s.begin(e)
}

// awaited reports whether an event has the name of a later step.
func (s *Signature) awaited(e *trace.Event) bool {
	if s.unless != nil && (s.unless.names == nil || s.unless.names[e.EventName]) {
		return true
	}
	return slices.ContainsFunc(s.steps[1:], func(t *step) bool { return t.names == nil || t.names[e.EventName] })
}

// advanceState reports whether a sequence has come to its end. Its values are those of the variables then.
func (s *Signature) advanceState(known *state, e *trace.Event) (done bool, err error) {
	for i := 0; i < len(known.partials); i++ {
		p := &known.partials[i]
		s.vars.Kept = p.kept
		met, ended := false, e.Timestamp-p.since > int(s.within)
		if !ended && s.unless != nil {
			if ended, err = s.unless.met(&s.vars); err != nil {
				return false, err
			}
		}
		if !ended {
			if met, err = s.steps[p.next].met(&s.vars); err != nil {
				return false, err
			}
		}
		switch {
		case met && p.next == len(s.steps)-1:
			s.remove(known, i)
			return true, nil
		case met:
			if err := s.step(known, p); err != nil {
				return false, err
			}
		case ended:
			s.remove(known, i)
			i--
		}
	}
	return false, nil
}

func (s *Signature) step(known *state, p *partial) error {
	kept, err := s.kept(s.steps[p.next].keep, p.kept)
	if err != nil {
		return err
	}
	p.kept = kept
	p.next++
	more := sizeOf(kept) - p.bytes
	p.bytes += more
	s.memory.grow(known, more)
	return nil
}

func (s *Signature) remove(known *state, i int) {
	s.memory.grow(known, -known.partials[i].bytes)
	known.partials = slices.Delete(known.partials, i, i+1)
}

// begin begins a sequence.
func (s *Signature) begin(e *trace.Event) error {
	first := s.steps[0]
	met, err := first.met(&s.vars)
	if err != nil || !met {
		return err
	}
	kept, err := s.kept(first.keep, nil)
	if err != nil {
		return err
	}
	known := s.memory.of(s.entity(e))
	for i := range known.partials {
		if p := &known.partials[i]; p.next == 1 && same(p.kept, kept) {
			p.since = e.Timestamp
			return nil
		}
	}
	s.makeRoom(known, e.Timestamp)
	p := partial{next: 1, since: e.Timestamp, kept: kept, bytes: sizeOf(kept)}
	known.partials = append(known.partials, p)
	s.memory.grow(known, p.bytes)
	return nil
}

// makeRoom ends the sequences whose time is over, if there are many, and else gives up the oldest.
func (s *Signature) makeRoom(known *state, now int) {
	for i := len(known.partials) - 1; i >= 0 && len(known.partials) >= maxPartials; i-- {
		if now-known.partials[i].since > int(s.within) {
			s.remove(known, i)
		}
	}
	if len(known.partials) >= maxPartials {
		s.remove(known, 0)
		s.forgotten.Add(1)
	}
}

func same(a, b map[string]ref.Val) bool {
	if len(a) != len(b) {
		return false
	}
	for name, value := range a {
		if b[name] == nil || expression.Text(value) != expression.Text(b[name]) {
			return false
		}
	}
	return true
}

// overhead is what a kept value or a time takes besides its text.
const overhead = 64

func sizeOf(kept map[string]ref.Val) int {
	size := overhead
	for name, value := range kept {
		size += overhead + len(name) + len(expression.Text(value))
	}
	return size
}
