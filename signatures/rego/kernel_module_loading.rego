# A module comes from memory (init_module) or from a file (finit_module).
package tracee.TRC_6

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "TRC-6",
	"version": "0.1.0",
	"name": "kernel module loading",
	"description": "Attempt to load a kernel module detection",
	"tags": ["linux", "container"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "Persistence: Kernel Modules and Extensions",
	},
}

selectors := [
	{"source": "tracee", "name": "init_module"},
	{"source": "tracee", "name": "security_kernel_read_file"},
]

tracee_selected_events[selector] {
	selector := selectors[_]
}

tracee_match {
	input.eventName == "init_module"
}

tracee_match = data_of_module {
	input.eventName == "security_kernel_read_file"
	helpers.get_tracee_argument("type") == "kernel-module"
	data_of_module := {"pathname": helpers.get_tracee_argument("pathname")}
}
