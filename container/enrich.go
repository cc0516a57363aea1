package container

import (
	"cmp"
	"time"

	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/cgroup"
	"github.com/tracee-go/tracee/types/trace"
)

// Wait is how long an event is held at most while names are waited for, unless somebody chooses otherwise.
const Wait = 200 * time.Millisecond

// MaxWait is the longest wait that can be chosen. The rings have to hold what happens meanwhile.
const MaxWait = 10 * time.Second

// enrichment is what is asked of runtimes.
type enrichment struct {
	client  *runtimes.Client // nil: nobody wants names
	waiting map[string]int   // by id of the container: answers that have not come
	tired   bool             // it was waited in vain, and nothing has come in time since
	held    hold
}

// hold is what an event was delayed by waits before it. None is held longer than the bound, however many containers are
// made at once: those who wait one after the other share it, until the stream has come to what happened after their waits.
type hold struct {
	waited time.Duration
	end    int // of the last wait, as in timestamps of events
}

// left is how much of the bound is left for an event, and for all behind it.
func (h *hold) left(bound time.Duration, timestamp int) time.Duration {
	if timestamp > h.end {
		h.waited = 0
	}
	return bound - h.waited
}

// startAsking begins to ask runtimes, if that is wanted.
func (t *Tracker) startAsking() {
	if !t.config.Enrich {
		return
	}
	t.names.client, t.names.waiting = runtimes.New(t.config.Sockets, t.config.Log), map[string]int{}
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

// ask asks for the name of a container that an event tells about, and waits a little for it.
func (t *Tracker) ask(c *Container, timestamp int) {
	n := &t.names
	if n.client == nil {
		return
	}
	asked := n.client.Ask(c.Container)
	if asked == 0 {
		return
	}
	n.waiting[c.ID] = asked
	left := n.held.left(t.config.Wait, timestamp)
	if n.tired || left <= 0 {
		return
	}
	start := time.Now()
	n.tired = !t.await(c, left) && left == t.config.Wait
	n.held.waited += time.Since(start)
	n.held.end = t.config.Now()
}

// await takes answers until there is nothing more to be said of the container, and reports whether that came in time.
func (t *Tracker) await(c *Container, left time.Duration) bool {
	n := &t.names
	limit := time.NewTimer(left)
	defer limit.Stop()
	for n.waiting[c.ID] > 0 {
		select {
		case a := <-n.client.Answers():
			if late := t.take(a); late != nil && late != c {
				t.late = append(t.late, late)
			}
		case <-limit.C:
			return false
		}
	}
	return true
}

// take notes an answer, and returns the container that has a name by it.
func (t *Tracker) take(a runtimes.Answer) *Container {
	n := &t.names
	if n.waiting[a.ID]--; n.waiting[a.ID] <= 0 || a.Err == nil {
		delete(n.waiting, a.ID)
	}
	if a.Took < t.config.Wait {
		n.tired = false
	}
	c := t.byID[a.ID]
	if c == nil || a.Err != nil {
		return nil
	}
	c.Details = a.Details
	if c.Runtime == cgroup.Unknown {
		c.Runtime = a.Runtime
	}
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
