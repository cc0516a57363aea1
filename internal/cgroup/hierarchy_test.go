package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHierarchyOfContainersIsThatOfVersion1WhereThereIsOne(t *testing.T) {
	const (
		unified = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		v1      = "33 24 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
			"31 24 0:27 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n" +
			"32 24 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
		hybrid = v1 + "34 24 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		named  = "35 24 0:31 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
		part   = "31 24 0:27 /docker/0 /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
		groups = "7:name=systemd:/\n4:memory:/\n3:cpuset:/\n2:cpu,cpuacct:/\n0::/a\n"
	)
	for _, test := range []struct {
		name, mounts, groups string
		want                 Hierarchy
	}{
		{"unified", unified, "0::/init.scope\n", Hierarchy{0, "", "/sys/fs/cgroup"}},
		{"version 1", v1, groups, Hierarchy{3, "cpuset", "/sys/fs/cgroup/cpuset"}},
		{"hybrid", hybrid, groups, Hierarchy{3, "cpuset", "/sys/fs/cgroup/cpuset"}},
		{"without cpuset", v1, "2:cpu,cpuacct:/\n", Hierarchy{2, "cpu", "/sys/fs/cgroup/cpu,cpuacct"}},
		{"only the names of systemd in version 1", unified + named, groups, Hierarchy{0, "", "/sys/fs/cgroup"}},
		{"a part of the tree", unified + part, groups, Hierarchy{0, "", "/sys/fs/cgroup"}},
	} {
		if got, ok := choose(test.mounts, test.groups); !ok || got != test.want {
			t.Errorf("%s: got %+v %t, want %+v", test.name, got, ok, test.want)
		}
	}
	if got, ok := choose("", groups); ok {
		t.Errorf("without mounts: got %+v", got)
	}
}

func TestGroupsWithinContainersBelongToTheOutermost(t *testing.T) {
	root := t.TempDir()
	first, second := "/docker/"+id, "/system.slice/crio-"+other+".scope"
	for _, dir := range []string{"/user.slice", first, first + "/docker/" + other, second} {
		if err := os.MkdirAll(root+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, first, "cgroup.procs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	inode := func(path string) unix.Stat_t {
		var st unix.Stat_t
		if err := unix.Stat(root+path, &st); err != nil {
			t.Fatal(err)
		}
		return st
	}
	var want []Group
	for _, row := range []struct{ path, outermost string }{
		{first, first},
		{first + "/docker", first},
		{first + "/docker/" + other, first},
		{second, second},
	} {
		st := inode(row.path)
		want = append(want, Group{st.Ino, row.path, st.Ctim.Nano(), inode(row.outermost).Ino})
	}
	var got []Group
	if err := (Hierarchy{Root: root}).Containers(func(g Group) { got = append(got, g) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("\ngot  %+v\nwant %+v", got, want)
	}
	if err := (Hierarchy{Root: root + "/missing"}).Containers(func(Group) {}); err == nil {
		t.Error("a tree that is not there has no error")
	}
}

func TestGroupsAreToldWithPathAndNumber(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"a", "a/b", "c.slice"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "a/cgroup.procs"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := (Hierarchy{Root: root}).Groups(func(g Group) {
		var st unix.Stat_t
		if err := unix.Stat(root+g.Path, &st); err != nil || st.Ino != g.ID {
			t.Errorf("%s: id %d, want %d (%v)", g.Path, g.ID, st.Ino, err)
		}
		got = append(got, g.Path)
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"/a", "/a/b", "/c.slice"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
