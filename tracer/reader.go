package tracer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/types/trace"
)

// How long the reader waits for more before it looks again. The kernel side wakes it only when a good part of a ring is
// waiting, because a wake-up costs as much as an event: so this is the delay of a lonely event.
const (
	shortWait = 5 * time.Millisecond
	longWait  = 40 * time.Millisecond
	// lossInterval is how often losses that left no gap in the stream are looked for.
	lossInterval = time.Second
)

// reader merges the two rings and turns records into events.
type reader struct {
	rings   [2]*ring
	room    int // records that fit into the rings
	poll    int // epoll descriptor of both rings
	buffer  []byte
	decode  decoder
	chunks  chunks
	losses  *losses
	event   trace.Event
	record  func([]byte)
	due     func() bool // does what is to be done from time to time
	stopped bool
}

func newReader(t *Tracer) (*reader, error) {
	r := &reader{decode: newDecoder(t.config.RelativeTime), record: t.config.Record}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count CPUs: %w", err)
	}
	r.losses = newLosses(t, cpus)
	if r.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make an epoll descriptor: %w", err)
	}
	for i, name := range []string{"critical", "bulk"} {
		if err := r.open(i, t.maps[name]); err != nil {
			return nil, errors.Join(fmt.Errorf("open ring buffer %s: %w", name, err), r.Close())
		}
	}
	return r, nil
}

func (r *reader) open(i int, m *ebpf.Map) (err error) {
	if r.rings[i], err = openRing(m); err != nil {
		return err
	}
	r.room += int(m.MaxEntries()) / headerSize
	// By edge: only a wake-up by the kernel side counts, not that there are records. They may wait, to be read together.
	return unix.EpollCtl(r.poll, unix.EPOLL_CTL_ADD, m.FD(), &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET})
}

// Close frees the rings.
func (r *reader) Close() error {
	errs := []error{unix.Close(r.poll)}
	for _, ring := range r.rings {
		if ring != nil {
			errs = append(errs, ring.close())
		}
	}
	return errors.Join(errs...)
}

// next picks the ring whose record is the older one, nil if both are empty. A record is taken only after the other
// ring was looked at: what caused it is then visible there, whichever ring it went to.
func (r *reader) next() *ring {
	critical, bulk := r.rings[0], r.rings[1]
	first, second := critical.look(), bulk.look()
	if second && !first {
		first = critical.look()
	}
	switch {
	case !first && !second:
		return nil
	case !second, first && critical.header().Timestamp <= bulk.header().Timestamp:
		return critical
	default:
		return bulk
	}
}

// wait blocks until the kernel side wakes the reader, or for the duration.
func (r *reader) wait(d time.Duration) error {
	var events [len(r.rings)]unix.EpollEvent
	_, err := unix.EpollWait(r.poll, events[:], int(d.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for ring buffers: %w", err)
	}
	return nil
}

// Events yields events until the context ends or reading fails; then it delivers what the rings still hold. Err tells
// whether reading failed.
func (t *Tracer) Events(ctx context.Context) iter.Seq[*trace.Event] {
	return func(yield func(*trace.Event) bool) {
		if !t.begin(yield) || !t.before(yield) || !t.scanner.start(yield) {
			return
		}
		t.reader.due = func() bool { return t.scanner.due(yield) }
		t.readErr = t.reader.run(ctx, t.config.Idle, t.scanner.watch(yield))
	}
}

// Err returns the error that ended Events, nil if its context did.
func (t *Tracer) Err() error { return t.readErr }

func (r *reader) run(ctx context.Context, idle func(), yield func(*trace.Event) bool) error {
	for {
		ending := ctx.Err() != nil
		delivered := r.drain(yield)
		if r.stopped || !r.losses.report(yield, ending) || ending || !r.due() {
			return nil
		}
		if delivered == r.room { // and meanwhile the kernel side wrote more
			continue
		}
		if idle != nil {
			idle()
		}
		wait := longWait
		if delivered > 0 {
			wait = shortWait
		}
		if err := r.wait(wait); err != nil {
			return err
		}
	}
}

// drain delivers what is there, but not for ever, and returns how much that was.
func (r *reader) drain(yield func(*trace.Event) bool) int {
	for delivered := range r.room {
		next := r.next()
		if next == nil {
			return delivered
		}
		if !r.deliver(next, yield) {
			r.stopped = true
			return delivered
		}
	}
	return r.room
}

// deliver yields the record of a ring, and before it the losses that its sequence number tells of.
func (r *reader) deliver(from *ring, yield func(*trace.Event) bool) bool {
	if r.losses.gap(from.header()) && !r.losses.reportAt(yield, r.decode.timestamp(from.header().Timestamp)) {
		return false
	}
	r.buffer = from.take(r.buffer)
	if r.chunks.add(headerOf(r.buffer), r.buffer[headerSize:]) {
		return true
	}
	r.buffer = r.chunks.join(r.buffer)
	if r.record != nil {
		r.record(r.buffer)
	}
	if !r.decode.event(&r.event, headerOf(r.buffer), r.buffer[headerSize:]) {
		return true
	}
	r.losses.delivered++
	return yield(&r.event)
}

// headerOf views the header of a record.
func headerOf(record []byte) *bpf.TraceeEventHeader {
	return (*bpf.TraceeEventHeader)(unsafe.Pointer(unsafe.SliceData(record)))
}
