package tracer

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// Reasons for which an event does not arrive.
const (
	RingFull      = "ring_full"      // the reader was too slow
	NoBuffer      = "no_buffer"      // too many programs preempted each other on one CPU
	ProgramMissed = "program_missed" // the kernel did not run the program, because it was already running there
	CacheDamaged  = "cache_damaged"  // the disk did not give back what was written to it; events of any kind
)

// Loss counts the events of one kind that were lost for one reason.
type Loss struct {
	Event  string // or what several events share: a program
	Reason string
	Count  uint64
}

// Stats are totals since the start.
type Stats struct {
	Delivered  uint64 // events that Events yielded, without lost_events
	Lost       []Loss // sorted by event and reason
	Unreadable uint64 // arguments left out because the traced process' memory, or the file that they are in, could not be read
	Cache      CacheStats
	Unsorted   uint64 // events that Config.Sort let go before their time, because too many were held back
	Rings      [2]RingUse
}

// RingUse tells how full a ring is.
type RingUse struct {
	Name string
	Size uint64 // bytes
	Used uint64 // the most that waited when the reader looked, since the last call of Stats
}

// LostTotal sums the losses.
func (s Stats) LostTotal() uint64 {
	var n uint64
	for _, l := range s.Lost {
		n += l.Count
	}
	return n
}

// losses keeps account of what was delivered and what was not.
type losses struct {
	tracer    *Tracer
	expected  [][events.Lanes][2]uint64 // next sequence number per CPU, lane and ring
	delivered uint64
	reported  map[lossKey]uint64
	before    map[lossKey]uint64 // a predecessor's: what was lost when it was still its turn
	closed    []Loss             // what was lost when it was a successor's turn
	over      bool               // it is
	checked   time.Time
	builder   trace.Builder
	event     trace.Event
}

type lossKey struct{ event, reason string }

func newLosses(t *Tracer, cpus int) *losses {
	return &losses{tracer: t, expected: make([][events.Lanes][2]uint64, cpus), reported: map[lossKey]uint64{}, checked: time.Now()}
}

// gap notes the sequence number of a record and reports whether others should have come before it.
func (l *losses) gap(h *bpf.TraceeEventHeader) bool {
	if int(h.Cpu) >= len(l.expected) || h.Lane >= events.Lanes || h.Ring > 1 {
		return false
	}
	expected := &l.expected[h.Cpu][h.Lane][h.Ring]
	missing := h.Sequence != *expected
	*expected = h.Sequence + 1
	return missing
}

// report yields losses that left no gap yet; it looks once a second, or always when the stream ends. It reports false
// when the consumer wants no more.
func (l *losses) report(yield func(*trace.Event) bool, ending bool) bool {
	if !ending && time.Since(l.checked) < lossInterval {
		return true
	}
	return l.reportAt(yield, int(clock(unix.CLOCK_BOOTTIME)+l.tracer.reader.decode.offset))
}

// reportAt yields a lost_events record per event and reason whose count has grown.
func (l *losses) reportAt(yield func(*trace.Event) bool, timestamp int) bool {
	if l.over {
		return true
	}
	l.checked = time.Now()
	l.tracer.noteDetached()
	for _, loss := range l.tracer.lost() {
		key := lossKey{loss.Event, loss.Reason}
		grown := loss.Count - l.reported[key]
		if grown == 0 {
			continue
		}
		l.reported[key] = loss.Count
		l.builder.Reset(events.LostEvents.Schema())
		l.builder.Text(0, loss.Event)
		l.builder.Slot(1, grown)
		l.builder.Text(2, loss.Reason)
		l.event = trace.Event{Timestamp: timestamp, ProcessName: "tracee"}
		l.builder.Finish(&l.event)
		if !yield(&l.event) {
			return false
		}
	}
	return true
}

// Stats returns the totals. It may be called while Events runs only from its consumer.
func (t *Tracer) Stats() Stats {
	if t.ended != nil {
		return *t.ended
	}
	s := Stats{Delivered: t.reader.losses.delivered, Lost: t.reader.losses.total()}
	for _, e := range t.config.Events {
		s.Unreadable += t.counters(e).Unreadable
	}
	if t.reader.copies != nil {
		s.Unreadable += t.reader.copies.unreadable.Load()
	}
	if t.reader.cache != nil {
		s.Cache = t.reader.cache.total()
	}
	if t.reader.sorter != nil {
		s.Unsorted = t.reader.sorter.early
	}
	for i, name := range ringNames {
		ring := t.reader.rings[i]
		s.Rings[i] = RingUse{Name: name, Size: uint64(len(ring.data)), Used: ring.waiting.Swap(0)}
	}
	return s
}

// total is what was lost when it was this tracer's turn.
func (l *losses) total() []Loss {
	if l.over {
		return l.closed
	}
	var own []Loss
	for _, loss := range l.tracer.lost() {
		loss.Count -= l.before[lossKey{loss.Event, loss.Reason}]
		if loss.Count > 0 {
			own = append(own, loss)
		}
	}
	return own
}

// begin makes what was lost up to now a predecessor's. It may be called again, until it is this tracer's turn.
func (l *losses) begin() {
	l.before = map[lossKey]uint64{}
	for _, loss := range l.tracer.lost() {
		l.before[lossKey{loss.Event, loss.Reason}] = loss.Count
	}
	l.reported = maps.Clone(l.before)
}

// end reports for the last time: what is lost from now on is a successor's. It reports false when the consumer wants no more.
func (l *losses) end(yield func(*trace.Event) bool) bool {
	wanted := l.report(yield, true)
	l.closed, l.over = l.total(), true
	return wanted
}

// Add adds the totals of another tracer. What is no total is that one's.
func (s Stats) Add(other Stats) Stats {
	sum := other
	sum.Delivered += s.Delivered
	sum.Unreadable += s.Unreadable
	sum.Unsorted += s.Unsorted
	counts := map[lossKey]uint64{}
	for _, l := range slices.Concat(s.Lost, other.Lost) {
		counts[lossKey{l.Event, l.Reason}] += l.Count
	}
	sum.Lost = nil
	for key, count := range counts {
		sum.Lost = append(sum.Lost, Loss{key.event, key.reason, count})
	}
	sortLosses(sum.Lost)
	return sum
}

// lost reads the counts of all losses.
func (t *Tracer) lost() []Loss {
	var lost []Loss
	add := func(event, reason string, count uint64) {
		if count > 0 {
			lost = append(lost, Loss{event, reason, count})
		}
	}
	for _, e := range t.config.Events {
		c := t.counters(e)
		add(e.Name, RingFull, c.LostRingFull)
		add(e.Name, NoBuffer, c.LostNoBuffer)
	}
	if c := t.reader.cache; c != nil {
		add("cache", CacheDamaged, c.total().LostRecords)
	}
	for event, count := range t.missed() {
		add(event, ProgramMissed, count)
	}
	sortLosses(lost)
	return lost
}

func sortLosses(lost []Loss) {
	slices.SortFunc(lost, func(a, b Loss) int {
		return cmp.Or(cmp.Compare(a.Event, b.Event), cmp.Compare(a.Reason, b.Reason))
	})
}

// counters sums the counters of an event over the CPUs; zero when they can not be read, as after Close.
func (t *Tracer) counters(e *events.Event) bpf.TraceeEventCounters {
	var sum bpf.TraceeEventCounters
	counters := t.maps["counters"]
	if counters == nil {
		return sum
	}
	var perCPU []bpf.TraceeEventCounters
	if err := counters.Lookup(uint32(e.Index), &perCPU); err != nil {
		return sum
	}
	for i := range perCPU {
		sum.LostRingFull += perCPU[i].LostRingFull
		sum.LostNoBuffer += perCPU[i].LostNoBuffer
		sum.Unreadable += perCPU[i].Unreadable
	}
	return sum
}
