# Libraries of somebody's choice, for one program by its environment, or for all by the file.
package tracee.TRC_7

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "TRC-7",
	"version": "0.1.0",
	"name": "LD_PRELOAD",
	"description": "Usage of LD_PRELOAD to allow hooks on process",
	"tags": ["linux", "container"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "Persistence: Hijack Execution Flow",
	},
}

selectors := [
	{"source": "tracee", "name": "execve"},
	{"source": "tracee", "name": "security_file_open"},
	{"source": "tracee", "name": "security_inode_rename"},
	{"source": "tracee", "name": "security_inode_symlink"},
]

tracee_selected_events[selector] {
	selector := selectors[_]
}

tracee_match {
	input.eventName == "execve"
	variable := helpers.get_tracee_argument("envp")[_]
	names_libraries(variable)
}

names_libraries(variable) {
	startswith(variable, "LD_PRELOAD=")
}

names_libraries(variable) {
	startswith(variable, "LD_LIBRARY_PATH=")
	not of_containerd(variable)
}

# What containerd tells all that it starts, whether there is anything or not.
of_containerd(variable) {
	variable == "LD_LIBRARY_PATH=/opt/containerd/lib:"
	starters := {"containerd", "containerd-shim", "runc", "exe"}
	starters[input.processName]
}

tracee_match {
	input.eventName == "security_file_open"
	endswith(helpers.get_tracee_argument("pathname"), "/etc/ld.so.preload")
	helpers.is_file_write(helpers.get_tracee_argument("flags"))
}

tracee_match {
	input.eventName == "security_inode_rename"
	endswith(helpers.get_tracee_argument("new_path"), "/etc/ld.so.preload")
}

tracee_match {
	input.eventName == "security_inode_symlink"
	endswith(helpers.get_tracee_argument("linkpath"), "/etc/ld.so.preload")
}
