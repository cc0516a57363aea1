package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id:         "TRC-5",
	name:       "Fileless Execution",
	doc:        "Executing a process from memory, without a file in the disk",
	aliases:    []string{"TRC-105"},
	severity:   medium,
	technique:  technique{"Defense Evasion", "Obfuscated Files or Information", "T1027", ""},
	response:   "Copy the program from /proc/PID/exe while it runs; then stop it and look for who started it.",
	benign:     "Container runtimes run from a sealed copy of themselves: runc is known, others are not.",
	tags:       linuxAndContainer,
	events:     []string{"sched_process_exec"},
	newMatcher: stateless(runsFromMemory),
})

func runsFromMemory(e *trace.Event) bool {
	path := text(e, "pathname")
	// The kernel's own rendering of a memfd begins with a slash; v0.8 showed it without.
	if name, ok := strings.CutPrefix(strings.TrimPrefix(path, "/"), "memfd:"); ok {
		// runc runs from a sealed copy of itself until the container has started.
		return e.ContainerID != "" || !strings.HasPrefix(name, "runc")
	}
	return strings.HasPrefix(path, "/dev/shm/") || strings.HasPrefix(path, "/run/shm/")
}
