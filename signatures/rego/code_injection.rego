# The three ways to write into the memory of a process.
package tracee.TRC_3

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "TRC-3",
	"version": "0.1.0",
	"name": "Code injection",
	"description": "Possible code injection into another process",
	"tags": ["linux", "container"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "Defense Evasion: Process Injection",
	},
}

selectors := [
	{"source": "tracee", "name": "ptrace"},
	{"source": "tracee", "name": "security_file_open"},
	{"source": "tracee", "name": "process_vm_writev"},
]

tracee_selected_events[selector] {
	selector := selectors[_]
}

# To Linux both requests are the same.
pokes := {"PTRACE_POKETEXT", "PTRACE_POKEDATA"}

tracee_match {
	input.eventName == "ptrace"
	pokes[helpers.get_tracee_argument("request")]
}

tracee_match = data_of_file {
	input.eventName == "security_file_open"
	flags := helpers.get_tracee_argument("flags")
	helpers.is_file_write(flags)
	path := helpers.get_tracee_argument("pathname")
	regex.match(`^/proc/(self|thread-self|[0-9]+)(/task/[0-9]+)?/mem$`, path)
	data_of_file := {"file flags": flags, "file path": path}
}

tracee_match {
	input.eventName == "process_vm_writev"
	helpers.get_tracee_argument("pid") != input.processId
}
