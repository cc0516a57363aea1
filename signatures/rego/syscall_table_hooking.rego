# The event comes with an empty list, too: nothing is hooked then.
package tracee.TRC_15

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "TRC-15",
	"version": "0.1.0",
	"name": "Hooking system calls by overriding the system call table entries",
	"description": "Usage of kernel modules to hook system calls",
	"tags": ["linux"],
	"properties": {
		"Severity": 4,
		"MITRE ATT&CK": "Persistence: Hooking system calls entries in the system-call table",
	},
}

selectors := [
	{"source": "tracee", "name": "hooked_syscalls"},
]

tracee_selected_events[selector] {
	selector := selectors[_]
}

tracee_match = data_of_hooks {
	input.eventName == "hooked_syscalls"
	hooks := helpers.get_tracee_argument("hooked_syscalls")
	count(hooks) > 0
	data_of_hooks := {"hooked syscall": hooks}
}
