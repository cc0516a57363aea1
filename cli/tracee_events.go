package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/sink/schema"
	"github.com/tracee-go/tracee/types/trace"
)

// eventPrinter shows events: in the live view as long as there is one, then as lines, those that match policies, between
// the findings.
type eventPrinter struct {
	*output.Lines
	*traceeCommand
	json trace.JSONWriter
}

var _ output.Printer = (*eventPrinter)(nil)

// Print is part of output.Printer.
func (p *eventPrinter) Print(e *trace.Event) error {
	if p.view.saw(e) || p.format == "" || !p.prints(e) {
		return nil
	}
	return p.Add(func(b []byte) []byte {
		if p.format == "json" {
			return append(p.json.AppendJSON(b, e), '\n')
		}
		return append(b, eventText(e)...)
	})
}

// prints says whether one of the policies that an event matches is for standard output. Losses are told there, too.
func (p *eventPrinter) prints(e *trace.Event) bool {
	if p.policies.set == nil {
		return false
	}
	return e.EventID == events.LostEvents.ID || p.policies.printed(e.MatchedPolicies)
}

// printed says whether one of these policies is for standard output.
func (p *policies) printed(matched []string) bool {
	return slices.ContainsFunc(matched, func(name string) bool { return slices.Contains(p.standard, name) })
}

// eventText shows an event that policies select on a line, for people.
func eventText(e *trace.Event) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  event     %s  %s (pid %d, uid %d)", schema.EventTime(e).Format("15:04:05.000"), e.EventName,
		printable(e.ProcessName), e.HostProcessID, e.UserID)
	if e.ContainerID != "" {
		fmt.Fprintf(&b, " in container %.12s", e.ContainerID)
	}
	writeArguments(&b, e)
	fmt.Fprintf(&b, " = %d", e.ReturnValue)
	if len(e.MatchedPolicies) > 0 {
		fmt.Fprintf(&b, "  [%s]", printable(strings.Join(e.MatchedPolicies, ", ")))
	}
	b.WriteByte('\n')
	return []byte(b.String())
}
