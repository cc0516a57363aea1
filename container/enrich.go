package container

import (
	"cmp"
	"time"

	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/trace"
)

// Patience is how long the stream waits for the name of a new container.
const Patience = 200 * time.Millisecond

// enrichment is what is asked of runtimes.
type enrichment struct {
	client  *runtimes.Client // nil: nobody wants names
	waiting map[string]int   // by id of the container: answers that have not come
	tired   bool             // it was waited in vain, and nothing has come in time since
}

// startAsking begins to ask runtimes, if that is wanted.
func (t *Tracker) startAsking() {
	if !t.config.Enrich {
		return
	}
	t.names = enrichment{client: runtimes.New(t.config.Sockets, t.config.Log), waiting: map[string]int{}}
}

func (n *enrichment) stop() {
	if n.client != nil {
		n.client.Close()
	}
}

// Unnamed counts, by runtime, the containers that stayed without a name. It is for the goroutine of the stage.
func (t *Tracker) Unnamed() []runtimes.Unnamed {
	if t.names.client == nil {
		return nil
	}
	return t.names.client.Unnamed()
}

// ask asks for the name of a new container, and waits a little for it.
func (t *Tracker) ask(c *Container) {
	n := &t.names
	if n.client == nil {
		return
	}
	asked := n.client.Ask(c.Container)
	if asked == 0 {
		return
	}
	n.waiting[c.ID] = asked
	if n.tired {
		return
	}
	limit := time.NewTimer(Patience)
	defer limit.Stop()
	for n.waiting[c.ID] > 0 {
		select {
		case a := <-n.client.Answers():
			if late := t.take(a); late != nil && late != c {
				t.late = append(t.late, late)
			}
		case <-limit.C:
			n.tired = true
			return
		}
	}
}

// take notes an answer, and returns the container that has a name by it.
func (t *Tracker) take(a runtimes.Answer) *Container {
	n := &t.names
	if n.waiting[a.ID]--; n.waiting[a.ID] <= 0 || a.Err == nil {
		delete(n.waiting, a.ID)
	}
	if a.Took < Patience {
		n.tired = false
	}
	c := t.byID[a.ID]
	if c == nil || a.Err != nil {
		return nil
	}
	c.Details = a.Details
	c.Details.PodUID = cmp.Or(c.Details.PodUID, c.Container.PodUID)
	return c
}

// Pending says whether there are names to tell of that came late; the stream needs another event for that. It is for the
// goroutine of the stage.
func (t *Tracker) Pending() bool {
	n := &t.names
	return len(t.late) > 0 || n.client != nil && len(n.client.Answers()) > 0
}

// hear takes the answers that came late, and tells about them.
func (t *Tracker) hear(now int, yield func(*trace.Event) bool) bool {
	if !t.Pending() {
		return true
	}
	for more := true; more; {
		select {
		case a := <-t.names.client.Answers():
			if c := t.take(a); c != nil {
				t.late = append(t.late, c)
			}
		default:
			more = false
		}
	}
	for _, c := range t.late {
		if e := t.enriched(c, now); e != nil && !yield(e) {
			return false
		}
	}
	t.late = t.late[:0]
	return true
}

// enriched is the event about a name that came late, if it is wanted. It belongs to the container, not to a process.
func (t *Tracker) enriched(c *Container, now int) *trace.Event {
	about := filter.Container{ID: c.ID, Existed: c.Existed, Started: !c.Existed}
	if !t.wanted[events.ContainerEnriched] || !t.config.Filter.AdmitsContainer(about) {
		return nil
	}
	e := &trace.Event{Timestamp: now, ProcessName: "tracee-ebpf"}
	c.attribute(e)
	t.fill(e, events.ContainerEnriched, c)
	return e
}
