package library

import (
	"sync"
	"time"
)

const (
	// slowFor is how long nobody waits for a file system that was too slow.
	slowFor = time.Minute
	maxSlow = 64
)

// SlowDevices are file systems that were too slow. The zero value has none.
type SlowDevices struct {
	mu    sync.Mutex
	until map[uint32]time.Time // by device
}

// Has says whether a file system was too slow lately.
func (s *SlowDevices) Has(dev uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.until[dev])
}

// Add notes one that was.
func (s *SlowDevices) Add(dev uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil || len(s.until) >= maxSlow {
		s.until = map[uint32]time.Time{}
	}
	s.until[dev] = time.Now().Add(slowFor)
}
