package tracer

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// fakeRing is a ring in memory with a kernel side.
type fakeRing struct {
	ring
	produced uint64
}

func newFakeRing(size int) *fakeRing {
	return &fakeRing{ring: ring{consumer: make([]byte, 8), producer: make([]byte, 8), data: make([]byte, size)}}
}

// write adds a record as the kernel does, and reports false when the ring is full.
func (f *fakeRing) write(record []byte, bits uint32) bool {
	need := uint64(ringWord+len(record)+7) &^ 7
	if f.produced+need-binary.LittleEndian.Uint64(f.consumer) > uint64(len(f.data)) {
		return false
	}
	words := binary.LittleEndian.AppendUint64(nil, uint64(uint32(len(record))|bits))
	for i, b := range append(words, record...) {
		f.data[(f.produced+uint64(i))&uint64(len(f.data)-1)] = b
	}
	f.produced += need
	binary.LittleEndian.PutUint64(f.producer, f.produced)
	return true
}

// numbered is a record whose header and body are full of n.
func numbered(n, body int) []byte { return bytes.Repeat([]byte{byte(n)}, headerSize+body) }

func TestRingGivesRecordsAsTheyWereWritten(t *testing.T) {
	f := newFakeRing(1024)
	var buffer []byte
	for n := range 200 { // over the end of the ring at every offset
		record := numbered(n, n%97)
		if !f.write(record, 0) {
			t.Fatalf("record %d: the ring is full: what was taken was not given back", n)
		}
		for range 2 { // looking does not take
			if !f.look() {
				t.Fatalf("record %d is not there", n)
			}
		}
		if got, want := *f.header(), uint8(n); got.Rung != want || got.Uts[15] != int8(want) {
			t.Errorf("record %d: got the header %+v", n, got)
		}
		if buffer = f.take(buffer); !bytes.Equal(buffer, record) {
			t.Errorf("record %d: got %x", n, buffer)
		}
		if f.look() {
			t.Fatalf("a record behind record %d", n)
		}
	}
}

func TestRingPassesOverDiscardedRecords(t *testing.T) {
	f := newFakeRing(4096)
	f.write(numbered(1, 0), ringDiscard)
	f.write([]byte("too short"), 0)
	f.write(numbered(2, 0), 0)
	if !f.look() || f.header().Rung != 2 {
		t.Error("the record behind them is not there")
	}
}

func TestRingWaitsForARecordThatIsBeingWritten(t *testing.T) {
	f := newFakeRing(4096)
	f.write(numbered(1, 0), ringBusy)
	if f.look() {
		t.Error("got a record that is not complete")
	}
	binary.LittleEndian.PutUint32(f.data, uint32(headerSize))
	if !f.look() {
		t.Error("did not get it when it was")
	}
}
