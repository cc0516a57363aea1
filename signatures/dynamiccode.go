package signatures

import "github.com/tracee-go/tracee/types/trace"

var _ = declare(description{
	id:         "TRC-4",
	name:       "Dynamic Code Loading",
	doc:        "Writing to executable allocated memory region",
	aliases:    []string{"TRC-104"},
	severity:   medium,
	technique:  technique{"Defense Evasion", "Obfuscated Files or Information", "T1027", ""},
	response:   "Dump the memory of the process before it ends, and compare its program with the package it belongs to.",
	benign:     "Just-in-time compilers that write code first and then protect it.",
	tags:       linuxAndContainer,
	events:     []string{"mem_prot_alert"},
	newMatcher: stateless(seals),
})

// seals is met when memory that could be written stays executable and becomes read-only: code was put there.
func seals(e *trace.Event) bool { return text(e, "alert") == "Protection changed from W+E to E!" }
