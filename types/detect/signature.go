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

// Evidence is a set of what can be kept of a process.
type Evidence uint8

// What can be kept.
const (
	EvidenceExecutable Evidence = 1 << iota // the program that it runs
	EvidenceMemory                          // its memory that is executable and of no file
	EvidenceFiles                           // the files that it has open
	EvidencePackets                         // the last packets that it sent and received
	EvidenceAll        = EvidenceExecutable | EvidenceMemory | EvidenceFiles | EvidencePackets
)

// evidenceNames are the names of the property "Evidence".
var evidenceNames = map[string]Evidence{
	"executable": EvidenceExecutable, "memory": EvidenceMemory, "files": EvidenceFiles, "packets": EvidencePackets, "all": EvidenceAll,
}

// EvidenceAsked is what a signature asks to be kept for each of its findings: by its property "Evidence", a name or a
// list of names out of executable, memory, files, packets and all. So rules that are files can ask too. Packets have to be
// remembered before they are asked for: only signatures that have the property get them.
func (m SignatureMetadata) EvidenceAsked() (asked Evidence) {
	switch names := m.Properties["Evidence"].(type) {
	case string:
		return evidenceNames[names]
	case []string:
		for _, name := range names {
			asked |= evidenceNames[name]
		}
	case []any:
		for _, name := range names {
			text, _ := name.(string)
			asked |= evidenceNames[text]
		}
	}
	return asked
}

// SignatureEventSelector selects events. An empty Name or Origin means any, as "*" does.
type SignatureEventSelector struct {
	Source string // "tracee"
	Name   string
	Origin string
}

// SignatureHandler receives findings.
type SignatureHandler func(finding Finding)

// Finding is what a signature recognised, and the event at which it did. A signature fills the first fields, Evidence
// among them if it likes; the engine adds the others.
type Finding struct {
	Data        map[string]any
	Event       protocol.Event
	SigMetadata SignatureMetadata

	// Evidence is what a signature asks to be kept of the process, beyond what is kept for findings of its severity. It is
	// kept if the user wants evidence at all, by tracee --evidence.
	Evidence Evidence

	// Process is the one that the event is about, followed by its parent and so on, as far as they are known.
	Process []Process
	// LostNearby is how many events were lost shortly before: a sign that the finding may not be the whole story.
	LostNearby uint64
	// Repeated is how often the same was found again by the same process, when the finding stands for those.
	Repeated uint64
	// Policies are the names of the policies that the finding matches, where there are policies.
	Policies []string
}

// Process is what is known of a process.
type Process struct {
	EntityID   uint64   // see trace.Event; 0: not known
	PID        int      // on the host
	Name       string   // its command name
	Executable string   // the path of the file that it runs
	Arguments  []string // of its last exec
	User       int
	StartTime  int // ns since boot, as ThreadStartTime of events; 0: not known
	Device     uint64
	Inode      uint64 // of the executable, with Device; 0: not known
}

// Signal is something that signatures are told outside of events.
type Signal any

// SignalSourceComplete says that the source of this name has ended: no event of it will follow.
type SignalSourceComplete string
