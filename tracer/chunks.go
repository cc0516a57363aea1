package tracer

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// chunks holds what came of long arguments, see bpf/lib/block.h, until the record that they belong to: the next one of
// the same lane. What is kept is at most some arguments of 128 KiB for each lane, and nothing as a rule.
type chunks struct {
	lanes map[lane]*chunked
}

type lane struct {
	cpu  uint16
	lane uint8
	ring uint8
}

// chunked is what came of the arguments of one event.
type chunked struct {
	event     uint16
	timestamp uint64
	arguments map[int][]byte
}

func laneOf(h *bpf.TraceeEventHeader) lane { return lane{h.Cpu, h.Lane, h.Ring} }

// add keeps the record if it is a chunk.
func (c *chunks) add(h *bpf.TraceeEventHeader, body []byte) bool {
	if h.Flags&events.RecordChunk == 0 {
		return false
	}
	index := bits.TrailingZeros64(h.Present)
	if index >= trace.MaxFields || int(h.Size) > len(body) {
		return true
	}
	pending := c.lanes[laneOf(h)]
	if pending == nil || pending.event != h.Event || pending.timestamp != h.Timestamp { // whose event was lost
		pending = &chunked{event: h.Event, timestamp: h.Timestamp, arguments: map[int][]byte{}}
		if c.lanes == nil {
			c.lanes = map[lane]*chunked{}
		}
		c.lanes[laneOf(h)] = pending
	}
	pending.arguments[index] = append(pending.arguments[index], body[:h.Size]...)
	return true
}

// join returns the record with its arguments whole: each that has chunks goes to the end.
func (c *chunks) join(record []byte) []byte {
	if len(c.lanes) == 0 {
		return record
	}
	h := headerOf(record)
	pending := c.lanes[laneOf(h)]
	if pending == nil {
		return record
	}
	delete(c.lanes, laneOf(h))
	if pending.event != h.Event || pending.timestamp != h.Timestamp {
		return record
	}
	stack := slices.Clone(record[headerSize+int(h.Size):]) // it stays the last
	record = record[:headerSize+int(h.Size)]
	for index, rest := range pending.arguments {
		record = lengthen(record, index, rest)
	}
	headerOf(record).Size = uint32(len(record) - headerSize)
	return append(record, stack...)
}

// lengthen adds bytes to an argument, which lies in the tail and is moved to its end for that.
func lengthen(record []byte, index int, rest []byte) []byte {
	body := record[headerSize:]
	slot := body[index*8 : index*8+8]
	start, length := binary.LittleEndian.Uint32(slot), binary.LittleEndian.Uint32(slot[4:])
	binary.LittleEndian.PutUint32(slot, uint32(len(body)))
	binary.LittleEndian.PutUint32(slot[4:], length+uint32(len(rest)))
	record = append(record, body[start:start+length]...)
	return append(record, rest...)
}
