package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Hierarchy is a tree of control groups.
type Hierarchy struct {
	ID         int    // 0: the unified one
	Controller string // one that is in the tree; empty for the unified one
	Root       string // where the tree is mounted
}

// controllers of version 1 in the order in which they are preferred: as in v0.8 cpuset, then those that runtimes put
// every container into.
var controllers = []string{"cpuset", "memory", "pids", "cpu", "cpuacct", "devices", "freezer", "blkio"}

// ErrNone says that no tree of control groups is mounted.
var ErrNone = errors.New("no control groups are mounted")

// Find returns the hierarchy in which runtimes put containers: one of version 1 where there are any, also where both
// versions are mounted, else the unified one. The mounts are those of the first process, if they can be reached: a tracer
// in a container may see a part of the tree only.
func Find() (Hierarchy, error) {
	var errs []error
	for _, process := range []string{"1", "self"} {
		mounts, err := os.ReadFile("/proc/" + process + "/mountinfo")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		groups, err := os.ReadFile("/proc/" + process + "/cgroup")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		h, ok := choose(string(mounts), string(groups))
		if !ok {
			errs = append(errs, ErrNone)
			continue
		}
		if process != "self" {
			h.Root = "/proc/" + process + "/root" + h.Root
		}
		if _, err := os.Stat(h.Root); err != nil {
			errs = append(errs, err)
			continue
		}
		return h, nil
	}
	return Hierarchy{}, fmt.Errorf("find the control groups of containers: %w", errors.Join(errs...))
}

// choose reads /proc/PID/mountinfo and /proc/PID/cgroup.
func choose(mounts, groups string) (Hierarchy, bool) {
	mounted := map[string]string{} // by controller
	for line := range strings.Lines(mounts) {
		before, after, found := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !found || len(left) < 5 || len(right) < 3 || left[3] != "/" {
			continue
		}
		switch right[0] {
		case "cgroup2":
			mounted[""] = left[4]
		case "cgroup":
			for option := range strings.SplitSeq(right[2], ",") {
				mounted[option] = left[4]
			}
		}
	}
	ids := map[string]int{}
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(line, ":", 3)
		if id, err := strconv.Atoi(fields[0]); err == nil && len(fields) == 3 {
			for name := range strings.SplitSeq(fields[1], ",") {
				ids[name] = id
			}
		}
	}
	for _, name := range append(slices.Clone(controllers), "") {
		root, isMounted := mounted[name]
		if id, ok := ids[name]; ok && isMounted {
			return Hierarchy{ID: id, Controller: name, Root: root}, true
		}
	}
	return Hierarchy{}, false
}

// Group is a control group.
type Group struct {
	ID        uint64 // its inode number, which is the kernel's own number for it
	Path      string // from the root of the tree, as the kernel's events have it
	Created   int64  // when its directory was last changed, ns since the epoch: about when it was made
	Outermost uint64 // id of the group of the outermost container that it is in; 0: none
}

// Groups calls visit for all groups but the root, each after the one that it is in. Their Outermost is not told.
func (h Hierarchy) Groups(visit func(Group)) error {
	err := filepath.WalkDir(h.Root, func(name string, entry fs.DirEntry, err error) error {
		if name == h.Root {
			return err
		}
		var st unix.Stat_t
		if err != nil || !entry.IsDir() || unix.Stat(name, &st) != nil {
			return nil // a file, or it went away
		}
		visit(Group{ID: st.Ino, Path: strings.TrimPrefix(name, h.Root), Created: st.Ctim.Nano()})
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for control groups: %w", err)
	}
	return nil
}

// Containers calls visit for the groups of containers, and for those within them, after the one they are in. Groups that
// go away meanwhile are left out.
func (h Hierarchy) Containers(visit func(Group)) error {
	outermost, running := map[string]uint64{}, h.running()
	err := filepath.WalkDir(h.Root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil && name != h.Root {
			return nil // it went away
		}
		if err != nil || !entry.IsDir() {
			return err
		}
		path := strings.TrimPrefix(name, h.Root)
		parent, last := filepath.Split(path)
		above := outermost[strings.TrimSuffix(parent, "/")]
		if _, _, ok := parseName(last); !ok && above == 0 && !running[path] {
			return nil
		}
		var st unix.Stat_t
		if unix.Stat(name, &st) != nil {
			return fs.SkipDir
		}
		if above == 0 {
			above = st.Ino
		}
		outermost[path] = above
		visit(Group{ID: st.Ino, Path: path, Created: st.Ctim.Nano(), Outermost: above})
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for containers: %w", err)
	}
	return nil
}
