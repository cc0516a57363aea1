package tracer

import (
	"errors"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
)

// takeOver takes what the other tracer knows and its successor can not have seen.
func (t *Tracer) takeOver(from *Tracer) {
	t.told = from.told
	if t.told == nil {
		t.told = map[*events.Event]bool{}
	}
	for _, e := range from.config.Events {
		t.told[e] = true
	}
	t.inheritScans(from)
	t.inheritContainers(from)
	t.inheritProcesses(from)
}

// inheritContainers takes over which containers have started since tracing began: to the successor, all have been there.
func (t *Tracer) inheritContainers(from *Tracer) {
	var id uint64
	var group, mine bpf.TraceeContainerGroup
	for all := from.maps["container_groups"].Iterate(); all.Next(&id, &group); {
		if group.State == events.ContainerExisted || t.maps["container_groups"].Lookup(id, &mine) != nil || mine.State == group.State {
			continue
		}
		if group.State == 0 && mine.State != events.ContainerExisted {
			continue
		}
		mine.State = group.State
		if err := t.maps["container_groups"].Update(id, mine, ebpf.UpdateExist); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			t.log.Warn("state of a container not taken over", "group", id, "error", err)
		}
	}
}

// knownProcess is struct process of bpf/lib/process.h.
type knownProcess struct{ Tree, Executable, Executed, Followed uint8 }

// inheritProcesses takes over which processes have executed a program since tracing began, and, if the filters of processes
// are the same, which are followed.
func (t *Tracer) inheritProcesses(from *Tracer) {
	if !t.config.Filter.NeedsProcesses() || !from.config.Filter.NeedsProcesses() {
		return
	}
	same := t.config.Filter.SameProcesses(from.config.Filter)
	var id uint64
	var process, mine knownProcess
	for all := from.maps["processes"].Iterate(); all.Next(&id, &process); {
		if t.maps["processes"].Lookup(id, &mine) != nil {
			mine = knownProcess{}
		}
		mine.Executed |= process.Executed
		if same {
			mine.Followed |= process.Followed
			mine.Tree, mine.Executable = process.Tree, process.Executable
		}
		if err := t.maps["processes"].Put(id, mine); err != nil {
			t.log.Warn("what is known of processes was not all taken over", "error", err)
			return
		}
	}
}

// scansLike says whether another tracer looks for the same in the kernel's memory.
func (t *Tracer) scansLike(other *Tracer) bool {
	mine := slices.DeleteFunc(slices.Clone(t.config.Events), func(e *events.Event) bool { return !e.Scanned })
	dumps := slices.Contains(mine, events.PrintMemDump) // what is dumped is said by the filter
	if len(mine) == 0 || dumps || len(mine) != len(other.scanner.scans) {
		return false
	}
	for i := range other.scanner.scans { // the rest of a scan is the reader's
		if !slices.Contains(mine, other.scanner.scans[i].event) {
			return false
		}
	}
	return true
}

// openScan makes an event that is looked for available, unless the predecessor's scan is to go on: what it needed to begin
// may not be allowed any more.
func (t *Tracer) openScan(e *events.Event) error {
	if t.takesScans {
		return nil
	}
	return t.scanner.open(e)
}

// inheritScans takes over the scans, which remember what they have told. The predecessor closes the scanner that was made for
// this tracer, which has opened nothing.
func (t *Tracer) inheritScans(from *Tracer) {
	if !t.takesScans {
		return
	}
	mine, theirs := t.scanner, from.scanner
	t.scanner, from.scanner = theirs, mine
	theirs.now, mine.now = mine.now, theirs.now
	for i, c := range t.closers {
		if c == mine {
			t.closers[i] = theirs
		}
	}
	for i, c := range from.closers {
		if c == theirs {
			from.closers[i] = mine
		}
	}
}
