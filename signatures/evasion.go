package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// historyFiles are what shells and clients of databases remember of what was typed.
var historyFiles = []string{
	"**/.bash_history", "**/.zsh_history", "**/.ash_history", "**/.sh_history", "**/.histfile", "**/.local/share/fish/fish_history", "**/.mysql_history",
	"**/.psql_history", "**/.python_history", "**/.lesshst", "**/.rediscli_history", "**/.node_repl_history", "**/.dbshell",
}

// loggers write logs, or turn them over.
var loggers = named("logrotate rsyslogd syslog-ng systemd-journald newsyslog auditd svlogd multilog utmpd sysstat sadc mysqld postgres nginx apache2 httpd")

// systemLogs are where it is written who did what, by the system and what comes with it.
var systemLogs = []string{
	"/var/log/auth.log", "/var/log/secure", "/var/log/syslog", "/var/log/messages", "/var/log/kern.log", "/var/log/daemon.log",
	"/var/log/user.log", "/var/log/cron", "/var/log/cron.log", "/var/log/mail.log", "/var/log/maillog", "/var/log/wtmp", "/var/log/btmp",
	"/var/log/lastlog", "/var/log/faillog", "/var/log/tallylog", "/var/log/audit/", "/var/log/journal/", "/var/log/sudo*", "/var/log/boot.log",
	"/var/log/dpkg.log", "/var/log/yum.log", "/var/log/dnf.log", "/var/log/nginx/*.log", "/var/log/apache2/*.log", "/var/log/httpd/*_log",
	"/var/log/tracee/", "/var/log/falco*", "/var/log/ufw.log", "/var/log/fail2ban.log", "/var/log/wtmp.db", "/run/utmp", "/var/run/utmp", "/run/log/journal/", "/var/account/pacct",
	"/var/log/auth.log.*", "/var/log/secure-*", "/var/log/syslog.*", "/var/log/messages-*", "/var/log/wtmp.*", "/var/log/btmp.*",
}

var _ = declare(description{
	id: "TRC-2201", name: "System log removed or cut off", severity: high, tags: linuxAndContainer,
	doc:       "A log of the system was removed, renamed, emptied or put in the place of by something that does not look after logs",
	technique: technique{"Defense Impairment", "Disable or Modify Tools: Clear Linux or Mac System Logs", "T1685.006", "T1070.002"},
	response:  "Look at what other machines received of the log, and at what the user did before.",
	benign:    "Administrators who make room on a disk, and programs that rotate their own logs.",
	files: &fileRule{
		does: removes | replaces, paths: systemLogs,
		except: loggers.and(containerManagers, named("savelog journalctl systemd systemd-tmpfiles cron dockerd containerd sshd login systemd-update-utmp agetty")),
		within: packageManagers.and(named("logrotate savelog")),
	},
})

var _ = declare(description{
	id: "TRC-2202", name: "History of a shell destroyed", severity: high, tags: linuxAndContainer,
	doc:       "The list of what a user typed was removed, emptied, or made to lead nowhere",
	technique: technique{"Stealth", "Indicator Removal: Clear Command History", "T1070.003", ""},
	response:  "Take what Tracee recorded of the user's commands instead: sched_process_exec of his session.",
	benign:    "Users who are careful. Shells write their history anew under another name, and that is not meant.",
	files: &fileRule{
		does: removes | replaces, paths: historyFiles, except: named("busybox fish ksh mksh mysql psql python redis-cli node less sqlite3 userdel deluser"),
		when: func(s *surroundings, e *trace.Event) bool {
			return e.EventName != "security_inode_rename" || !s.is(e, shells)
		},
	},
})

var _ = declare(description{
	id: "TRC-2217", name: "System log changed in its middle", severity: high, tags: linuxAndContainer,
	doc:       "A log of the system was opened so that lines in it can be changed, by something that does not look after logs; who adds to a log has no need of that",
	technique: technique{"Defense Impairment", "Disable or Modify Tools: Clear Linux or Mac System Logs", "T1685.006", "T1070.002"},
	response:  "Look at what other machines received of the log, and at what the user did before.",
	benign:    "Programs that write a log of the system themselves and are not known here. touch, which makes a log where there is none, is left out.",
	files: &fileRule{
		does: edits,
		paths: []string{
			"/var/log/auth.log", "/var/log/secure", "/var/log/syslog", "/var/log/messages", "/var/log/kern.log", "/var/log/daemon.log", "/var/log/user.log", "/var/log/cron",
			"/var/log/cron.log", "/var/log/wtmp", "/var/log/btmp", "/var/log/audit/", "/var/log/nginx/*.log", "/var/log/apache2/*.log", "/var/log/httpd/*_log",
		},
		except: loggers.and(authenticators, initSystem, named("systemd-update-utmp utempter getty mgetty gdm sddm dropbear tmux screen touch tee")), within: packageManagers,
	},
})

var _ = declare(description{
	id: "TRC-2219", name: "Log cleared by a command", severity: medium, tags: linuxAndContainer,
	doc:       "The journal was told to give up what is old, the kernel to forget its messages, or a program to empty the list of logins",
	technique: technique{"Defense Impairment", "Disable or Modify Tools: Clear Linux or Mac System Logs", "T1685.006", "T1070.002"},
	response:  "Look at what other machines received of the log, and at what the user did before.",
	benign:    "Administrators who make room on a disk.",
	command: &commandRule{within: packageManagers, when: func(c *command) bool {
		return c.runsAny("journalctl") && c.says("--vacuum-") || c.runsAny("dmesg") && c.has("-C", "-c", "--clear", "--read-clear") ||
			c.runsAny("utmpdump") && c.has("-r", "--reverse") || c.runsAny("lastlog", "faillog") && c.has("-C", "--clear", "-r", "--reset")
	}},
})

var coveredLogs = compile(append(append([]string{"/var/log", "/var/log/audit", "/var/log/journal"}, systemLogs...), historyFiles...))

var _ = declare(description{
	id: "TRC-2218", name: "Log or history covered by a mount", severity: high, tags: linuxAndContainer,
	doc:       "Something was mounted over a log of the system or the history of a shell: what is written there from now on is kept nowhere",
	technique: technique{"Defense Impairment", "Disable or Modify Tools: Clear Linux or Mac System Logs", "T1685.006", "T1070.002"},
	response:  "Unmount it (data: path); what was written before is still below.",
	benign:    "Sandboxes that hide the logs from a program, in a mount namespace of its own.",
	events:    with(mountEvents...),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		m, ok := s.mounts.of(e)
		if !ok || m.from == "" || m.from == m.to || !coveredLogs.match(m.to) || s.startedBy(e, containerManagers) || s.is(e, initSystem.and(sandboxes)) || initSystem.path(s.parent(e)) {
			return nil, false
		}
		return map[string]any{"path": strings.Clone(m.to), "mounted": strings.Clone(m.from)}, true
	}),
})

var _ = declare(description{
	id: "TRC-2212", name: "History of a shell made to lead nowhere", severity: high, tags: linuxAndContainer,
	doc:        "The list of what a user types was replaced by a link, usually to /dev/null, so that nothing is kept",
	technique:  technique{"Stealth", "Indicator Removal: Clear Command History", "T1070.003", ""},
	response:   "Take what Tracee recorded of the user's commands instead: sched_process_exec of his session.",
	benign:     "Hardened images that keep no history.",
	events:     []string{"security_inode_symlink", "security_inode_rename"},
	newMatcher: func(*surroundings) matcher { return newDeadHistories() },
})

var _ = declare(description{
	id: "TRC-2203", name: "History of a shell switched off", severity: medium, tags: linuxAndContainer,
	doc:       "A shell was told to keep no history of what is typed",
	technique: technique{"Defense Impairment", "Prevent Command History Logging", "T1690", "T1562.003"},
	response:  "Take what Tracee recorded of the user's commands instead: sched_process_exec of his session.",
	benign:    "Scripts and terminals of editors that switch the history off for themselves.",
	events:    with(),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		c := &s.command
		if e.EventName != "sched_process_exec" || !keepsNoHistory(c, raw(e, "env")) || s.startedBy(e, packageManagers) {
			return nil, false
		}
		return c.shown(), true
	}),
})

// keepsNoHistory looks for what people type, and, where a shell is started, for what they set before.
func keepsNoHistory(c *command, environment []byte) bool {
	if c.runs(shells) {
		for variable := range strings.SplitSeq(string(environment), "\x00") {
			switch variable {
			case "HISTFILE=/dev/null", "HISTFILE=", "HISTSIZE=0", "HISTFILESIZE=0":
				return true
			}
		}
	}
	return c.runs(shells) && c.says("unset HISTFILE", "HISTSIZE=0", "HISTFILESIZE=0", "HISTFILE=/dev/null", "set +o history", "history -c", "HISTFILE=;")
}

var _ = declare(description{
	id: "TRC-2204", name: "Program pretends to be a thread of the kernel", severity: high, tags: linuxAndContainer,
	doc:       "A program gave itself a name as threads of the kernel have, in brackets or such as kworker",
	technique: technique{"Stealth", "Masquerading: Masquerade Task or Service", "T1036.004", ""},
	response:  "Look at its file (/proc/PID/exe), which threads of the kernel do not have, and stop it.",
	benign:    "None known.",
	events:    with("task_rename"),
	needs:     []detect.Need{need("task_rename", like("new_name", around("*", kernelThreads, "*")...))},
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		switch e.EventName {
		case "task_rename":
			name := text(e, "new_name")
			// A kernel thread runs no file, and it is the kernel that names it.
			if text(e, "syscall") == "execve" || !kernelName(name) || s.program(e) == "" {
				return nil, false
			}
			return map[string]any{"name": strings.Clone(name), "program": s.program(e)}, true
		case "sched_process_exec":
			c := &s.command
			if len(c.argv) == 0 || !bracketed(c.argv[0]) && !kernelName(c.argv[0]) {
				return nil, false
			}
			return map[string]any{"name": c.argv[0], "program": c.path}, true
		}
		return nil, false
	}),
})

func bracketed(name string) bool {
	return strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]") && len(name) > 2
}

// kernelThreads are how the names of threads of the kernel begin.
var kernelThreads = []string{
	"kworker/", "ksoftirqd/", "kthreadd", "migration/", "rcu_sched", "rcu_preempt", "kswapd", "khugepaged", "kdevtmpfs", "jbd2/", "cpuhp/", "kauditd", "kblockd",
	"watchdogd", "irq/",
}

// kernelName reports whether a name is one that only threads of the kernel have.
func kernelName(name string) bool {
	name = strings.Trim(name, "[]")
	return startsWith(name, kernelThreads)
}

var _ = declare(description{
	id: "TRC-2205", name: "Program under the name of another", severity: high, tags: linuxAndContainer,
	doc:       "A program with the name of a part of the system was started from a directory where anybody can put it, or from one where that part never lies",
	technique: technique{"Stealth", "Masquerading: Match Legitimate Resource Name or Location", "T1036.005", ""},
	response:  "Keep a copy of the file, stop it, and look at who put it there.",
	benign:    "Test suites that build such programs, and machines where sshd or cron were built by hand.",
	events:    with(),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "sched_process_exec" || !borrowsName(&s.command, e.ContainerID != "" || e.UserID == 0 && inOtherRoot(s.command.path)) {
			return nil, false
		}
		return s.command.shown(), true
	}),
})

// borrowsName reports whether a program has, or is called by, a name that rules of others trust, and is not what that name is
// for. Containers and other roots have their programs where they like.
func borrowsName(c *command, elsewhere bool) bool {
	plain := strings.TrimFunc(c.name, func(r rune) bool {
		return r <= ' ' || r == 0x200b || r == 0x200c || r == 0x200d || r == 0x202e || r == 0xa0 || r == 0xfeff
	})
	switch {
	case plain != c.name && inSystemByName(plain):
		return true // the same to the eye
	case inOpenDirectory(c.path):
		return daemons.name(c.name) || daemons.name(c.called)
	case elsewhere || inSystem(c.path) && !startsWith(c.path, localDirectories) || startsWith(c.path, []string{"/snap/", "/nix/store/", "/gnu/store/"}):
		return false
	default:
		return uncommonNames.name(c.name)
	}
}

// uncommonNames are those of parts of the system that nobody gives to a program of his own by chance.
var uncommonNames = authenticators.and(initSystem).without("init login cron master expiry")

// inOtherRoot reports whether a program lies where it would in the system if a directory were the root, as for chroot.
func inOtherRoot(path string) bool {
	at := max(strings.Index(path, "/usr/bin/"), strings.Index(path, "/usr/sbin/"), strings.Index(path, "/usr/lib/"), strings.Index(path, "/usr/libexec/"))
	return at > 0 && !inOpenDirectory(path)
}

// inSystemByName reports whether a name is that of a part of the system.
func inSystemByName(name string) bool { return daemons.name(name) || shells.name(name) }

// daemons are names that rules of others trust.
var daemons = authenticators.and(packageManagers, initSystem, named("systemd-journald systemd-resolved systemd-networkd systemd-timesyncd dbus-daemon rsyslogd auditd "+
	"mysqld postgres nginx apache2 httpd redis-server mongod dockerd containerd kubelet crond ntpd chronyd udevd agetty passwd visudo crontab unattended-upgrade snapd"))

// openDirectories are where everybody may write.
var openDirectories = []string{"/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/", "/dev/mqueue/", "/run/lock/", "/var/lock/", "/run/user/"}

func inOpenDirectory(path string) bool {
	return startsWith(path, openDirectories) || strings.HasPrefix(strings.TrimPrefix(path, "/"), "memfd:")
}

var _ = declare(description{
	id: "TRC-2206", name: "Program removed while it runs", severity: medium, tags: linuxAndContainer,
	doc:        "The file of a running program was removed, from a directory where anybody can put programs",
	technique:  technique{"Stealth", "Indicator Removal: File Deletion", "T1070.004", ""},
	response:   "Copy the program from /proc/PID/exe before it ends.",
	benign:     "Installers that unpack themselves into /tmp, and tests that clean up early.",
	events:     with("security_inode_unlink", "sched_process_exit"),
	newMatcher: func(s *surroundings) matcher { return newRunning(s) },
})

var _ = declare(description{
	id: "TRC-2207", name: "Times of a system file set back", severity: medium, tags: linuxAndContainer,
	doc:       "touch was told to give a file other times than now, where the system keeps its programs and settings",
	technique: technique{"Stealth", "Indicator Removal: Timestomp", "T1070.006", ""},
	response:  "The file was changed, and that is to be hidden: compare it with its package. Its ctime tells when.",
	benign:    "Build scripts that make images reproducible.",
	command: &commandRule{
		programs: named("touch"), within: packageManagers,
		when: func(c *command) bool {
			return touchesOtherTimes(c) && c.says(" /etc/", " /usr/", " /bin/", " /sbin/", " /lib", " /var/", " /root/", " /boot/", "/.ssh/")
		},
	},
})

func touchesOtherTimes(c *command) bool {
	for _, a := range c.argv[min(1, len(c.argv)):] {
		long := strings.HasPrefix(a, "--reference") || strings.HasPrefix(a, "--date")
		short := len(a) > 1 && a[0] == '-' && a[1] != '-' && strings.ContainsAny(a, "rdt")
		if long || short {
			return true
		}
	}
	return false
}

var _ = declare(description{
	id: "TRC-2208", name: "Security service switched off", severity: high, tags: linuxAndContainer,
	doc:       "Something that watches or protects the machine was stopped, disabled or removed",
	technique: technique{"Defense Impairment", "Disable or Modify Tools", "T1685", "T1562.001"},
	response:  "Start it again, and look at what was done meanwhile.",
	benign:    "Administrators, and upgrades of these services.",
	command:   &commandRule{within: packageManagers, when: switchesOff},
})

var guards = []string{
	"tracee", "falco", "auditd", "apparmor", "osqueryd", "wazuh", "ossec", "crowdstrike", "falcon-sensor", "sysmon", "clamav", "rsyslog", "syslog-ng", "fail2ban", "aide",
	"samhain", "tetragon", "sysdig", "elastic-agent", "auditbeat", "filebeat", "journald", "selinux", "mdatp", "sentinelone", "cbagent", "suricata", "snort",
}

func switchesOff(c *command) bool {
	named := func() bool {
		for _, guard := range guards {
			if c.says(guard) {
				return true
			}
		}
		return false
	}
	switch {
	case c.runs(programs{"systemctl": true}):
		return c.has("stop", "disable", "mask", "kill", "freeze") && named()
	case c.runs(programs{"service": true}), strings.Contains(c.path, "/etc/init.d/"):
		return c.has("stop") && named()
	case c.called == "pkill", c.called == "killall": // pidof is a killall5, too
		return named()
	case c.runs(programs{"setenforce": true}):
		return c.has("0", "Permissive", "permissive")
	case c.runs(programs{"auditctl": true}):
		return c.says("-e 0", "-e0") || c.has("-D")
	case c.runs(programs{"aa-teardown": true, "aa-disable": true, "aa-complain": true}):
		return true
	case c.runs(packageManagers):
		return c.has("remove", "purge", "erase", "-r", "-e", "--purge", "autoremove") && named()
	}
	return false
}

var _ = declare(description{
	id: "TRC-2209", name: "Packet filter switched off", severity: medium, tags: linuxAndContainer,
	doc:       "The rules of the packet filter were removed",
	technique: technique{"Defense Impairment", "Disable or Modify System Firewall", "T1686", "T1562.004"},
	response:  "Load the rules again, and look at what connected meanwhile.",
	benign:    "Administrators; scripts that remove all rules before they load their own.",
	command: &commandRule{within: packageManagers.and(containerManagers), when: func(c *command) bool {
		switch {
		case c.runsAny("iptables", "ip6tables", "iptables-legacy", "iptables-nft", "xtables-nft-multi", "xtables-legacy-multi"):
			return c.has("-F", "--flush") && !c.has("-t") && len(c.argv) < 4 || c.says("-P INPUT ACCEPT")
		case c.runs(programs{"nft": true}):
			return c.says("flush ruleset", "delete table")
		case c.runs(programs{"ufw": true}):
			return c.has("disable", "reset")
		case c.runs(programs{"systemctl": true}):
			return c.has("stop", "disable", "mask") && c.says("firewalld", "ufw", "nftables", "iptables")
		}
		return false
	}},
})

var _ = declare(description{
	id: "TRC-2210", name: "Settings of logging or watching changed", severity: high, tags: linuxAndContainer,
	doc:       "The settings of the audit system, of a logger or of a security agent were written",
	technique: technique{"Defense Impairment", "Disable or Modify Tools: Disable or Modify Linux Audit System Log", "T1685.004", "T1562.012"},
	response:  "Compare the settings with what they should be, and look for what is no longer told.",
	benign:    "Administrators with an editor.",
	files: persistent(named("augenrules auditd rsyslogd"), "/etc/audit/", "/etc/rsyslog.conf", "/etc/rsyslog.d/", "/etc/syslog-ng/", "/etc/systemd/journald.conf",
		"/etc/systemd/journald.conf.d/", "/etc/tracee/", "/etc/falco/", "/etc/osquery/", "/var/ossec/etc/", "/etc/aide/", "/etc/logrotate.conf"),
})

var _ = declare(description{
	id: "TRC-2211", name: "Mandatory access control switched off", severity: high, tags: linux,
	doc:       "SELinux was set to permissive or AppArmor was told to forget a profile",
	technique: technique{"Defense Impairment", "Disable or Modify Tools", "T1685", "T1562.001"},
	response:  "Switch it on again, and look at what was done meanwhile.",
	benign:    "Administrators, and installers of profiles.",
	files: persistent(named("apparmor_parser"), "/sys/fs/selinux/enforce", "/sys/fs/selinux/disable", "/etc/selinux/config", "/sys/kernel/security/apparmor/.remove",
		"/sys/kernel/security/apparmor/.replace"),
})

var _ = declare(description{
	id: "TRC-2213", name: "Entry of a directory hidden", severity: critical, tags: linux,
	doc:       "A directory was listed, and an entry was left out of the list: a rootkit hides a file or a process",
	technique: technique{"Stealth", "Rootkit", "T1014", ""},
	response:  "Trust nothing on this machine any more: look at its disk from outside.",
	benign:    "Broken file systems.",
	events:    []string{"hidden_inodes"},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) {
		return map[string]any{"hidden": strings.Clone(text(e, "hidden_process"))}, true
	}),
})

var _ = declare(description{
	id: "TRC-2214", name: "Process hidden by a mount", severity: high, tags: linuxAndContainer,
	doc:       "Something was mounted over the directory of a process in /proc, so that ps and its like do not show it",
	technique: technique{"Stealth", "Hide Artifacts: Bind Mounts", "T1564.013", ""},
	response:  "Unmount it (data: path) and look at the process behind.",
	benign:    "Container runtimes cover other parts of /proc only.",
	events:    []string{"security_sb_mount"},
	needs:     []detect.Need{need("security_sb_mount", like("path", "/proc/*"))},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) {
		pid, ok := strings.CutPrefix(text(e, "path"), "/proc/")
		pid, _, deeper := strings.Cut(pid, "/")
		if !ok || deeper || !isProcess(pid) {
			return nil, false
		}
		return map[string]any{"path": strings.Clone(text(e, "path"))}, true
	}),
})

var _ = declare(description{
	id: "TRC-2216", name: "Process claims to run another file", severity: high, tags: linuxAndContainer,
	doc:       "A process told the kernel to show another file as the one that it runs (PR_SET_MM_EXE_FILE)",
	technique: technique{"Stealth", "Masquerading", "T1036", ""},
	response:  "Look at what is mapped in the process (/proc/PID/maps), not at /proc/PID/exe.",
	benign:    "CRIU, when it brings a saved process back.",
	events:    with("security_task_prctl"),
	needs:     []detect.Need{need("security_task_prctl", among("option", 35))}, // PR_SET_MM
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		const exeFile, wholeMap = 13, 14 // PR_SET_MM_EXE_FILE, PR_SET_MM_MAP of linux/prctl.h
		what, _ := whole(e, "arg2")
		if e.EventName != "security_task_prctl" || text(e, "option") != "PR_SET_MM" || what != exeFile && what != wholeMap || s.is(e, named("criu systemd init")) {
			return nil, false
		}
		return map[string]any{"program": s.program(e)}, true
	}),
})
