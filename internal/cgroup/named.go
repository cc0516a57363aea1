package cgroup

import (
	"path"
	"strings"
)

// Runtimes whose containers have names of any kind.
const (
	Runc = "runc"
	Crun = "crun"
	LXC  = "lxc"
)

// names are what runtimes put before a name of any kind, some of them only where systemd makes the groups: elsewhere that is
// part of the name.
var names = []struct{ prefix, suffix, runtime string }{
	{"lxc.payload.", "", LXC},
	{"runc-", scope, Runc},
	{"crun-", scope, Crun},
}

// Named is what the path of a group tells that is known to be a container by what runs in it, and whose name is no id of
// 64 digits.
func Named(group string) Container {
	parent, name := path.Split(group)
	c := Container{ID: strings.TrimSuffix(name, scope), Runtime: Unknown, Path: group, Named: true}
	for _, n := range names {
		if rest, found := strings.CutPrefix(c.ID, n.prefix); found && rest != "" && strings.HasSuffix(name, n.suffix) {
			c.ID, c.Runtime = rest, n.runtime
			return c
		}
	}
	above := strings.Trim(parent, "/")
	switch {
	case above == "lxc":
		c.Runtime = LXC
	case above == "default", above == "k8s.io":
		c.Runtime, c.Namespace = Containerd, above
	case above != "" && !strings.Contains(above, "/") && !strings.Contains(above, "."):
		c.Namespace = above // perhaps: only containerd can tell
	}
	return c
}

// Of is what the path of a group tells that is known to be a container.
func Of(group string) Container {
	if c, ok := Parse(group); ok {
		return c
	}
	return Named(group)
}

// Spellings are the beginnings of the names of groups that a container has whose id begins with id.
func Spellings(id string) []string {
	all := []string{id}
	for _, n := range names {
		all = append(all, n.prefix+id)
	}
	return all
}
