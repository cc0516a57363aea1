package signatures

import "strings"

// programs are a group of programs, by the names of their files.
type programs map[string]bool

func named(names string) programs {
	p := programs{}
	for name := range strings.FieldsSeq(names) {
		p[name] = true
	}
	return p
}

// and joins groups.
func (p programs) and(others ...programs) programs {
	joined := programs{}
	for _, group := range append(others, p) {
		for name := range group {
			joined[name] = true
		}
	}
	return joined
}

// without leaves some out of a group.
func (p programs) without(names string) programs {
	rest := programs{}
	for name := range p {
		if !named(names)[name] {
			rest[name] = true
		}
	}
	return rest
}

// systemDirectories are where programs lie that only root can replace.
var systemDirectories = []string{
	"/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/lib/", "/lib/", "/usr/libexec/", "/usr/local/sbin/", "/snap/",
	"/usr/local/bin/", "/opt/", "/usr/lib64/",
}

// localDirectories are those of them where a distribution puts nothing.
var localDirectories = []string{"/usr/local/", "/opt/", "/snap/"}

// inSystem reports whether a file lies in one of the directories of the system.
func inSystem(path string) bool { return startsWith(path, systemDirectories) }

// path reports whether a path is that of one of the programs: a file of this name in a directory of the system. Names
// with a version, such as python3.11 or postgres-15, are found by what stands before it. Programs that only distributions
// bring are trusted nowhere else: such a name in /usr/local is somebody's choice.
func (p programs) path(path string) bool {
	name := base(path)
	return inSystem(path) && p.name(name) && !(startsWith(path, localDirectories) && distributed.name(name))
}

// distributed are programs that come with a distribution, and have rights of their own in many rules.
var distributed = authenticators.and(userManagers, packageManagers, initSystem)

// name reports whether a file of this name is one of the programs, wherever it lies.
func (p programs) name(name string) bool {
	return p[name] || p[withoutVersion(name)]
}

func withoutVersion(name string) string {
	return strings.TrimRight(strings.TrimRight(name, "0123456789."), "-")
}

// commLength is how much of its name a thread has.
const commLength = 15

// comm reports whether a thread of this name could run one of the programs.
func (p programs) comm(comm string) bool {
	if len(comm) < commLength {
		return p.name(comm)
	}
	for name := range p {
		if strings.HasPrefix(name, comm) {
			return true
		}
	}
	return false
}

var (
	shells = named("sh bash dash ash ksh mksh zsh csh tcsh fish rbash busybox")

	interpreters = named("python python2 python3 perl ruby php node lua tclsh awk gawk mawk")

	// packageManagers install and remove software, and run scripts that come with it.
	packageManagers = named("dpkg apt apt-get aptitude apt-key unattended-upgrade unattended-upgrades rpm yum dnf microdnf zypper " +
		"apk pacman snapd flatpak dpkg-deb dpkg-divert dpkg-reconfigure dpkg-preconfigure update-alternatives ucf debootstrap")

	// containerManagers unpack images and set containers up.
	containerManagers = named("dockerd containerd containerd-shim containerd-shim-runc-v2 runc crun docker-init podman buildkitd " +
		"conmon crio cri-o nerdctl docker-proxy buildah skopeo kubelet lxc-start")

	// userManagers maintain the databases of users, and ask for passwords.
	userManagers = named("passwd chpasswd chage chfn chsh useradd usermod userdel groupadd groupmod groupdel groupmems gpasswd newusers " +
		"newgrp adduser deluser addgroup vipw vigr pwck grpck pwconv pwunconv grpconv grpunconv update-passwd shadowconfig " +
		"systemd-sysusers systemd-homed accounts-daemon expiry")

	// authenticators compare passwords with what the system knows.
	authenticators = named("sshd sshd-session sshd-auth login su sudo sudo-rs su-rs doas unix_chkpwd unix_update cron crond atd polkitd " +
		"polkit-agent-helper-1 pkexec gdm-session-worker lightdm sddm-helper xdm xrdp-sesman vsftpd proftpd dovecot saslauthd " +
		"nscd sssd sssd_be systemd systemd-user-sessions systemd-logind systemd-executor agetty runuser kscreenlocker_greet")

	initSystem = named("systemd systemctl systemd-executor init systemd-tmpfiles systemd-sysctl systemd-udevd udevadm systemd-generator")

	debuggers = named("gdb gdbserver strace ltrace lldb lldb-server dlv rr perf valgrind bpftrace uprobes delve crash criu drgn")

	downloaders = named("curl wget aria2c axel fetch lwp-download lwp-request ftp tftp scp sftp lynx http wget2")
)

// watchmen are programs that watch the machine.
var watchmen = named("tracee tracee-ebpf tracee-rules falco auditd osqueryd wazuh-agentd wazuh-modulesd ossec-syscheckd sysdig tetragon falcon-sensor rsyslogd syslog-ng " +
	"systemd-journald fail2ban-server clamd suricata snort elastic-agent auditbeat filebeat elastic-endpoint sysmon samhain aide mdatp wdavdaemon")
