# The first bytes that are written to a file tell what it is.
package tracee.TRC_9

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "TRC-9",
	"version": "0.1.0",
	"name": "New Executable Was Dropped During Runtime",
	"description": "An Executable file was dropped in your system during runtime. Containers are to run what is in their image, and nothing else",
	"tags": ["linux", "container"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "Defense Evasion: Masquerading",
	},
}

selectors := [
	{"source": "tracee", "name": "magic_write", "origin": "container"},
]

tracee_selected_events[selector] {
	selector := selectors[_]
}

tracee_match = data_of_file {
	input.eventName == "magic_write"
	helpers.is_elf_file(helpers.get_tracee_argument("bytes"))
	data_of_file := {"file path": helpers.get_tracee_argument("pathname")}
}
