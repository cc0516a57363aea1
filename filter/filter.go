// Package filter decides what is traced: it is the meaning of --trace.
//
// Start from Parse, which turns the values of --trace into a Filter. Selection lists the events that are wanted. Scope
// fields (pid, uid, comm … the table in fields.go), containers and processes are decided in the kernel: Configure before
// loading, Install after. Judges are the tests of arguments and return values that it makes; Needs says what must arrive all
// the same. Match decides, per event in user space, all that is about arguments, and the rare scope filter that the kernel
// side has no room for. An oracle in the tests says what kernel and Match must agree on.
//
// How flags combine. Flags about different fields must all hold. For one scope field:
//
//  1. a value that equals a != value is out;
//  2. a value that equals an = value is in;
//  3. if there are < <= > >= flags, the value is in when it is within all of them;
//  4. otherwise it is in unless there were = flags.
//
// So "uid=5" with "uid>100" is five or more than a hundred, and "uid=0" with "uid!=5" is zero. For one argument or
// return value, every kind of flag must hold: one of its = values, none of its != values, and all of its ranges.
// An argument that was not captured does not match. * stands for any text, anywhere in a value.
//
// For events, names given in full with event= are always in; event!= and set!= take away from sets, from names with *,
// and from the default set, which is the base when there is neither event= nor set=.
//
// The kernel keeps 15 bytes of comm and uts. Longer values are cut to that, with a warning.
//
// A Filter does not change after Parse; it may be used by several goroutines. Nothing is installed that was not asked
// for: the verifier deletes the checks of unused fields.
package filter

import (
	"github.com/tracee-go/tracee/events"
)

//go:generate go run ./gen ../bpf/gen/filters.h

// Filter is the meaning of the --trace flags of one run. Without flags, it admits the default set from everywhere.
type Filter struct {
	// Warnings are about flags that are valid but probably not what was meant.
	Warnings []string

	scope      [len(fields)]rule
	process    processRule
	container  containerRule
	undecided  []int // scope fields that the kernel side has no room for
	events     selection
	interfaces []string // of packets; none: all
	arguments  []*argumentRule
	conditions map[int][]condition // by event id; all must hold
}

// Named returns the events that were asked for by their whole names, in a flag with few of them: to trace without these
// is not what was meant. In the order of the catalogue.
func (f *Filter) Named() []*events.Event {
	var named []*events.Event
	for _, e := range events.All() {
		if f.events.demanded[e] {
			named = append(named, e)
		}
	}
	return named
}

// Selection returns the events that are wanted, in the order of the catalogue. The base is the set to start from when
// no flag names an event or a set.
func (f *Filter) Selection(base events.Set) []*events.Event {
	var selected []*events.Event
	for _, e := range events.All() {
		if f.events.includes(e, base) {
			selected = append(selected, e)
		}
	}
	return selected
}
