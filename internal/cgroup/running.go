package cgroup

import (
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// running finds the groups that are those of containers by what runs in them, as the kernel side does when a container
// begins: the first process of a pid namespace, in a mount namespace other than its parent's, which is in another group.
func (h Hierarchy) running() map[string]bool {
	found := map[string]bool{}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		parent, first := firstOfNamespace(process)
		if !first {
			continue
		}
		mounts, err := os.Readlink(process + "/ns/mnt")
		outside, unknown := os.Readlink(parent + "/ns/mnt")
		if unknown != nil { // not everybody may look into the first process
			outside, unknown = os.Readlink("/proc/self/ns/mnt")
		}
		group, ok := h.groupOf(process)
		if err != nil || unknown != nil || mounts == outside || !ok || group == "/" || strings.HasSuffix(group, ".service") {
			continue
		}
		if around, known := h.groupOf(parent); known && around != group {
			found[group] = true
		}
	}
	return found
}

// firstOfNamespace says whether a process is the first of a pid namespace within ours, and where its parent is.
func firstOfNamespace(process string) (parent string, first bool) {
	status, err := os.ReadFile(process + "/status")
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		switch {
		case name == "PPid" && len(fields) == 1:
			parent = "/proc/" + fields[0]
		case name == "NSpid":
			return parent, len(fields) > 1 && fields[len(fields)-1] == "1"
		}
	}
	return "", false
}

// groupOf reads the group that a process is in; that of another namespace of groups, and the root, are not ok.
func (h Hierarchy) groupOf(process string) (group string, ok bool) {
	text, err := os.ReadFile(process + "/cgroup")
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) == 3 && fields[0] == strconv.Itoa(h.ID) {
			return fields[2], !strings.HasPrefix(path.Clean(fields[2]), "/..")
		}
	}
	return "", false
}
