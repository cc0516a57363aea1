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
	t.fill(&made, event, c)
	return &made
}

// fill gives an event the arguments that tell about a container.
func (t *Tracker) fill(e *trace.Event, event *events.Event, c *Container) {
	values := map[string]string{
		"runtime": c.Runtime, "container_id": c.ID, "container_image": c.Image, "container_name": c.Name,
		"pod_name": c.PodName, "pod_namespace": c.PodNamespace, "pod_uid": c.Details.PodUID,
		"container_image_digest": c.Digest,
	}
	t.builder.Reset(event.Schema())
	for i, field := range event.Args {
		if field.Name == "ctime" {
			t.builder.Slot(i, uint64(c.Created))
			continue
		}
		t.builder.Text(i, values[field.Name])
	}
	t.builder.Finish(e)
}
