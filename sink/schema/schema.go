// Package schema writes events and findings in the forms that others know: JSON as Tracee v0.8 has it, the Elastic Common
// Schema, and the Open Cybersecurity Schema Framework.
//
// Start from Formats and Encoder. Encoders append to a buffer of their caller and are for one goroutine. What an event means
// in both schemas is one table, deeds; an event that is not in it is told in general terms. Nothing of an event is lost: what a
// schema has no field for stands under "tracee" (ECS) or "unmapped" (OCSF).
package schema

import (
	"slices"
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// Encoder writes in one format.
type Encoder interface {
	AppendEvent(b []byte, e *trace.Event) []byte
	// AppendFinding writes a finding at an event.
	AppendFinding(b []byte, f *detect.Finding, e *trace.Event) []byte
}

// Product says who writes.
type Product struct {
	Version string // of Tracee
	Host    string // the name of the machine; empty: events have it, which come from another one
}

func (p *Product) host(e *trace.Event) string {
	if p.Host != "" {
		return p.Host
	}
	return e.HostName
}

// Format is a form of events and findings.
type Format struct {
	Name string
	Doc  string
	New  func(Product) Encoder
}

// Formats are all forms; the first is the default.
var Formats = []Format{
	{"json", "events as Tracee v0.8 prints them, findings around them", func(Product) Encoder { return JSON{new(trace.JSONWriter)} }},
	{"ecs", "the Elastic Common Schema, version " + ecsVersion, func(p Product) Encoder { return &ECS{Product: p} }},
	{"ocsf", "the Open Cybersecurity Schema Framework, version " + ocsfVersion, func(p Product) Encoder { return &OCSF{Product: p} }},
}

// Lookup finds a format.
func Lookup(name string) (Format, bool) {
	i := slices.IndexFunc(Formats, func(f Format) bool { return f.Name == name })
	if i < 0 {
		return Format{}, false
	}
	return Formats[i], true
}

// severity is the place of a signature in detect.Severities; false: it does not say.
func severity(m detect.SignatureMetadata) (level int, ok bool) {
	level = detect.SeverityLevel(m.Severity())
	return level, level >= 0
}

// EventTime is when an event happened.
func EventTime(e *trace.Event) time.Time { return time.Unix(0, int64(e.Timestamp)) }

// tactics of MITRE ATT&CK, for signatures that give their names only.
var tactics = map[string]string{
	"Reconnaissance": "TA0043", "Resource Development": "TA0042", "Initial Access": "TA0001", "Execution": "TA0002",
	"Persistence": "TA0003", "Privilege Escalation": "TA0004", "Defense Evasion": "TA0005", "Credential Access": "TA0006",
	"Discovery": "TA0007", "Lateral Movement": "TA0008", "Collection": "TA0009", "Command and Control": "TA0011",
	"Exfiltration": "TA0010", "Impact": "TA0040",
}

// attack is the technique of a signature; fields may be empty.
type attack struct {
	tactic, tacticID       string
	technique, techniqueID string // of the parent, if there is a part
	part, partID           string // sub-technique
}

func attackOf(m detect.SignatureMetadata) (a attack) {
	text, _ := m.Properties["MITRE ATT&CK"].(string)
	a.tactic, a.technique, _ = strings.Cut(text, ": ")
	a.tacticID = tactics[a.tactic]
	a.techniqueID, _ = m.Properties["Technique"].(string)
	if parent, _, ok := strings.Cut(a.techniqueID, "."); ok {
		a.partID, a.techniqueID = a.techniqueID, parent
		if whole, part, ok := strings.Cut(a.technique, ": "); ok {
			a.technique, a.part = whole, part
		}
	}
	return a
}
