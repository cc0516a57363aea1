package tracee

import (
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
)

// networkEvents has, by id, the events of the network: those of their set, and what they are derived from.
var networkEvents = func() []bool {
	var all []bool
	for _, e := range events.All() {
		if isNetwork(e) {
			all = slices.Concat(all, make([]bool, max(0, e.ID+1-len(all))))
			all[e.ID] = true
		}
	}
	return all
}()

func isNetwork(e *events.Event) bool {
	return strings.HasPrefix(e.Name, "net_") || slices.Contains(e.Sets, events.NetworkEvents) || e == events.CapturePcap
}

// count notes an event that has passed all stages.
func (s *Summary) count(id int) {
	s.Seen++
	if uint(id) < uint(len(networkEvents)) && networkEvents[id] {
		s.NetSeen++
	}
}

// LostNetwork are those losses that are events of the network, or packets for a capture.
func (s Summary) LostNetwork() uint64 { return s.lost(isNetwork) }

// LostWrites are those losses that are notices of captured data, such as files that are written.
func (s Summary) LostWrites() uint64 {
	return s.lost(func(e *events.Event) bool {
		return e.Internal && strings.HasPrefix(e.Name, "capture_") && !isNetwork(e)
	})
}

func (s Summary) lost(counts func(*events.Event) bool) (n uint64) {
	for _, l := range s.Lost {
		if e, ok := events.Lookup(l.Event); ok && counts(e) {
			n += l.Count
		}
	}
	return n
}
