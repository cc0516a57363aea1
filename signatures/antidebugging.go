package signatures

import "github.com/tracee-go/tracee/types/trace"

var _ = declare(description{
	id:         "TRC-2",
	name:       "Anti-Debugging",
	doc:        "Process uses anti-debugging technique to block debugger",
	severity:   3,
	technique:  "Defense Evasion: Execution Guardrails",
	tags:       linuxAndContainer,
	events:     []string{"ptrace"},
	newMatcher: stateless(asksToBeTraced),
})

// asksToBeTraced is met by the children of debuggers too: a debugger starts its program that way.
func asksToBeTraced(e *trace.Event) bool { return text(e, "request") == "PTRACE_TRACEME" }
