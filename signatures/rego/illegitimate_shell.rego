# While the event is made, the process still has the name of the server.
package tracee.TRC_12

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "TRC-12",
	"version": "0.1.0",
	"name": "Illegitimate Shell",
	"description": "A program on your server spawned a shell program. A web server that starts a shell usually does it for an attacker",
	"tags": ["linux", "container"],
	"properties": {
		"Severity": 2,
		"MITRE ATT&CK": "Initial Access: Exploit Public-Facing Application",
	},
}

selectors := [
	{"source": "tracee", "name": "security_bprm_check", "origin": "*"},
]

tracee_selected_events[selector] {
	selector := selectors[_]
}

# By what a thread has of their names: "httpd-foregroun" is cut.
servers := {"nginx", "httpd", "httpd-foregroun", "lighttpd", "apache", "apache2"}

shells := {"/ash", "/bash", "/csh", "/ksh", "/sh", "/tcsh", "/zsh", "/dash"}

tracee_match {
	input.eventName == "security_bprm_check"
	servers[input.processName]
	endswith(helpers.get_tracee_argument("pathname"), shells[_])
}
