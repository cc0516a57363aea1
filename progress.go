package tracee

import (
	"sync"
	"sync/atomic"
	"time"
)

// Progress lets other goroutines see how far a Run is: its counters as they were a second ago at most, and when it last
// moved. The zero value is ready; it is for one Run.
type Progress struct {
	moved   atomic.Int64 // Unix time in ns; 0: not yet
	mu      sync.Mutex
	summary Summary // of the last second
}

const (
	progressInterval = time.Second
	// progressEvents is how many events may pass before the clock is looked at, which costs as much as filtering one.
	progressEvents = 256
)

// Moved is when Run last had an event done, or nothing to do; zero while it starts.
func (p *Progress) Moved() time.Time {
	if moved := p.moved.Load(); moved != 0 {
		return time.Unix(0, moved)
	}
	return time.Time{}
}

// Summary returns the counters.
func (p *Progress) Summary() Summary {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.summary
}

// step notes that the stream moves.
func (r *run) step() {
	if r.Progress == nil {
		return
	}
	if r.steps++; r.steps >= progressEvents {
		r.moved()
	}
}

// moved notes the time, and once a second the counters.
func (r *run) moved() {
	if r.Progress == nil {
		return
	}
	r.steps = 0
	now := time.Now()
	r.Progress.moved.Store(now.UnixNano())
	if r.tracer == nil || now.Sub(r.told) < progressInterval {
		return
	}
	r.told = now
	r.tell()
}

// tell brings the counters up to date.
func (r *run) tell() {
	if r.Progress == nil {
		return
	}
	summary := r.summary
	summary.Stats, summary.Unnamed = r.past.Add(r.tracer.Stats()), r.containers.Unnamed()
	r.Progress.mu.Lock()
	defer r.Progress.mu.Unlock()
	r.Progress.summary = summary
}
