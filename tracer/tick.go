package tracer

import (
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// tick yields an event that gives the stages of the stream their turn, if one of them has something to tell.
func (t *Tracer) tick(yield func(*trace.Event) bool) bool {
	if t.config.Pending == nil || !t.config.Pending() {
		return true
	}
	e := t.narrated()
	var b trace.Builder
	b.Reset(events.CaptureTick.Schema())
	b.Finish(&e)
	return yield(&e)
}
