// Package courier brings texts to somebody who may be slow, broken or gone, from goroutines of its own, so that nobody else is
// delayed.
//
// Start from New, Add and Close. What is added waits in a bounded queue, and is handed in order to a Carrier, which knows how
// to reach whom. A try that fails is repeated, at growing intervals, until the texts are taken; only a Refusal ends that. What
// the memory can not hold goes to disk, if there is a place for it (spill.go), and from there to the carrier, also by the next
// run; otherwise it is dropped, and counted. Texts arrive at least once: what was not confirmed is sent again.
//
// Poster is what carriers that use HTTP share.
package courier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Carrier brings texts to where they shall be.
type Carrier interface {
	// Carry brings texts, and returns nil when all of them have arrived. It ends early when the context does. Any error other
	// than Refusal, Partial and ErrTooLarge means that none arrived, and that it is worth to try again. The texts are valid
	// until it returns.
	Carry(ctx context.Context, texts [][]byte) error
	// Close is called once, after the last Carry. It does not wait.
	Close() error
}

// Refusal is an error after which there is no use in trying again with the same texts.
type Refusal struct{ Reason string }

func (r *Refusal) Error() string { return r.Reason }

// Partial is an error of some texts only; the others have arrived.
type Partial struct {
	Again   []int // those that are to be tried again, in order
	Refused int   // those for which there is no use in that
	Err     error
}

func (p *Partial) Error() string { return p.Err.Error() }

// Later is an error of somebody who says when to try again.
type Later struct {
	After time.Duration
	Err   error
}

func (l *Later) Error() string { return l.Err.Error() }

var (
	// ErrTooLarge says that the same texts could be taken in smaller batches.
	ErrTooLarge = errors.New("the batch is too large")
	// ErrGone says that nothing will ever be taken any more.
	ErrGone = errors.New("gone for good")
)

// Config says how to bring texts. Name and Carrier are required.
type Config struct {
	Name    string // for the log
	Carrier Carrier

	Queue      int           // how many texts wait in memory; 0: 1000
	QueueBytes int64         // how many bytes; 0: 8 MiB
	Batch      int           // how many texts are carried at once at most; 0: 1
	BatchBytes int64         // and how many bytes, but one text at least; 0: 1 MiB
	Timeout    time.Duration // of one try; 0: 5 s
	Drain      time.Duration // how long Close waits for what is left; 0: Timeout
	Spill      string        // path of the queue on disk; empty: none
	SpillMax   int64         // its largest size; 0: 64 MiB

	Gone func(error)  // called once when the carrier is gone for good; may be nil
	Log  *slog.Logger // nil is slog.Default
}

// Defaults of Config.
const (
	DefaultQueue      = 1000
	DefaultQueueBytes = 8 << 20
	DefaultBatchBytes = 1 << 20
	DefaultTimeout    = 5 * time.Second
	DefaultSpillMax   = 64 << 20
)

const (
	firstPause = 100 * time.Millisecond // before texts are carried again
	longPause  = 10 * time.Second
	linger     = time.Second            // how long a batch waits to become full
	patience   = 500 * time.Millisecond // how long a carrier may take to notice that its time is up
	logEvery   = time.Minute
)

// Stats are counters since the start, and what waits now.
type Stats struct {
	Sent    uint64 // texts that arrived
	Retried uint64 // tries that were repeated
	Spilled uint64 // texts that went to disk

	Full    uint64 // texts dropped because memory had no room
	NoSpace uint64 // texts dropped because the disk had none, or failed
	Refused uint64 // texts that will never be taken
	Left    uint64 // texts that were left at the end, and not kept on disk

	Queued, QueuedBytes uint64 // what waits in memory
	OnDisk              uint64 // bytes that wait on disk
}

// Dropped is all that did not arrive and never will.
func (s Stats) Dropped() uint64 { return s.Full + s.NoSpace + s.Refused + s.Left }

// Queue is what waits for a carrier.
type Queue struct {
	Config
	spill  *spill // nil: there is none
	cancel context.CancelFunc
	done   chan struct{}
	kept   chan struct{} // closed when the keeper has ended
	end    sync.Once
	wake   chan struct{} // something is waiting, or the end has come
	keep   chan struct{} // the same, for the keeper

	mu      sync.Mutex
	front   fifo     // what is carried next
	back    fifo     // what came after that which is on disk
	moving  fifo     // what the keeper is writing, which was in back
	onDisk  int64    // bytes
	pending [][]byte // of the batch that is being carried, when a part of it has arrived
	closed  bool
	gone    bool // the carrier will never take anything any more
	left    bool // what was left has been saved

	sent, retried, spilled, full, noSpace, refused, lost atomic.Uint64

	logged  time.Time
	failing time.Time // since when; zero: all is well
}

// New makes a queue and starts carrying what an earlier run left on disk.
func New(c Config) (*Queue, error) {
	setDefault(&c.Queue, DefaultQueue)
	setDefault(&c.QueueBytes, DefaultQueueBytes)
	setDefault(&c.Batch, 1)
	setDefault(&c.BatchBytes, DefaultBatchBytes)
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.Drain, c.Timeout)
	setDefault(&c.SpillMax, DefaultSpillMax)
	c.Batch = min(c.Batch, c.Queue)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	q := &Queue{
		Config: c, done: make(chan struct{}), kept: make(chan struct{}),
		wake: make(chan struct{}, 1), keep: make(chan struct{}, 1),
	}
	if c.Spill != "" {
		var err error
		if q.spill, err = openSpill(c.Spill, c.SpillMax); err != nil {
			return nil, err
		}
		q.onDisk = q.spill.unread.Load()
	}
	ctx, cancel := context.WithCancel(context.Background())
	q.cancel = cancel
	go q.run(ctx)
	if q.spill != nil {
		go q.keepAll(ctx)
	} else {
		close(q.kept)
	}
	return q, nil
}

func setDefault[T int | int64 | time.Duration](to *T, value T) {
	if *to <= 0 {
		*to = value
	}
}

// Add takes a text, which may come in two parts, to be carried. It copies, and does not wait.
func (q *Queue) Add(head, text []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := int64(headSize + len(head) + len(text))
	front, back := q.QueueBytes, int64(0)
	if q.spill != nil { // half of the memory is for what waits to be written to disk
		front, back = q.QueueBytes/2, q.QueueBytes/2
	}
	// What is on disk, or on its way there, is older, and goes first.
	first := q.onDisk == 0 && q.moving.texts == 0 && q.back.empty()
	fits := q.front.texts < q.Queue && (q.front.bytes+size <= front || q.front.empty())
	switch {
	case q.closed || q.gone:
		q.lost.Add(1)
	case size > headSize+maxText:
		q.full.Add(1)
	case first && fits:
		q.front.add(head, text)
		if q.front.texts == 1 || q.enough() {
			notify(q.wake)
		}
	case q.spill != nil && q.back.bytes+q.moving.bytes+size <= max(back, size):
		q.back.add(head, text)
		notify(q.keep)
	default:
		q.full.Add(1)
	}
}

// enough says whether the front has a batch: a full one, or as much as there is room for.
func (q *Queue) enough() bool {
	return q.front.texts >= q.Batch || q.front.bytes >= min(q.BatchBytes, q.QueueBytes/2)
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close waits until everything is carried, but not longer than Drain. What is left then goes to disk, or is counted.
func (q *Queue) Close() {
	q.end.Do(func() {
		q.mu.Lock()
		q.closed = true
		q.mu.Unlock()
		notify(q.wake)
		notify(q.keep)
		timer := time.AfterFunc(q.Drain, q.cancel)
		defer timer.Stop()
		late := time.NewTimer(q.Drain + patience)
		defer late.Stop()
		ended := true
		for _, wait := range []chan struct{}{q.done, q.kept} {
			select {
			case <-wait:
			case <-late.C:
				late.Reset(0)
				ended = false
			}
		}
		q.cancel()
		q.leave(ended)
	})
}

// leave saves what is left at the end. A carrier or a disk that does not answer even now may do so for ever: what they have is
// given up.
func (q *Queue) leave(ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	front := q.front.peek(q.pending, q.front.texts+len(q.pending)+1, 1<<62)
	back := q.back.peek(nil, q.back.texts+1, 1<<62)
	n := uint64(len(front) + len(back))
	q.front, q.back, q.pending, q.left = fifo{}, fifo{}, nil, true
	if q.save(front, back) {
		q.spilled.Add(n)
	} else {
		q.lost.Add(n + uint64(q.moving.texts))
	}
	if n := q.lost.Load(); n > 0 && !q.gone {
		q.Log.Error(q.Name+" has not got all that there was at the end", "number", n)
	}
	if !ended {
		return // the carrier is still in use
	}
	if err := q.Carrier.Close(); err != nil {
		q.Log.Error(q.Name+": end", "error", err)
	}
}

// save leaves texts on disk, if that is possible.
func (q *Queue) save(front, back [][]byte) bool {
	if q.spill == nil || !q.spill.mu.TryLock() {
		return false
	}
	q.spill.mu.Unlock()
	if err := q.spill.close(front, back); err != nil {
		q.Log.Error(q.Name+": what was not sent can not be kept", "error", err)
		return false
	}
	q.onDisk = q.spill.unread.Load()
	return true
}

// Stats may be called from any goroutine.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	queued, bytes, onDisk := q.front.texts+q.back.texts+q.moving.texts+len(q.pending), q.front.bytes+q.back.bytes+q.moving.bytes, q.onDisk
	q.mu.Unlock()
	return Stats{
		Sent: q.sent.Load(), Retried: q.retried.Load(), Spilled: q.spilled.Load(),
		Full: q.full.Load(), NoSpace: q.noSpace.Load(), Refused: q.refused.Load(), Left: q.lost.Load(),
		Queued: uint64(queued), QueuedBytes: uint64(bytes), OnDisk: uint64(onDisk),
	}
}

// complain logs that something does not work, once a minute.
func (q *Queue) complain(err error) {
	now := time.Now()
	if q.failing.IsZero() {
		q.failing = now
	}
	if now.Sub(q.logged) < logEvery {
		return
	}
	q.logged = now
	s := q.Stats()
	q.Log.Error("error sending to "+q.Name, "error", err, "waiting", s.Queued, "retries", s.Retried, "refused", s.Refused,
		"dropped", s.Full+s.NoSpace)
}

// arrived says, after a complaint, that it works again.
func (q *Queue) arrived() {
	if q.failing.IsZero() {
		return
	}
	q.Log.Info(fmt.Sprintf("%s takes what is sent again", q.Name), "after", time.Since(q.failing).Round(time.Millisecond))
	q.failing = time.Time{}
	q.logged = time.Time{}
}
