package budget

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// evaluate works until it is ended.
func evaluate(b *Budget, work func()) error {
	ended := make(chan struct{})
	b.Begin(func() { close(ended) })
	for {
		select {
		case <-ended:
			return b.End()
		default:
			work()
		}
	}
}

func TestEvaluationThatTakesTooLongIsEnded(t *testing.T) {
	b := Budget{Time: 10 * time.Millisecond}
	for range 3 { // the same budget serves again
		if err := evaluate(&b, func() { time.Sleep(time.Millisecond) }); !errors.Is(err, ErrSlow) || !Exceeded(err) {
			t.Errorf("got %v", err)
		}
	}
}

func TestEvaluationThatUsesTooMuchMemoryIsEnded(t *testing.T) {
	b := Budget{Time: time.Minute}
	var kept [][]byte
	err := evaluate(&b, func() {
		if len(kept) < 3*Memory>>20 {
			kept = append(kept, make([]byte, 1<<20))
		}
		time.Sleep(time.Millisecond)
	})
	if !errors.Is(err, ErrGreedy) || !Exceeded(err) {
		t.Errorf("got %v with %d MiB", err, len(kept))
	}
}

func TestEvaluationThatIsOverInTimeIsLeftAlone(t *testing.T) {
	b := Budget{Time: time.Minute}
	for range 1000 {
		b.Begin(func() { t.Error("ended") })
		if err := b.End(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALookThatComesBeforeTheTimerIsKnownWaits(t *testing.T) {
	b := Budget{Time: time.Minute}
	afterFunc = func(d time.Duration, look func()) *time.Timer {
		if b.mu.TryLock() {
			b.mu.Unlock()
			look()
		}
		return time.AfterFunc(d, look)
	}
	defer func() { afterFunc = time.AfterFunc }()
	b.Begin(func() { t.Error("ended") })
	if err := b.End(); err != nil {
		t.Error(err)
	}
}

func TestEvaluationThatGetsNoProcessorHasMoreTime(t *testing.T) {
	var looks atomic.Int64
	before := processorTime
	processorTime = func() time.Duration { // nothing for a while, then all
		if looks.Add(1) < 3 {
			return 0
		}
		return time.Hour
	}
	defer func() { processorTime = before }()
	b := Budget{Time: 100 * time.Millisecond, Patient: true}
	if err := evaluate(&b, func() { time.Sleep(time.Millisecond) }); !errors.Is(err, ErrSlow) {
		t.Errorf("got %v", err)
	}
	if got := looks.Load(); got < 3 && time.Since(b.until) < Patience*b.Time {
		t.Errorf("cut off after %d looks", got)
	}
}

func BenchmarkBudget(b *testing.B) {
	budget := Budget{Time: time.Second}
	for b.Loop() {
		budget.Begin(func() {})
		_ = budget.End()
	}
}
