package derive

import (
	"slices"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/trace"
)

// Captured says which packets, as events.CapturePcap brings them, are to be kept: those of which a selected event is made
// that passes the filter. It has a memory of its own of what packets said before.
type Captured struct{ deriver *Deriver }

// NewCaptured returns what says so for a selection.
func NewCaptured(selection []*events.Event, f *filter.Filter) *Captured {
	return &Captured{New(OfPackets(selection), f, nil)}
}

// OfPackets are those of a selection that are made of packets.
func OfPackets(selection []*events.Event) (made []*events.Event) {
	for _, e := range selection {
		if slices.Contains(e.From, events.NetPacketBase) {
			made = append(made, e)
		}
	}
	return made
}

// Change takes another selection and filter, between two packets.
func (c *Captured) Change(selection []*events.Event, f *filter.Filter) {
	c.deriver.Change(OfPackets(selection), f)
}

// Wants says whether a packet is to be kept.
func (c *Captured) Wants(captured *trace.Event) (wanted bool) {
	source, f := captured.Clone(), c.deriver.settings.filter
	for _, a := range c.deriver.active {
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
