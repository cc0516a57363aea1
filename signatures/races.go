package signatures

import (
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id: "TRC-2016", name: "Path changed while it is opened", severity: high, tags: linuxAndContainer,
	doc:        "The same path leads a process now to one file and now to another, again and again: it is changed between check and use, to fool a program or a sensor",
	technique:  technique{"Privilege Escalation", "Exploitation for Privilege Escalation", "T1068", ""},
	response:   "Look at the program. What it opened in truth is in the events: pathname, not syscall_pathname.",
	benign:     "Tests of such races.",
	events:     []string{"security_file_open"},
	newMatcher: func(s *surroundings) matcher { return newPathRaces(s) },
})

// pathRaces compares, for each process, where a path led last with where it leads now.
type pathRaces struct {
	around *surroundings
	led    *memory[uint64, asked]
	told   *memory[uint64, int]
}

// asked is the last file that a process opened by a path that led elsewhere, and how often that changed.
type asked struct {
	path, to string
	changes  int
	since    int
}

const (
	changesAreMany  = 3
	changesWithin   = 10 * time.Second
	racesRemembered = 1 << 10
)

func newPathRaces(s *surroundings) *pathRaces {
	return &pathRaces{s, newMemory[uint64, asked](racesRemembered), newMemory[uint64, int](racesRemembered)}
}

func (r *pathRaces) forgotten() uint64 { return r.led.forgotten() }

// match counts how often two different paths without links in them, one asked for and the other opened, change places. A
// name of a link is no such path: it leads to the same file each time, and its target is not asked for in turn.
func (r *pathRaces) match(e *trace.Event) (map[string]any, bool) {
	path, to := text(e, "syscall_pathname"), text(e, "pathname")
	withoutName := strings.Contains(text(e, "flags"), "O_TMPFILE") // it is asked for by its directory
	if path == to || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "/proc/") || to == "" || withoutName {
		return nil, false
	}
	last, known := r.led.get(entity(e))
	swapped := known && (last.path == path && last.to != to || last.path == to && last.to == path)
	if swapped && time.Duration(e.Timestamp-last.since) < changesWithin {
		last.changes++
	} else if !known || !(last.path == path && last.to == to) {
		last = asked{since: e.Timestamp}
	}
	last.path, last.to = strings.Clone(path), strings.Clone(to)
	r.led.set(entity(e), last)
	if last.changes < changesAreMany {
		return nil, false
	}
	if _, told := r.told.get(entity(e)); told {
		return nil, false
	}
	r.told.set(entity(e), e.Timestamp)
	return map[string]any{"asked for": last.path, "opened": last.to, "program": r.around.program(e)}, true
}
