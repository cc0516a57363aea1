// Package container knows for every event the container that it comes from, and tells when containers come and go.
//
// Start from New and Stage, which stands first in the story: what comes behind it can rely on the container of an event.
// A Tracker learns of containers from the stream itself, by events.ContainerGroups, which come before the first event of
// anything in the container. What it is asked about and does not know, because a record was lost, it looks up in the
// tree of control groups, once a second at most. It never waits for anything; the stage runs on its caller's goroutine.
package container

import (
	"iter"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/cgroup"
	"github.com/tracee-go/tracee/types/trace"
)

// Container is what is known of a container.
type Container struct {
	cgroup.Container
	runtimes.Details // empty without Config.Enrich, and until the runtime has answered

	Existed bool  // when tracing began
	Created int64 // when its control group was made, ns since the epoch
}

// Config says what is wanted of containers.
type Config struct {
	Events []*events.Event // the selection, of which those about containers are made here
	Filter *filter.Filter  // nil: all containers
	// Enrich asks the runtimes for names: those of Sockets, or if there are none, those that answer where they do by
	// custom.
	Enrich  bool
	Sockets []runtimes.Socket
	Wait    time.Duration // how long an event is held at most while names are waited for
	Now     func() int    // the time, as in timestamps of events, ns; nil: since the epoch
	Log     *slog.Logger  // nil: nothing is said
}

// Tracker is the state of one stream.
type Tracker struct {
	config  Config
	wanted  map[*events.Event]bool
	groups  map[uint64]*Container // by id of the control group
	byID    map[string]*Container
	gone    []departure
	learnt  time.Time // when the tree was last looked through
	names   enrichment
	late    []*Container // whose names came late, and are to be told
	boot    int64        // what makes the time since the machine started that since the epoch
	builder trace.Builder
}

// departure is a group that was removed. Events of before may still come.
type departure struct {
	group uint64
	at    int // timestamp of its removal, ns
}

const (
	lateEvents = int(5 * time.Second) // how long what is gone is remembered
	relearning = time.Second          // at most so often
	groupsMax  = 65536                // beyond that, removals must have been lost
)

// New returns a tracker for one stream.
func New(config Config) *Tracker {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	t := &Tracker{
		config: config, wanted: map[*events.Event]bool{}, groups: map[uint64]*Container{}, byID: map[string]*Container{},
	}
	t.Change(config.Events, config.Filter)
	t.boot = time.Now().UnixNano() - boottime()
	if t.config.Now == nil {
		t.config.Now = func() int { return int(t.boot + boottime()) }
	}
	return t
}

// boottime is the time since the machine started, ns.
func boottime() int64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	return now.Nano()
}

// Change takes another selection and filter, between two events.
func (t *Tracker) Change(selection []*events.Event, f *filter.Filter) {
	t.config.Events, t.config.Filter = selection, f
	for _, e := range []*events.Event{events.ContainerCreate, events.ContainerRemove, events.ExistingContainer, events.ContainerEnriched} {
		t.wanted[e] = slices.Contains(selection, e)
	}
}

// Existed says whether the container of an event was there when tracing began.
func (t *Tracker) Existed(e *trace.Event) bool {
	c := t.groups[uint64(e.CgroupID)]
	return c != nil && c.Existed
}

// Stage gives events their container, and makes those about containers, each behind the one it is made of.
func (t *Tracker) Stage(source iter.Seq[*trace.Event]) iter.Seq[*trace.Event] {
	return func(yield func(*trace.Event) bool) {
		t.startAsking()
		defer t.names.stop()
		for e := range source {
			if !t.hear(e.Timestamp, yield) {
				return
			}
			made := t.learn(e)
			t.attribute(e)
			if made != nil {
				t.attribute(made)
			}
			if !yield(e) || made != nil && !yield(made) {
				return
			}
		}
	}
}

// attribute fills the fields of an event about its container.
func (t *Tracker) attribute(e *trace.Event) {
	if len(t.groups) == 0 && !e.ContextFlags.ContainerStarted {
		return
	}
	c := t.groups[uint64(e.CgroupID)]
	if c == nil && e.ContextFlags.ContainerStarted {
		t.relearn(e.Timestamp)
		c = t.groups[uint64(e.CgroupID)]
	}
	if c == nil {
		return
	}
	c.attribute(e)
}

func (c *Container) attribute(e *trace.Event) {
	e.ContainerID, e.ContainerImage, e.ContainerName = c.ID, c.Image, c.Name
	e.PodName, e.PodNamespace, e.PodUID = c.PodName, c.PodNamespace, c.Details.PodUID
	e.ContainerImageDigest = c.Digest
	if c.Runtime != cgroup.Unknown {
		e.ContainerRuntime = c.Runtime
	}
}

// learn notes what a record says of containers, and returns the event that is made of it, if somebody wants one.
func (t *Tracker) learn(e *trace.Event) *trace.Event {
	switch e.EventID {
	case events.ContainerGroupMade.ID:
		t.forget(e.Timestamp)
		if c := t.add(e, "time", t.boot); c != nil {
			return t.tell(e, events.ContainerCreate, c)
		}
	case events.ContainerGroupFound.ID:
		c := t.add(e, "ctime", 0)
		if c != nil {
			c.Existed = true
			return t.tell(e, events.ExistingContainer, c)
		}
	case events.ContainerGroupRemoved.ID:
		return t.remove(e)
	}
	return nil
}

// add writes down a group, and returns its container if it is the group that makes it.
func (t *Tracker) add(e *trace.Event, time string, offset int64) *Container {
	id, path, ok := group(e)
	if !ok || path == "" {
		return nil
	}
	return t.addGroup(id, path, int64(number(e, time))+offset, e.Timestamp)
}

func (t *Tracker) addGroup(id uint64, path string, created int64, timestamp int) *Container {
	in, ok := cgroup.Parse(path)
	if !ok {
		if c := t.around(path); c != nil {
			t.groups[id] = c
			return nil
		}
		in = cgroup.Named(path)
	}
	c := t.byID[in.ID]
	if in.Path == path {
		c = &Container{Container: in, Created: created}
		t.byID[in.ID] = c
	}
	if c == nil {
		return nil
	}
	t.groups[id] = c
	if in.Path != path {
		return nil
	}
	if in.Named && t.config.Enrich {
		c.Name = in.ID // what people call it
	}
	t.ask(c, timestamp)
	return c
}

// around returns the container of any name that a group lies in.
func (t *Tracker) around(path string) *Container {
	for _, c := range t.groups {
		if c.Named && strings.HasPrefix(path, c.Path+"/") {
			return c
		}
	}
	return nil
}

// remove notes that a group is gone, though it will be asked about for a while.
func (t *Tracker) remove(e *trace.Event) *trace.Event {
	t.forget(e.Timestamp)
	id, path, _ := group(e)
	c := t.groups[id]
	if c == nil {
		return nil
	}
	t.gone = append(t.gone, departure{id, e.Timestamp})
	if path != c.Path {
		return nil
	}
	return t.tell(e, events.ContainerRemove, c)
}

// forget drops what has been gone for long.
func (t *Tracker) forget(now int) {
	n := 0
	for n < len(t.gone) && t.gone[n].at < now-lateEvents {
		t.drop(t.gone[n].group)
		n++
	}
	t.gone = slices.Delete(t.gone, 0, n)
	if len(t.groups) > groupsMax {
		clear(t.groups)
		clear(t.byID)
		t.gone = nil
		t.relearn(now)
	}
}

func (t *Tracker) drop(id uint64) {
	c := t.groups[id]
	delete(t.groups, id)
	if c != nil && t.byID[c.ID] == c && !t.inUse(c) {
		delete(t.byID, c.ID)
		delete(t.names.waiting, c.ID)
	}
}

// inUse says whether a group of the container is still known. Containers are few.
func (t *Tracker) inUse(c *Container) bool {
	for _, other := range t.groups {
		if other == c {
			return true
		}
	}
	return false
}

// relearn looks through the tree of control groups, because a record was lost.
func (t *Tracker) relearn(now int) {
	if time.Since(t.learnt) < relearning {
		return
	}
	t.learnt = time.Now()
	tree, err := cgroup.Find()
	if err == nil {
		err = tree.Containers(func(g cgroup.Group) {
			if t.groups[g.ID] == nil {
				t.addGroup(g.ID, g.Path, g.Created, now)
			}
		})
	}
	if err != nil {
		t.config.Log.Warn("container of an event not known", "error", err)
	}
}

// group reads the first arguments of an event about a group.
func group(e *trace.Event) (id uint64, path string, ok bool) {
	a, ok := e.Lookup("cgroup_path")
	if !ok {
		return 0, "", false
	}
	return number(e, "cgroup_id"), strings.Clone(a.Text()), true // it outlives the record
}

func number(e *trace.Event, argument string) uint64 {
	if a, ok := e.Lookup(argument); ok {
		return a.Uint()
	}
	return 0
}
