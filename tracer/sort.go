package tracer

import (
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

// SortWindow is how long Config.Sort holds an event back. A record gets its time when its program begins and its place in
// the ring when it ends; what is interrupted or preempted in between for less than that still comes in its turn.
const SortWindow = 100 * time.Millisecond

// What may be held back: beyond either, the oldest goes on its way before its time.
const (
	maxHeld      = 1 << 19
	maxHeldBytes = 128 << 20
)

// sorter puts records into the order of their timestamps, and so those of all CPUs and both rings. Records of the same
// time keep the order in which they came, and with it chunks their place before the record that they belong to.
//
// The bytes are kept in blocks one after the other, and only short entries are moved. A record nearly always belongs at
// the end, so that to look for its place from there is the fastest way.
type sorter struct {
	entries []held // a circle; its length is a power of two
	first   int
	count   int
	bytes   int
	newest  int // timestamp

	current *sortBlock
	free    []*sortBlock

	early uint64 // events that went before their time, for want of room
}

// held is a record, or an event that comes from no ring.
type held struct {
	timestamp int
	event     *trace.Event
	block     *sortBlock
	start     int
	length    int
}

type sortBlock struct {
	bytes []byte
	live  int // records that are still held
}

const (
	sortBlockSize = 256 << 10
	spareBlocks   = 8
)

func newSorter() *sorter { return &sorter{entries: make([]held, 1024)} }

func (h *held) record() []byte { return h.block.bytes[h.start:][:h.length] }

// add takes a copy of a record.
func (s *sorter) add(timestamp int, record []byte) {
	if s.current == nil || len(s.current.bytes)+len(record) > cap(s.current.bytes) {
		s.current = s.emptyBlock(len(record))
	}
	b := s.current
	start := len(b.bytes)
	b.bytes = append(b.bytes, record...)
	b.live++
	s.bytes += len(record)
	s.insert(held{timestamp: timestamp, block: b, start: start, length: len(record)})
}

// addEvent takes a copy of an event.
func (s *sorter) addEvent(e *trace.Event) { s.insert(held{timestamp: e.Timestamp, event: e.Clone()}) }

func (s *sorter) emptyBlock(size int) *sortBlock {
	if n := len(s.free); n > 0 && size <= sortBlockSize {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b
	}
	return &sortBlock{bytes: make([]byte, 0, max(size, sortBlockSize))}
}

func (s *sorter) at(i int) *held { return &s.entries[(s.first+i)&(len(s.entries)-1)] }

func (s *sorter) insert(h held) {
	if s.count == len(s.entries) {
		s.grow()
	}
	i := s.count
	for ; i > 0 && s.at(i-1).timestamp > h.timestamp; i-- {
		*s.at(i) = *s.at(i - 1)
	}
	*s.at(i) = h
	s.count++
	s.newest = max(s.newest, h.timestamp)
}

func (s *sorter) grow() {
	larger := make([]held, 2*len(s.entries))
	n := copy(larger, s.entries[s.first:])
	copy(larger[n:], s.entries[:s.first])
	s.entries, s.first = larger, 0
}

// next returns the oldest if it is from until or before, or if too much is held.
func (s *sorter) next(until int) (h held, ok bool) {
	if s.count == 0 {
		return held{}, false
	}
	oldest := s.at(0)
	if oldest.timestamp > until {
		if s.count < maxHeld && s.bytes < maxHeldBytes {
			return held{}, false
		}
		s.early++
	}
	h = *oldest
	*oldest = held{}
	s.first = (s.first + 1) & (len(s.entries) - 1)
	s.count--
	s.bytes -= h.length
	return h, true
}

// done gives back the memory of a record.
func (s *sorter) done(h *held) {
	b := h.block
	if b == nil {
		return
	}
	if b.live--; b.live > 0 || b == s.current {
		return
	}
	if cap(b.bytes) == sortBlockSize && len(s.free) < spareBlocks {
		b.bytes = b.bytes[:0]
		s.free = append(s.free, b)
	}
}

// sorted holds a record back, and delivers those whose time has come.
func (r *reader) sorted(record []byte, yield func(*trace.Event) bool) bool {
	r.sorter.add(r.decode.timestamp(headerOf(record).Timestamp), record)
	return r.release(r.sorter.newest-int(SortWindow), yield)
}

// sortedEvent is sorted for what comes from no ring.
func (r *reader) sortedEvent(yield func(*trace.Event) bool) func(*trace.Event) bool {
	return func(e *trace.Event) bool {
		r.sorter.addEvent(e)
		return r.release(r.sorter.newest-int(SortWindow), yield)
	}
}

// release delivers what is from until or before. It reports false when the consumer wants no more.
func (r *reader) release(until int, yield func(*trace.Event) bool) bool {
	for {
		h, ok := r.sorter.next(until)
		if !ok {
			return true
		}
		if h.event != nil {
			if !yield(h.event) {
				return false
			}
			continue
		}
		r.buffer = append(r.buffer[:0], h.record()...)
		r.sorter.done(&h)
		if !r.deliver(yield) {
			return false
		}
	}
}
