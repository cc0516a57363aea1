package signatures

import (
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// masters may stop them.
var masters = initSystem.and(containerManagers, packageManagers, named("systemd-shutdown kubelet supervisord monit"))

var _ = declare(description{
	id: "TRC-3001", name: "Security agent stopped or taken over", severity: critical, tags: linuxAndContainer,
	doc:       "A process sent a signal to, attached to, or limited a program that watches the machine, and it is not the service manager",
	technique: technique{"Defense Impairment", "Disable or Modify Tools", "T1685", "T1562.001"},
	response:  "Start the agent again from a clean file, and look at what was done meanwhile.",
	benign:    "Administrators who stop an agent by hand. Whoever started it may.",
	needs: []detect.Need{
		need("kill", among("sig", 2, 3, 6, 9, 11, 15, 19, 20)), need("ptrace", among("request", attach, seize)),
	},
	events:     with("kill", "ptrace", "process_vm_writev", "security_task_setrlimit", "sched_process_exit"),
	newMatcher: func(s *surroundings) matcher { return &agents{s, newMemory[int, bool](watchmenRemembered)} },
})

// agents notices what is done to programs that watch: by calls that name a process, and by the end of one that was
// killed, whatever call that was.
type agents struct {
	around *surroundings
	aimed  *memory[int, bool] // at whom a signal was sent, by whoever
}

func (a *agents) match(e *trace.Event) (map[string]any, bool) {
	a.around.see(e)
	if e.EventName == "sched_process_exit" {
		return a.ended(e)
	}
	pid, signal := aimedAt(e)
	if pid <= 0 || pid == e.HostProcessID {
		return nil, false
	}
	agent, found := a.around.watchman(pid)
	if !found {
		return nil, false
	}
	a.aimed.set(pid, true)
	if a.around.is(e, masters) || a.around.is(e, watchmen) || a.around.started(entity(e), pid) {
		return nil, false
	}
	data := map[string]any{"agent": agent, "pid": pid, "program": a.around.program(e)}
	if signal != 0 {
		data["signal"] = signal
	}
	return data, true
}

// ended tells of an agent that a signal ended, unless the sender has been seen.
func (a *agents) ended(e *trace.Event) (map[string]any, bool) {
	agent, found := a.around.watchman(e.HostProcessID)
	if !found || !lastThread(e) {
		return nil, false
	}
	a.around.watchmen.drop(e.HostProcessID)
	_, seen := a.aimed.get(e.HostProcessID)
	a.aimed.drop(e.HostProcessID)
	code, _ := whole(e, "exit_code")
	const signals = 0x7f // of an exit code
	if signal := code & signals; signal != 0 && !seen {
		return map[string]any{"agent": agent, "pid": e.HostProcessID, "signal": signal}, true
	}
	return nil, false
}

// aimedAt returns the process that another one does something to that could stop it, 0 if it is nothing of the kind.
// Numbers are those of the caller's pid namespace: who is in another one can not reach an agent of the machine.
func aimedAt(e *trace.Event) (pid, signal int) {
	switch e.EventName {
	case "kill":
		pid, _ = whole(e, "pid")
		signal, _ = whole(e, "sig")
	case "ptrace":
		if request := text(e, "request"); request == "PTRACE_ATTACH" || request == "PTRACE_SEIZE" {
			pid, _ = whole(e, "pid")
		}
		return pid, 0
	case "process_vm_writev":
		pid, _ = whole(e, "pid")
		return pid, 0
	case "security_task_setrlimit":
		pid, _ = whole(e, "target_host_pid")
		return pid, 0
	}
	if !stops(signal) {
		return 0, 0
	}
	return pid, signal
}

// stops reports whether a signal ends or holds a process: HUP, INT, QUIT, ABRT, KILL, SEGV, TERM, STOP, TSTP.
func stops(signal int) bool {
	switch signal {
	case 2, 3, 6, 9, 11, 15, 19, 20:
		return true
	}
	return false
}

// started reports whether a process is an ancestor of the one of a number: who started it may stop it.
func (s *surroundings) started(process uint64, pid int) bool {
	id, _ := s.watchmen.get(pid)
	for range generations {
		p, known := s.processes.get(id)
		if !known || p.parent == id {
			return false
		}
		if id = p.parent; id == process {
			return true
		}
	}
	return false
}

// watchman returns the program of a process if it is one that watches.
func (s *surroundings) watchman(pid int) (string, bool) {
	id, known := s.watchmen.get(pid)
	if !known {
		return "", false
	}
	p, known := s.processes.get(id)
	return p.program, known && p.pid == pid && watchmen.name(base(p.program))
}

var _ = declare(description{
	id: "TRC-3002", name: "BPF program or map of others detached or changed", severity: high, tags: linuxAndContainer,
	doc:       "A process detached a BPF program, or got hold of one, or of a map, by its number: this is how tracers are blinded",
	technique: technique{"Defense Impairment", "Disable or Modify Tools", "T1685", "T1562.001"},
	response:  "Look at whether Tracee and others still see: tracee doctor, bpftool link.",
	benign:    "Tools that show BPF programs, as far as they are not known here.",
	events:    with("security_bpf"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "security_bpf" {
			return nil, false
		}
		command := text(e, "cmd")
		// A tool for everybody's hands may look, and no more.
		if s.is(e, bpfUsers) && !(s.is(e, named("bpftool")) && containsAny(command, "DETACH", "LINK_UPDATE")) {
			return nil, false
		}
		switch command {
		case "BPF_LINK_DETACH", "BPF_PROG_DETACH", "BPF_LINK_UPDATE", "BPF_MAP_GET_FD_BY_ID", "BPF_PROG_GET_FD_BY_ID", "BPF_LINK_GET_FD_BY_ID":
			return map[string]any{"command": strings.Clone(command), "program": s.program(e)}, true
		}
		return nil, false
	}),
})

var _ = declare(description{
	id: "TRC-3004", name: "Tracing by the kernel switched off", severity: high, tags: linuxAndContainer,
	doc:       "A switch was written by which the kernel stops to call tracers",
	technique: technique{"Defense Impairment", "Disable or Modify Tools", "T1685", "T1562.001"},
	response:  "Switch it on again, and look at what was done meanwhile.",
	benign:    "Developers of the kernel.",
	files: &fileRule{does: writes, except: named("systemd-sysctl"), paths: []string{
		"**/proc/sys/kernel/ftrace_enabled", "**/sys/kernel/debug/kprobes/enabled", "**/tracing/tracing_on", "**/tracing/events/enable", "**/proc/sys/kernel/bpf_stats_enabled",
		"**/proc/sys/net/core/bpf_jit_enable", "**/proc/sys/debug/kprobes-optimization",
	}},
})

var _ = declare(description{
	id: "TRC-3005", name: "Program of a security agent changed or removed", severity: high, tags: linuxAndContainer,
	doc:       "The file of a program that watches the machine was written, renamed or removed",
	technique: technique{"Defense Impairment", "Disable or Modify Tools", "T1685", "T1562.001"},
	response:  "Compare the file with what was installed, and start the agent from a clean one.",
	benign:    "Upgrades that do not use a package manager.",
	files: &fileRule{
		does: writes | removes, within: packageManagers,
		paths: []string{
			"/usr/bin/tracee*", "/usr/local/bin/tracee*", "/opt/tracee/", "/usr/bin/falco*", "/usr/sbin/auditd", "/sbin/auditd", "/usr/bin/osqueryd", "/opt/osquery/", "/var/ossec/bin/",
			"/usr/sbin/rsyslogd", "/usr/lib/systemd/systemd-journald", "/opt/CrowdStrike/", "/usr/share/elastic-agent/", "/sys/fs/bpf/",
		},
		except: containerManagers.and(initSystem, bpfUsers),
	},
})

var _ = declare(description{
	id: "TRC-3006", name: "Events lost", severity: low, tags: linux,
	doc:        "Tracee could not deliver all events: somebody may have made so many that others are not seen",
	technique:  technique{"Defense Impairment", "Disable or Modify Tools", "T1685", "T1562.001"},
	response:   "Look at who was busy at that moment; give Tracee more memory (--perf-buffer-size) if that is usual.",
	benign:     "A machine at its limits.",
	events:     []string{"lost_events"},
	newMatcher: func(*surroundings) matcher { return &losses{} },
})

// losses tells of lost events once a minute; there is a record for each kind of event and each moment.
type losses struct {
	told  int
	again bool
}

func (l *losses) match(e *trace.Event) (map[string]any, bool) {
	lost, _ := whole(e, "lost")
	if lost <= 0 || l.again && time.Duration(e.Timestamp-l.told) < time.Minute {
		return nil, false
	}
	l.told, l.again = e.Timestamp, true
	return map[string]any{"event": strings.Clone(text(e, "event")), "lost": lost, "reason": strings.Clone(text(e, "reason"))}, true
}
