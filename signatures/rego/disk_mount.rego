# Disks of the machine are not for containers.
package tracee.TRC_11

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "TRC-11",
	"version": "0.1.0",
	"name": "Container Device Mount Detected",
	"description": "Container device filesystem mount detected. A container that mounts a disk of the machine has its files, too",
	"tags": ["container"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "Privilege Escalation: Escape to Host",
	},
}

selectors := [
	{"source": "tracee", "name": "security_sb_mount", "origin": "container"},
]

tracee_selected_events[selector] {
	selector := selectors[_]
}

tracee_match = data_of_mount {
	input.eventName == "security_sb_mount"
	device := helpers.get_tracee_argument("dev_name")
	startswith(device, "/dev/")
	not sets_up
	data_of_mount := {"mounted device": device}
}

# What runc mounts for the container from within, before its program starts.
sets_up {
	startswith(input.processName, "runc:")
	input.threadId == 1
}
