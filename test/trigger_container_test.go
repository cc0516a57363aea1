package test

import (
	"encoding/gob"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/cgroup"
)

func init() {
	gob.Register(between{})
	triggers = append(
		triggers,
		trigger{"container_create", "control groups", func(a *actor) { a.makeContainers("container_create") }},
		trigger{"container_remove", "control groups", func(a *actor) { a.makeContainers("container_remove") }},
	)
	const seen = "internal: seen as what is made of it, "
	untriggered["container_group_made"] = seen + "container_create"
	untriggered["container_group_removed"] = seen + "container_remove"
	untriggered["container_group_found"] = seen + "existing_container"
	untriggered["container_enriched"] = "happens when a runtime answers late; see the tests of package container"
	untriggered["existing_container"] = "happens before a child can act; see the test of containers"
}

// between is a time of which only the limits are known, ns since the epoch. The kernel's clock may run slightly apart
// from the wall's.
type between struct{ After, Before int64 }

const clockSlack = int64(100 * time.Millisecond)

func (m between) match(got any) error {
	n, ok := got.(uint64)
	if !ok || int64(n) < m.After-clockSlack || int64(n) > m.Before+clockSlack {
		return fmt.Errorf("got %v, want a time between %d and %d", got, m.After, m.Before)
	}
	return nil
}

// containerID is an id that belongs to a process.
func containerID(pid int) string { return strings.Repeat(fmt.Sprintf("%08x", pid), 8) }

// groupTree is the tree in which containers are looked for.
func (a *actor) groupTree() cgroup.Hierarchy {
	tree, err := cgroup.Find()
	if err != nil {
		a.skip(err.Error())
	}
	return tree
}

// makeGroup makes a control group that processes can be put into.
func makeGroup(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} { // empty in version 1
		inherited, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
		if err != nil || len(strings.TrimSpace(string(inherited))) == 0 {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), inherited, 0); err != nil {
			return err
		}
	}
	return nil
}

// makeContainers makes and removes control groups as runtimes name them, with others in them and between.
func (a *actor) makeContainers(event string) {
	tree, base := a.groupTree(), "/tracee-test-"+itoa(os.Getpid())
	id, other := containerID(os.Getpid()), containerID(-os.Getpid())
	a.check(os.Mkdir(tree.Root+base, 0o755))
	a.check(os.Mkdir(tree.Root+base+"/docker", 0o755))
	for _, row := range []struct {
		path, runtime string
		inner         []string
	}{
		{"/docker-" + id + ".scope", cgroup.Docker, []string{"/init.scope", "/docker-" + other + ".scope"}},
		{"/docker/" + id, cgroup.Docker, nil},
		{"/" + id, cgroup.Unknown, nil},
		{"/" + strings.ToUpper(id), cgroup.Unknown, nil},
		{"/cri-containerd-" + id + ".scope", cgroup.Containerd, nil},
		{"/kubepods-besteffort-pod0.slice:cri-containerd:" + id, cgroup.Containerd, nil},
		{"/crio-" + id + ".scope", cgroup.CRIO, []string{"/container"}},
		{"/libpod-" + id, cgroup.Podman, nil},
		{"/libpod-conmon-" + id + ".scope", "", nil},
		{"/docker-" + id + ".service", "", nil},
		{"/" + id[1:], "", nil},
		{"/" + id + "0", "", nil},
		{"/xcrio-" + id, "", nil},
		{"/" + id[1:] + "g", "", nil},
	} {
		paths := []string{tree.Root + base + row.path}
		for _, inner := range row.inner {
			paths = append(paths, paths[0]+inner)
		}
		before := time.Now().UnixNano()
		for _, path := range paths {
			a.check(os.Mkdir(path, 0o755))
		}
		made := between{before, time.Now().UnixNano()}
		for i := range paths {
			a.check(unix.Rmdir(paths[len(paths)-1-i]))
		}
		args := arguments{"runtime": row.runtime, "container_id": id}
		if event == "container_create" {
			args["ctime"] = made
			for _, unknown := range []string{"container_image", "container_name", "pod_name", "pod_namespace", "pod_uid", "container_image_digest"} {
				args[unknown] = ""
			}
		}
		if row.runtime != "" {
			a.want(event, args)
		}
	}
	a.check(unix.Rmdir(tree.Root + base + "/docker"))
	a.check(unix.Rmdir(tree.Root + base))
}
