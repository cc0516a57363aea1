# A process that is traced by its parent can not be traced by anybody else.
package tracee.TRC_2

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "TRC-2",
	"version": "0.1.0",
	"name": "Anti-Debugging",
	"description": "Process uses anti-debugging technique to block debugger",
	"tags": ["linux", "container"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "Defense Evasion: Execution Guardrails",
	},
}

selectors := [
	{"source": "tracee", "name": "ptrace"},
]

tracee_selected_events[selector] {
	selector := selectors[_]
}

tracee_match {
	input.eventName == "ptrace"
	helpers.get_tracee_argument("request") == "PTRACE_TRACEME"
}
