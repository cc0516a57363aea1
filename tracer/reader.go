package tracer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
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

// ringNames are the maps of the rings, by the number that records carry.
var ringNames = [...]string{"critical", "bulk"}

// reader merges the two rings and turns records into events. With a cache, another goroutine takes the records out of the
// rings, see feed.go.
type reader struct {
	rings   [2]*ring
	room    int    // records that fit into the rings
	poll    int    // epoll descriptor of both rings
	taken   []byte // a record from the rings
	buffer  []byte // the record that is delivered
	decode  decoder
	chunks  chunks
	losses  *losses
	sorter  *sorter // nil: records are delivered as they come
	cache   *cache  // nil: there is no queue but the rings
	event   trace.Event
	record  func([]byte)
	early   func([]byte) // is shown every record when it comes from the rings
	copies  *copies      // finds bytes that records only tell the place of; nil: there are none
	succeed func() bool  // says whether another reader is to go on
	due     func() bool  // does what is to be done from time to time
	stopped bool
}

func newReader(t *Tracer) (*reader, error) {
	r := &reader{decode: newDecoder(t.config.RelativeTime), record: t.config.Record}
	r.decode.filePaths = t.config.FilePaths
	if t.config.Executed != nil {
		r.early = earlyExecutions(t.config.Executed)
	}
	if slices.Contains(t.config.Events, events.MagicWrite) {
		r.copies = newCopies()
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count CPUs: %w", err)
	}
	r.losses = newLosses(t, cpus)
	if t.config.Sort {
		r.sorter = newSorter()
	}
	if r.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make an epoll descriptor: %w", err)
	}
	for i, name := range ringNames {
		if err := r.open(i, t.maps[name]); err != nil {
			return nil, errors.Join(fmt.Errorf("open ring buffer %s: %w", name, err), r.Close())
		}
	}
	if t.config.Cache.enabled() {
		if r.cache, err = newCache(t.config.Cache, t.log); err != nil {
			return nil, errors.Join(err, r.Close())
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
	if r.cache != nil {
		errs = append(errs, r.cache.Close())
	}
	if r.sorter != nil {
		r.sorter.close()
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
		for t := t; t != nil; t = t.read(ctx, yield) {
		}
	}
}

// read yields the events of one tracer. It returns the one that goes on, nil if this is the end.
func (t *Tracer) read(ctx context.Context, yield func(*trace.Event) bool) (next *Tracer) {
	r := t.reader
	made := yield // takes events that come from no ring
	if r.sorter != nil {
		made = r.sortedEvent(yield)
	}
	if !t.begin(made) || !t.before(made) || !t.takesScans && !t.scanner.start(made) {
		return nil
	}
	r.due = func() bool { return t.scanner.due(made) && t.tick(made) }
	r.succeed = t.successor
	watch := t.scanner.watch(yield)
	if t.readErr = r.run(ctx, t.config.Idle, watch); t.next == nil || t.readErr != nil || r.stopped {
		return nil
	}
	var more bool
	if more, t.readErr = t.handOver(ctx, watch, t.next.begun); !more || t.readErr != nil {
		return nil
	}
	return t.next
}

// begun is called at the cut, before the first event of a successor.
func (t *Tracer) begun() {
	if t.config.Succeeded != nil {
		t.config.Succeeded(t)
	}
}

// Err returns the error that ended Events, nil if its context did.
func (t *Tracer) Err() error { return t.readErr }

func (r *reader) run(ctx context.Context, idle func(), yield func(*trace.Event) bool) error {
	if idle == nil {
		idle = func() {}
	}
	if r.cache != nil {
		return r.runCached(ctx, idle, yield)
	}
	for {
		ending := ctx.Err() != nil
		now := r.now()
		delivered := r.drain(func(record []byte) bool { return r.accept(record, yield) })
		if r.stopped || !r.settle(now, ending, yield) || r.succeed != nil && r.succeed() {
			return nil
		}
		if delivered == r.room { // and meanwhile the kernel side wrote more
			continue
		}
		idle()
		wait := longWait
		if delivered > 0 {
			wait = shortWait
		}
		if err := r.wait(wait); err != nil {
			return err
		}
	}
}

// now is the time for events.
func (r *reader) now() int { return r.decode.timestamp(uint64(clock(unix.CLOCK_BOOTTIME))) }

// settle does what is to be done when everything that there was at a time has been accepted. It reports false at the end.
func (r *reader) settle(now int, ending bool, yield func(*trace.Event) bool) bool {
	if r.sorter != nil {
		until := now - int(SortWindow)
		if ending {
			until = math.MaxInt
		}
		if !r.release(until, yield) {
			return false
		}
	}
	return r.losses.report(yield, ending) && !ending && r.due()
}

// drain takes what the rings hold, but not for ever, and returns how much that was.
func (r *reader) drain(accept func(record []byte) bool) int {
	for taken := range r.room {
		next := r.next()
		if next == nil {
			return taken
		}
		r.taken = next.take(r.taken)
		if r.copies != nil {
			r.copies.fill(r.taken)
		}
		if r.early != nil {
			r.early(r.taken)
		}
		if !accept(r.taken) {
			r.stopped = true
			return taken
		}
	}
	return r.room
}

// accept delivers a record that comes from the rings, or holds it back to be sorted.
func (r *reader) accept(record []byte, yield func(*trace.Event) bool) bool {
	if r.sorter != nil {
		return r.sorted(record, yield)
	}
	r.buffer, r.taken = r.taken, r.buffer
	return r.deliver(yield)
}

// deliver yields the record in the buffer, and before it the losses that its sequence number tells of.
func (r *reader) deliver(yield func(*trace.Event) bool) bool {
	h := headerOf(r.buffer)
	if r.losses.gap(h) && !r.losses.reportAt(yield, r.decode.timestamp(h.Timestamp)) {
		return false
	}
	if r.chunks.add(h, r.buffer[headerSize:]) {
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
