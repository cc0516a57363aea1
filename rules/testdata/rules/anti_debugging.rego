package tracee.Mine_1

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "MINE-1",
	"version": "0.1.0",
	"name": "Asks to be traced",
	"description": "In the language of v0.8's time",
	"tags": ["linux", "container"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "Defense Evasion: Execution Guardrails",
	},
}

eventSelectors := [{
	"source": "tracee",
	"name": "ptrace",
}]

tracee_selected_events[eventSelector] {
	eventSelector := eventSelectors[_]
}

tracee_match {
	input.eventName == "ptrace"
	arg := input.args[_]
	arg.name == "request"
	arg.value == "PTRACE_TRACEME"
}
