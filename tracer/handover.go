package tracer

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// A handover is the passage from one tracer to its successor, both of which are attached. What happens is seen by both, by
// the program of one right after that of the other. At a time, the cut, which lies ahead when it is chosen, the successor's
// records begin to count, and the other's cease to. What the two programs saw on either side of the cut is found by
// pairing the records around it: docs/decisions/0015-live-change.md.
type handover struct {
	from, to *Tracer
	cut      uint64 // CLOCK_BOOTTIME, ns
	seed     maphash.Seed
	old, new map[sighting][]*sight
	order    []*sight // the successor's, with records
	held     int      // bytes of these
}

// sighting is what the two records of one occurrence have in common: a thread does one thing at a time. The hash is that of
// what they tell.
type sighting struct {
	event   uint16
	thread  uint32
	content uint64
}

// sight is a record near the cut.
type sight struct {
	at     uint64
	rung   trace.Rung
	record []byte // the successor's only
	chunk  bool
	twin   *sight
}

const (
	// overlap is how long before and after the cut records are paired: longer than a thread waits between the two programs,
	// as when it is preempted there.
	overlap = 200 * time.Millisecond
	// heldMax is how many bytes are held back at most behind the cut: then it is not waited any longer for twins.
	heldMax = 128 << 20
)

// newestFirst are rungs at which the kernel runs the program that was attached last before the others: it puts it at the head
// of the list (bpf_trampoline_link_prog, add_new_kprobe). At the others it goes to the end (tracepoint func_add,
// cgroup_bpf_attach).
var newestFirst = map[trace.Rung]bool{trace.LSM: true, trace.Fentry: true, trace.Kprobe: true}

// successor asks whether another tracer is ready to go on.
func (t *Tracer) successor() bool {
	if t.config.Successor != nil && t.next == nil {
		t.next = t.config.Successor()
	}
	return t.next != nil
}

// handOver delivers what the tracer still has, and what its successor has by then. It reports false when the consumer
// wants no more; begun is called at the cut. The losses of each count on its side of the cut.
func (t *Tracer) handOver(ctx context.Context, yield func(*trace.Event) bool, begun func()) (bool, error) {
	h := &handover{from: t, to: t.next, seed: maphash.MakeSeed(), old: map[sighting][]*sight{}, new: map[sighting][]*sight{}}
	h.to.takeOver(t)
	h.cut = uint64(clock(unix.CLOCK_BOOTTIME)) + uint64(overlap)
	if more, err := h.read(ctx, yield); !more || err != nil {
		return false, err
	}
	h.to.inheritContainers(t)
	ended := t.Stats()
	t.ended = &ended
	begun()
	return h.deliver(yield), nil
}

// read takes the records of both, until all that are older than the cut must have come.
func (h *handover) read(ctx context.Context, yield func(*trace.Event) bool) (more bool, err error) {
	old, fresh := h.from.reader, h.to.reader
	for {
		now := uint64(clock(unix.CLOCK_BOOTTIME))
		over := now > h.cut+uint64(overlap) || now > h.cut && h.held > heldMax || ctx.Err() != nil
		switch {
		case now < h.cut:
			fresh.losses.begin()
		case !old.losses.over && !old.losses.end(yield):
			return false, nil
		}
		taken := old.drain(func(record []byte) bool { return h.fromOld(record, yield) })
		fresh.drain(h.fromNew)
		if old.stopped {
			return false, nil
		}
		if over && taken < old.room {
			break
		}
		if err := old.wait(shortWait); err != nil {
			return false, err
		}
	}
	return old.losses.over || old.losses.end(yield), nil
}

// fromOld takes a record of the tracer that leaves.
func (h *handover) fromOld(record []byte, yield func(*trace.Event) bool) bool {
	r := headerOf(record)
	h.note(h.old, record)
	return r.Timestamp >= h.cut || h.from.reader.accept(record, yield)
}

// fromNew takes a record of the successor.
func (h *handover) fromNew(record []byte) bool {
	r := headerOf(record)
	if r.Timestamp+uint64(overlap) < h.cut {
		h.to.reader.losses.gap(r)
		return true
	}
	s := h.note(h.new, record)
	s.record = slices.Clone(record)
	h.order = append(h.order, s)
	h.held += len(record)
	return true
}

func (h *handover) note(where map[sighting][]*sight, record []byte) *sight {
	r := headerOf(record)
	s := &sight{at: r.Timestamp, rung: trace.Rung(r.Rung), chunk: r.Flags&events.RecordChunk != 0}
	if !s.chunk {
		key := h.sighting(r, record[headerSize:])
		where[key] = append(where[key], s)
	}
	return s
}

func (h *handover) sighting(r *bpf.TraceeEventHeader, body []byte) sighting {
	return sighting{r.Event, r.HostTid, maphash.Bytes(h.seed, body) ^ uint64(r.Retval)}
}

// pair finds, for each sight that comes second, the nearest one that came first.
func pair(first, second []*sight) {
	byTime := func(a, b *sight) int { return cmp.Compare(a.at, b.at) }
	slices.SortStableFunc(first, byTime)
	slices.SortStableFunc(second, byTime)
	var waiting []*sight
	for _, s := range second {
		for len(first) > 0 && first[0].at <= s.at {
			waiting, first = append(waiting, first[0]), first[1:]
		}
		if last := len(waiting) - 1; last >= 0 {
			s.twin, waiting[last].twin = waiting[last], s
			waiting = waiting[:last]
		}
	}
}

// counts says whether a record of the successor is to be delivered: when the other has not delivered what it tells. Chunks are,
// because what they belong to decides.
func (h *handover) counts(s *sight) bool {
	if s.twin != nil {
		return s.twin.at >= h.cut
	}
	return s.chunk || s.at >= h.cut
}

func (h *handover) deliver(yield func(*trace.Event) bool) bool {
	for key, sights := range h.new {
		if newestFirst[sights[0].rung] {
			pair(sights, h.old[key])
		} else {
			pair(h.old[key], sights)
		}
	}
	r := h.to.reader
	for _, s := range h.order {
		if !h.counts(s) {
			r.losses.gap(headerOf(s.record))
			continue
		}
		r.taken = append(r.taken[:0], s.record...)
		if !r.accept(r.taken, yield) {
			r.stopped = true
			return false
		}
	}
	return true
}
