# The keys of the control plane are for the control plane.
package tracee.TRC_10

import data.tracee.helpers

__rego_metadoc__ := {
	"id": "TRC-10",
	"version": "0.1.0",
	"name": "K8S TLS Certificate Theft Detected",
	"description": "Kubernetes TLS certificate theft was detected. Who has these files can speak to the cluster as one of its parts",
	"tags": ["linux", "container"],
	"properties": {
		"Severity": 3,
		"MITRE ATT&CK": "Credential Access: Steal Application Access Token",
	},
}

selectors := [
	{"source": "tracee", "name": "security_file_open", "origin": "*"},
]

tracee_selected_events[selector] {
	selector := selectors[_]
}

# By what a thread has of their names.
parts_of_kubernetes := {"kube-apiserver", "kubelet", "kube-controller", "etcd"}

tracee_match {
	input.eventName == "security_file_open"
	startswith(helpers.get_tracee_argument("pathname"), "/etc/kubernetes/pki/")
	reads(helpers.get_tracee_argument("flags"))
	not parts_of_kubernetes[input.processName]
}

# Flags that are 0 were shown as nothing.
reads(flags) {
	not contains(flags, "O_WRONLY")
}
