package test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// hierarchy is where control groups can be made, the unified one if there is one.
type hierarchy struct {
	mount string
	id    uint32
}

func (a *actor) hierarchy() hierarchy {
	for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var fs unix.Statfs_t
		if unix.Statfs(mount, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
			return hierarchy{mount: mount}
		}
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	a.check(err)
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), ":")
		mount := "/sys/fs/cgroup/" + strings.TrimPrefix(fields[1], "name=")
		if n, err := strconv.ParseUint(fields[0], 10, 32); err == nil && isDir(mount) {
			return hierarchy{mount: mount, id: uint32(n)}
		}
	}
	a.skip("no control groups are mounted")
	return hierarchy{}
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// group makes a control group, with another in it, and removes both; it asks for the event of each.
func (a *actor) group(made, removed bool) {
	h := a.hierarchy()
	name := "/tracee-test-" + itoa(os.Getpid())
	var both []arguments
	for _, path := range []string{name, name + "/inner"} {
		a.check(os.Mkdir(filepath.Join(h.mount, path), 0o755))
		st := a.stat(filepath.Join(h.mount, path))
		args := arguments{"cgroup_id": st.Ino, "cgroup_path": path, "hierarchy_id": h.id}
		both = append(both, args)
		if made {
			a.want("cgroup_mkdir", args)
		}
	}
	for i := range both {
		args := both[len(both)-1-i]
		a.check(unix.Rmdir(filepath.Join(h.mount, args["cgroup_path"].(string))))
		if removed {
			a.want("cgroup_rmdir", args)
		}
	}
}

func makeCgroup(a *actor)   { a.group(true, false) }
func removeCgroup(a *actor) { a.group(false, true) }

// attachToCgroup moves a child of its own there and back.
func attachToCgroup(a *actor) {
	h := a.hierarchy()
	name := "/tracee-test-" + itoa(os.Getpid())
	a.check(os.Mkdir(h.mount+name, 0o755))
	pid, reap := a.fork(0, 0)
	for _, path := range []string{name, "/"} {
		a.check(os.WriteFile(filepath.Join(h.mount, path, "cgroup.procs"), []byte(itoa(pid)), 0))
		a.want("cgroup_attach_task", arguments{"cgroup_path": path, "comm": comm(), "pid": int32(pid)})
	}
	reap()
	a.check(unix.Rmdir(h.mount + name))
}
