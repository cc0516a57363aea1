# A program that lies in memory: in a memfd, or in shared memory.
package tracee.TRC_5

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "TRC-5",
	"version": "0.1.0",
	"name": "Fileless Execution",
	"description": "Executing a process from memory, without a file in the disk",
	"tags": ["linux", "container"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "Defense Evasion: Obfuscated Files or Information",
	},
}

selectors := [
	{"source": "tracee", "name": "sched_process_exec"},
]

tracee_selected_events[selector] {
	selector := selectors[_]
}

tracee_match {
	input.eventName == "sched_process_exec"
	path := trim_prefix(helpers.get_tracee_argument("pathname"), "/")
	startswith(path, "memfd:")
	not is_runc(path)
}

# The name that runc's own copy of itself has; in a container nobody is trusted for his name.
is_runc(path) {
	startswith(path, "memfd:runc")
	input.containerId == ""
}

tracee_match {
	input.eventName == "sched_process_exec"
	startswith(helpers.get_tracee_argument("pathname"), "/dev/shm/")
}

tracee_match {
	input.eventName == "sched_process_exec"
	startswith(helpers.get_tracee_argument("pathname"), "/run/shm/")
}
