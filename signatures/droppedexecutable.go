package signatures

import (
	"bytes"
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id:         "TRC-9",
	aliases:    []string{"TRC-1022"},
	name:       "New Executable Was Dropped During Runtime",
	doc:        "An Executable file was dropped in your system during runtime. Containers are to run what is in their image, and nothing else",
	severity:   medium,
	technique:  technique{"Defense Evasion", "Masquerading", "T1036", ""},
	tags:       linuxAndContainer,
	response:   "Keep a copy of the file, find out who wrote it, and start the container anew from its image.",
	benign:     "Package managers and compilers in containers that are made for building.",
	origin:     trace.OriginContainer,
	events:     []string{"magic_write"},
	newMatcher: observing(dropsExecutable),
})

func dropsExecutable(e *trace.Event) (map[string]any, bool) {
	if !isELF(raw(e, "bytes")) {
		return nil, false
	}
	return map[string]any{"file path": strings.Clone(text(e, "pathname"))}, true
}

func isELF(content []byte) bool { return bytes.HasPrefix(content, []byte("\x7fELF")) }
