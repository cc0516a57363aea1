// Package events is the catalogue: every event Tracee knows, as data.
//
// Start from Event and All. A syscall is one row of syscalls.go; a kernel event is one declaration in the file of its
// family (process.go, file.go, net.go, cgroup.go …) and the program of the same name in the .bpf.h file beside it.
// Ids, C setters, decoders, --list, filters and documentation are derived from the declaration.
//
// The catalogue is complete when package initialisation ends and never changes after. It does not know the eBPF
// library and needs no privileges, so it can be listed, documented and tested on any machine.
package events

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tracee-go/tracee/types/trace"
)

// Event is one declared event.
type Event struct {
	ID       int
	Name     string
	Syscall  bool
	Internal bool // never selectable by users
	Scanned  bool // read from the kernel's memory by the tracer, from time to time
	Critical bool // travels in the critical ring, which a flood of other events can not fill
	OfThread bool // about a thread itself or the call that it makes, and so never what an io_uring does
	// Unfiltered events pass the filters of tasks, and are seen of the tracer itself too: they keep the books.
	Unfiltered bool
	Sets       []Set
	Args       []trace.Field
	Hooks      Ladder
	From       []*Event // those that user space makes this one of, see package derive
	Better     []*Event // further ones, without which it says less
	Doc        string   // what it means, one or two sentences
	Unseen     string   // what the last rung, tracepoint or cgroup, cannot see; empty when it sees everything
	Numbers    Numbers

	// Index is the position in All: the dense number that the kernel side counts and selects by. It is not stable
	// between builds.
	Index  int
	schema *trace.Schema
}

// Sources are all events that this one is made of.
func (e *Event) Sources() []*Event { return append(slices.Clone(e.From), e.Better...) }

// Schema is the shape of the event's records.
func (e *Event) Schema() *trace.Schema { return e.schema }

// ABI is a way to make syscalls, with its own numbering.
type ABI uint8

// The ABIs whose numbers the catalogue knows.
const (
	AMD64 ABI = iota
	I386
	ARM64
	abis
)

// Numbers holds a syscall's number per ABI, none where the ABI lacks it.
type Numbers [abis]int

const none = -1

// Hook is one way to observe an event, on a rung of the ladder.
type Hook struct {
	Rung trace.Rung
	// Program is the name of the BPF program that produces the event. It attaches by itself, unless Exit is set.
	Program string
	// Exit lists the syscalls after which Program runs, as a tail of the program sys_exit.
	Exit []string
	// Enter are programs that take down, before a syscall, what it will destroy: tails of the program sys_enter.
	Enter []Tail
	// With names further programs that the event needs, which attach by themselves.
	With []string
	// Uring are programs that see the same done through an io_uring, where the hook does not: tails of the programs that
	// see the answers of operations. Where the kernel does not have them, the event goes without.
	Uring []UringTail
}

// UringTail is a program that runs after some operations of io_uring.
type UringTail struct {
	Program    string
	Operations []string // as the kernel calls them, without IORING_OP_
	// Unanswered, if there is one, runs instead when a request that is to have no answer is submitted.
	Unanswered string
}

// Tail is a program that runs around some syscalls.
type Tail struct {
	Program  string
	Syscalls []string
}

// Ladder lists the hooks of an event, best first.
type Ladder []Hook

// lsmHook is a hook of the Linux security modules: from the LSM itself, or from its function security_<hook>, followed
// by the rungs below. See bpf/lib/hook.h for the programs.
func lsmHook(hook string, below ...Hook) Ladder {
	ladder := Ladder{{Rung: trace.LSM, Program: "security_" + hook + "_lsm"}}
	return append(ladder, function("security_"+hook, below...)...)
}

// function is the entry of a kernel function, followed by the rungs below.
func function(name string, below ...Hook) Ladder {
	return append(Ladder{
		{Rung: trace.Fentry, Program: name + "_fentry"},
		{Rung: trace.Kprobe, Program: name + "_kprobe"},
	}, below...)
}

// returned is the return of a kernel function, followed by the rungs below.
func returned(name string, below ...Hook) Ladder {
	return append(Ladder{{Rung: trace.Fentry, Program: name + "_fexit"}}, below...)
}

// tracepoint is a program on a BTF tracepoint.
func tracepoint(program string) Hook { return Hook{Rung: trace.Tracepoint, Program: program} }

// sysExit is a program that runs after the syscalls listed.
func sysExit(program string, syscalls ...string) Hook {
	return Hook{Rung: trace.Tracepoint, Program: program, Exit: syscalls}
}

// byUring adds to a hook what sees the same done through an io_uring.
func (h Hook) byUring(program string, operations ...string) Hook {
	h.Uring = append(slices.Clone(h.Uring), UringTail{Program: program, Operations: operations})
	return h
}

// byUringUnanswered is byUring for operations of which something is known already when they are submitted.
func (h Hook) byUringUnanswered(program string, operations ...string) Hook {
	h = h.byUring(program, operations...)
	h.Uring[len(h.Uring)-1].Unanswered = program + "_unanswered"
	return h
}

// byUring adds to every hook of a ladder what sees the same done through an io_uring.
func (l Ladder) byUring(program string, operations ...string) Ladder {
	for i := range l {
		l[i] = l[i].byUring(program, operations...)
	}
	return l
}

var (
	all    []*Event
	byName = map[string]*Event{}
	byID   = map[int]*Event{}
)

// declare adds an event to the catalogue. It panics on a duplicate name or id and on a malformed declaration, so that
// a mistake never leaves the author's machine.
func declare(e Event) *Event {
	if e.Name == "" || byName[e.Name] != nil || byID[e.ID] != nil {
		panic(fmt.Sprintf("events: %q (id %d) has no name or is declared twice", e.Name, e.ID))
	}
	if len(e.Args) > trace.MaxFields {
		panic(fmt.Sprintf("events: %s has more than %d arguments", e.Name, trace.MaxFields))
	}
	e.schema = &trace.Schema{ID: e.ID, Name: e.Name, Fields: e.Args}
	event := &e
	all = append(all, event)
	byName[e.Name], byID[e.ID] = event, event
	return event
}

// init runs after the declarations, which are package variables.
func init() {
	for i := range syscalls {
		declareSyscall(&syscalls[i])
	}
	slices.SortFunc(all, func(a, b *Event) int { return cmp.Compare(a.ID, b.ID) })
	for i, e := range all {
		e.Index = i
	}
}

// All returns the catalogue in the order of ids. The slice is shared; do not change it.
func All() []*Event { return all }

// Lookup finds an event by name.
func Lookup(name string) (*Event, bool) {
	e, ok := byName[name]
	return e, ok
}

// LookupID finds an event by id.
func LookupID(id int) (*Event, bool) {
	e, ok := byID[id]
	return e, ok
}

// InSet returns the events of a set, in the order of ids. The set "all" holds every event that is not internal.
func InSet(set Set) []*Event {
	var members []*Event
	for _, e := range all {
		if !e.Internal && (set == AllEvents || slices.Contains(e.Sets, set)) {
			members = append(members, e)
		}
	}
	return members
}

// Sets returns the names of all sets that have members, sorted.
func Sets() []Set {
	seen := map[Set]bool{AllEvents: true}
	for _, e := range all {
		for _, s := range e.Sets {
			seen[s] = true
		}
	}
	names := make([]Set, 0, len(seen))
	for s := range seen {
		names = append(names, s)
	}
	slices.Sort(names)
	return names
}

// WithSources adds to a selection the events that derived ones are made of.
func WithSources(selection []*Event) []*Event {
	whole := slices.Clone(selection)
	for i := 0; i < len(whole); i++ { // what is added may be derived itself
		for _, source := range whole[i].Sources() {
			if !slices.Contains(whole, source) {
				whole = append(whole, source)
			}
		}
	}
	return whole
}

// Tails returns the names of the programs that run as tails of sys_enter, sys_exit and of io_uring's answers, sorted.
func Tails() []string {
	seen := map[string]bool{}
	for _, e := range all {
		for _, h := range e.Hooks {
			if h.Exit != nil {
				seen[h.Program] = true
			}
			for _, t := range h.Enter {
				seen[t.Program] = true
			}
			for _, t := range h.Uring {
				seen[t.Program] = true
				if t.Unanswered != "" {
					seen[t.Unanswered] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
