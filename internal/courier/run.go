package courier

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// run carries batches until the end.
func (q *Queue) run(ctx context.Context) {
	defer close(q.done)
	var texts [][]byte
	for {
		texts = q.next(ctx, texts[:0])
		if len(texts) == 0 || !q.deliver(ctx, texts) {
			return
		}
	}
}

// next waits for a batch; an empty one is the end. The texts stay in the queue.
func (q *Queue) next(ctx context.Context, to [][]byte) [][]byte {
	var full <-chan time.Time
	due := false
	for {
		for ctx.Err() == nil && q.refill() {
		}
		q.mu.Lock()
		waiting, closed := q.front.texts, q.closed
		if waiting > 0 && (q.enough() || closed || due) {
			to = q.front.peek(to, q.Batch, q.BatchBytes)
			q.mu.Unlock()
			return to
		}
		over := q.gone || closed && q.onDisk == 0 && q.moving.texts == 0 && q.back.empty()
		q.mu.Unlock()
		if over {
			return nil
		}
		if waiting > 0 && full == nil {
			full = time.After(linger)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-q.wake:
		case <-full:
			due = true
		}
	}
}

// refill moves texts to the front that came after it: from disk, or if there are none, from behind that. True says that
// there may be more to move.
func (q *Queue) refill() bool {
	if q.spill == nil {
		return false
	}
	q.mu.Lock()
	wanted, onDisk := q.front.texts < q.Batch && q.front.bytes < q.BatchBytes, q.onDisk > 0
	if wanted && !onDisk && q.moving.texts == 0 {
		q.front.give(q.back.take())
	}
	q.mu.Unlock()
	if !wanted || !onDisk {
		return false
	}
	b, err := q.spill.next()
	if err != nil {
		q.Log.Error(q.Name+": what waits on disk can not be read", "error", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if b != nil {
		q.front.give([]*block{b})
	}
	q.onDisk = q.spill.unread.Load()
	return true
}

// keepAll writes what the front has no room for to disk, until the end.
func (q *Queue) keepAll(ctx context.Context) {
	defer close(q.kept)
	for {
		q.mu.Lock()
		blocks := q.back.take()
		q.moving.give(blocks)
		closed := q.closed
		q.mu.Unlock()
		if len(blocks) == 0 {
			if closed {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-q.keep:
			}
			continue
		}
		q.write(blocks)
	}
}

func (q *Queue) write(blocks []*block) {
	for _, b := range blocks {
		switch err := q.spill.write(b.bytes); {
		case err == nil:
			q.spilled.Add(uint64(b.texts))
		default:
			if dropped := q.noSpace.Add(uint64(b.texts)); dropped == uint64(b.texts) {
				q.Log.Error(q.Name+": what waits is dropped from now on; it is counted", "error", err)
			}
		}
	}
	q.mu.Lock()
	q.onDisk, q.moving = q.spill.unread.Load(), fifo{}
	for _, b := range blocks {
		q.back.recycle(b)
	}
	q.mu.Unlock()
	notify(q.wake)
}

// deliver carries a batch until it is taken, or refused for good. False says that it is the end.
func (q *Queue) deliver(ctx context.Context, texts [][]byte) bool {
	for pause := firstPause; ; {
		err := q.carry(ctx, texts)
		texts = q.settle(texts, err)
		if len(texts) == 0 {
			return true
		}
		if errors.Is(err, ErrGone) {
			q.lose(err)
			return false
		}
		if ctx.Err() != nil {
			return false
		}
		q.retried.Add(1)
		var later *Later
		wait := pause/2 + rand.N(pause/2)
		if errors.As(err, &later) && later.After > 0 {
			wait = min(later.After, longPause)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(wait):
		}
		pause = min(2*pause, longPause)
	}
}

// carry tries once. A batch that is too large is carried in halves.
func (q *Queue) carry(ctx context.Context, texts [][]byte) error {
	try, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	err := q.Carrier.Carry(try, texts)
	if !errors.Is(err, ErrTooLarge) {
		return err
	}
	if len(texts) == 1 {
		return &Refusal{err.Error()}
	}
	half := len(texts) / 2
	if err := q.carry(ctx, texts[:half]); err != nil {
		return rest(err, half, len(texts))
	}
	if err := q.carry(ctx, texts[half:]); err != nil {
		return shifted(err, half, len(texts))
	}
	return nil
}

// rest is the error of a batch of which only the first texts were tried.
func rest(err error, tried, all int) error {
	p := asPartial(err, tried)
	for i := tried; i < all; i++ {
		p.Again = append(p.Again, i)
	}
	return p
}

// shifted is the error of a batch whose first texts have arrived.
func shifted(err error, arrived, all int) error {
	p := asPartial(err, all-arrived)
	for i := range p.Again {
		p.Again[i] += arrived
	}
	return p
}

func asPartial(err error, texts int) *Partial {
	var p *Partial
	var refused *Refusal
	if errors.As(err, &p) {
		return p
	}
	p = &Partial{Err: err}
	if errors.As(err, &refused) {
		p.Refused = texts
		return p
	}
	for i := range texts {
		p.Again = append(p.Again, i)
	}
	return p
}

// settle counts what became of a batch, and returns what is to be carried again.
func (q *Queue) settle(texts [][]byte, err error) (again [][]byte) {
	if err == nil {
		q.finish(texts, len(texts), nil)
		q.arrived()
		return nil
	}
	q.complain(err)
	p := asPartial(err, len(texts))
	if len(p.Again) == len(texts) {
		return texts
	}
	// The others stay where they are until the end of this, which may be the end of the queue: they are copied.
	for _, i := range p.Again {
		again = append(again, slices.Clone(texts[i]))
	}
	q.refused.Add(uint64(p.Refused))
	q.finish(texts, len(texts)-len(again)-p.Refused, again)
	return again
}

// finish forgets a batch of which so many have arrived, and which those are left of that are pending.
func (q *Queue) finish(texts [][]byte, arrived int, pending [][]byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.left {
		return // it has been counted as given up
	}
	q.sent.Add(uint64(arrived))
	if q.pending == nil {
		q.front.drop(len(texts))
	}
	q.pending = pending
}

// lose ends the queue, because nobody will ever take anything.
func (q *Queue) lose(err error) {
	q.mu.Lock()
	q.gone = true
	q.mu.Unlock()
	if q.Gone != nil {
		q.Gone(err)
	}
}
