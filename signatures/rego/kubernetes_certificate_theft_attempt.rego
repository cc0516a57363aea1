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
	{"source": "tracee", "name": "security_inode_rename", "origin": "*"},
]

tracee_selected_events[selector] {
	selector := selectors[_]
}

parts_of_kubernetes := {"kube-apiserver", "kubelet", "kube-controller", "kube-controller-manager", "etcd"}

tracee_match {
	input.eventName == "security_file_open"
	contains(helpers.get_tracee_argument("pathname"), "/etc/kubernetes/pki/")
	reads(helpers.get_tracee_argument("flags"))
	not of_kubernetes
}

tracee_match {
	input.eventName == "security_inode_rename"
	contains(helpers.get_tracee_argument("old_path"), "/etc/kubernetes/pki/")
	not of_kubernetes
}

# A program is known by its file, in a directory where only root can write; where that is not told, by the name of the thread.
of_kubernetes {
	path := input.executable.path
	directories := ["/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/lib/", "/lib/", "/usr/libexec/", "/usr/local/sbin/", "/snap/", "/usr/local/bin/", "/opt/", "/usr/lib64/"]
	startswith(path, directories[_])
	names := split(path, "/")
	parts_of_kubernetes[names[count(names) - 1]]
}

of_kubernetes {
	not input.executable
	parts_of_kubernetes[input.processName]
}

# Flags that are 0 were shown as nothing.
reads(flags) {
	not contains(flags, "O_WRONLY")
}
