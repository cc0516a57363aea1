package tracer

import "github.com/tracee-go/tracee/types/trace"

// Decoder decodes records that Config.Record was given, without a kernel: for tests and measurements. A record is only
// good for the build that made it, because it names its event by its place in the catalogue.
type Decoder struct{ decoder }

// NewDecoder returns a decoder for records of this boot.
func NewDecoder() *Decoder { return &Decoder{newDecoder(false)} }

// Decode fills e, which then refers to the record's bytes; it may change them, so that a record can be decoded once. It
// reports false for what is no record.
func (d *Decoder) Decode(e *trace.Event, record []byte) bool {
	if len(record) < headerSize {
		return false
	}
	return d.event(e, headerOf(record), record[headerSize:])
}
