// Package cgroup knows the control groups of the machine, and which of them are containers, by their names.
//
// Start from Find, which tells the hierarchy that container runtimes use here, and Parse, which reads the path of a
// group. Nobody is asked but the kernel and, with Parse, not even that. A group is a container when its name is the id of
// one (64 hexadecimal digits), alone or as a runtime dresses it up. Who may make control groups can make one of such a
// name: then it is taken for a container too. A group of another name is one by what runs in it; Named reads its path.
package cgroup

import "strings"

// Container is what the path of a control group tells of the container that it belongs to.
type Container struct {
	ID      string // 64 hexadecimal digits, lower case; if Named, any text
	Runtime string
	Path    string // of the group that makes it
	PodUID  string // of a pod of Kubernetes, as kubelet names its control groups; or empty

	Named     bool   // known by what runs in it
	Namespace string // of containerd, of one that is named
}

// The runtimes, by v0.8's names.
const (
	Unknown    = "unknown"
	Docker     = "docker"
	Containerd = "containerd"
	CRIO       = "crio"
	Podman     = "podman"
)

// Dress is what a runtime puts before the id in the name of a group.
type Dress struct {
	Prefix  string // at most DressSize bytes
	Runtime string
}

// DressSize is how many bytes before the id decide. Only one prefix has as many, so that it alone may have something in
// front of it: the slice of the pod, where containerd was not told of systemd.
const DressSize = 16

// Dresses are all prefixes. The kernel side knows the same ones.
var Dresses = []Dress{
	{"", Unknown}, // of the driver cgroupfs; the parent tells more
	{"docker-", Docker},
	{"cri-containerd-", Containerd},
	{":cri-containerd:", Containerd},
	{"crio-", CRIO},
	{"libpod-", Podman},
	{"nerdctl-", Containerd},
}

const (
	scope    = ".scope" // how systemd's driver ends the name
	idLength = 64
)

// Parse finds the outermost container in the path of a control group.
func Parse(path string) (Container, bool) {
	parent := ""
	for component := range strings.SplitSeq(path, "/") {
		id, runtime, ok := parseName(component)
		if !ok {
			parent = component
			continue
		}
		if parent == "docker" && runtime == Unknown {
			runtime = Docker
		}
		above, _, _ := strings.Cut(path, component)
		return Container{ID: id, Runtime: runtime, Path: above + component, PodUID: podUID(above + component)}, true
	}
	return Container{}, false
}

// parseName reads one component of a path.
func parseName(name string) (id, runtime string, ok bool) {
	name = strings.TrimSuffix(name, scope)
	if len(name) < idLength {
		return "", "", false
	}
	prefix, id := name[:len(name)-idLength], strings.ToLower(name[len(name)-idLength:])
	if strings.Trim(id, "0123456789abcdef") != "" {
		return "", "", false
	}
	prefix = prefix[max(0, len(prefix)-DressSize):]
	for _, d := range Dresses {
		if prefix == d.Prefix {
			return id, d.Runtime, true
		}
	}
	return "", "", false
}

// podUID reads it off kubelet's names: pod<uid>, or for systemd kubepods-burstable-pod<uid>.slice, with _ for -. The uid
// of a static pod is without either.
func podUID(path string) string {
	for component := range strings.SplitSeq(path, "/") {
		uid, found := strings.CutPrefix(component, "pod")
		if strings.HasPrefix(component, "kubepods") {
			_, uid, found = strings.Cut(component, "-pod")
		}
		uid, _, _ = strings.Cut(uid, ".")
		uid = strings.ReplaceAll(uid, "_", "-")
		if digits := strings.ReplaceAll(uid, "-", ""); found && len(digits) == uidDigits {
			return uid
		}
	}
	return ""
}

const uidDigits = 32
