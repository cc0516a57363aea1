package tracee.Mine_3

import data.tracee.helpers
import data.tracee.more

__rego_metadoc__ := {
	"id": "MINE-3",
	"version": "0.1.0",
	"name": "Elf written",
	"description": "In the language of OPA 1",
	"tags": ["container"],
	"properties": {"Severity": 2},
}

tracee_selected_events contains selector if {
	selector := {"source": "tracee", "name": "magic_write", "origin": "container"}
}

tracee_match := {"file path": path} if {
	helpers.is_elf_file(helpers.get_tracee_argument("bytes"))
	path := helpers.get_tracee_argument("pathname")
	not more.trusted(path)
}
