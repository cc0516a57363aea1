package container

import (
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/trace"
)

// tell makes an event about a container, with the context of the record that it is made of, unless nobody wants it. It
// is valid until the next one.
func (t *Tracker) tell(source *trace.Event, event *events.Event, c *Container) *trace.Event {
	about := filter.Container{ID: c.ID, Existed: c.Existed, Started: !c.Existed}
	if !t.wanted[event] || !t.config.Filter.AdmitsContainer(about) {
		return nil
	}
	made := *source
	made.ReturnValue = 0
	t.builder.Reset(event.Schema())
	for i, field := range event.Args {
		switch field.Name {
		case "runtime":
			t.builder.Text(i, c.Runtime)
		case "container_id":
			t.builder.Text(i, c.ID)
		case "ctime":
			t.builder.Slot(i, uint64(c.Created))
		default:
			t.builder.Text(i, "")
		}
	}
	t.builder.Finish(&made)
	return &made
}
