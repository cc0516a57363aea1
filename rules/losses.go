package rules

import "time"

// nearby is how long a loss casts doubt on what is found after it.
const nearby = 10 * time.Second

// losses remembers the last losses of events, as the stream tells of them.
type losses struct {
	ring [64]loss
	next int
}

type loss struct {
	at    int
	count uint64
}

func (l *losses) add(at int, count uint64) {
	l.ring[l.next] = loss{at, count}
	l.next = (l.next + 1) % len(l.ring)
}

// near sums what was lost around a time.
func (l *losses) near(at int) (sum uint64) {
	for _, x := range l.ring {
		if x.count > 0 && max(at-x.at, x.at-at) <= int(nearby) {
			sum += x.count
		}
	}
	return sum
}
