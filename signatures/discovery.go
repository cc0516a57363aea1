package signatures

import (
	"strconv"
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id: "TRC-109", name: "Randomness of addresses looked up", severity: info, tags: linuxAndContainer,
	doc:       "A program read whether the kernel puts programs at random addresses",
	technique: technique{"Discovery", "System Information Discovery", "T1082", ""},
	response:  "None by itself; exploits look there first.",
	benign:    "Debuggers, checkers of security settings, and some runtimes.",
	files:     &fileRule{does: reads, paths: []string{"**/proc/sys/kernel/randomize_va_space"}, except: named("sysctl systemd-sysctl")},
})

var _ = declare(description{
	id: "TRC-1029", name: "Scheduler's list of processes read", severity: low, tags: linuxAndContainer,
	doc:       "The debugging file of the scheduler was read: it names the processes of the whole machine, from within a container, too",
	technique: technique{"Discovery", "Container and Resource Discovery", "T1613", ""},
	response:  "See whether the program has to do with tuning the kernel.",
	benign:    "Administrators who look into scheduling.",
	files:     &fileRule{does: reads, paths: []string{"**/proc/sched_debug", "/sys/kernel/debug/sched/debug"}},
})

var _ = declare(description{
	id: "TRC-2801", name: "Machine looked over by commands", severity: medium, tags: linuxAndContainer,
	doc:        "Many commands that tell about a machine and its users were started by the same process within half a minute",
	technique:  technique{"Discovery", "System Information Discovery", "T1082", ""},
	response:   "Look at who started them (the parent), and at what comes next.",
	benign:     "Inventory and support scripts (sosreport, facter), and login scripts of some companies.",
	events:     with(),
	newMatcher: func(s *surroundings) matcher { return newRecon(s) },
})

var _ = declare(description{
	id: "TRC-2802", name: "Ports or hosts scanned", severity: medium, tags: linuxAndContainer,
	doc:        "A process tried to connect to many ports of a host, or to the same port of many hosts, within half a minute",
	technique:  technique{"Discovery", "Network Service Discovery", "T1046", ""},
	response:   "Look at the program; what it found is where it goes next.",
	benign:     "Monitoring, service discovery, web crawlers and clients of peer-to-peer networks.",
	events:     with("net_tcp_connect"),
	newMatcher: func(s *surroundings) matcher { return newScans(s) },
})

var _ = declare(description{
	id: "TRC-2803", name: "Search for programs that run as root", severity: medium, tags: linuxAndContainer,
	doc:       "A search was started for files with the setuid bit or with capabilities",
	technique: technique{"Discovery", "File and Directory Discovery", "T1083", ""},
	response:  "Look at who searches: these files are the way from a user to root.",
	benign:    "Checkers of security settings.",
	command: &commandRule{within: packageManagers, when: func(c *command) bool {
		return c.runsAny("find") && c.says("-perm -4000", "-perm /4000", "-perm -u=s", "-perm /u=s", "-perm +4000", "-perm -04000", "-perm /6000", "-perm -2000", "-perm -6000", "-perm /u+s", "-perm -u+s") ||
			c.runsAny("getcap") && c.has("-r", "-nr", "-rn")
	}},
})

var _ = declare(description{
	id: "TRC-2806", name: "Network listened to", severity: medium, tags: linuxAndContainer,
	doc:       "A program opened a socket by which all packets are seen",
	technique: technique{"Credential Access", "Network Sniffing", "T1040", ""},
	response:  "See who listens; take passwords that were sent in the clear as known.",
	benign:    "Administrators with tcpdump and its like; DHCP clients and network managers are left out.",
	events:    with("security_socket_create"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "security_socket_create" || text(e, "family") != "AF_PACKET" || s.is(e, networkPrograms) {
			return nil, false
		}
		kernel, _ := whole(e, "kern")
		if kernel != 0 {
			return nil, false
		}
		return map[string]any{"program": s.program(e)}, true
	}),
})

var networkPrograms = initSystem.and(named("dhclient dhcpcd udhcpc NetworkManager systemd-networkd wpa_supplicant hostapd lldpd keepalived dnsmasq arping avahi-daemon " +
	"ip ifconfig ethtool iw qemu-system-x86_64 dockerd connmand pppd kea-dhcp4 dhcpd radvd frr bird arp ifup busybox nmcli suricata zeek ntopng bridge tc"))

var _ = declare(description{
	id: "TRC-2807", name: "Keyboard listened to", severity: high, tags: linuxAndContainer,
	doc:       "A program opened an input device, by which all keys are seen",
	technique: technique{"Credential Access", "Input Capture: Keylogging", "T1056.001", ""},
	response:  "Take all that was typed as known.",
	benign:    "Desktops and input methods that are not known here.",
	files: &fileRule{
		does: reads, paths: []string{"/dev/input/event*", "/dev/hidraw*", "/dev/input/by-path/*kbd"}, within: packageManagers,
		except: initSystem.and(named("Xorg X Xwayland gnome-shell kwin_wayland sway weston acpid systemd-logind systemd-udevd libinput upowerd thermald triggerhappy " +
			"mutter gdm-x-session qemu-system-x86_64 fwupd inputattach evtest bluetoothd pcscd gpsd")),
	},
})

// recon counts different commands of discovery by the process that starts them.
type recon struct {
	around *surroundings
	bursts *burst[uint64]
}

const (
	commandsAreMany = 7
	commandsWithin  = 30 * time.Second
)

var discoverers = named("whoami id uname hostname hostnamectl ifconfig netstat ss ps last lastlog w who users lsof lscpu lsblk lsmod arp route dmidecode getent " +
	"groups uptime pstree lspci lsusb dmesg ip df mount free env printenv crontab sudo systemctl docker kubectl iptables finger top nproc arch locale")

func newRecon(s *surroundings) *recon {
	return &recon{s, newBurst[uint64](commandsAreMany, commandsWithin, actorsRemembered)}
}

func (r *recon) forgotten() uint64 { return r.bursts.forgotten() }

func (r *recon) match(e *trace.Event) (map[string]any, bool) {
	r.around.see(e)
	c := &r.around.command
	if e.EventName != "sched_process_exec" || !discoverers[c.name] || looksNowhere(c) {
		return nil, false
	}
	if !r.bursts.add(parentEntity(e), c.name, e.Timestamp) || r.around.startedBy(e, packageManagers) {
		return nil, false
	}
	data := c.shown()
	data["started by"] = r.around.parent(e)
	return data, true
}

// looksNowhere is true of commands that do something else with these arguments.
func looksNowhere(c *command) bool {
	switch c.name {
	case "env":
		return len(c.argv) > 1 // it starts another program
	case "sudo":
		return !c.has("-l", "--list")
	case "crontab":
		return !c.has("-l")
	case "systemctl", "docker", "kubectl", "mount", "ip", "iptables":
		return !c.has("list-units", "list-unit-files", "ps", "images", "get", "addr", "a", "route", "r", "link", "neigh", "-L", "-S") && len(c.argv) > 1
	}
	return false
}

// scans counts the ports and the hosts that a process tries.
type scans struct {
	around *surroundings
	ports  *burst[target]
	hosts  *burst[target]
}

// target is what a process tries: all ports of a host, or the same port everywhere.
type target struct {
	process uint64
	what    string
}

const (
	portsAreMany = 20
	hostsAreMany = 30
	scansWithin  = 30 * time.Second
	// firstEphemeral is the first port of those that nobody chose: tests connect to many of them.
	firstEphemeral = 32768
)

func newScans(s *surroundings) *scans {
	return &scans{s, newBurst[target](portsAreMany, scansWithin, actorsRemembered), newBurst[target](hostsAreMany, scansWithin, actorsRemembered)}
}

func (s *scans) forgotten() uint64 { return s.ports.forgotten() + s.hosts.forgotten() }

func (s *scans) match(e *trace.Event) (map[string]any, bool) {
	if e.EventName != "net_tcp_connect" {
		s.around.see(e)
		return nil, false
	}
	host := strings.Clone(text(e, "dst"))
	number, _ := whole(e, "dst_port")
	port := strconv.Itoa(number)
	// Web browsers and crawlers visit many hosts, always by the same two ports.
	web := number == 80 || number == 443
	if number >= firstEphemeral {
		return nil, false
	}
	manyPorts := s.ports.add(target{entity(e), host}, port, e.Timestamp)
	manyHosts := !web && s.hosts.add(target{entity(e), port}, host, e.Timestamp)
	switch {
	case manyPorts:
		return map[string]any{"host": host, "ports": portsAreMany, "program": s.around.program(e)}, true
	case manyHosts:
		return map[string]any{"port": number, "hosts": hostsAreMany, "program": s.around.program(e)}, true
	}
	return nil, false
}
