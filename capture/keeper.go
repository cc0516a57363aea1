package capture

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

// Bounds of the queue to the keeper.
const (
	queueMax      = 8192
	queueBytesMax = 16 << 20
)

// beat is how often the keeper looks whether something is due.
const beat = 50 * time.Millisecond

// keeper does what takes time: it copies, hashes and records. Everything in it belongs to its goroutine, except the queue.
type keeper struct {
	capturer   *Capturer
	store      *store
	queue      chan func(*keeper)
	queued     atomic.Int64 // bytes in the queue
	overflow   atomic.Uint64
	quit, over chan struct{}

	executions *executions // has its own lock
	profile    profile
	transfers  transfers
	pieces     map[pieceKey]*piecewise
	packets    *packets
	awaited    []awaited  // oldest first
	copies     []*copying // whose turn it is first
	jobs       int        // since the last slice was copied
	watch      *watcher
	rested     *time.Timer // runs while the next slice is to wait
	resting    bool

	evidenceCopied int // of the copies, those of findings
}

func newKeeper(c *Capturer, s *store) (*keeper, error) {
	w, err := newWatcher()
	if err != nil {
		return nil, err
	}
	k := &keeper{
		capturer: c, store: s, queue: make(chan func(*keeper), queueMax), quit: make(chan struct{}), over: make(chan struct{}),
		executions: newExecutions(), pieces: map[pieceKey]*piecewise{}, watch: w, rested: time.NewTimer(0),
	}
	k.transfers.start()
	k.packets = newPackets()
	k.profile.wanted = c.config.Profile
	go k.run()
	return k, nil
}

// run is the keeper's goroutine. It ends when finish is called.
func (k *keeper) run() {
	defer close(k.over)
	beats := time.NewTicker(beat)
	defer beats.Stop()
	for {
		if k.mayCopy() && len(beats.C) == 0 && !k.ending() {
			began := time.Now()
			k.copySlice()
			k.jobs = 0
			k.rest(time.Since(began))
			continue
		}
		select {
		case <-k.rested.C:
			k.resting = false
		case job := <-k.queue:
			job(k)
			k.jobs++
		case <-beats.C:
			k.due(false)
		case <-k.quit:
			for len(k.queue) > 0 {
				(<-k.queue)(k)
			}
			k.due(true)
			return
		}
	}
}

// restFactor is how many times as long as a slice took the copy rests, while files are being written: so that who writes
// them has the processor and the memory for himself, or nearly.
const restFactor = 4

// mayCopy says that there is something to copy, and that it is time for it.
func (k *keeper) mayCopy() bool {
	return len(k.copies) > 0 && !k.resting && (len(k.queue) == 0 || k.jobs >= copyTurns)
}

// rest lets the copy wait after a slice, if somebody is at work meanwhile.
func (k *keeper) rest(took time.Duration) {
	if k.transfers.written() {
		k.resting = true
		k.rested.Reset(took * restFactor)
	}
}

func (k *keeper) ending() bool {
	select {
	case <-k.quit:
		return true
	default:
		return false
	}
}

// due does what waits for its time; ending: all of it.
func (k *keeper) due(ending bool) {
	for _, key := range k.watch.closed() {
		k.transfers.closed(key)
	}
	k.dueTransfers(ending)
	k.duePieces(ending)
	k.packets.due(k, ending)
	k.dueEvidence(ending)
	k.profile.save(k, ending)
	if n := k.overflow.Swap(0); n > 0 {
		k.lost("notice", n, "the keeper was too slow")
	}
	k.store.age()
	k.store.manifest.flush()
	k.warn(ManifestName, k.store.manifest.shorten())
}

// do puts a job into the queue, and says whether there was room.
func (k *keeper) do(job func(*keeper)) bool {
	select {
	case k.queue <- job:
		return true
	default:
		k.overflow.Add(1)
		return false
	}
}

// take puts a notice into the queue, and says whether there was room. Bytes for which there is none are left out: the file may
// still have them.
func (k *keeper) take(n *notice, job func(*keeper, *notice)) bool {
	if k.queued.Load() > queueBytesMax {
		n.bytes = nil
	}
	size := int64(len(n.bytes))
	k.queued.Add(size)
	if k.do(func(k *keeper) {
		k.queued.Add(-size)
		job(k, n)
	}) {
		return true
	}
	k.queued.Add(-size)
	if n.own != nil {
		n.own.Close()
		k.capturer.holding.Delete(n.key)
	}
	return false
}

// finish does all that is left to do, and ends the goroutine. It may be called more than once.
func (k *keeper) finish() {
	if !k.ending() {
		close(k.quit)
	}
	<-k.over
}

func (k *keeper) close() error { return errors.Join(k.watch.close(), k.store.close()) }

func (k *keeper) warn(what string, err error) {
	if err != nil && !errors.Is(err, errAgain) {
		k.capturer.config.Log.Warn("not captured", "what", what, "error", err)
	}
}

// told records and tells of an artifact that is finished.
func (k *keeper) told(context *trace.Event, r Record) { k.capturer.captured(context, r) }

// missed records and tells of something that could not be captured.
func (k *keeper) missed(context *trace.Event, r Record, err error) {
	k.told(context, k.store.miss(r, bare(err).Error()))
}

// lost records that notices did not arrive.
func (k *keeper) lost(kind string, count uint64, reason string) {
	k.store.stats.Lost += count
	k.store.manifest.add(Record{Time: time.Now().UnixNano(), State: Lost, Kind: kind, Count: count, Reason: reason})
	k.capturer.config.Log.Warn("artifacts may be missing", "kind", kind, "count", count, "reason", reason)
}

// gone explains why something could not be taken hold of.
func (n *notice) gone() error {
	return fmt.Errorf("gone before it could be taken hold of: %w", n.holdErr)
}
