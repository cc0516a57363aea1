package signatures

import (
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// memory is a bounded map that gives up what was used longest ago, and counts that.
type memory[K comparable, V any] struct {
	lru     *simplelru.LRU[K, V]
	evicted atomic.Uint64
}

func newMemory[K comparable, V any](size int) *memory[K, V] {
	lru, err := simplelru.NewLRU[K, V](size, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &memory[K, V]{lru: lru}
}

func (m *memory[K, V]) get(key K) (V, bool) { return m.lru.Get(key) }

func (m *memory[K, V]) set(key K, value V) {
	if m.lru.Add(key, value) {
		m.evicted.Add(1)
	}
}

func (m *memory[K, V]) drop(key K) { m.lru.Remove(key) }

func (m *memory[K, V]) forgotten() uint64 { return m.evicted.Load() }

// burst notices that somebody does many different things within a time. Who reaches the number is reported once, and
// again only after a time of silence.
type burst[K comparable] struct {
	within time.Duration
	many   int
	actors *memory[K, *deeds]
}

// deeds are what one actor did lately: a hash and the time of each.
type deeds struct {
	at       map[string]int
	reported int // time of the report, 0: none
}

func newBurst[K comparable](many int, within time.Duration, actors int) *burst[K] {
	return &burst[K]{within: within, many: many, actors: newMemory[K, *deeds](actors)}
}

func (b *burst[K]) forgotten() uint64 { return b.actors.forgotten() }

// add notes a deed at a time in nanoseconds, and reports whether it makes the number full.
func (b *burst[K]) add(actor K, deed string, now int) bool {
	d, ok := b.actors.get(actor)
	if !ok {
		d = &deeds{at: map[string]int{}}
		b.actors.set(actor, d)
	}
	if d.reported != 0 && now-d.reported < int(b.within) {
		d.reported = now
		return false
	}
	d.reported = 0
	d.at[deed] = now
	if len(d.at) < b.many {
		return false
	}
	for old, at := range d.at {
		if now-at > int(b.within) {
			delete(d.at, old)
		}
	}
	if len(d.at) < b.many {
		return false
	}
	clear(d.at)
	d.reported = now
	return true
}
