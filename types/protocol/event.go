// Package protocol is the envelope in which signatures receive events, as in Tracee v0.8.
//
// Start from Event. The headers say what the event is, so that it can be dispatched without looking at the payload.
package protocol

// Event is an event of some source together with what is needed to select it.
type Event struct {
	Headers EventHeaders
	// Payload is a *trace.Event for the source tracee. It is valid during the call that hands it over: a signature that
	// keeps it calls Clone. (Tracee v0.8 passed a trace.Event by value.)
	Payload any
}

// EventHeaders describe the payload.
type EventHeaders struct {
	Selector Selector
}

// Selector is what signatures select events by.
type Selector struct {
	Name   string // the event's name
	Origin string // where it happened: see the Origin constants of package trace
	Source string // who saw it: "tracee"
}
