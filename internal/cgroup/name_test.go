package cgroup

import (
	"strings"
	"testing"
)

var (
	id    = strings.Repeat("0123456789abcdef", 4)
	other = strings.Repeat("fedcba9876543210", 4)
)

func TestContainersAreKnownByThePathsOfTheirGroups(t *testing.T) {
	const uid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
	slice := "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice"
	for _, test := range []struct {
		path, runtime, pod, group string // group: empty if it is the path
	}{
		{path: "/docker/" + id, runtime: Docker},
		{path: "/system.slice/docker-" + id + ".scope", runtime: Docker},
		{path: "/system.slice/docker-" + id + ".scope/init.scope/a", runtime: Docker, group: "/system.slice/docker-" + id + ".scope"},
		{path: "/actions_job/" + id, runtime: Unknown},
		{path: "/kubepods/burstable/pod" + uid + "/" + id, runtime: Unknown, pod: uid},
		{path: "/kubepods/pod" + uid + "/" + id, runtime: Unknown, pod: uid},
		{path: slice + "/cri-containerd-" + id + ".scope", runtime: Containerd, pod: uid},
		{path: "/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:" + id, runtime: Containerd},
		{
			path:    "/system.slice/containerd.service" + slice + ":cri-containerd:" + id,
			runtime: Containerd, pod: uid,
		},
		{path: slice + "/crio-" + id + ".scope/container", runtime: CRIO, pod: uid, group: slice + "/crio-" + id + ".scope"},
		{path: "/machine.slice/libpod-" + id + ".scope/container", runtime: Podman, group: "/machine.slice/libpod-" + id + ".scope"},
		{path: "/libpod_parent/libpod-" + id, runtime: Podman},
		{path: "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + id + ".scope", runtime: Podman},
		{path: "/docker/" + id + "/kubelet/kubepods/pod1/" + other, runtime: Docker, group: "/docker/" + id},
		{path: "/docker/" + id + "/docker/" + other, runtime: Docker, group: "/docker/" + id},
		{path: "/docker/" + strings.ToUpper(id), runtime: Docker},
	} {
		if test.group == "" {
			test.group = test.path
		}
		want := Container{ID: id, Runtime: test.runtime, Path: test.group, PodUID: test.pod}
		if got, ok := Parse(test.path); !ok || got != want {
			t.Errorf("%s:\ngot  %+v %t\nwant %+v", test.path, got, ok, want)
		}
	}
}

func TestOtherGroupsAreNoContainers(t *testing.T) {
	for _, path := range []string{
		"", "/", "/user.slice", "/docker", "/docker/" + id[1:], "/docker/" + id + "0", "/docker/" + id[1:] + "g",
		"/machine.slice/libpod-conmon-" + id + ".scope", "/crio-conmon-" + id + ".scope", "/docker-" + id + ".service",
		"/docker-" + id + ".scope.scope", "/xdocker-" + id, "/cri-containerd:" + id, "/-" + id, "/docker_" + id,
		"/a-long-prefix-docker-" + id,
	} {
		if got, ok := Parse(path); ok {
			t.Errorf("%s is taken for container %+v", path, got)
		}
	}
}

func TestPrefixesHaveRoomInTheKernel(t *testing.T) {
	long := 0
	for _, d := range Dresses {
		if len(d.Prefix) > DressSize {
			t.Errorf("%q is longer than what the kernel side compares: %d bytes", d.Prefix, DressSize)
		}
		if len(d.Prefix) == DressSize {
			long++
		}
	}
	if long != 1 {
		t.Errorf("%d prefixes may have something before them, want the one", long)
	}
}
