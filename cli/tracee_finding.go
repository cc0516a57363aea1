package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tracee-go/tracee/internal/paint"
	"github.com/tracee-go/tracee/sink/schema"
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

func findingJSON(f detect.Finding, e *trace.Event) []byte {
	return append(schema.JSON{}.AppendFinding(nil, &f, e), '\n')
}

// severityColors are those of what somebody should look at.
var severityColors = map[string]paint.Color{"medium": paint.Yellow, "high": paint.Red, "critical": paint.Red}

// findingText shows what happened, who did it and how it was seen. Strings that programs chose are escaped, so that they
// can neither forge lines nor speak to the terminal.
func findingText(f detect.Finding, e *trace.Event, color paint.Painter) []byte {
	m := f.SigMetadata
	var b strings.Builder
	grade := m.Severity()
	fmt.Fprintf(&b, "%s  %s  %s  %s\n", schema.EventTime(e).Format("15:04:05.000"),
		color.Paint(severityColors[grade], fmt.Sprintf("%-8s", grade)), m.ID, color.Paint(paint.Bold, m.Name))
	if m.Description != "" {
		fmt.Fprintf(&b, "    %s\n", m.Description)
	}
	fmt.Fprintf(&b, "    process  %s (pid %d, parent %d, uid %d)", printable(e.ProcessName), e.HostProcessID, e.HostParentProcessID, e.UserID)
	if e.ContainerID != "" {
		fmt.Fprintf(&b, " in container %.12s", e.ContainerID)
	}
	fmt.Fprintf(&b, " on %s\n", printable(e.HostName))
	fmt.Fprintf(&b, "    event    %s", e.EventName)
	writeArguments(&b, e)
	b.WriteByte('\n')
	if len(f.Data) > 0 {
		b.WriteString("    data    ")
		for _, key := range sortedKeys(f.Data) {
			fmt.Fprintf(&b, " %s=%s", printable(key), printable(fmt.Sprint(f.Data[key])))
		}
		b.WriteByte('\n')
	}
	writeLineage(&b, f.Process)
	if len(f.Policies) > 0 {
		fmt.Fprintf(&b, "    policy   %s\n", printable(strings.Join(f.Policies, ", ")))
	}
	if f.Repeated > 0 {
		fmt.Fprintf(&b, "    repeated %d more since it was first told\n", f.Repeated)
	}
	if f.LostNearby > 0 {
		fmt.Fprintf(&b, "    note     %s lost shortly before: this may not be all\n", count(f.LostNearby, "event"))
	}
	return []byte(b.String())
}

func writeArguments(b *strings.Builder, e *trace.Event) {
	for a := range e.All() {
		text := a.Text()
		if len(text) > argumentShown {
			text = text[:argumentShown] + "…"
		}
		fmt.Fprintf(b, " %s=%s", a.Name(), printable(text))
	}
}

// writeLineage shows what the process runs, and below that its ancestors, the parent first.
func writeLineage(b *strings.Builder, line []detect.Process) {
	for i, p := range line {
		if p.Executable == "" && len(p.Arguments) == 0 && i == 0 {
			continue // the line of the process has said it all
		}
		label := "runs    "
		if i > 0 {
			label = "below   "
		}
		fmt.Fprintf(b, "    %s %s", label, printable(cmp.Or(p.Executable, p.Name)))
		if i > 0 {
			fmt.Fprintf(b, " (pid %d, uid %d)", p.PID, p.User)
		}
		if len(p.Arguments) > 0 {
			text := strings.Join(p.Arguments, " ")
			if len(text) > argumentShown {
				text = text[:argumentShown] + "…"
			}
			fmt.Fprintf(b, ": %s", printable(text))
		}
		b.WriteByte('\n')
	}
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
