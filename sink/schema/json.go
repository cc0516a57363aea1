package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// JSON writes events as Tracee v0.8 does, and findings around them. The zero value is for a few of them.
type JSON struct{ writer *trace.JSONWriter }

// AppendEvent writes an event.
func (j JSON) AppendEvent(b []byte, e *trace.Event) []byte {
	if j.writer == nil {
		return e.AppendJSON(b)
	}
	return j.writer.AppendJSON(b, e)
}

// jsonFinding is a finding on one line. Its event has the form of tracee-ebpf's JSON.
type jsonFinding struct {
	Time      string         `json:"time"` // of the event, RFC 3339 in UTC
	Signature jsonSignature  `json:"signature"`
	Data      map[string]any `json:"data"`
	Event     *trace.Event   `json:"event"`

	Process    *jsonProcess  `json:"process,omitempty"`
	Ancestors  []jsonProcess `json:"ancestors,omitempty"`  // the parent first
	LostNearby uint64        `json:"lostNearby,omitempty"` // events, shortly before
	Policies   []string      `json:"matchedPolicies,omitempty"`
	Repeated   uint64        `json:"repeated,omitempty"` // the finding stands for so many, since it was told first
}

// jsonProcess is what is known of a process.
type jsonProcess struct {
	EntityID   uint64   `json:"entityId,omitempty"`
	PID        int      `json:"pid"`
	Name       string   `json:"name"`
	Executable string   `json:"executable,omitempty"`
	Arguments  []string `json:"arguments,omitempty"`
	User       int      `json:"user"`
	StartTime  int      `json:"startTime,omitempty"` // ns since boot
}

func processJSON(p detect.Process) jsonProcess {
	return jsonProcess{p.EntityID, p.PID, p.Name, p.Executable, p.Arguments, p.User, p.StartTime}
}

type jsonSignature struct {
	ID          string         `json:"id"`
	Version     string         `json:"version"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Tags        []string       `json:"tags"`
	Properties  map[string]any `json:"properties"`
}

// AppendFinding writes a finding.
func (JSON) AppendFinding(b []byte, f *detect.Finding, e *trace.Event) []byte {
	m := f.SigMetadata
	shown := jsonFinding{
		Time:       EventTime(e).UTC().Format(time.RFC3339Nano),
		Signature:  jsonSignature{m.ID, m.Version, m.Name, m.Description, m.Tags, m.Properties},
		Data:       f.Data,
		Event:      e,
		LostNearby: f.LostNearby,
		Repeated:   f.Repeated,
		Policies:   f.Policies,
	}
	for i, p := range f.Process {
		shownProcess := processJSON(p)
		if i == 0 {
			shown.Process = &shownProcess
		} else {
			shown.Ancestors = append(shown.Ancestors, shownProcess)
		}
	}
	line, err := json.Marshal(shown)
	if err != nil {
		// A rule can put into Data what has no form in JSON; the finding matters more.
		shown.Data = unshown(err)
		line, _ = json.Marshal(shown) // all else has a form
	}
	return append(b, line...)
}

// unshown stands for data that have no form in JSON.
func unshown(err error) map[string]any {
	return map[string]any{"error": fmt.Sprintf("data can not be shown: %v", err)}
}

// appendAny writes what a rule put into a finding.
func appendAny(b []byte, data map[string]any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		text, _ = json.Marshal(unshown(err)) // a text has a form
	}
	return append(b, text...)
}

// textOf is a value of a finding as a text.
func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case nil:
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// kernelType is the type_id of a kernel resource in OCSF: 2 is a system call, 99 another.
func kernelType(e *trace.Event) int {
	if known, ok := events.Lookup(e.EventName); ok && known.Syscall {
		return 2
	}
	return 99
}
