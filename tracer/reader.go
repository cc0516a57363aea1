package tracer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/types/trace"
)

// How long the reader waits for more before it looks again. The kernel side wakes it only when a good part of the
// critical ring is waiting, because a wake-up costs as much as an event: so this is the delay of a lonely event.
const (
	shortWait = 5 * time.Millisecond
	longWait  = 40 * time.Millisecond
	// lossInterval is how often losses that left no gap in the stream are looked for.
	lossInterval = time.Second
)

const headerSize = int(unsafe.Sizeof(bpf.TraceeEventHeader{}))

// ring is one ring buffer with the record that was read from it but not yet delivered.
type ring struct {
	reader *ringbuf.Reader
	record ringbuf.Record
	full   bool // record is to be delivered
}

// header views the record's header; the record is at least that long.
func (r *ring) header() *bpf.TraceeEventHeader {
	return (*bpf.TraceeEventHeader)(unsafe.Pointer(unsafe.SliceData(r.record.RawSample)))
}

// fill reads the next record if there is one, without waiting.
func (r *ring) fill() error {
	for !r.full && r.reader.AvailableBytes() > 0 {
		r.reader.SetDeadline(time.Unix(1, 0))
		err := r.reader.ReadInto(&r.record)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read ring buffer: %w", err)
		}
		r.full = len(r.record.RawSample) >= headerSize
	}
	return nil
}

// wait blocks until the ring has something, or for the duration.
func (r *ring) wait(d time.Duration) error {
	r.reader.SetDeadline(time.Now().Add(d))
	err := r.reader.ReadInto(&r.record)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read ring buffer: %w", err)
	}
	r.full = len(r.record.RawSample) >= headerSize
	return nil
}

// reader merges the two rings and turns records into events.
type reader struct {
	rings   [2]ring
	decode  decoder
	losses  *losses
	event   trace.Event
	record  func([]byte)
	stopped bool
}

func newReader(t *Tracer) (*reader, error) {
	r := &reader{decode: newDecoder(t.config.RelativeTime), record: t.config.Record}
	for i, name := range []string{"critical", "bulk"} {
		ringReader, err := ringbuf.NewReader(t.maps[name])
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open ring buffer %s: %w", name, err), r.Close())
		}
		r.rings[i].reader = ringReader
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("count CPUs: %w", err), r.Close())
	}
	r.losses = newLosses(t, cpus)
	return r, nil
}

// Close frees the rings.
func (r *reader) Close() error {
	var errs []error
	for i := range r.rings {
		if r.rings[i].reader != nil {
			errs = append(errs, r.rings[i].reader.Close())
		}
	}
	return errors.Join(errs...)
}

// next picks the ring whose record is the older one, nil if both are empty. A record is looked at only after the other
// ring was: what caused it is then visible there, whichever ring it went to.
func (r *reader) next() (*ring, error) {
	a, b := &r.rings[0], &r.rings[1]
	if err := a.fill(); err != nil {
		return nil, err
	}
	if err := b.fill(); err != nil {
		return nil, err
	}
	if b.full && !a.full {
		if err := a.fill(); err != nil {
			return nil, err
		}
	}
	switch {
	case !a.full && !b.full:
		return nil, nil
	case !b.full, a.full && a.header().Timestamp <= b.header().Timestamp:
		return a, nil
	default:
		return b, nil
	}
}

// Events yields events until the context ends or reading fails; then it delivers what the rings still hold. Err tells
// whether reading failed.
func (t *Tracer) Events(ctx context.Context) iter.Seq[*trace.Event] {
	return func(yield func(*trace.Event) bool) {
		t.readErr = t.reader.run(ctx, t.config.Idle, yield)
	}
}

// Err returns the error that ended Events, nil if its context did.
func (t *Tracer) Err() error { return t.readErr }

func (r *reader) run(ctx context.Context, idle func(), yield func(*trace.Event) bool) error {
	wait := longWait
	for {
		ending := ctx.Err() != nil
		delivered, err := r.drain(yield)
		if err != nil || r.stopped {
			return err
		}
		if !r.losses.report(yield, ending) || ending {
			return nil
		}
		if idle != nil {
			idle()
		}
		wait = longWait
		if delivered {
			wait = shortWait
		}
		if err := r.rings[0].wait(wait); err != nil {
			return err
		}
	}
}

// drain delivers what is there; it reports whether that was anything.
func (r *reader) drain(yield func(*trace.Event) bool) (delivered bool, err error) {
	for {
		next, err := r.next()
		if next == nil || err != nil {
			return delivered, err
		}
		if !r.deliver(next, yield) {
			r.stopped = true
			return true, nil
		}
		delivered = true
	}
}

// deliver yields the record of a ring, and before it the losses that its sequence number tells of.
func (r *reader) deliver(from *ring, yield func(*trace.Event) bool) bool {
	header := from.header()
	if r.losses.gap(header) && !r.losses.reportAt(yield, r.decode.timestamp(header.Timestamp)) {
		return false
	}
	from.full = false
	if r.record != nil {
		r.record(from.record.RawSample)
	}
	if !r.decode.event(&r.event, header, from.record.RawSample[headerSize:]) {
		return true
	}
	r.losses.delivered++
	return yield(&r.event)
}
