package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id:         "TRC-6",
	aliases:    []string{"TRC-1017"},
	name:       "kernel module loading",
	doc:        "Attempt to load a kernel module detection",
	severity:   high,
	technique:  technique{"Persistence", "Kernel Modules and Extensions", "T1547.006", ""},
	tags:       linuxAndContainer,
	response:   "Compare the module with the package of the kernel. One from elsewhere has the whole machine: isolate it and keep its memory.",
	benign:     "The kernel and udev load modules for hardware, file systems and the packet filter whenever they are first needed.",
	events:     []string{"init_module", "security_kernel_read_file"},
	newMatcher: observing(loadsModule),
})

func loadsModule(e *trace.Event) (map[string]any, bool) {
	if e.EventName == "init_module" {
		return nil, true
	}
	if text(e, "type") != "kernel-module" {
		return nil, false
	}
	return map[string]any{"pathname": strings.Clone(text(e, "pathname"))}, true
}
