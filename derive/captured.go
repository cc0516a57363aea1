package derive

import (
	"slices"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/trace"
)

// OfPackets returns what says of a packet, as events.CapturePcap brings it, whether it makes one of the selected events that
// passes the filter; nil, if none of them is made of packets. It has a memory of its own of what packets said before.
func OfPackets(selection []*events.Event, f *filter.Filter) func(*trace.Event) bool {
	d := New(selection, f, nil)
	d.active = slices.DeleteFunc(d.active, func(a *active) bool {
		return !slices.Contains(a.event.From, events.NetPacketBase)
	})
	if len(d.active) == 0 {
		return nil
	}
	return func(captured *trace.Event) (wanted bool) {
		source := captured.Clone()
		for i := range d.active {
			a := d.active[i]
			_ = a.make(source, func(fill func(*trace.Builder)) bool {
				wanted = wanted || f == nil || f.Match(a.build(source, fill))
				return !wanted
			})
			if wanted {
				return true
			}
		}
		return false
	}
}
