package signatures

import (
	"maps"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

// caretakers are who sets a machine up in the ordinary course, with all that they start. Not among them is who starts
// everybody, such as systemd, or whole containers.
var caretakers = packageManagers.and(named("deb-systemd-helper systemd-sysv-install update-rc.d chkconfig cloud-init netplan ansible puppet chef-client salt-minion"))

// persistent makes the rule of files that decide what runs later.
func persistent(except programs, paths ...string) *fileRule {
	return &fileRule{
		does: writes, paths: paths, except: except.and(containerManagers, initSystem, named("systemd-tmpfiles")), within: caretakers,
	}
}

var nobody = programs{}

var _ = declare(description{
	id: "TRC-1026", name: "Start script of the system modified", severity: medium, tags: linux,
	doc:       "A script that the machine runs when it starts was written: rc.local, or one of init.d",
	technique: technique{"Persistence", "Boot or Logon Initialization Scripts: RC Scripts", "T1037.004", ""},
	response:  "Look at the script and at who wrote it; take out what does not belong there.",
	benign:    "Administrators, and installers that do not use a package manager.",
	files:     persistent(nobody, "/etc/rc.local", "/etc/rc.d/", "/etc/init.d/", "/etc/rc*.d/", "/etc/inittab", "/etc/init/", "/etc/local.d/"),
})

var _ = declare(description{
	id: "TRC-1027", name: "Scheduled task modified", severity: medium, tags: linuxAndContainer,
	doc:       "A job of cron, anacron or at, or a file that makes logrotate or inetd run a program, was written by something that is not made for it",
	technique: technique{"Persistence", "Scheduled Task/Job: Cron", "T1053.003", ""},
	response:  "Look at the job: what it runs, as whom, and what that did already.",
	benign:    "Administrators with an editor, and installers that do not use a package manager. crontab and at are left out: what they start is not.",
	files: persistent(named("crontab at batch atd crond cron anacron"), "/etc/crontab", "/etc/cron.d/", "/etc/cron.hourly/", "/etc/cron.daily/", "/etc/cron.weekly/",
		"/etc/cron.monthly/", "/etc/anacrontab", "/var/spool/cron/", "/var/spool/at/", "/var/spool/anacron/", "/etc/cron.allow", "/etc/at.allow", "/etc/incron.d/", "/var/spool/incron/", "/etc/logrotate.d/", "/etc/inetd.conf", "/etc/xinetd.d/"),
})

var _ = declare(description{
	id: "TRC-2122", name: "Job given to cron, at or systemd", severity: low, tags: linuxAndContainer,
	doc:       "A user had a job done later by the program that is made for it: crontab, at, or systemd-run with a time",
	technique: technique{"Persistence", "Scheduled Task/Job: Cron", "T1053.003", ""},
	response:  "Look at the job (crontab -l -u USER, atq, systemctl list-timers) and at who gave it.",
	benign:    "Users who have jobs.",
	command: &commandRule{within: caretakers, when: func(c *command) bool {
		switch {
		case c.runsAny("crontab"):
			return len(c.argv) > 1 && !c.has("-l", "-r", "-V", "--help")
		case c.runsAny("at", "batch"):
			return !c.has("-l", "-d", "-r", "-c", "-V") && !c.runsAny("atq", "atrm")
		case c.runsAny("systemd-run"):
			return c.says("--on-", "--timer-property")
		}
		return false
	}},
})

var _ = declare(description{
	id: "TRC-2123", name: "Service installed from an unusual place", severity: medium, tags: linux,
	doc:       "systemd was told to link or to enable a unit by its path, or to run a program from a directory where anybody can put it",
	technique: technique{"Persistence", "Create or Modify System Process: Systemd Service", "T1543.002", ""},
	response:  "Look at what the unit starts (systemctl cat), stop it, and look at who wrote it.",
	benign:    "Installers that keep their units in a directory of their own.",
	command: &commandRule{within: caretakers, when: func(c *command) bool {
		switch {
		case c.runsAny("systemctl"):
			return c.has("link", "enable", "reenable") && c.says(" /", " ./", " ../") && !c.says(" /usr/lib/systemd/", " /lib/systemd/", " /etc/systemd/")
		case c.runsAny("systemd-run"):
			return inOpenDirectory(c.operand("-u -p -E -M -H --unit --property --setenv --machine --host --slice --description --uid --gid --nice --working-directory"))
		}
		return false
	}},
})

var _ = declare(description{
	id: "TRC-2124", name: "User made equal to root", severity: high, tags: linuxAndContainer,
	doc:       "A program that maintains users was told to make one with the number 0, which is root's",
	technique: technique{"Persistence", "Account Manipulation: Additional Local or Domain Groups", "T1098.007", ""},
	response:  "Remove the user, or lock him, and look at what he did.",
	benign:    "None known: a second user with the number 0 is hardly ever wanted.",
	command: &commandRule{within: caretakers, when: func(c *command) bool {
		return c.runsAny("useradd", "usermod", "adduser") && (c.has("-u0", "-ou0", "--uid=0") || c.hasPair("-u", "0") || c.hasPair("-ou", "0") || c.hasPair("--uid", "0"))
	}},
})

var _ = declare(description{
	id: "TRC-2125", name: "User given the rights of administrators", severity: low, tags: linuxAndContainer,
	doc:       "A user was put into a group by which he becomes root (sudo, wheel, docker, lxd and their like), or his password was taken away, so that anybody may be him",
	technique: technique{"Persistence", "Account Manipulation: Additional Local or Domain Groups", "T1098.007", ""},
	response:  "Ask who wanted it.",
	benign:    "Administrators who set up users, and builders of images.",
	command: &commandRule{within: caretakers, when: func(c *command) bool {
		return c.runsAny("passwd") && c.has("-d", "--delete") || c.runsAny("useradd", "usermod", "adduser", "gpasswd", "addgroup") && slices.ContainsFunc(c.argv, mentionsAdministrators)
	}},
})

// mentionsAdministrators reports whether a list of groups has one whose members become root.
func mentionsAdministrators(groups string) bool {
	groups = groups[strings.IndexByte(groups, '=')+1:]
	return slices.ContainsFunc(strings.Split(groups, ","), func(group string) bool {
		return slices.Contains([]string{"sudo", "wheel", "admin", "root", "docker", "lxd", "disk", "shadow", "libvirt"}, group)
	})
}

var _ = declare(description{
	id: "TRC-2220", name: "Program put under the name of one that is trusted", severity: high, tags: linuxAndContainer,
	doc:       "A file was written, in a directory of the system, with a name that many rules trust, by something other than a package manager",
	technique: technique{"Stealth", "Masquerading: Match Legitimate Resource Name or Location", "T1036.005", ""},
	response:  "Compare the file with the program of that name that the distribution brings.",
	benign:    "Administrators who build sshd, cron or sudo by hand.",
	files: &fileRule{
		does: writes | replaces, paths: anywhere(uncommonNames), within: caretakers, except: containerManagers,
		when: func(_ *surroundings, e *trace.Event) bool {
			path := text(e, "pathname") + text(e, "new_path") + text(e, "linkpath")
			// What TRC-2117 and TRC-2101 look at is theirs; /usr/lib has directories of this name that hold settings. What comes as a
			// whole into /opt is called as it likes.
			return inSystem(path) && !startsWith(path, []string{"/opt/", "/snap/"}) && !startsWith(path, []string{"/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/usr/libexec/", "/usr/lib/openssh/", "/usr/lib/systemd/", "/lib/systemd/"}) &&
				!strings.Contains(path, "/pam.d/") && !strings.Contains(path, "/bash-completion/")
		},
	},
})

// anywhere makes patterns of names in any directory.
func anywhere(names programs) []string {
	return around("**/", slices.Sorted(maps.Keys(names)), "")
}

var _ = declare(description{
	id: "TRC-1028", name: "Rules of sudo modified", severity: medium, tags: linuxAndContainer,
	doc:       "Who may become root by sudo was changed by something other than visudo",
	technique: technique{"Privilege Escalation", "Abuse Elevation Control Mechanism: Sudo and Sudo Caching", "T1548.003", ""},
	response:  "Look at the rules for what was added, and at what was done as root since.",
	benign:    "Set-up of new machines by tools that are not known here.",
	files:     persistent(named("visudo"), "**/etc/sudoers", "/etc/sudoers.d/", "/etc/doas.conf", "/etc/polkit-1/rules.d/", "/usr/share/polkit-1/rules.d/"),
})

var _ = declare(description{
	id: "TRC-2101", name: "Service of systemd added or changed", severity: medium, tags: linux,
	doc:       "A unit, timer or generator of systemd was written by something other than a package manager",
	technique: technique{"Persistence", "Create or Modify System Process: Systemd Service", "T1543.002", ""},
	response:  "Look at what the unit starts (systemctl cat), stop it, and look at who wrote it.",
	benign:    "Administrators with an editor, and installers that do not use a package manager.",
	files: persistent(initSystem, "/etc/systemd/system/", "/etc/systemd/user/", "/usr/lib/systemd/system/", "/lib/systemd/system/", "/usr/local/lib/systemd/",
		"/run/systemd/system/", "/etc/systemd/system-generators/", "/usr/lib/systemd/system-generators/", "**/.config/systemd/user/",
		"**/.local/share/systemd/user/", "/etc/systemd/system.conf.d/", "/usr/lib/systemd/user/", "/run/systemd/user/", "/etc/systemd/user-generators/",
		"/usr/lib/systemd/user-generators/", "/usr/lib/systemd/system-sleep/", "/usr/lib/systemd/system-shutdown/", "/etc/systemd/system-sleep/",
		"/usr/share/dbus-1/system-services/", "/etc/dbus-1/system.d/", "/etc/tmpfiles.d/"),
})

var _ = declare(description{
	id: "TRC-2102", name: "Start file of shells modified", severity: medium, tags: linuxAndContainer,
	doc:       "A file that shells run when somebody logs in or opens a terminal was written",
	technique: technique{"Persistence", "Event Triggered Execution: Unix Shell Configuration Modification", "T1546.004", ""},
	response:  "Look at the end of the file, and at who wrote it.",
	benign:    "Users who set up their shell, and installers of languages that add to PATH (rustup, nvm, conda).",
	files: persistent(named("useradd adduser chezmoi"), "/etc/profile", "/etc/profile.d/", "/etc/bash.bashrc", "/etc/bashrc", "/etc/zsh/", "/etc/zshrc", "/etc/zshenv",
		"/etc/csh.cshrc", "/etc/csh.login", "/etc/environment", "/etc/fish/", "/etc/skel/", "**/.bashrc", "**/.bash_profile", "**/.bash_login",
		"**/.bash_logout", "**/.bash_aliases", "/etc/bash_completion.d/", "/etc/bash.bash_logout", "/etc/profile.local", "**/.profile", "**/.zshrc", "**/.zshenv", "**/.zprofile", "**/.zlogin", "**/.kshrc", "**/.config/fish/config.fish"),
})

var _ = declare(description{
	id: "TRC-2103", name: "Keys that may log in were changed", severity: high, tags: linuxAndContainer,
	doc:       "The list of SSH keys that may log in as a user was written",
	technique: technique{"Persistence", "Account Manipulation: SSH Authorized Keys", "T1098.004", ""},
	response:  "Compare the list with what it should be, and look for logins by keys that are too many.",
	benign:    "ssh-copy-id from elsewhere (sshd runs a shell that appends), agents of clouds that bring keys, and administrators.",
	files:     persistent(named("cloud-init google_guest_agent google_guest_a waagent"), "**/.ssh/authorized_keys", "**/.ssh/authorized_keys2", "/etc/ssh/authorized_keys/", "**/.ssh/rc", "/etc/ssh/sshrc"),
})

var _ = declare(description{
	id: "TRC-2104", name: "Rules or modules of PAM changed", severity: high, tags: linuxAndContainer,
	doc:       "How the machine decides who may log in was changed: the rules of PAM, or one of its modules",
	technique: technique{"Persistence", "Modify Authentication Process: Pluggable Authentication Modules", "T1556.003", ""},
	response:  "Compare with the packages (dpkg -V, rpm -V). Passwords that were entered since may be known to the attacker.",
	benign:    "Administrators who set up logins.",
	files: persistent(named("pam-auth-update authselect authconfig"), "**/etc/pam.d/", "/etc/pam.conf", "/etc/security/pam_env.conf", "/etc/pam-configs/", "/usr/share/pam-configs/",
		"**/pam_*.so", "/lib/x86_64-linux-gnu/security/", "/usr/lib/x86_64-linux-gnu/security/", "/usr/lib64/security/", "/lib/security/"),
})

var _ = declare(description{
	id: "TRC-2105", name: "Database of users changed", severity: high, tags: linuxAndContainer,
	doc:       "passwd, shadow or group was written by something that is not made for it",
	technique: technique{"Persistence", "Create Account: Local Account", "T1136.001", ""},
	response:  "Look for users with the number 0, without password, or whom nobody knows.",
	benign:    "Scripts that set up images and containers.",
	files: persistent(userManagers.and(named("systemd systemd-firstboot passwd login sshd sudo")), "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow",
		"/etc/subuid", "/etc/subgid"),
})

var _ = declare(description{
	id: "TRC-1012", name: "Dynamic linker or its settings modified", severity: high, tags: linuxAndContainer,
	doc:       "The program that loads all others, the C library, or the list of where libraries are was written",
	technique: technique{"Persistence", "Hijack Execution Flow: Dynamic Linker Hijacking", "T1574.006", ""},
	response:  "Compare with the packages from outside of the machine: nothing that runs on it can be trusted until then.",
	benign:    "None known but package managers.",
	files: persistent(named("ldconfig"), "/lib/ld-*", "/usr/lib/ld-*", "/lib64/ld-*", "/usr/lib64/ld-*", "/lib/x86_64-linux-gnu/ld-*", "/usr/lib/x86_64-linux-gnu/ld-*",
		"/usr/lib/aarch64-linux-gnu/ld-*", "/lib/*/libc.so.6", "/usr/lib/*/libc.so.6", "/etc/ld.so.conf", "/etc/ld.so.conf.d/", "/etc/ld.so.cache"),
})

var _ = declare(description{
	id: "TRC-2107", name: "Rule of udev written", severity: medium, tags: linux,
	doc:       "A rule of udev was written: it can run a program, as root, when a device appears",
	technique: technique{"Persistence", "Event Triggered Execution: Udev Rules", "T1546.017", ""},
	response:  "Look for RUN+= in the rule, and at what it names.",
	benign:    "Administrators, and installers of drivers.",
	files:     persistent(nobody, "/etc/udev/rules.d/", "/usr/lib/udev/rules.d/", "/lib/udev/rules.d/", "/run/udev/rules.d/"),
})

var _ = declare(description{
	id: "TRC-2108", name: "Kernel module put among those of the system", severity: medium, tags: linux,
	doc:       "A kernel module, or the list of those to load, was written by something other than a package manager",
	technique: technique{"Persistence", "Boot or Logon Autostart Execution: Kernel Modules and Extensions", "T1547.006", ""},
	response:  "Compare the module with the package of the kernel.",
	benign:    "DKMS, and administrators who build modules.",
	files: persistent(named("depmod dkms kmod update-initramfs dracut mkinitramfs"), "/etc/modules", "/etc/modules-load.d/", "/etc/modprobe.d/", "/lib/modules/",
		"/usr/lib/modules/", "/usr/lib/modules-load.d/", "/usr/lib/modprobe.d/"),
})

var _ = declare(description{
	id: "TRC-2109", name: "Settings of the SSH server changed", severity: medium, tags: linuxAndContainer,
	doc:       "The settings of sshd were written",
	technique: technique{"Persistence", "Modify Authentication Process", "T1556", ""},
	response:  "Look for PermitRootLogin, AuthorizedKeysFile, AuthorizedKeysCommand and ForceCommand.",
	benign:    "Administrators.",
	files:     persistent(nobody, "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/", "/etc/ssh/ssh_config", "/etc/ssh/ssh_config.d/"),
})

var _ = declare(description{
	id: "TRC-2110", name: "Hook of a package manager written", severity: medium, tags: linux,
	doc:       "A file was written that makes a package manager run a program, as root, whenever it is used",
	technique: technique{"Persistence", "Event Triggered Execution: Installer Packages", "T1546.016", ""},
	response:  "Look for Pre-Invoke and Post-Invoke in apt's settings, and for plug-ins that nobody installed.",
	benign:    "Administrators who set up apt.",
	files: persistent(nobody, "/etc/apt/apt.conf.d/", "/etc/apt/apt.conf", "/etc/dpkg/dpkg.cfg.d/", "/etc/dpkg/dpkg.cfg", "/etc/yum/pluginconf.d/", "/usr/lib/yum-plugins/",
		"/etc/dnf/plugins/", "/etc/apt/sources.list", "/etc/apt/sources.list.d/", "/etc/apt/trusted.gpg.d/", "/etc/yum.repos.d/"),
})

var _ = declare(description{
	id: "TRC-2111", name: "Greeting of logins written", severity: medium, tags: linux,
	doc:       "A script that runs, as root, at every login was written: one of update-motd.d",
	technique: technique{"Persistence", "Event Triggered Execution", "T1546", ""},
	response:  "Look at the script.",
	benign:    "Administrators.",
	files:     persistent(nobody, "/etc/update-motd.d/"),
})

var _ = declare(description{
	id: "TRC-2112", name: "Program added to those that start with the desktop", severity: medium, tags: linux,
	doc:       "A file was written that starts a program when somebody logs in at the desktop",
	technique: technique{"Persistence", "Boot or Logon Autostart Execution: XDG Autostart Entries", "T1547.013", ""},
	response:  "Look at the line Exec= of the file.",
	benign:    "Programs with a setting \"start with the system\".",
	files:     persistent(nobody, "**/.config/autostart/", "/etc/xdg/autostart/", "**/.config/autostart-scripts/", "**/.xinitrc", "**/.xprofile", "**/.xsession"),
})

var _ = declare(description{
	id: "TRC-2113", name: "Script that network changes run written", severity: medium, tags: linux,
	doc:       "A script was written that runs, as root, when the network changes",
	technique: technique{"Persistence", "Event Triggered Execution", "T1546", ""},
	response:  "Look at the script.",
	benign:    "Administrators, and VPN software.",
	files: persistent(nobody, "/etc/NetworkManager/dispatcher.d/", "/usr/lib/NetworkManager/dispatcher.d/", "/etc/network/if-up.d/", "/etc/network/if-pre-up.d/",
		"/etc/network/if-down.d/", "/etc/network/if-post-down.d/", "/etc/dhcp/dhclient-exit-hooks.d/", "/etc/dhcp/dhclient-enter-hooks.d/", "/etc/networkd-dispatcher/", "/etc/ppp/ip-up.d/"),
})

var _ = declare(description{
	id: "TRC-2114", name: "What the machine boots was changed", severity: medium, tags: linux,
	doc:       "A kernel, an initial file system, the settings of the boot loader or what is built into them was written",
	technique: technique{"Persistence", "Pre-OS Boot: Bootkit", "T1542.003", ""},
	response:  "Compare with the packages, and look at the command line of the kernel.",
	benign:    "Administrators; tools that build kernels.",
	files: persistent(named("update-initramfs mkinitramfs dracut grub-mkconfig grub-install update-grub grub-editenv grub-set-default grub-reboot kernel-install bootctl installkernel depmod cpio"),
		"/boot/", "/etc/default/grub", "/etc/default/grub.d/", "/etc/grub.d/", "/etc/initramfs-tools/", "/usr/share/initramfs-tools/", "/etc/dracut.conf.d/", "/efi/"),
})

var _ = declare(description{
	id: "TRC-2117", name: "Program of the system replaced", severity: high, tags: linuxAndContainer,
	doc:       "A file in one of the directories of the system's programs was written by something other than a package manager",
	technique: technique{"Persistence", "Compromise Host Software Binary", "T1554", ""},
	response:  "Compare the file with its package. Whatever it did since, it did with the rights of whoever ran it.",
	benign:    "Administrators who install by hand, and images that are being built. /usr/local is left out.",
	files: persistent(named("ldconfig"), "/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/usr/libexec/", "/usr/lib/systemd/systemd*", "/lib/systemd/systemd*",
		"/usr/lib/openssh/"),
})

var _ = declare(description{
	id: "TRC-2118", name: "Interpreter registered with the kernel", severity: medium, tags: linux,
	doc:       "A kind of file and a program to run it were registered with the kernel (binfmt_misc): it may stand between users and all their programs",
	technique: technique{"Persistence", "Event Triggered Execution", "T1546", ""},
	response:  "Look at the entries in /proc/sys/fs/binfmt_misc, those with flag C above all.",
	benign:    "QEMU for other architectures, Wine, and Java.",
	files:     persistent(named("systemd-binfmt update-binfmts"), "/proc/sys/fs/binfmt_misc/register", "/etc/binfmt.d/", "/usr/lib/binfmt.d/"),
})

var _ = declare(description{
	id: "TRC-2119", name: "Code that every Python program runs written", severity: low, tags: linuxAndContainer,
	doc:       "A file was written that Python runs whenever it starts: sitecustomize, usercustomize, or one that ends in .pth",
	technique: technique{"Persistence", "Event Triggered Execution: Python Startup Hooks", "T1546.018", ""},
	response:  "Look at the lines that begin with import.",
	benign:    "pip and its like, for packages that are to be edited in place.",
	files:     persistent(nobody, "**/sitecustomize.py", "**/usercustomize.py", "**/site-packages/*.pth", "**/dist-packages/*.pth"),
})

var _ = declare(description{
	id: "TRC-2120", name: "Web server writes a script", severity: high, tags: linuxAndContainer,
	doc:       "A web server or the language that it runs wrote a file that it will run when asked: a web shell",
	technique: technique{"Persistence", "Server Software Component: Web Shell", "T1505.003", ""},
	response:  "Look at the file and at the request that brought it; stop the server before the file is called.",
	benign:    "Content management systems that update themselves.",
	files: &fileRule{
		does:  writes,
		paths: []string{"**/*.php", "**/*.phtml", "**/*.php5", "**/*.phar", "**/*.jsp", "**/*.jspx", "**/*.aspx", "**/*.asp", "**/*.cgi", "**/.htaccess"},
		when:  byWebServer,
	},
})

var _ = declare(description{
	id: "TRC-2121", name: "Names of hosts redirected", severity: low, tags: linuxAndContainer,
	doc:       "The file that tells where hosts are, or who is asked for it, was written",
	technique: technique{"Impact", "Data Manipulation: Stored Data Manipulation", "T1565.001", ""},
	response:  "Look for names of update servers or of your own services with a wrong address.",
	benign:    "DHCP clients, VPN software, administrators, and set-up of containers.",
	files:     persistent(named("NetworkManager systemd-resolved resolvconf dhclient dhcpcd systemd-networkd openvpn wg-quick docker-init"), "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf"),
})

var _ = declare(description{
	id: "TRC-1015", name: "Hidden program created", severity: medium, tags: linuxAndContainer,
	doc:        "An ELF file was written under a name that begins with a dot",
	technique:  technique{"Stealth", "Hide Artifacts: Hidden Files and Directories", "T1564.001", ""},
	response:   "Keep a copy of the file, and look at who wrote it and whether it ran.",
	benign:     "Compilers and package managers with caches in hidden directories are not meant: the file itself is hidden.",
	events:     with("magic_write"),
	newMatcher: watcherOf(hiddenProgram),
})

// temporaryName is how rsync, dpkg and others call files while they write them.
func temporaryName(name string) bool { return strings.Count(name, ".") > 1 }
