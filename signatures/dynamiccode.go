package signatures

import "github.com/tracee-go/tracee/types/trace"

var _ = declare(description{
	id:         "TRC-4",
	name:       "Dynamic Code Loading",
	doc:        "Writing to executable allocated memory region",
	severity:   2,
	technique:  "Defense Evasion: Obfuscated Files or Information",
	tags:       linuxAndContainer,
	events:     []string{"mem_prot_alert"},
	newMatcher: stateless(seals),
})

// seals is met when memory that could be written stays executable and becomes read-only: code was put there.
func seals(e *trace.Event) bool { return text(e, "alert") == "Protection changed from W+E to E!" }
