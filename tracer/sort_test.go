package tracer

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/tracee-go/tracee/types/trace"
)

// timed is a record with a time, and a number at its end.
func timed(at, number, body int) []byte {
	record := bytes.Repeat([]byte{byte(number)}, headerSize+body+8)
	headerOf(record).Timestamp = uint64(at)
	binary.LittleEndian.PutUint64(record[headerSize+body:], uint64(number))
	return record
}

func numberOf(record []byte) int { return int(binary.LittleEndian.Uint64(record[len(record)-8:])) }

// pop takes out what is from until or before.
func pop(s *sorter, until int) (numbers []int) {
	for {
		h, ok := s.next(until)
		if !ok {
			return numbers
		}
		if e := s.takeEvent(&h); e != nil {
			numbers = append(numbers, e.ReturnValue)
		} else {
			numbers = append(numbers, numberOf(s.record(&h)))
		}
		s.done(&h)
	}
}

func TestWhatComesWithinTheWindowIsSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const window = 1000
		s := newSorter()
		defer s.close()
		var times, got []int
		newest := 0
		for number := range rapid.IntRange(0, 3000).Draw(t, "records") {
			at := max(0, newest+rapid.IntRange(1-window, window/8).Draw(t, "after"))
			newest = max(newest, at)
			times = append(times, at)
			if number%7 == 3 {
				s.addEvent(&trace.Event{Timestamp: at, ReturnValue: number})
			} else {
				s.add(at, timed(at, number, number%900))
			}
			got = append(got, pop(s, newest-window)...)
		}
		got = append(got, pop(s, math.MaxInt)...)
		want := make([]int, len(times))
		for i := range want {
			want[i] = i
		}
		slices.SortStableFunc(want, func(a, b int) int { return times[a] - times[b] })
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if s.count != 0 || s.bytes != 0 || s.early != 0 {
			t.Fatalf("left behind: %d records of %d bytes, %d early", s.count, s.bytes, s.early)
		}
	})
}

func TestTheSorterUsesItsMemoryAgain(t *testing.T) {
	s := newSorter()
	defer s.close()
	record := timed(0, 0, 200)
	for at := range 100_000 {
		s.add(at, record)
		pop(s, at-1000)
	}
	if made := testing.AllocsPerRun(10_000, func() {
		s.add(s.newest+1, record)
		for h, ok := s.next(s.newest - 1000); ok; h, ok = s.next(s.newest - 1000) {
			s.done(&h)
		}
	}); made > 0 {
		t.Errorf("got %v allocations for a record", made)
	}
	kept := 0
	for _, b := range s.blocks {
		kept += cap(b.bytes)
	}
	if kept > (spareBlocks+4)*sortBlockSize || len(s.entries) > 4096 || len(s.events) > 0 {
		t.Errorf("kept %d bytes in %d blocks, %d entries and %d events", kept, len(s.blocks), len(s.entries), len(s.events))
	}
}

func TestAfterAFloodTheSorterKeepsAndUsesAFewBlocks(t *testing.T) {
	s := newSorter()
	defer s.close()
	record := timed(0, 0, 30_000)
	for at := range 20 * sortBlockSize / len(record) {
		s.add(at, record)
	}
	pop(s, math.MaxInt)
	memory := func() (places []*byte) {
		for _, b := range s.blocks {
			if cap(b.bytes) > 0 {
				places = append(places, unsafe.SliceData(b.bytes))
			}
		}
		slices.SortFunc(places, func(a, b *byte) int { return cmp.Compare(uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(b))) })
		return places
	}
	kept := memory()
	if len(kept) > spareBlocks+1 {
		t.Fatalf("kept %d of %d blocks", len(kept), len(s.blocks))
	}
	for range 20 * sortBlockSize / len(record) {
		s.add(s.newest+1, record)
		pop(s, s.newest-10)
	}
	if now := memory(); !slices.Equal(now, kept) {
		t.Errorf("the memory kept was not used again: %v, then %v", kept, now)
	}
}

func TestTheSorterIsBounded(t *testing.T) {
	s := newSorter()
	defer s.close()
	record := timed(0, 0, 30_000)
	released := 0
	for at := range 2 * maxHeldBytes / len(record) {
		s.add(at, record)
		released += len(pop(s, -1))
	}
	if s.bytes > maxHeldBytes+len(record) || released == 0 || s.early != uint64(released) {
		t.Errorf("held %d bytes, let %d go and counted %d", s.bytes, released, s.early)
	}
}

// BenchmarkSorter is what it costs to hold a record back, of a million a second: as many are held as come in the window. One in
// 64 comes 40 µs late.
func BenchmarkSorter(b *testing.B) {
	const apart, late, each = 1000, 40_000, 64 // ns
	s := newSorter()
	defer s.close()
	record := timed(0, 1, 72)
	now, sum := late, 0
	b.SetBytes(int64(len(record)))
	for i := range b.N {
		now += apart
		at := now
		if i%each == 0 {
			at -= late
		}
		s.add(at, record)
		for {
			h, ok := s.next(s.newest - int(SortWindow))
			if !ok {
				break
			}
			for record := s.record(&h); len(record) >= 64; record = record[64:] { // each of its lines
				sum += int(record[8])
			}
			s.done(&h)
		}
	}
	if sum == 0 && b.N > 1<<18 {
		b.Error("nothing came out")
	}
}
