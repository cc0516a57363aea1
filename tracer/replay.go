package tracer

import (
	"math"

	"github.com/tracee-go/tracee/types/trace"
)

// Decoder decodes records that Config.Record was given, without a kernel: for tests and measurements. A record is only
// good for the build that made it, because it names its event by its place in the catalogue.
type Decoder struct {
	decoder
	sorter *sorter
	sorted trace.Event
}

// NewDecoder returns a decoder for records of this boot.
func NewDecoder() *Decoder { return &Decoder{decoder: newDecoder(false)} }

// Decode fills e, which then refers to the record's bytes; it may change them, so that a record can be decoded once. It
// reports false for what is no record.
func (d *Decoder) Decode(e *trace.Event, record []byte) bool {
	if len(record) < headerSize {
		return false
	}
	return d.event(e, headerOf(record), record[headerSize:])
}

// Sort is Decode for records that Config.Sort would hold back: it keeps a copy, and decodes those whose time has come. An
// event is valid during the call of yield.
func (d *Decoder) Sort(record []byte, yield func(*trace.Event)) {
	if len(record) < headerSize {
		return
	}
	if d.sorter == nil {
		d.sorter = newSorter()
	}
	d.sorter.add(d.timestamp(headerOf(record).Timestamp), record)
	d.release(d.sorter.newest-int(SortWindow), yield)
}

// Rest decodes what Sort still holds back, and frees its memory.
func (d *Decoder) Rest(yield func(*trace.Event)) {
	if d.sorter != nil {
		d.release(math.MaxInt, yield)
		d.sorter.close()
		d.sorter = nil
	}
}

func (d *Decoder) release(until int, yield func(*trace.Event)) {
	for {
		h, ok := d.sorter.next(until)
		if !ok {
			return
		}
		if d.Decode(&d.sorted, d.sorter.record(&h)) {
			yield(&d.sorted)
		}
		d.sorter.done(&h)
	}
}
