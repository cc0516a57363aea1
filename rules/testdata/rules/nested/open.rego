package tracee.Mine_2

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "MINE-2",
	"version": "1.2.3",
	"name": "Passwords opened",
	"description": "With data",
	"tags": [],
	"properties": {"Severity": 1.5},
}

tracee_selected_events[selector] {
	selector := {"source": "tracee", "name": ["openat", "security_file_open"][_]}
}

tracee_match = res {
	input.eventName == "security_file_open"
	flags = helpers.get_tracee_argument("flags")
	helpers.is_file_write(flags)
	pathname := helpers.get_tracee_argument("pathname")
	startswith(pathname, "/etc/passwd")
	res := {"flags": flags, "path": pathname, "pid": input.processId, "half": 0.5}
}

tracee_match = res {
	input.eventName == "openat"
	helpers.is_file_read(helpers.get_tracee_argument("flags"))
	endswith(helpers.get_tracee_argument("pathname"), "passwd")
	res := {}
}
