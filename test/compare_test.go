package test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

// of keeps the events of some processes, and of these only those that their main threads caused: a Go program has
// threads of its own accord.
func of(seen []*trace.Event, pids []int, names ...string) []*trace.Event {
	var kept []*trace.Event
	for _, e := range seen {
		if e.HostProcessID == e.HostThreadID && slices.Contains(pids, e.HostProcessID) && slices.Contains(names, e.EventName) &&
			!aboutMemory(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// aboutMemory tells of the question whether a mapping may go beyond the limits: the runtime of Go maps memory when it
// likes, on any thread.
func aboutMemory(e *trace.Event) bool {
	if e.EventName != "cap_capable" {
		return false
	}
	syscall, ok := e.Lookup("syscall")
	return ok && syscall.Value() == int32(lookup("mmap").ID)
}

// compareAll demands that exactly the wanted events were seen, in order.
func (c *child) compareAll(wants []want, seen []*trace.Event) {
	c.t.Helper()
	for i := range max(len(wants), len(seen)) {
		switch {
		case i >= len(seen):
			c.t.Errorf("not seen: %s", &wants[i])
		case i >= len(wants):
			c.t.Errorf("not wanted: %s", show(seen[i]))
		default:
			if err := c.compare(&wants[i], seen[i]); err != nil {
				c.t.Errorf("event %d, %s by %s[%d]:\n%v", i, seen[i].EventName, seen[i].ProcessName, seen[i].HostThreadID, err)
			}
		}
	}
}

// compare looks at the arguments, the return value, and who the event is attributed to.
func (c *child) compare(w *want, e *trace.Event) error {
	var wrong []string
	differ := func(what string, got, want any) {
		if err := matches(got, want); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", what, err))
		}
	}
	differ("event", e.EventName, w.Event)
	for name, value := range w.Arguments {
		arg, ok := e.Lookup(name)
		if !ok {
			wrong = append(wrong, name+": absent")
			continue
		}
		differ(name, arg.Value(), value)
		differ(name+" truncated", arg.Truncated(), slices.Contains(w.Truncated, name))
	}
	for arg := range e.All() {
		if _, ok := w.Arguments[arg.Name()]; !ok {
			wrong = append(wrong, fmt.Sprintf("%s: got %#v, want it absent", arg.Name(), arg.Value()))
		}
	}
	differ("return value", e.ReturnValue, w.Return)
	differ("compat", e.Compat, w.Compat)
	differ("via", e.Via, w.Via)
	differ("host pid", e.HostProcessID, cmp.Or(w.Pid, c.pid))
	differ("uid", e.UserID, w.UID)
	differ("comm", e.ProcessName, cmp.Or(w.Comm, c.comm))
	if len(wrong) > 0 {
		return fmt.Errorf("%s", strings.Join(wrong, "\n"))
	}
	return nil
}

func (w *want) String() string {
	return describe(w.Event, w.Arguments, w.Return)
}

func show(e *trace.Event) string {
	values := arguments{}
	for _, a := range e.Args() {
		values[a.Name] = a.Value
	}
	return fmt.Sprintf("%s by %s[%d]", describe(e.EventName, values, e.ReturnValue), e.ProcessName, e.HostThreadID)
}

func describe(name string, values arguments, ret int) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, fmt.Sprintf("%s=%.200q", key, fmt.Sprint(values[key])))
	}
	return fmt.Sprintf("%s(%s) = %d", name, strings.Join(parts, ", "), ret)
}
