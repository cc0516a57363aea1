package tracer

import (
	"math"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

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

	blocks  []sortBlock
	current uint32   // block that is being filled
	free    []uint32 // others that are empty, those with memory last
	spare   int      // how many of them have memory

	events map[uint32]*trace.Event // that come from no ring, by number
	number uint32

	early uint64 // events that went before their time, for want of room
}

// held is a record, or an event that comes from no ring.
type held struct {
	timestamp int
	block     uint32 // or eventBlock
	start     uint32 // or the number of the event
	length    uint32
}

type sortBlock struct {
	bytes []byte
	live  int // records that are still held
}

const (
	sortBlockSize = 2 << 20 // a huge page on most machines
	spareBlocks   = 2       // whose memory is kept
	eventBlock    = math.MaxUint32
)

func newSorter() *sorter {
	return &sorter{entries: make([]held, 1024), blocks: make([]sortBlock, 1), events: map[uint32]*trace.Event{}}
}

// record are the bytes of a record, until done. To append to them copies them.
func (s *sorter) record(h *held) []byte {
	end := h.start + h.length
	return s.blocks[h.block].bytes[h.start:end:end]
}

// add takes a copy of a record.
func (s *sorter) add(timestamp int, record []byte) {
	if b := &s.blocks[s.current]; len(b.bytes)+len(record) > cap(b.bytes) {
		s.current = s.emptyBlock(len(record))
	}
	b := &s.blocks[s.current]
	start := len(b.bytes)
	b.bytes = append(b.bytes, record...)
	b.live++
	s.bytes += len(record)
	s.insert(held{timestamp: timestamp, block: s.current, start: uint32(start), length: uint32(len(record))})
}

// addEvent takes a copy of an event.
func (s *sorter) addEvent(e *trace.Event) {
	s.number++
	s.events[s.number] = e.Clone()
	s.insert(held{timestamp: e.Timestamp, block: eventBlock, start: s.number})
}

// takeEvent returns the event that an entry stands for, nil if it is a record.
func (s *sorter) takeEvent(h *held) *trace.Event {
	if h.block != eventBlock {
		return nil
	}
	e := s.events[h.start]
	delete(s.events, h.start)
	return e
}

// emptyBlock finds a block to fill. The one that was filled before is free as soon as nothing in it is held.
func (s *sorter) emptyBlock(size int) uint32 {
	if s.blocks[s.current].live == 0 {
		s.release(s.current)
	}
	var number uint32
	if n := len(s.free); n > 0 {
		number = s.free[n-1]
		s.free = s.free[:n-1]
		s.spare = max(0, s.spare-1)
	} else {
		number = uint32(len(s.blocks))
		s.blocks = append(s.blocks, sortBlock{})
	}
	if b := &s.blocks[number]; cap(b.bytes) < size {
		b.bytes = newBlockMemory(size)
	}
	return number
}

func (s *sorter) release(number uint32) {
	b := &s.blocks[number]
	if b.bytes = b.bytes[:0]; cap(b.bytes) == sortBlockSize && s.spare < spareBlocks {
		s.free, s.spare = append(s.free, number), s.spare+1
		return
	}
	freeBlockMemory(b.bytes)
	b.bytes = nil
	s.free = append([]uint32{number}, s.free...)
}

// newBlockMemory returns room for a block. A million events a second are some 30 MB held back, which all are written and read
// once, as slowly as the CPU finds the pages: in huge ones it looks up less, and the garbage collector has no part in it. The
// memory of a block that is larger, or that can not be mapped, is the collector's.
func newBlockMemory(size int) []byte {
	if size > sortBlockSize {
		return make([]byte, 0, size)
	}
	mapped, err := unix.MmapPtr(-1, 0, nil, 2*sortBlockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return make([]byte, 0, size)
	}
	before := -uintptr(mapped) % sortBlockSize // to the beginning of a huge page
	block := unsafe.Add(mapped, before)
	if before > 0 {
		_ = unix.MunmapPtr(mapped, before)
	}
	_ = unix.MunmapPtr(unsafe.Add(block, sortBlockSize), sortBlockSize-before)
	bytes := unsafe.Slice((*byte)(block), sortBlockSize)
	_ = unix.Madvise(bytes, unix.MADV_HUGEPAGE) // a kernel without them has other pages
	return bytes[:0]
}

func freeBlockMemory(bytes []byte) {
	if cap(bytes) == sortBlockSize {
		_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(bytes)), sortBlockSize)
	}
}

// close frees the memory of what is held.
func (s *sorter) close() {
	for i := range s.blocks {
		freeBlockMemory(s.blocks[i].bytes)
	}
	s.blocks, s.count = nil, 0
}

func (s *sorter) insert(h held) {
	if s.count == len(s.entries) {
		s.grow()
	}
	mask := len(s.entries) - 1
	at := s.first + s.count
	for ; at > s.first; at-- {
		before := &s.entries[(at-1)&mask]
		if before.timestamp <= h.timestamp {
			break
		}
		s.entries[at&mask] = *before
	}
	s.entries[at&mask] = h
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
	oldest := &s.entries[s.first&(len(s.entries)-1)]
	if s.count == 0 || oldest.timestamp > until && s.count < maxHeld && s.bytes < maxHeldBytes {
		return held{}, false
	}
	if oldest.timestamp > until {
		s.early++
	}
	s.first = (s.first + 1) & (len(s.entries) - 1)
	s.count--
	s.bytes -= int(oldest.length)
	return *oldest, true
}

// done gives back the memory of a record.
func (s *sorter) done(h *held) {
	if h.block == eventBlock {
		return
	}
	b := &s.blocks[h.block]
	if b.live--; b.live == 0 && h.block != s.current {
		s.release(h.block)
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
		if e := r.sorter.takeEvent(&h); e != nil {
			if !yield(e) {
				return false
			}
			continue
		}
		r.buffer = r.sorter.record(&h)
		goOn := r.deliver(yield)
		r.buffer = nil // nobody is to write there
		r.sorter.done(&h)
		if !goOn {
			return false
		}
	}
}
