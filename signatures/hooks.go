package signatures

import "github.com/tracee-go/tracee/types/trace"

var _ = declare(description{
	id:         "TRC-15",
	aliases:    []string{"TRC-1030", "DRV-002"},
	name:       "Hooking system calls by overriding the system call table entries",
	doc:        "Usage of kernel modules to hook system calls",
	severity:   critical,
	technique:  technique{"Persistence", "Hooking system calls entries in the system-call table", "T1547.006", ""},
	tags:       linux,
	response:   "Trust nothing on this machine any more: isolate it, keep an image of its memory, and set it up anew.",
	benign:     "Some security products and old tracers hook syscalls; the data name the module.",
	events:     []string{"hooked_syscalls"},
	newMatcher: observing(hooked("hooked_syscalls", "hooked syscall")),
})

var _ = declare(description{
	id:         "TRC-16",
	aliases:    []string{"TRC-1020"},
	name:       "Hooking proc file system file operations by overriding the function pointers",
	doc:        "Usage of kernel modules to hook file operations",
	severity:   critical,
	technique:  technique{"Defense Evasion", "Rootkit", "T1014", ""},
	tags:       linux,
	response:   "Trust nothing on this machine any more: what it shows of processes is filtered. Isolate it, and look at its memory and disk from outside.",
	benign:     "None known.",
	events:     []string{"hooked_proc_fops"},
	newMatcher: observing(hooked("hooked_fops_pointers", "hooked file_operations")),
})

// hooked looks at a list of what is hooked, which is often empty.
func hooked(argument, key string) observation {
	return func(e *trace.Event) (map[string]any, bool) {
		list := document[[]any](e, argument)
		return map[string]any{key: list}, len(list) > 0
	}
}
