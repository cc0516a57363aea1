package rules

import (
	"math"
	"runtime"
	"time"

	"github.com/tracee-go/tracee/rules/budget"
)

const (
	// memoryEvery spaces the looks at the memory of isolated signatures.
	memoryEvery = 2 * time.Second
	// memoryHeap is the size of the heap below which nobody looks.
	memoryHeap = 256 << 20
	// memoryLimit is what one isolated signature may hold.
	memoryLimit = 256 << 20
)

// memoryWatch finds isolated signatures that hold too much memory, by the profile that the runtime keeps anyway: it says
// below which functions what is in use was allocated, and those say on whose goroutine (marked).
type memoryWatch struct {
	next  time.Time
	heap  uint64 // from which on it looks
	limit int64
}

// look returns the members that hold more than they may.
func (w *memoryWatch) look(members []*member) []*member {
	now := time.Now()
	if now.Before(w.next) {
		return nil
	}
	w.next = now.Add(memoryEvery)
	if budget.HeapInUse() < w.heap {
		return nil
	}
	held := heldBy(members)
	var greedy []*member
	for m, bytes := range held {
		if bytes > w.limit {
			greedy = append(greedy, m)
		}
	}
	return greedy
}

// heldBy sums what is in use of what was allocated on the goroutine of each signature.
func heldBy(members []*member) map[*member]int64 {
	byMark := map[uint64]*member{}
	for _, m := range members {
		if s, ok := m.signature.(*isolated); ok && !m.disabled {
			byMark[s.mark] = m
		}
	}
	held := map[*member]int64{}
	if len(byMark) == 0 {
		return held
	}
	runtime.GC() // the profile is as of the last collections
	runtime.GC()
	n, _ := runtime.MemProfile(nil, false)
	records := make([]runtime.MemProfileRecord, n+64)
	n, ok := runtime.MemProfile(records, false)
	if !ok {
		return held
	}
	for i := range records[:n] {
		if m, ok := byMark[markOf(records[i].Stack())]; ok {
			held[m] += inUse(&records[i])
		}
	}
	return held
}

// inUse estimates what is in use from what was sampled of it.
func inUse(r *runtime.MemProfileRecord) int64 {
	if r.InUseObjects() == 0 {
		return 0
	}
	size := float64(r.InUseBytes()) / float64(r.InUseObjects())
	return int64(float64(r.InUseBytes()) / (1 - math.Exp(-size/float64(runtime.MemProfileRate))))
}
