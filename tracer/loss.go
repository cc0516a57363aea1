package tracer

import (
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
	Unreadable uint64 // arguments left out because the traced process' memory could not be read
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
	l.checked = time.Now()
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
	s := Stats{Delivered: t.reader.losses.delivered, Lost: t.lost()}
	for _, e := range t.config.Events {
		s.Unreadable += t.counters(e).Unreadable
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
	slices.SortFunc(lost, func(a, b Loss) int {
		if a.Event != b.Event {
			if a.Event < b.Event {
				return -1
			}
			return 1
		}
		if a.Reason < b.Reason {
			return -1
		}
		return 1
	})
	return lost
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
