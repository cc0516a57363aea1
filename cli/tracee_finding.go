package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tracee-go/tracee/internal/paint"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// renderFinding renders a finding as a block of text for people, or as a line of JSON.
func renderFinding(format string, f detect.Finding, color paint.Painter) []byte {
	e, ok := f.Event.Payload.(*trace.Event)
	if !ok {
		e = &trace.Event{}
	}
	if format == "json" {
		return findingJSON(f, e)
	}
	return findingText(f, e, color)
}

// jsonFinding is a finding on one line. Its event has the form of tracee-ebpf's JSON.
type jsonFinding struct {
	Time      string         `json:"time"` // of the event, RFC 3339 in UTC
	Signature jsonSignature  `json:"signature"`
	Data      map[string]any `json:"data"`
	Event     *trace.Event   `json:"event"`
}

type jsonSignature struct {
	ID          string         `json:"id"`
	Version     string         `json:"version"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Tags        []string       `json:"tags"`
	Properties  map[string]any `json:"properties"`
}

func findingJSON(f detect.Finding, e *trace.Event) []byte {
	m := f.SigMetadata
	line, err := json.Marshal(jsonFinding{
		Time:      eventTime(e).UTC().Format(time.RFC3339Nano),
		Signature: jsonSignature{m.ID, m.Version, m.Name, m.Description, m.Tags, m.Properties},
		Data:      f.Data,
		Event:     e,
	})
	if err != nil {
		// A rule can put into Data what has no form in JSON; the finding matters more.
		f.Data = map[string]any{"error": fmt.Sprintf("data can not be shown: %v", err)}
		return findingJSON(f, e)
	}
	return append(line, '\n')
}

func eventTime(e *trace.Event) time.Time { return time.Unix(0, int64(e.Timestamp)) }

// severities name the levels of the property "Severity", as v0.8's signatures use them.
var severities = []string{"info", "low", "medium", "high", "critical"}

// severityColors are those of what somebody should look at.
var severityColors = map[string]paint.Color{"medium": paint.Yellow, "high": paint.Red, "critical": paint.Red}

func severity(m detect.SignatureMetadata) string {
	level, err := strconv.Atoi(fmt.Sprint(m.Properties["Severity"]))
	if err != nil || level < 0 || level >= len(severities) {
		return "unrated"
	}
	return severities[level]
}

// findingText shows what happened, who did it and how it was seen. Strings that programs chose are escaped, so that they
// can neither forge lines nor speak to the terminal.
func findingText(f detect.Finding, e *trace.Event, color paint.Painter) []byte {
	m := f.SigMetadata
	var b strings.Builder
	grade := severity(m)
	fmt.Fprintf(&b, "%s  %s  %s  %s\n", eventTime(e).Format("15:04:05.000"),
		color.Paint(severityColors[grade], fmt.Sprintf("%-8s", grade)), m.ID, color.Paint(paint.Bold, m.Name))
	fmt.Fprintf(&b, "    %s\n", m.Description)
	fmt.Fprintf(&b, "    process  %s (pid %d, parent %d, uid %d)", printable(e.ProcessName), e.HostProcessID, e.HostParentProcessID, e.UserID)
	if e.ContainerID != "" {
		fmt.Fprintf(&b, " in container %.12s", e.ContainerID)
	}
	fmt.Fprintf(&b, " on %s\n", printable(e.HostName))
	fmt.Fprintf(&b, "    event    %s", e.EventName)
	for a := range e.All() {
		text := a.Text()
		if len(text) > argumentShown {
			text = text[:argumentShown] + "…"
		}
		fmt.Fprintf(&b, " %s=%s", a.Name(), printable(text))
	}
	b.WriteByte('\n')
	if len(f.Data) > 0 {
		b.WriteString("    data    ")
		for _, key := range sortedKeys(f.Data) {
			fmt.Fprintf(&b, " %s=%s", printable(key), printable(fmt.Sprint(f.Data[key])))
		}
		b.WriteByte('\n')
	}
	return []byte(b.String())
}

// argumentShown bounds what the text shows of one argument, in bytes; JSON has all of it.
const argumentShown = 160

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// printable escapes what is not meant to be seen.
func printable(s string) string {
	quoted := strconv.QuoteToGraphic(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
