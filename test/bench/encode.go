package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

const recordedEvents = 4096

// encodeSlice is the time of a turn of one way to encode.
const encodeSlice = 50 * time.Millisecond

// measureEncoding shows what a core can turn from the ring's bytes into JSON and other formats. The records are real ones, of openat.
func measureEncoding(_ context.Context, o options, r *report) error {
	records, err := recordOpenat()
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	ways, size, err := encodingWays(records, null)
	if err != nil {
		return err
	}
	took := make([][]float64, len(ways)) // ns per event
	allocations := make([]float64, len(ways))
	for range o.rounds {
		for i, w := range ways {
			ns, allocated := w.turn(len(records))
			took[i], allocations[i] = append(took[i], ns), allocated
		}
	}
	showEncoding(r, ways, took, allocations, size)
	return nil
}

// recordOpenat takes down records of the ring while the worker opens files.
func recordOpenat() ([][]byte, error) {
	w, err := startWorker()
	if err != nil {
		return nil, err
	}
	openat, _ := events.Lookup("openat")
	var records [][]byte
	t := &tracing{done: make(chan struct{})}
	err = t.start(tracer.Config{
		Events: []*events.Event{openat},
		Record: func(record []byte) {
			if len(records) < recordedEvents {
				records = append(records, slices.Clone(record))
			}
		},
	}, discard)
	if err != nil {
		return nil, err
	}
	l, _ := lookupLoop("open+close")
	if _, err := w.run(l, 2*recordedEvents); err != nil {
		return nil, err
	}
	if _, err := t.end(); err != nil {
		return nil, err
	}
	if len(records) < recordedEvents {
		return nil, fmt.Errorf("recorded %d events of %d", len(records), recordedEvents)
	}
	return records, w.close()
}

// An encodingWay does all events once.
type encodingWay struct {
	name string
	all  func()
	warm int // events before a turn, at least all once
}

// Places in the list of encodingWays.
const (
	wayWhole  = 0
	wayOurs   = 2
	wayTheir  = 3
	wayTable  = 5
	wayGob    = 6
	waySorted = 7
)

// encodingWays returns the ways, and the size of an event's JSON.
func encodingWays(records [][]byte, null *os.File) (ways []encodingWay, size int, err error) {
	d := tracer.NewDecoder()
	var e trace.Event
	var decoded []*trace.Event
	var plain []plainEvent
	var lines [][]byte
	for _, record := range records {
		if !d.Decode(&e, record) {
			return nil, 0, errors.New("a record is none")
		}
		line := append(e.AppendJSON(nil), '\n')
		decoded, plain, lines = append(decoded, e.Clone()), append(plain, newPlainEvent(&e)), append(lines, line)
		size += len(line)
	}
	theirs, err := json.Marshal(&plain[0])
	if err != nil {
		return nil, 0, err
	}
	if ours := bytes.TrimSpace(lines[0]); !bytes.Equal(ours, theirs) {
		return nil, 0, fmt.Errorf("not the same JSON:\n%s\n%s", ours, theirs)
	}
	write := jsonTo(null)
	encoder := json.NewEncoder(newBlocks(null))
	copied := newBlocks(null)
	ways = []encodingWay{
		{name: "decode + JSON", all: func() {
			for _, record := range records {
				d.Decode(&e, record)
				write(&e)
			}
		}},
		{name: "decode alone", all: func() {
			for _, record := range records {
				d.Decode(&e, record)
			}
		}},
		{name: "JSON alone", all: func() {
			for _, e := range decoded {
				write(e)
			}
		}},
		{name: "encoding/json of a plain struct", all: func() {
			for i := range plain {
				_ = encoder.Encode(&plain[i])
			}
		}},
		{name: "copy of the same bytes", all: func() {
			for _, line := range lines {
				_, _ = copied.Write(line)
			}
		}},
	}
	more, err := furtherWays(records, null)
	return append(ways, more...), size / len(records), err
}

// furtherWays are other formats, and JSON in order of time.
func furtherWays(records [][]byte, null *os.File) (ways []encodingWay, err error) {
	for _, format := range []string{"table", "gob"} {
		way, err := printingWay(format, records, null)
		if err != nil {
			return nil, err
		}
		ways = append(ways, way)
	}
	return append(ways, sortingWay(records, jsonTo(null))), nil
}

// printingWay turns the ring's bytes into another format, as the command does.
func printingWay(format string, records [][]byte, null *os.File) (encodingWay, error) {
	printer, err := output.New(format, output.Config{Out: null})
	if err != nil {
		return encodingWay{}, err
	}
	d := tracer.NewDecoder()
	var e trace.Event
	return encodingWay{name: "decode + " + format, all: func() {
		for _, record := range records {
			d.Decode(&e, record)
			e.ParseArguments = format == "table"
			_ = printer.Print(&e)
		}
	}}, nil
}

// sortingWay is JSON in order of time, of a million events a second, so that as many are held back as are on a machine with
// so much to do. The memory that they lie in is used before a turn, because it would be in the midst of such a second, too. One
// in 64 comes 40 µs late; of two processes that open files at once, one in some thousand does.
func sortingWay(records [][]byte, write func(*trace.Event)) encodingWay {
	const apart, late, each = 1000, 40_000, 64 // ns
	d := tracer.NewDecoder()
	now := uint64(late)
	return encodingWay{name: "sort + decode + JSON", warm: 200_000, all: func() {
		for i, record := range records {
			now += apart
			at := now
			if i%each == 0 {
				at -= late
			}
			binary.LittleEndian.PutUint64(record, at) // the time is the first field
			d.Sort(record, write)
		}
	}}
}

// blocks collects what is written, like jsonTo.
type blocks struct {
	file   *os.File
	buffer []byte
}

func newBlocks(file *os.File) *blocks { return &blocks{file, make([]byte, 0, 128<<10)} }

func (b *blocks) Write(line []byte) (int, error) {
	b.buffer = append(b.buffer, line...)
	if len(b.buffer) >= 64<<10 {
		if _, err := b.file.Write(b.buffer); err != nil {
			return 0, err
		}
		b.buffer = b.buffer[:0]
	}
	return len(line), nil
}

// turn repeats all events for a slice of time and returns ns and allocations per event.
func (w encodingWay) turn(n int) (ns, allocations float64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, after runtime.MemStats
	for range max(1, w.warm/n) {
		w.all()
	}
	runtime.ReadMemStats(&before)
	rounds, start := 0, threadTime()
	for ; threadTime()-start < encodeSlice; rounds++ {
		w.all()
	}
	took := threadTime() - start
	runtime.ReadMemStats(&after)
	events := float64(rounds * n)
	return float64(took.Nanoseconds()) / events, float64(after.Mallocs-before.Mallocs) / events
}

func showEncoding(r *report, ways []encodingWay, took [][]float64, allocations []float64, size int) {
	r.begin(fmt.Sprintf("ring bytes to /dev/null, openat, %d bytes of JSON", size),
		"way", "ns per event", "events/s per core", "allocations", "times JSON", "aim")
	ratio := func(i int) float64 {
		var ratios []float64
		for round, ns := range took[i] {
			ratios = append(ratios, ns/took[wayOurs][round])
		}
		return median(ratios)
	}
	aims := make([]string, len(ways))
	aims[wayWhole] = r.aim(median(took[wayWhole]), 1000, "%.0f ns") + ", " + r.aim(allocations[wayWhole], 1, "%.0f allocation")
	aims[wayTheir] = r.aimAtLeast(ratio(wayTheir), 5, "%.0fx")
	aims[wayTable] = r.aim(median(took[wayTable]), 1000, "%.0f ns")
	aims[wayGob] = r.aim(median(took[wayGob]), 1e9/700e3, "%.0f ns")
	aims[waySorted] = r.aim(ratio(waySorted)/ratio(wayWhole), 1.2, "%.2fx of unsorted")
	for i, w := range ways {
		ns := median(took[i])
		r.row(w.name, fmt.Sprintf("%.0f", ns), fmt.Sprintf("%.2f M", 1e3/ns), fmt.Sprintf("%.2f", allocations[i]),
			fmt.Sprintf("%.2fx", ratio(i)), aims[i])
	}
	r.end()
}
