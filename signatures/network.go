package signatures

import (
	"math"
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id: "TRC-2010", name: "Cloud's metadata asked for", severity: medium, tags: linuxAndContainer,
	doc:       "A program that is not the cloud's own connected to the address where a cloud gives its machines their credentials",
	technique: technique{"Credential Access", "Unsecured Credentials: Cloud Instance Metadata API", "T1552.005", ""},
	response:  "Have the credentials of the machine's role replaced, and look in the cloud's log for their use from elsewhere.",
	benign:    "SDKs of clouds in programs of your own: these get their credentials there.",
	events:    with("security_socket_connect"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		to, ok := connectedTo(e)
		if e.EventName != "security_socket_connect" || !ok || s.is(e, cloudAgents) {
			return nil, false
		}
		switch to.ip {
		case "169.254.169.254", "fd00:ec2::254", "169.254.170.2", "100.100.100.200", "169.254.170.23":
			return map[string]any{"ip": to.ip, "port": to.port, "program": s.program(e)}, true
		}
		return nil, false
	}),
})

var cloudAgents = initSystem.and(packageManagers, named("cloud-init amazon-ssm-agent ssm-agent-worker ec2-instance-connect google_guest_agent google_metadata_script_runner "+
	"google_osconfig_agent waagent WALinuxAgent azure-proxy-agent kubelet aws aws-node aws-k8s-agent ecs-agent amazon-cloudwatch-agent chronyd systemd-timesyncd "+
	"ds-identify netplan dhclient aliyun-service terraform packer"))

var _ = declare(description{
	id: "TRC-2012", name: "Agent of SSH used by another program", severity: medium, tags: linuxAndContainer,
	doc:       "A program that is not SSH connected to the agent that holds a user's keys",
	technique: technique{"Lateral Movement", "Remote Service Session Hijacking: SSH Hijacking", "T1563.001", ""},
	response:  "Look for logins with these keys from here.",
	benign:    "Libraries of SSH in other programs: Ansible, editors, libgit2.",
	events:    with("security_socket_connect"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		a, ok := e.Lookup("remote_addr")
		if !ok || a.Type().Kind != trace.Sockaddr || e.ReturnValue < 0 || s.is(e, sshPrograms.and(named("code idea goland"))) {
			return nil, false
		}
		path := a.Sockaddr().Path
		if !strings.HasPrefix(path, "/tmp/ssh-") && !endsIn(path, "/S.gpg-agent.ssh", "/keyring/ssh", "/ssh-agent.socket") {
			return nil, false
		}
		return map[string]any{"socket": path, "program": s.program(e)}, true
	}),
})

var _ = declare(description{
	id: "TRC-2901", name: "Pool of crypto-currency miners contacted", severity: high, tags: linuxAndContainer,
	doc:       "A program asked for the address of a mining pool, or connected to one",
	technique: technique{"Impact", "Resource Hijacking: Compute Hijacking", "T1496.001", ""},
	response:  "Stop the program, and look for how it came here.",
	benign:    "Machines that are meant for mining; resolvers of names that work for others.",
	events:    with("net_packet_dns_request", "net_tcp_connect"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		for _, name := range namesOf(e) {
			if isPool(name) {
				return map[string]any{"name": name, "program": s.program(e)}, true
			}
		}
		return nil, false
	}),
})

// pools are domains of mining pools.
var pools = []string{
	"minexmr.com", "supportxmr.com", "nanopool.org", "hashvault.pro", "moneroocean.stream", "xmrpool.eu", "xmrpool.net", "monerohash.com", "moneropool.com", "miningpoolhub.com",
	"nicehash.com", "ethermine.org", "f2pool.com", "2miners.com", "unmineable.com", "herominers.com", "zpool.ca", "c3pool.com", "c3pool.org", "crypto-pool.fr", "dwarfpool.com",
	"minergate.com", "prohashing.com", "poolin.com", "viabtc.com", "flypool.org", "sparkpool.com", "woolypooly.com", "kryptex.network", "rplant.xyz", "p2pool.io", "gulf.moneroocean.stream",
}

func isPool(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, pool := range pools {
		if name == pool || strings.HasSuffix(name, "."+pool) {
			return true
		}
	}
	first, _, _ := strings.Cut(name, ".")
	return first == "stratum" || strings.HasPrefix(name, "stratum+") || strings.HasPrefix(first, "xmr-") && strings.Contains(name, "pool")
}

// namesOf returns the names that an event of the network is about.
func namesOf(e *trace.Event) []string {
	switch e.EventName {
	case "net_tcp_connect":
		return texts(e, "dst_dns")
	case "net_packet_dns_request":
		var names []string
		for _, question := range document[[]trace.DnsQueryData](e, "dns_questions") {
			names = append(names, question.Query)
		}
		return names
	}
	return nil
}

var _ = declare(description{
	id: "TRC-2902", name: "Data carried by questions of DNS", severity: medium, tags: linuxAndContainer,
	doc:        "A process asks for many long, random names in the same domain: data leave the machine in questions of DNS",
	technique:  technique{"Command and Control", "Application Layer Protocol: DNS", "T1071.004", ""},
	response:   "Look at the program; block the domain (data: domain) at the resolver.",
	benign:     "Look-ups of reputation by mail servers and virus scanners, and networks that deliver content.",
	events:     with("net_packet_dns_request"),
	newMatcher: func(s *surroundings) matcher { return newTunnels(s) },
})

var _ = declare(description{
	id: "TRC-2903", name: "Anonymous network asked for", severity: medium, tags: linuxAndContainer,
	doc:       "A program asked for a name of the Tor network, or of a service that leads there",
	technique: technique{"Command and Control", "Proxy: Multi-hop Proxy", "T1090.003", ""},
	response:  "Look at the program: on a server it is hardly meant.",
	benign:    "Users who browse by Tor.",
	events:    with("net_packet_dns_request"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		for _, name := range namesOf(e) {
			name = strings.ToLower(strings.TrimSuffix(name, "."))
			if endsIn(name, ".onion", ".i2p", "tor2web.org", ".onion.ws", ".onion.ly", ".onion.pet", ".onion.to", "torproject.org") {
				return map[string]any{"name": name, "program": s.program(e)}, true
			}
		}
		return nil, false
	}),
})

var _ = declare(description{
	id: "TRC-2904", name: "Program in memory connects", severity: high, tags: linuxAndContainer,
	doc:       "A program that lies in a memfd or in shared memory connected to another machine",
	technique: technique{"Command and Control", "Non-Application Layer Protocol", "T1095", ""},
	response:  "Isolate the machine; copy the program from /proc/PID/exe.",
	benign:    "None known.",
	events:    with("net_tcp_connect"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "net_tcp_connect" {
			return nil, false
		}
		program, to := s.program(e), text(e, "dst")
		fromMemory := strings.HasPrefix(strings.TrimPrefix(program, "/"), "memfd:") || startsWith(program, []string{"/dev/shm/", "/run/shm/"})
		if !fromMemory || strings.HasPrefix(to, "127.") || to == "::1" || strings.Contains(program, "memfd:runc") {
			return nil, false
		}
		return map[string]any{"ip": strings.Clone(to), "program": program}, true
	}),
})

var _ = declare(description{
	id: "TRC-2911", name: "Shell connects by itself", severity: low, tags: linuxAndContainer,
	doc:       "A shell connected to the network itself, by /dev/tcp or /dev/udp, without any program for it",
	technique: technique{"Command and Control", "Non-Application Layer Protocol", "T1095", ""},
	response:  "Look at what the shell runs, and at who started it.",
	benign:    "Scripts that wait for a port to open.",
	events:    with("security_socket_connect"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		const names = "53" // the port of those who are asked for names
		to, ok := connectedTo(e)
		if !ok || to.port == names || to.port == "0" || !shells.name(s.applet(e)) {
			return nil, false
		}
		return map[string]any{"ip": to.ip, "port": to.port, "program": s.program(e)}, true
	}),
})

var _ = declare(description{
	id: "TRC-2908", name: "Files sent away by a command", severity: medium, tags: linuxAndContainer,
	doc:       "A command was started that sends files with credentials or settings of the system to another machine",
	technique: technique{"Exfiltration", "Exfiltration Over Alternative Protocol", "T1048", ""},
	response:  "Take the files as known; the arguments name the receiver.",
	benign:    "Backups by hand.",
	command: &commandRule{within: packageManagers, when: func(c *command) bool {
		secret := c.says("/etc/shadow", "/etc/passwd", "/.ssh/", "id_rsa", "/.aws/", "/.kube/", "/etc/kubernetes", "/root/", "/.gnupg", ".bash_history", "/proc/self/environ", "/etc/ssl/private", "/.docker/config")
		switch {
		case c.runsAny("curl", "wget"):
			return secret && c.says("@", "-T ", "--upload-file", "--post-file", "--body-file")
		case c.runsAny("scp", "rsync", "sftp"):
			return secret && c.says(":") && c.says("/etc/shadow", "id_rsa", "/.aws/", "/.kube/")
		case c.runs(shells):
			return secret && c.says("/dev/tcp/", "| nc ", "|nc ", "| curl", "|curl", "| socat")
		case c.runsAny("rclone", "mega-put", "megaput"):
			return c.has("copy", "sync", "move", "copyto")
		}
		return false
	}},
})

var _ = declare(description{
	id: "TRC-2909", name: "Tunnel into the network opened", severity: low, tags: linuxAndContainer,
	doc:       "A command was started that lets others into this network, past the packet filter",
	technique: technique{"Command and Control", "Protocol Tunneling", "T1572", ""},
	response:  "Ask who needs it, and where it leads.",
	benign:    "Administrators and developers.",
	command: &commandRule{when: func(c *command) bool {
		return c.runsAny("ssh") && c.has("-R", "-D", "-w") || c.runsAny("cloudflared") && c.has("tunnel") ||
			c.runsAny("socat") && c.says("-LISTEN:", "-listen:") && c.says("TCP", "tcp") || c.runsAny("ngrok", "frpc", "chisel", "gost", "ligolo", "bore", "localtunnel", "lt", "inlets")
	}},
})

// tunnels counts the different random names that a process asks for in each domain.
type tunnels struct {
	around *surroundings
	bursts *burst[target]
}

const (
	namesAreMany = 30
	namesWithin  = time.Minute
	// longName is the length of names that nobody types, below the domain.
	longName = 24
	// randomName is the entropy from which on a name looks like encoded data, in bits for each letter.
	randomName = 3.2
)

func newTunnels(s *surroundings) *tunnels {
	return &tunnels{s, newBurst[target](namesAreMany, namesWithin, actorsRemembered)}
}

func (t *tunnels) forgotten() uint64 { return t.bursts.forgotten() }

func (t *tunnels) match(e *trace.Event) (map[string]any, bool) {
	if e.EventName != "net_packet_dns_request" {
		t.around.see(e)
		return nil, false
	}
	for _, name := range namesOf(e) {
		below, domain := splitName(name)
		if len(below) < longName || entropy(below) < randomName || strings.HasSuffix(domain, ".arpa") {
			continue
		}
		if t.bursts.add(target{entity(e), domain}, below, e.Timestamp) {
			return map[string]any{"domain": domain, "last": name, "program": t.around.program(e)}, true
		}
	}
	return nil, false
}

// splitName splits a name into its domain, which is its last two parts, and what is below.
func splitName(name string) (below, domain string) {
	name = strings.TrimSuffix(name, ".")
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return "", name
	}
	dot = strings.LastIndexByte(name[:dot], '.')
	if dot < 0 {
		return "", name
	}
	return name[:dot], name[dot+1:]
}

// entropy of a text, in bits for each letter.
func entropy(s string) float64 {
	var counts [256]int
	for i := range len(s) {
		counts[s[i]]++
	}
	bits := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(s))
			bits -= p * math.Log2(p)
		}
	}
	return bits
}
