// Package detect holds the words of detection: a signature and its findings, with the API of Tracee v0.8.
//
// Start from Signature. The engine calls one signature from one goroutine at a time: Init once, then OnEvent for each
// selected event and OnSignal, then Close. A signature hands a finding to its handler from within these calls.
package detect

import "github.com/tracee-go/tracee/types/protocol"

// Signature recognises something in events.
type Signature interface {
	// GetMetadata describes the signature; it may be called before Init.
	GetMetadata() (SignatureMetadata, error)
	// GetSelectedEvents says what OnEvent wants to see; it may be called before Init.
	GetSelectedEvents() ([]SignatureEventSelector, error)
	// Init forgets all state and remembers the handler of findings.
	Init(handler SignatureHandler) error
	// Close ends the signature. Nothing is called after it.
	Close()
	// OnEvent looks at one event, whose payload is valid until OnEvent returns.
	OnEvent(event protocol.Event) error
	// OnSignal tells of something that is not an event, such as SignalSourceComplete.
	OnSignal(signal Signal) error
}

// SignatureMetadata describes a signature to people.
type SignatureMetadata struct {
	ID          string
	Version     string
	Name        string
	Description string
	Tags        []string
	Properties  map[string]any // by convention "Severity", a number, and "MITRE ATT&CK", "Tactic: Technique"
}

// SignatureEventSelector selects events. An empty Name or Origin means any, as "*" does.
type SignatureEventSelector struct {
	Source string // "tracee"
	Name   string
	Origin string
}

// SignatureHandler receives findings.
type SignatureHandler func(finding Finding)

// Finding is what a signature recognised, and the event at which it did.
type Finding struct {
	Data        map[string]any
	Event       protocol.Event
	SigMetadata SignatureMetadata
}

// Signal is something that signatures are told outside of events.
type Signal any

// SignalSourceComplete says that the source of this name has ended: no event of it will follow.
type SignalSourceComplete string
