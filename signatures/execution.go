package signatures

import (
	"path"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id: "TRC-2301", name: "Shell on a connection that it made", severity: critical, tags: linuxAndContainer,
	doc:        "A shell, an interpreter or a program from where anybody can put one was started with a connection to elsewhere as its input or output: a reverse shell",
	technique:  technique{"Execution", "Command and Scripting Interpreter: Unix Shell", "T1059.004", ""},
	response:   "Isolate the machine or the container from the network (data: ip and port), and look at what the shell started.",
	benign:     "Servers of the inetd kind that run scripts.",
	events:     socketShellEvents,
	newMatcher: func(s *surroundings) matcher { return newSocketShell(s, false) },
})

var _ = declare(description{
	id: "TRC-2302", name: "Shell on a connection that it accepted", severity: critical, tags: linuxAndContainer,
	doc:        "A shell, an interpreter or a program from where anybody can put one was started with a connection from elsewhere as its input or output: a bind shell",
	technique:  technique{"Execution", "Command and Scripting Interpreter: Unix Shell", "T1059.004", ""},
	response:   "Isolate the machine or the container from the network (data: ip and port), and look at what the shell started.",
	benign:     "Servers of the inetd kind that run scripts.",
	events:     socketShellEvents,
	newMatcher: func(s *surroundings) matcher { return newSocketShell(s, true) },
})

// services answer requests of others, and have little reason to start a shell.
var services = named("mysqld mariadbd postgres postmaster mongod redis-server memcached oracle sqlservr java tomcat catalina jboss weblogic php-fpm php-cgi w3wp " +
	"named dnsmasq vsftpd proftpd smbd nmbd slapd rabbitmq-server beam.smp elasticsearch influxd clickhouse-server cassandra couchdb " +
	"squid haproxy varnishd dovecot exim exim4 postfix master sendmail snmpd cupsd rpcbind rsync-daemon grafana-server prometheus jenkins " +
	"confluence gitea vault consul etcd zookeeper mosquitto uwsgi gunicorn unicorn puma passenger memcached asterisk kamailio")

var _ = declare(description{
	id: "TRC-2303", name: "Service starts a shell", severity: high, tags: linuxAndContainer,
	doc:       "A database, an application server or another service started a shell: usually for an attacker who came through it",
	technique: technique{"Initial Access", "Exploit Public-Facing Application", "T1190", ""},
	response:  "Look at the log of the service at that moment, and at what the shell started. Isolate the service.",
	benign:    "Services that call programs by system(): PostgreSQL with archive_command, build servers, mail servers with filters.",
	events:    with(),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "sched_process_exec" || !s.command.runs(shells) {
			return nil, false
		}
		// A service that starts a child, or becomes the shell itself.
		for _, service := range []string{s.previous(e), s.parent(e)} {
			web := webServers.name(base(service)) && !shellNames[base(s.command.path)] // the others are left to TRC-12
			if web || services.name(base(service)) {
				data := s.command.shown()
				data["service"] = service
				return data, true
			}
		}
		return nil, false
	}),
})

var _ = declare(description{
	id: "TRC-2304", name: "Download piped into a shell", severity: high, tags: linuxAndContainer,
	doc:       "A shell or an interpreter runs what a program beside it downloads, by a pipe or as an argument",
	technique: technique{"Command and Control", "Ingress Tool Transfer", "T1105", ""},
	response:  "Look at the address (data: from), fetch what lies there, and look at what the shell started.",
	benign:    "Installers of software that are meant to be used that way.",
	events:    with("sched_process_exit"),
	newMatcher: func(s *surroundings) matcher {
		p := newPipeline(s, func(c *command) bool { return c.runs(downloaders) })
		p.substitutes = downloadedText
		return p
	},
})

var _ = declare(description{
	id: "TRC-2305", name: "Decoded text piped into a shell", severity: high, tags: linuxAndContainer,
	doc:       "A shell or an interpreter runs what a program beside it decodes or unpacks, by a pipe or as an argument",
	technique: technique{"Stealth", "Deobfuscate/Decode Files or Information", "T1140", ""},
	response:  "Decode the text yourself (data: from), and look at what the shell started.",
	benign:    "Installers that carry an archive in a script.",
	events:    with("sched_process_exit"),
	newMatcher: func(s *surroundings) matcher {
		p := newPipeline(s, decodes)
		p.substitutes = decodedText
		return p
	},
})

// decodes reports whether a program turns text back into what it was.
func decodes(c *command) bool {
	switch {
	case c.runsAny("base64", "base32", "basenc"):
		return c.has("-d", "-D", "--decode", "-di")
	case c.runsAny("xxd"):
		return c.has("-r") || c.says(" -r", " -p -r")
	case c.runsAny("openssl"):
		return c.says("base64", " enc ") && c.has("-d")
	case c.runsAny("uudecode", "zcat", "gunzip", "xzcat", "unxz", "bzcat", "bunzip2", "zstdcat", "unzstd", "rev"):
		return true
	case c.runsAny("gzip", "xz", "bzip2", "zstd"):
		return c.has("-d", "-dc", "-cd", "--decompress", "--uncompress")
	case c.runsAny("perl", "python", "ruby", "php"):
		return c.says("b64decode", "decode_base64", "base64_decode", "unpack(", "fromhex")
	case c.runsAny("tr"):
		return len(c.argv) > 2 && len(c.argv[1]) > 2 && !c.has("-d", "-s") && !(anyCase(c.argv[1]) && anyCase(c.argv[2]))
	}
	return false
}

// anyCase reports whether letters are all small ones, or all capital ones, as tr knows them.
func anyCase(letters string) bool {
	return slices.Contains([]string{"a-z", "A-Z", "[a-z]", "[A-Z]", "[:lower:]", "[:upper:]"}, letters)
}

var _ = declare(description{
	id: "TRC-2306", name: "Downloaded program executed", severity: high, tags: linuxAndContainer,
	doc:        "A program was executed that had just been downloaded",
	technique:  technique{"Command and Control", "Ingress Tool Transfer", "T1105", ""},
	response:   "Keep a copy of the file, stop the process, and look at who started it.",
	benign:     "Users and installers who fetch a program by hand.",
	events:     with("magic_write", "security_inode_rename", "security_file_open", "security_socket_connect"),
	newMatcher: func(s *surroundings) matcher { return newDownloads(s, receivers) },
})

// receivers write what comes over the network into files.
var receivers = downloaders.and(named("nc ncat netcat nc.traditional nc.openbsd socat telnet"))

var _ = declare(description{
	id: "TRC-2322", name: "Decoded program executed", severity: high, tags: linuxAndContainer,
	doc:       "A program was executed that had just been decoded from text",
	technique: technique{"Stealth", "Deobfuscate/Decode Files or Information", "T1140", ""},
	response:  "Keep a copy of the file, stop the process, and look at who started it.",
	benign:    "Installers that carry a program in a script.",
	events:    with("magic_write", "security_inode_rename", "security_file_open"),
	newMatcher: func(s *surroundings) matcher {
		return newDownloads(s, named("base64 base32 basenc xxd uudecode openssl gpg"))
	},
})

var _ = declare(description{
	id: "TRC-2319", name: "Script run from memory", severity: medium, tags: linuxAndContainer,
	doc:       "A shell or an interpreter was given a script that lies in shared memory or in a memfd: no file of it is on the disk",
	technique: technique{"Execution", "Command and Scripting Interpreter", "T1059", ""},
	response:  "Copy the script from where it lies (data: path, or /proc/PID/fd), and look at who started it.",
	benign:    "Tests and build systems that work in shared memory.",
	events:    with("security_file_open"),
	newMatcher: func(s *surroundings) matcher {
		return scriptWatcher{watcher{s, scriptInMemory}}
	},
})

func scriptInMemory(s *surroundings, e *trace.Event) (map[string]any, bool) {
	if e.EventName != "security_file_open" {
		return nil, false
	}
	path := text(e, "pathname")
	if !inMemory(path) || !s.runsScript(e, path) {
		return nil, false
	}
	return s.about(e, strings.Clone(path)), true
}

// inMemory reports whether a file lies in a memfd or in shared memory.
func inMemory(path string) bool {
	return strings.HasPrefix(strings.TrimPrefix(path, "/"), "memfd:") || strings.HasPrefix(path, "/dev/shm/") || strings.HasPrefix(path, "/run/shm/")
}

var _ = declare(description{
	id: "TRC-2320", name: "Shell on a pipe to the network", severity: critical, tags: linuxAndContainer,
	doc:       "A shell reads its commands from a pipe, and a program beside it connects pipes to the network: a reverse shell made of ordinary programs",
	technique: technique{"Execution", "Command and Scripting Interpreter: Unix Shell", "T1059.004", ""},
	response:  "Isolate the machine or the container from the network (data: from names the other end), and look at what the shell started.",
	benign:    "None known.",
	events:    with("sched_process_exit"),
	newMatcher: func(s *surroundings) matcher {
		return newPipeline(s, func(c *command) bool {
			if c.stdin != "S_IFIFO" { // what the shell says comes to it by a pipe
				return false
			}
			return c.runsAny("nc", "ncat", "netcat", "nc.traditional", "nc.openbsd", "telnet", "socat") && !c.has("-z", "-zv", "-vz", "-zw1") || c.runsAny("openssl") && c.has("s_client")
		})
	},
})

// probes are programs that an attacker starts first, and services hardly ever do.
var probes = named("id whoami ifconfig netstat w who last lastlog nc ncat netcat curl wget")

var _ = declare(description{
	id: "TRC-2321", name: "Service starts a command of discovery or download", severity: medium, tags: linuxAndContainer,
	doc:       "A service that answers requests started, without a shell, a program that tells who and where one is, or that downloads",
	technique: technique{"Initial Access", "Exploit Public-Facing Application", "T1190", ""},
	response:  "Look at the log of the service at that moment, and at what else it started.",
	benign:    "Services that call such programs themselves: health checks, web hooks, and applications that download by curl.",
	events:    with(),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		service := s.parent(e)
		if e.EventName != "sched_process_exec" || !s.command.runs(probes) || !services.name(base(service)) && !webServers.name(base(service)) {
			return nil, false
		}
		data := s.command.shown()
		data["service"] = service
		return data, true
	}),
})

var _ = declare(description{
	id: "TRC-2307", name: "Text decoded or downloaded within a command", severity: high, tags: linuxAndContainer,
	doc:       "A shell or an interpreter was given a command that decodes or downloads what it then runs",
	technique: technique{"Execution", "Command and Scripting Interpreter", "T1059", ""},
	response:  "Do by hand what the command does, up to running it, and look at the result.",
	benign:    "Installers, and scripts of build systems.",
	command: &commandRule{
		programs: shells.and(interpreters), within: packageManagers,
		when: func(c *command) bool {
			if !c.has("-c", "-e", "-r", "-lc", "-ic", "-E") {
				return false
			}
			runs := c.says("| sh", "|sh", "| bash", "|bash", "| python", "|python", "| perl", "eval ", "eval(", "exec(", "sh -c \"$(", "bash -c \"$(", "source <(", "sh <(", "bash <(", "system(")
			hidden := c.says("base64 -d", "base64 --decode", "base64 -D", "b64decode", "base64_decode", "decode_base64", "xxd -r", "openssl enc", "curl ", "wget ", "urlopen", "gunzip -c", "rev|", "\\x")
			return runs && hidden
		},
	},
})

var _ = declare(description{
	id: "TRC-2308", name: "Program started by the dynamic linker", severity: medium, tags: linuxAndContainer,
	doc:       "The dynamic linker was called as a program, to start another that needs no permission to be executed that way, and is not seen as what is executed",
	technique: technique{"Stealth", "System Binary Proxy Execution", "T1218", ""},
	response:  "Look at the file that was given to it (data: command).",
	benign:    "ldd and tests of the C library; programs that bring a linker of their own.",
	events:    with(),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		c := &s.command
		if e.EventName != "sched_process_exec" || !isLinker(c.name) || c.has("--verify", "--list", "--help", "--version", "--list-tunables", "--list-diagnostics") ||
			strings.Contains(string(raw(e, "env")), "LD_TRACE_LOADED_OBJECTS=") || len(c.argv) < 2 || s.startedBy(e, packageManagers) {
			return nil, false
		}
		return c.shown(), true
	}),
})

func isLinker(name string) bool {
	return (strings.HasPrefix(name, "ld-linux") || strings.HasPrefix(name, "ld-musl") || strings.HasPrefix(name, "ld-2.")) && strings.Contains(name, ".so")
}

var _ = declare(description{
	id: "TRC-2309", name: "Program without a name executed", severity: high, tags: linuxAndContainer,
	doc:       "A program was executed whose file had been removed before, or never had a name",
	technique: technique{"Stealth", "Reflective Code Loading", "T1620", ""},
	response:  "Copy the program from /proc/PID/exe while it runs.",
	benign: "Programs that execute themselves again after an upgrade. Container runtimes that execute themselves again by a read-only " +
		"mount of their own file, as runc does, are left out: the file is the one they ran before, in a directory of the system.",
	events: with(),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		path, c := text(e, "pathname"), &s.command
		if e.EventName != "sched_process_exec" || strings.Contains(path, "memfd:") {
			return nil, false // that is TRC-5
		}
		if !nameless(e, path) || s.startedBy(e, packageManagers) || s.executedItself(e, containerManagers) {
			return nil, false
		}
		return c.shown(), true
	}),
})

// nameless reports whether the file of a program has no name any more: it was opened before, and is executed by its
// descriptor.
func nameless(e *trace.Event, path string) bool {
	if strings.HasSuffix(path, " (deleted)") || strings.HasPrefix(base(path), "#") {
		return true
	}
	a, ok := e.Lookup("pathname")
	asked := text(e, "cmdpath")
	byDescriptor := strings.HasPrefix(asked, "/proc/") && strings.Contains(asked, "/fd/") || strings.HasPrefix(asked, "/dev/fd/")
	return ok && a.Truncated() && byDescriptor
}

var _ = declare(description{
	id: "TRC-2310", name: "Command that connects a shell", severity: critical, tags: linuxAndContainer,
	doc:       "A command was started that by its arguments ties a shell to a network connection",
	technique: technique{"Execution", "Command and Scripting Interpreter", "T1059", ""},
	response:  "Isolate the machine or the container from the network; the arguments name the other end.",
	benign:    "Documentation and tests of security tools.",
	command:   &commandRule{when: connectsShell},
})

func connectsShell(c *command) bool {
	switch {
	case c.runs(shells):
		return c.says("/dev/tcp/", "/dev/udp/") && c.says("<&", ">&", "0>", "exec ", "bash -i", "sh -i") ||
			c.says("mkfifo") && c.says("nc ", "ncat ", "openssl s_client", "telnet ") && c.says("sh -i", "/bin/sh", "/bin/bash")
	case c.runsAny("nc", "ncat", "netcat", "nc.traditional", "nc.openbsd"):
		return c.has("-e", "-c", "--exec", "--sh-exec") || c.says("-e /bin", "-c /bin", "-lvpe", "-nlvpe")
	case c.runsAny("socat"):
		return tiesByArguments(c)
	case !inSystem(c.path) && tiesByArguments(c): // socat under another name
		return true
	case c.runs(interpreters):
		return c.says("socket", "fsockopen", "TCPSocket", "IO::Socket", "/inet/tcp") && c.says("/bin/sh", "/bin/bash", "pty.spawn", "dup2", "sh -i", "exec(") &&
			c.has("-c", "-e", "-r", "-rsocket", "-MIO", "BEGIN")
	}
	return false
}

// tiesByArguments reports whether the arguments are those by which socat ties a program to a connection.
func tiesByArguments(c *command) bool {
	return c.says("EXEC:", "exec:", "SYSTEM:", "system:") && c.says("TCP", "tcp", "UDP", "udp", "OPENSSL", "openssl")
}

var _ = declare(description{
	id: "TRC-2311", name: "Tool of attackers started", severity: medium, tags: linuxAndContainer,
	doc:       "A program was started that is made for attacks or for tests of them",
	technique: technique{"Resource Development", "Obtain Capabilities: Tool", "T1588.002", ""},
	response:  "Ask who tests here. If nobody does, isolate the machine.",
	benign:    "Tests that were agreed upon.",
	command: &commandRule{programs: named("masscan zmap hydra medusa john hashcat ncrack patator sqlmap nikto gobuster ffuf wfuzz dirb msfconsole msfvenom meterpreter " +
		"linpeas linpeas.sh linenum.sh lse.sh les.sh pspy pspy64 pspy32 chisel ligolo gost frpc frps ngrok mimipenguin mimipenguin.sh lazagne laZagne.py " +
		"responder impacket-secretsdump secretsdump.py crackmapexec netexec nxc kerbrute evil-winrm bettercap ettercap arpspoof dnscat dnscat2 iodine " +
		"reGeorg proxychains proxychains4 sliver-client deepce.sh kubeletctl peirates amicontained cdk traitor beroot unix-privesc-check " +
		"diamorphine bkcrack enum4linux sharphound rubeus tsh")},
})

var _ = declare(description{
	id: "TRC-2312", name: "Miner of crypto-currency started", severity: high, tags: linuxAndContainer,
	doc:       "A program was started that by its name or arguments mines crypto-currency",
	technique: technique{"Impact", "Resource Hijacking: Compute Hijacking", "T1496.001", ""},
	response:  "Stop it, and look for how it came here: the way is still open.",
	benign:    "Machines that are meant for mining.",
	command: &commandRule{when: func(c *command) bool {
		return c.runsAny("xmrig", "xmr-stak", "minerd", "cpuminer", "cgminer", "bfgminer", "ethminer", "t-rex", "nbminer", "lolMiner", "phoenixminer", "kdevtmpfsi", "kinsing", "xmrigDaemon", "nanominer", "ccminer", "sugarmaker") ||
			c.says("stratum+tcp://", "stratum+ssl://", "stratum+tcps://", "--donate-level", "--coin=monero", "--algo=rx/0", "-a cryptonight", "--nicehash", "randomx")
	}},
})

var _ = declare(description{
	id: "TRC-2313", name: "Hidden program executed", severity: medium, tags: linuxAndContainer,
	doc:       "A program or a script was executed whose name begins with a dot, or the name of its directory, where anybody can put it; or one that lies among the devices",
	technique: technique{"Stealth", "Hide Artifacts: Hidden Files and Directories", "T1564.001", ""},
	response:  "Keep a copy of the file, and look at who put it there.",
	benign:    "Build systems with hidden directories in /tmp.",
	command: &commandRule{within: packageManagers, when: func(c *command) bool {
		return hiddenAway(c.path) || inOpenDirectory(c.script) && hidesScript(c.script)
	}},
})

// toolDirectories are hidden directories where tools keep the scripts of a project.
var toolDirectories = named(".venv .env .tox .nox .bin .git .githooks .husky .yarn .npm .pnpm .cache .local .cargo .rustup .pyenv .rbenv .nvm .asdf .gradle .m2 .direnv .pixi .github .gitlab .circleci .eggs")

// hidesScript reports whether the name of a script or of a directory on the way to it begins with a dot.
func hidesScript(script string) bool {
	return slices.ContainsFunc(strings.Split(path.Clean(script), "/"), func(name string) bool {
		return strings.HasPrefix(name, ".") && !toolDirectories[name]
	})
}

// hiddenAway reports whether a program lies where one does not look for it.
func hiddenAway(path string) bool {
	switch {
	case inOpenDirectory(path):
		return strings.Contains(path, "/.")
	case strings.HasPrefix(path, "/dev/"):
		return !strings.HasPrefix(path, "/dev/fd/")
	default:
		name := base(path)
		return strings.HasPrefix(path, "/") && strings.HasPrefix(name, ".") && !inSystem(path) && !strings.HasPrefix(path, "/nix/store/")
	}
}

var _ = declare(description{
	id: "TRC-2316", name: "Program started without arguments", severity: high, tags: linuxAndContainer,
	doc:       "A program was executed with an empty list of arguments, not even its name: how pkexec (CVE-2021-4034) and others are made to read what is not theirs",
	technique: technique{"Privilege Escalation", "Exploitation for Privilege Escalation", "T1068", ""},
	response:  "Look at the program and at who started it; see whether it runs as root.",
	benign:    "None known. Kernels from 5.18 on add an empty name, and that is recognised, too.",
	events:    with(),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "sched_process_exec" {
			return nil, false
		}
		c := &s.command
		count, known := whole(e, "argc")
		empty := known && count == 0 || len(c.argv) == 1 && c.argv[0] == ""
		if !empty {
			return nil, false
		}
		return map[string]any{"program": c.path}, true
	}),
})

var _ = declare(description{
	id: "TRC-2317", name: "File changed through a pipe", severity: critical, tags: linuxAndContainer,
	doc:       "A page of a file was put into a pipe in such a way that writing to the pipe changes the file (Dirty Pipe, CVE-2022-0847)",
	technique: technique{"Privilege Escalation", "Exploitation for Privilege Escalation", "T1068", ""},
	response:  "Compare the file (data: path) with its package. Update the kernel.",
	benign:    "None known.",
	events:    []string{"dirty_pipe_splice"},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) {
		return map[string]any{"path": strings.Clone(text(e, "in_file_path"))}, true
	}),
})

var _ = declare(description{
	id: "TRC-2318", name: "Another kernel is loaded to be started", severity: high, tags: linux,
	doc:       "A program loaded a kernel that can be started at once, past the checks of the firmware",
	technique: technique{"Persistence", "Pre-OS Boot: Bootkit", "T1542.003", ""},
	response:  "Look at which kernel it is, before it is started.",
	benign:    "kdump, which loads a kernel for the case of a crash, and fast reboots.",
	events:    with("kexec_load", "kexec_file_load"),
	needs:     []detect.Need{need("kexec_load", succeeded), need("kexec_file_load", succeeded)},
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "kexec_load" && e.EventName != "kexec_file_load" || e.ReturnValue < 0 {
			return nil, false
		}
		return map[string]any{"program": s.program(e)}, true
	}),
})
