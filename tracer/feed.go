package tracer

import (
	"context"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// runCached is run with a queue: one goroutine takes records out of the rings, and the caller's delivers them. The first
// ends when the context does and the rings are empty, or when the consumer wants no more; the second when the queue is
// empty too.
func (r *reader) runCached(ctx context.Context, idle func(), yield func(*trace.Event) bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	fed := make(chan error, 1)
	go func() {
		fed <- r.feed(ctx)
		r.cache.end()
	}()
	r.deliverCached(idle, yield)
	stop()
	r.cache.giveUp()
	return <-fed
}

// feed puts records into the queue.
func (r *reader) feed(ctx context.Context) error {
	for {
		ending := ctx.Err() != nil
		taken := r.drain(r.cache.put)
		if r.stopped || !r.cache.pause() || ending {
			return nil
		}
		if taken == r.room {
			continue
		}
		wait := longWait
		if taken > 0 {
			wait = shortWait
		}
		if err := r.wait(wait); err != nil {
			return err
		}
	}
}

// deliverCached delivers what the queue holds until its end.
func (r *reader) deliverCached(idle func(), yield func(*trace.Event) bool) {
	for {
		now := r.now()
		block, ended := r.cache.take()
		if block == nil {
			if !r.settle(now-int(longWait), ended, yield) {
				return
			}
			idle()
			r.cache.wait(longWait)
			continue
		}
		all := eachRecord(block, func(record []byte) bool { return r.acceptCached(record, yield) })
		r.cache.taken(block)
		if !all || !r.losses.report(yield, false) || !r.due() {
			return
		}
	}
}

// acceptCached is accept for a record of the queue, whose memory is used again.
func (r *reader) acceptCached(record []byte, yield func(*trace.Event) bool) bool {
	if r.sorter != nil {
		return r.sorted(record, yield)
	}
	r.buffer = append(r.buffer[:0], record...)
	return r.deliver(yield)
}

// earlyExecutions shows executions among the records.
func earlyExecutions(show func(*trace.Event)) func(record []byte) {
	decode := newDecoder(false) // one of its own, for another goroutine
	var e trace.Event
	var own []byte
	return func(record []byte) {
		h := headerOf(record)
		if int(h.Event) != events.SchedProcessExec.Index || h.Flags&events.RecordChunk != 0 {
			return
		}
		own = append(own[:0], record...)
		if decode.event(&e, headerOf(own), own[headerSize:]) {
			show(&e)
		}
	}
}
