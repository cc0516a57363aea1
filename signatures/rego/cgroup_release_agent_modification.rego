# What is written there is run by the kernel, outside of the container.
package tracee.TRC_14

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "TRC-14",
	"version": "0.1.0",
	"name": "CGroups Release Agent File Modification",
	"description": "An Attempt to modify CGroups release agent file was detected. The kernel runs what stands there as root of the machine",
	"tags": [],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "Privilege Escalation: Escape to Host",
	},
}

selectors := [
	{"source": "tracee", "name": "security_file_open", "origin": "container"},
	{"source": "tracee", "name": "security_inode_rename", "origin": "container"},
]

tracee_selected_events[selector] {
	selector := selectors[_]
}

tracee_match = data_of_file {
	input.eventName == "security_file_open"
	path := helpers.get_tracee_argument("pathname")
	endswith(path, "/release_agent")
	flags := helpers.get_tracee_argument("flags")
	helpers.is_file_write(flags)
	data_of_file := {"File Flags": flags, "File Path": path}
}

tracee_match = data_of_rename {
	input.eventName == "security_inode_rename"
	path := helpers.get_tracee_argument("new_path")
	endswith(path, "/release_agent")
	data_of_rename := {"File Path": path}
}
