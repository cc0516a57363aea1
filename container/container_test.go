package container

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/trace"
)

var (
	id    = strings.Repeat("0123456789abcdef", 4)
	other = strings.Repeat("fedcba9876543210", 4)
)

// second is one in timestamps.
const second = 1_000_000_000

// about makes a record about a group, by a process of the host.
func about(event *events.Event, at int, group uint64, path string, time uint64) *trace.Event {
	var b trace.Builder
	b.Reset(event.Schema())
	b.Slot(0, group)
	b.Text(1, path)
	if len(event.Args) > 2 {
		b.Slot(2, time)
	}
	e := &trace.Event{Timestamp: at, ProcessName: "runc", CgroupID: 1}
	b.Finish(e)
	return e
}

// within is an event of a process in a group.
func within(group uint, at int) *trace.Event {
	var b trace.Builder
	b.Reset(events.SchedProcessExit.Schema())
	e := &trace.Event{Timestamp: at, CgroupID: group}
	b.Finish(e)
	return e
}

// pass sends events through the stage and tells what comes out: names, arguments and containers.
func pass(t *testing.T, flags []string, source ...*trace.Event) []string {
	t.Helper()
	f, err := filter.Parse(flags)
	if err != nil {
		t.Fatal(err)
	}
	tracker := New(Config{
		Events: []*events.Event{events.ContainerCreate, events.ContainerRemove, events.ExistingContainer}, Filter: f,
	})
	tracker.boot = 1000
	var got []string
	for e := range tracker.Stage(slices.Values(source)) {
		if slices.Contains(events.ContainerGroups, lookup(e.EventID)) {
			continue
		}
		line := e.EventName
		for a := range e.All() {
			if text := string(a.AppendText(nil)); text != "" {
				line += " " + text
			}
		}
		if e.ContainerID != "" {
			line += " in " + e.ContainerID[:4]
		}
		got = append(got, line)
	}
	return got
}

func lookup(id int) *events.Event {
	e, _ := events.LookupID(id)
	return e
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("\ngot  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestEventsAreGivenTheirContainer(t *testing.T) {
	compare(t, pass(
		t, nil,
		about(events.ContainerGroupFound, 0, 10, "/docker/"+id, 7),
		about(events.ContainerGroupFound, 0, 11, "/docker/"+id+"/inner", 8),
		within(1, 1),
		within(10, 2),
		within(11, 3),
		within(20, 4),
		about(events.ContainerGroupMade, 5, 20, "/crio-"+other+".scope", 9),
		about(events.ContainerGroupMade, 6, 21, "/crio-"+other+".scope/docker/"+id, 9),
		within(20, 7),
		within(21, 8),
	), []string{
		"existing_container docker " + id + " 7",
		"sched_process_exit",
		"sched_process_exit in 0123",
		"sched_process_exit in 0123",
		"sched_process_exit",
		"container_create crio " + other + " 1009",
		"sched_process_exit in fedc",
		"sched_process_exit in fedc",
	})
}

func TestContainersAreForgottenSomeTimeAfterTheyAreGone(t *testing.T) {
	made, removed := events.ContainerGroupMade, events.ContainerGroupRemoved
	compare(t, pass(
		t, nil,
		about(made, 0, 10, "/docker/"+id, 0),
		about(made, 1, 11, "/docker/"+id+"/inner", 0),
		about(removed, 2, 11, "/docker/"+id+"/inner", 0),
		about(removed, 3, 10, "/docker/"+id, 0),
		about(removed, 3, 12, "/docker/"+other, 0), // was never known
		within(10, 4*second),
		about(made, 6*second, 20, "/docker/"+other, 0),
		within(10, 6*second),
		within(20, 6*second),
		about(made, 7*second, 30, "/docker/"+id, 0), // started again
		about(made, 12*second, 40, "/docker/"+other+"/inner", 0),
		within(30, 12*second),
	), []string{
		"container_create docker " + id + " 1000",
		"container_remove docker " + id,
		"sched_process_exit in 0123",
		"container_create docker " + other + " 1000",
		"sched_process_exit",
		"sched_process_exit in fedc",
		"container_create docker " + id + " 1000",
		"sched_process_exit in 0123",
	})
}

func TestOnlyContainersThatTheFilterAdmitsAreToldAbout(t *testing.T) {
	source := func() []*trace.Event {
		return []*trace.Event{
			about(events.ContainerGroupFound, 0, 10, "/docker/"+id, 0),
			about(events.ContainerGroupMade, 1, 20, "/docker/"+other, 0),
			about(events.ContainerGroupRemoved, 2, 20, "/docker/"+other, 0),
			about(events.ContainerGroupRemoved, 3, 10, "/docker/"+id, 0),
		}
	}
	for _, test := range []struct{ flags, want string }{
		{"", "existing 0123, create fedc, remove fedc, remove 0123"},
		{"container", "existing 0123, create fedc, remove fedc, remove 0123"},
		{"container=started", "existing 0123, create fedc, remove fedc, remove 0123"},
		{"!container", ""},
		{"container=new", "create fedc, remove fedc"},
		{"container!=new", "existing 0123, remove 0123"},
		{"container=01", "existing 0123, remove 0123"},
		{"container!=01", "create fedc, remove fedc"},
		{"uid=5", "existing 0123, create fedc, remove fedc, remove 0123"},
	} {
		var got []string
		for _, line := range pass(t, strings.Fields(test.flags), source()...) {
			words := strings.Fields(line)
			kind := strings.Trim(strings.ReplaceAll(words[0], "container", ""), "_")
			got = append(got, fmt.Sprintf("%s %.4s", kind, words[2]))
		}
		if got := strings.Join(got, ", "); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.flags, got, test.want)
		}
	}
}
