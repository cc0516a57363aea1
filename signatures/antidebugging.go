package signatures

import (
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id:         "TRC-2",
	name:       "Anti-Debugging",
	doc:        "Process uses anti-debugging technique to block debugger",
	aliases:    []string{"TRC-102"},
	severity:   high,
	technique:  technique{"Defense Evasion", "Execution Guardrails", "T1480", ""},
	response:   "Look at what the program does when it is not traced. A tracer on the machine that nobody knows of is a finding of its own.",
	benign:     "Debuggers, strace and their like start their programs that way; some licence managers and games.",
	tags:       linuxAndContainer,
	events:     []string{"ptrace"},
	needs:      []detect.Need{need("ptrace", among("request", traceMe))},
	newMatcher: stateless(asksToBeTraced),
})

// asksToBeTraced is met by the children of debuggers too: a debugger starts its program that way.
func asksToBeTraced(e *trace.Event) bool { return text(e, "request") == "PTRACE_TRACEME" }
