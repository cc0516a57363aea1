package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// inContainer makes a rule one about containers only.
func inContainer(_ *surroundings, e *trace.Event) bool { return e.Origin() == trace.OriginContainer }

var _ = declare(description{
	id: "TRC-106", name: "Notification of a control group switched on in a container", severity: high, tags: containers,
	doc:       "A container wrote notify_on_release: the kernel is to run the release agent, as root of the machine, when a control group is empty",
	technique: technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:  "Stop the container and look on the machine for what the kernel started (TRC-2612).",
	benign:    "None known in containers.",
	files:     &fileRule{does: writes, paths: []string{"**/notify_on_release"}, when: inContainer},
})

var _ = declare(description{
	id: "TRC-1011", name: "Handler of core dumps changed", severity: high, tags: linuxAndContainer,
	doc:       "The kernel was told which program to run, as root of the machine and outside of containers, when a process crashes",
	technique: technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:  "Look at /proc/sys/kernel/core_pattern and at the program that it names.",
	benign:    "Crash reporters that set themselves up; those of systemd and Ubuntu are left out on the host.",
	files: &fileRule{
		does: writes, paths: []string{"/proc/sys/kernel/core_pattern", "**/proc/sys/kernel/core_pattern"},
		when: func(s *surroundings, e *trace.Event) bool {
			known := s.is(e, named("systemd-sysctl systemd-coredump apport sysctl whoopsie abrtd abrt-install-ccpp-hook"))
			return e.ContainerID != "" || !known && !s.startedBy(e, packageManagers)
		},
	},
})

// runtimeSockets are the names of the sockets of container runtimes.
var runtimeSockets = []string{"docker.sock", "containerd.sock", "crio.sock", "podman.sock", "cri-dockerd.sock", "buildkitd.sock"}

var _ = declare(description{
	id: "TRC-1019", name: "Container runtime used from a container", severity: high, tags: containers,
	doc:       "A container connected to the socket of a container runtime: it can start containers with all rights",
	technique: technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:  "Look at what the runtime was asked for (container_create right after), and take the socket from the container.",
	benign:    "Containers that manage others, such as Portainer, Traefik or build agents.",
	origin:    trace.OriginContainer,
	events:    []string{"security_socket_connect", "security_file_open"},
	needs:     []detect.Need{need("security_file_open", like("pathname", around("*", runtimeSockets, "")...))},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) {
		path := text(e, "pathname")
		if a, ok := e.Lookup("remote_addr"); ok && a.Type().Kind == trace.Sockaddr {
			path = a.Sockaddr().Path
		}
		if !endsIn(path, runtimeSockets...) {
			return nil, false
		}
		return map[string]any{"socket": strings.Clone(path)}, true
	}),
})

var _ = declare(description{
	id: "TRC-2601", name: "Container enters other namespaces", severity: high, tags: containers,
	doc:       "A process of a container moved to other namespaces, such as those of the machine",
	technique: technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:  "Stop the container; look at what the process did since, which is done on the machine.",
	benign:    "Containers that run containers, and browsers with a sandbox.",
	origin:    trace.OriginContainer,
	events:    []string{"setns"},
	needs:     []detect.Need{need("setns", succeeded)},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) {
		kind, _ := whole(e, "nstype")
		return map[string]any{"namespaces": kind}, e.ReturnValue >= 0
	}),
})

var _ = declare(description{
	id: "TRC-2602", name: "Shell in the namespaces of the machine", severity: high, tags: linuxAndContainer,
	doc:       "nsenter was told to run a program in the namespaces of the machine's first process",
	technique: technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:  "If it was done from a container, that container has the machine.",
	benign:    "Administrators of clusters, and kubectl debug on a node.",
	command: &commandRule{programs: named("nsenter"), when: func(c *command) bool {
		return c.says("-t 1 ", "-t1 ", "--target 1 ", "--target=1 ", "/proc/1/ns/")
	}},
})

var _ = declare(description{
	id: "TRC-2603", name: "Control groups or kernel settings mounted in a container", severity: high, tags: containers,
	doc:       "A container mounted a file system through which the machine is controlled",
	technique: technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:  "Stop the container, and take CAP_SYS_ADMIN from it.",
	benign:    "systemd or Docker that run in a container.",
	origin:    trace.OriginContainer,
	events:    []string{"security_sb_mount"},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) {
		switch kind := text(e, "type"); kind {
		case "cgroup", "cgroup2", "sysfs", "debugfs", "tracefs", "securityfs", "bpf", "binfmt_misc", "configfs", "devtmpfs":
			if strings.HasPrefix(e.ProcessName, "runc:") && e.ThreadID == 1 {
				return nil, false
			}
			return map[string]any{"type": strings.Clone(kind), "path": strings.Clone(text(e, "path"))}, true
		}
		return nil, false
	}),
})

var _ = declare(description{
	id: "TRC-2605", name: "Device made in a container", severity: high, tags: containers,
	doc:       "A container made a device file: it is about to reach a disk or the memory of the machine",
	technique: technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:  "Stop the container, and take CAP_MKNOD from it.",
	benign:    "Containers that build images of systems.",
	origin:    trace.OriginContainer,
	events:    []string{"security_inode_mknod"},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) {
		mode := text(e, "mode")
		if !containsAny(mode, "S_IFBLK", "S_IFCHR") {
			return nil, false
		}
		if device, _ := whole(e, "dev"); device == 0 && strings.Contains(mode, "S_IFCHR") {
			return nil, false // a whiteout of an overlay
		}
		return map[string]any{"path": strings.Clone(text(e, "file_name"))}, true
	}),
})

var _ = declare(description{
	id: "TRC-2606", name: "Helper program of the kernel changed", severity: high, tags: linuxAndContainer,
	doc:       "The kernel was told which program to run, as root of the machine and outside of containers, for a module, a device or a shutdown",
	technique: technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:  "Look at what is written there, and at the program that it names.",
	benign:    "None known.",
	files: &fileRule{does: writes, paths: []string{
		"**/sys/kernel/modprobe", "**/sys/kernel/uevent_helper", "**/sys/kernel/hotplug", "**/sys/kernel/poweroff_cmd", "**/sys/kernel/usermodehelper/",
		"**/sys/fs/cgroup/release_agent",
	}, except: named("systemd-sysctl")},
})

var _ = declare(description{
	id: "TRC-2608", name: "Container runtime overwritten", severity: critical, tags: linuxAndContainer,
	doc:       "The program of a container runtime was opened for writing, by a container or by what pretends to be none (CVE-2019-5736)",
	technique: technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:  "Start no more containers; compare the program with its package.",
	benign:    "Installers of the runtime that do not use a package manager.",
	files: &fileRule{does: writes, within: packageManagers, paths: []string{
		"**/bin/runc", "**/sbin/runc", "**/bin/docker-runc", "**/bin/crun", "**/bin/containerd-shim", "**/bin/containerd-shim-runc-v2",
		"**/bin/containerd", "**/bin/dockerd", "**/bin/docker-init", "**/bin/conmon",
	}},
})

var _ = declare(description{
	id: "TRC-2609", name: "Container opens files by handle", severity: high, tags: containers,
	doc:        "A container opened a file by its handle, which reaches files outside of its directory (Shocker)",
	technique:  technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:   "Stop the container, and take CAP_DAC_READ_SEARCH from it.",
	benign:     "File servers and backup programs in containers.",
	origin:     trace.OriginContainer,
	events:     []string{"open_by_handle_at"},
	needs:      []detect.Need{need("open_by_handle_at", succeeded)},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) { return nil, e.ReturnValue >= 0 }),
})

var _ = declare(description{
	id: "TRC-2610", name: "User namespace made", severity: low, tags: linuxAndContainer,
	doc:       "A user namespace was made: in it, its maker has all capabilities, and reaches code of the kernel that is otherwise for root",
	technique: technique{"Privilege Escalation", "Exploitation for Privilege Escalation", "T1068", ""},
	response:  "Look at what the process did then; many exploits of the kernel begin like this.",
	benign:    "Browsers, Flatpak, rootless containers, sandboxes of build systems and of systemd. These are left out where they are known.",
	events:    with("user_namespace_create"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "user_namespace_create" || s.startedBy(e, sandboxes) || s.is(e, initSystem) {
			return nil, false
		}
		return map[string]any{"program": s.program(e)}, true
	}),
})

var sandboxes = containerManagers.and(packageManagers, named("bwrap chrome chromium firefox firefox-bin electron code newuidmap rootlesskit slirp4netns "+
	"apptainer singularity nix nix-daemon steam flatpak-portal xdg-desktop-portal lxc-usernsexec"))

var _ = declare(description{
	id: "TRC-2612", name: "Kernel starts an unusual program", severity: critical, tags: linuxAndContainer,
	doc:       "The kernel started a program by itself, as root of the machine, that is not one of its helpers: how escapes from containers end",
	technique: technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:  "Stop the program; look at core_pattern, modprobe, uevent_helper and the release agents of control groups for who set it.",
	benign:    "Helpers that are not known here.",
	events:    []string{"call_usermodehelper"},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) {
		path := text(e, "pathname")
		if path == "" || inSystem(path) && kernelHelpers.name(base(path)) {
			return nil, false
		}
		return map[string]any{"path": strings.Clone(path)}, true
	}),
})

var kernelHelpers = named("modprobe kmod request-key systemd-coredump apport abrt-hook-ccpp systemd-cgroups-agent bridge-stp poweroff reboot shutdown hotplug udev " +
	"drbdadm nfsdcltrack nfs.idmapd key.dns_resolver rpc.idmapd cifs.upcall cifs.idmap ocfs2_hb_ctl osd_login mdadm lvm nfsidmap busybox init " +
	"tomoyo-init dmeventd crda v86d systemd-shutdown linuxrc init.sh")

var _ = declare(description{
	id: "TRC-2115", name: "Program that runs as another user made", severity: medium, tags: linuxAndContainer,
	doc:       "A file was given the bit that makes it run as its owner",
	technique: technique{"Privilege Escalation", "Abuse Elevation Control Mechanism: Setuid and Setgid", "T1548.001", ""},
	response:  "Look at the file (data: path): a shell, or something unknown, with that bit is a back door.",
	benign:    "Administrators who install such programs by hand, and images that are being built.",
	events:    with("chmod_common"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "chmod_common" || !strings.Contains(text(e, "mode"), "S_ISUID") || s.startedBy(e, packageManagers) || s.is(e, containerManagers) {
			return nil, false
		}
		return s.about(e, strings.Clone(text(e, "pathname"))), true
	}),
})

var _ = declare(description{
	id: "TRC-2221", name: "Device file made in an unusual place", severity: medium, tags: linux,
	doc:       "A file by which a disk or the memory of the machine is reached was made outside of /dev: rules that know devices by their names do not see what is done by it",
	technique: technique{"Stealth", "Direct Volume Access", "T1006", ""},
	response:  "Look at the numbers of the device (stat) and at who opens it.",
	benign:    "Tools that build root file systems and images.",
	events:    with("security_inode_mknod"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "security_inode_mknod" || e.Origin() != trace.OriginHost {
			return nil, false
		}
		path, mode := text(e, "file_name"), text(e, "mode")
		device, _ := whole(e, "dev")
		reaches := strings.Contains(mode, "S_IFBLK") || strings.Contains(mode, "S_IFCHR") && memoryDevice(device)
		if !reaches || device == 0 || strings.HasPrefix(path, "/dev/") || s.startedBy(e, packageManagers.and(containerManagers)) || s.is(e, initSystem) {
			return nil, false
		}
		return s.about(e, strings.Clone(path)), true
	}),
})

// memoryDevice reports whether the numbers of a device are those of /dev/mem, /dev/kmem or /dev/port, as the kernel or as
// callers put them together.
func memoryDevice(device int) bool {
	switch device {
	case 1<<20 | 1, 1<<20 | 2, 1<<20 | 4, 1<<8 | 1, 1<<8 | 2, 1<<8 | 4:
		return true
	}
	return false
}

// capability is the attribute that gives a program rights of root.
var capability = like("name", "security.capability")

var _ = declare(description{
	id: "TRC-2116", name: "Program given capabilities", severity: medium, tags: linuxAndContainer,
	doc:       "A file was given capabilities: whoever runs it has some of the rights of root",
	technique: technique{"Privilege Escalation", "Abuse Elevation Control Mechanism", "T1548", ""},
	response:  "Look at the file (getcap): an interpreter or something unknown with capabilities is a back door.",
	benign:    "Administrators who install such programs by hand, and images that are being built.",
	events:    with("setxattr", "lsetxattr", "fsetxattr"),
	needs:     []detect.Need{need("setxattr", capability), need("lsetxattr", capability), need("fsetxattr", capability)},
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if text(e, "name") != "security.capability" || e.ReturnValue < 0 || s.startedBy(e, packageManagers) || s.is(e, containerManagers) {
			return nil, false
		}
		return s.about(e, strings.Clone(text(e, "pathname"))), true
	}),
})
