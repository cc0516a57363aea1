// Package stream joins stages into a stream of events.
//
// A stage takes a sequence and returns one: it may drop events, change them, add some, or act on them. Chain puts stages
// behind a source. Everything runs on the goroutine that ranges over the result; an event is valid until the next one
// is asked for, and stopping the range stops every stage. There are no queues, so nothing is lost here.
package stream

import (
	"iter"

	"github.com/tracee-go/tracee/types/trace"
)

// Stage is one step of a stream.
type Stage func(iter.Seq[*trace.Event]) iter.Seq[*trace.Event]

// Chain puts stages behind a source, in order.
func Chain(source iter.Seq[*trace.Event], stages ...Stage) iter.Seq[*trace.Event] {
	for _, stage := range stages {
		source = stage(source)
	}
	return source
}

// Keep is a stage that drops the events for which keep is false.
func Keep(keep func(*trace.Event) bool) Stage {
	return func(in iter.Seq[*trace.Event]) iter.Seq[*trace.Event] {
		return func(yield func(*trace.Event) bool) {
			for e := range in {
				if keep(e) && !yield(e) {
					return
				}
			}
		}
	}
}

// Each is a stage that shows every event to act, and ends the stream at the first error, which it leaves to act to keep.
func Each(act func(*trace.Event) error) Stage {
	return func(in iter.Seq[*trace.Event]) iter.Seq[*trace.Event] {
		return func(yield func(*trace.Event) bool) {
			for e := range in {
				if act(e) != nil || !yield(e) {
					return
				}
			}
		}
	}
}
