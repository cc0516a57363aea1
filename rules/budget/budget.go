// Package budget limits what one evaluation of a rule may use: time, and memory.
//
// Start from Budget: Begin before the evaluation, End behind it. Meanwhile a timer looks at the clock and at the heap, and
// calls what ends the evaluation. An evaluation that is over before the first look costs one start and stop of a timer. The
// heap belongs to the whole process, so growth that is somebody else's can end an evaluation too; it has to last for
// several looks, and to be large, for that.
package budget

import (
	"errors"
	"runtime/metrics"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// every spaces the looks.
	every = 50 * time.Millisecond
	// Memory is by how much the heap may grow while one evaluation lasts.
	Memory = 256 << 20
	// Patience is how many times as long a Patient budget waits at most.
	Patience = 10
)

var (
	// ErrSlow is the error of an evaluation that took too long.
	ErrSlow = errors.New("the rule took too long and was cut off")
	// ErrGreedy is the error of an evaluation that used too much memory.
	ErrGreedy = errors.New("the rule used too much memory and was cut off")
)

// afterFunc is replaced by tests.
var afterFunc = time.AfterFunc

// Exceeded reports whether an error says that an evaluation was cut off.
func Exceeded(err error) bool { return errors.Is(err, ErrSlow) || errors.Is(err, ErrGreedy) }

// Budget is used by one goroutine, for one evaluation after the other. The zero value allows no time.
type Budget struct {
	Time time.Duration // of an evaluation
	// Patient gives an evaluation Patience times as long while the process gets no processor: on a machine that is too busy to
	// run it, it is not the rule that is slow.
	Patient bool

	timer *time.Timer
	mu    sync.Mutex
	end   func() // nil: nothing is evaluated
	until time.Time
	used  time.Duration // of the processor, at Begin
	heap  uint64        // at the first look; 0: there was none
	spent error
}

// Begin begins an evaluation, which end ends early. It is called by another goroutine, at most once, and not after End.
func (b *Budget) Begin(end func()) {
	b.mu.Lock()
	defer b.mu.Unlock() // the first look waits until the timer is known: on a busy machine it may come at once
	b.end, b.until, b.heap, b.spent = end, time.Now().Add(b.Time), 0, nil
	if b.Patient {
		b.used = processorTime()
	}
	if first := min(every, b.Time); b.timer == nil {
		b.timer = afterFunc(first, b.look)
	} else {
		b.timer.Reset(first)
	}
}

// End says that the evaluation is over, and why it was cut off, if it was.
func (b *Budget) End() error {
	b.timer.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end = nil
	return b.spent
}

func (b *Budget) look() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.end == nil || b.spent != nil {
		return
	}
	heap := HeapInUse()
	if b.heap == 0 {
		b.heap = heap
	}
	switch left := time.Until(b.until); {
	case left <= 0 && b.starves():
		b.timer.Reset(every)
		return
	case left <= 0:
		b.spent = ErrSlow
	case heap > b.heap+Memory:
		b.spent = ErrGreedy
	default:
		b.timer.Reset(min(every, left))
		return
	}
	b.end()
}

// starves reports whether the process had too little of the processor to blame the evaluation, and may have more time.
func (b *Budget) starves() bool {
	return b.Patient && time.Since(b.until) < (Patience-1)*b.Time && processorTime()-b.used < b.Time/2
}

// processorTime is what the process used so far; tests replace it.
var processorTime = func() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// HeapInUse is what objects on the heap take, those included that the collector has not found to be garbage yet.
func HeapInUse() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
