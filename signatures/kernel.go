package signatures

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id: "DRV-003", name: "Lists of connections filtered", severity: critical, tags: linux,
	doc:       "Functions behind /proc/net/tcp and its like are not the kernel's own: a rootkit hides connections",
	technique: technique{"Stealth", "Rootkit", "T1014", ""},
	response:  "Trust nothing on this machine any more: watch its connections from outside.",
	benign:    "None known.",
	events:    []string{"hooked_seq_ops"},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) {
		hooks := document[map[string]json.RawMessage](e, "hooked_seq_ops")
		if len(hooks) == 0 {
			return nil, false
		}
		return map[string]any{"hooked": slices.Sorted(maps.Keys(hooks))}, true
	}),
})

var _ = declare(description{
	id: "TRC-2701", name: "Kernel module hidden", severity: critical, tags: linux,
	doc:       "A kernel module is there and is not in the lists of modules: a rootkit",
	technique: technique{"Stealth", "Rootkit", "T1014", ""},
	response:  "Trust nothing on this machine any more: isolate it, keep an image of its memory, and set it up anew.",
	benign:    "None known.",
	events:    []string{"hidden_kernel_module"},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) {
		return map[string]any{"module": strings.Clone(text(e, "name")), "address": strings.Clone(text(e, "address"))}, true
	}),
})

var _ = declare(description{
	id: "TRC-2702", name: "Function of the kernel hooked", severity: high, tags: linux,
	doc:       "A function of the kernel is hooked by ftrace, by code that is not the kernel's: how newer rootkits work",
	technique: technique{"Stealth", "Rootkit", "T1014", ""},
	response:  "Look at which module hooks (data: owner). If nobody knows it, trust nothing on this machine any more.",
	benign:    "Modules of security products and of virtualisation that hook by ftrace.",
	events:    []string{"ftrace_hook"},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) {
		return map[string]any{"function": strings.Clone(text(e, "symbol")), "owner": strings.Clone(text(e, "callback_owner"))}, true
	}),
})

var _ = declare(description{
	id: "TRC-2705", name: "BPF program loaded by a stranger", severity: medium, tags: linuxAndContainer,
	doc:       "A BPF program that can watch or change what others do was loaded by something that is not known for it",
	technique: technique{"Stealth", "Rootkit", "T1014", ""},
	response:  "Look at the program (bpftool prog) and at who holds it.",
	benign:    "Tools of observation that are not known here.",
	events:    with("security_bpf_prog"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "security_bpf_prog" || text(e, "load") == "false" || !watchesOthers(text(e, "type")) || s.is(e, bpfUsers) {
			return nil, false
		}
		// Not its name, which the event has: a tool loads dozens, and findings with the same data count as one.
		return map[string]any{"type": strings.Clone(text(e, "type")), "program": s.program(e)}, true
	}),
})

var bpfUsers = initSystem.and(containerManagers, named("tracee tracee-ebpf falco bpftrace bpftool cilium cilium-agent tetragon sysdig perf datadog-agent system-probe pixie "+
	"bcc parca-agent calico-node otelcol netdata ig inspektor-gadget sysmon elastic-endpoint falcon-sensor osqueryd beyla coroot-node-agent"))

func watchesOthers(kind string) bool {
	return containsAny(kind, "KPROBE", "TRACEPOINT", "TRACING", "LSM", "PERF_EVENT", "EXT", "STRUCT_OPS", "XDP", "SCHED_CLS")
}

var _ = declare(description{
	id: "TRC-2706", name: "Addresses of the kernel read", severity: low, tags: linuxAndContainer,
	doc:       "The list of the kernel's symbols was read, from which exploits learn where to write",
	technique: technique{"Discovery", "System Information Discovery", "T1082", ""},
	response:  "See whether the program has to do with tracing.",
	benign:    "Profilers, tracers, and tools of observation.",
	files: &fileRule{
		does: reads, paths: []string{"/proc/kallsyms", "/boot/System.map*", "/usr/lib/debug/boot/"}, except: bpfUsers.and(debuggers, named("depmod dracut update-initramfs kdump-config makedumpfile klogd systemd-modules-load")),
		within: packageManagers,
	},
})

var _ = declare(description{
	id: "TRC-2707", name: "Protection of the kernel weakened", severity: medium, tags: linuxAndContainer,
	doc:       "A setting of the kernel that makes attacks harder was written",
	technique: technique{"Defense Impairment", "Disable or Modify Tools", "T1685", "T1562.001"},
	response:  "Compare the setting with what /etc/sysctl.d says.",
	benign:    "Administrators, and set-up of debuggers and profilers.",
	files: &fileRule{does: writes, except: named("systemd-sysctl"), within: packageManagers, paths: []string{
		"/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/kptr_restrict", "/proc/sys/kernel/yama/ptrace_scope", "/proc/sys/kernel/dmesg_restrict",
		"/proc/sys/kernel/unprivileged_bpf_disabled", "/proc/sys/kernel/perf_event_paranoid", "/proc/sys/kernel/modules_disabled", "/proc/sys/vm/mmap_min_addr",
		"/proc/sys/fs/protected_*", "/proc/sys/fs/suid_dumpable", "/proc/sys/kernel/kexec_load_disabled", "/proc/sys/kernel/unprivileged_userns_clone",
		"/proc/sys/vm/unprivileged_userfaultfd", "/proc/sys/user/max_user_namespaces", "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "/proc/sys/kernel/io_uring_disabled",
	}},
})

var _ = declare(description{
	id: "TRC-2708", name: "Memory of the machine opened", severity: high, tags: linuxAndContainer,
	doc:       "The physical memory or the ports of the machine were opened",
	technique: technique{"Stealth", "Rootkit", "T1014", ""},
	response:  "Stop the process; it can read and change anything.",
	benign:    "dmidecode and old graphics drivers.",
	files: &fileRule{
		does: reads | writes, paths: []string{"/dev/mem", "/dev/kmem", "/dev/port", "**/dev/mem", "**/dev/kmem"},
		except: named("dmidecode Xorg X biosdecode lshw vbetool fwupd flashrom smbios-sys-info"), within: packageManagers,
	},
})

var _ = declare(description{
	id: "TRC-1021", name: "Memory of the kernel read", severity: medium, tags: linuxAndContainer,
	doc:       "The memory of the kernel was opened by /proc/kcore",
	technique: technique{"Privilege Escalation", "Escape to Host", "T1611", ""},
	response:  "Take what is in the memory of the machine as known: keys and passwords of all.",
	benign:    "Debuggers of the kernel.",
	files:     &fileRule{does: reads, paths: []string{"/proc/kcore", "**/proc/kcore"}, except: debuggers.and(named("makedumpfile"))},
})

var _ = declare(description{
	id: "TRC-2709", name: "Probes of the kernel set by hand", severity: medium, tags: linuxAndContainer,
	doc:       "Somebody wrote to the files by which functions of the kernel are traced",
	technique: technique{"Credential Access", "Input Capture", "T1056", ""},
	response:  "Look at the probes (kprobe_events, uprobe_events) and at who reads trace_pipe.",
	benign:    "Administrators, trace-cmd and perf-tools.",
	files: &fileRule{
		does: writes, paths: []string{"**/tracing/kprobe_events", "**/tracing/uprobe_events", "**/tracing/dynamic_events", "**/tracing/set_ftrace_filter", "**/tracing/current_tracer"},
		except: bpfUsers.and(debuggers, named("trace-cmd rasdaemon")),
	},
})

var _ = declare(description{
	id: "TRC-2712", name: "Kernel module from an unusual place", severity: high, tags: linux,
	doc:       "A kernel module was loaded from a file that is not among the modules of the system",
	technique: technique{"Persistence", "Boot or Logon Autostart Execution: Kernel Modules and Extensions", "T1547.006", ""},
	response:  "Keep a copy of the file; isolate the machine and keep its memory.",
	benign:    "Developers of modules, and initial file systems.",
	events:    []string{"security_kernel_read_file", "module_load"},
	newMatcher: observing(func(e *trace.Event) (map[string]any, bool) {
		if e.EventName == "security_kernel_read_file" && text(e, "type") != "kernel-module" {
			return nil, false
		}
		path := text(e, "pathname")
		if e.EventName == "module_load" && path != "" {
			return nil, false // the kernel has read the file before, and that was told
		}
		if startsWith(path, []string{"/lib/modules/", "/usr/lib/modules/", "/var/lib/dkms/"}) {
			return nil, false
		}
		if path == "" {
			return map[string]any{"module": strings.Clone(text(e, "name")), "from": "memory"}, true
		}
		return map[string]any{"from": strings.Clone(path)}, true
	}),
})

var _ = declare(description{
	id: "TRC-1031", name: "Magic keys of the kernel used", severity: high, tags: linuxAndContainer,
	doc:       "The kernel was told by /proc/sysrq-trigger or its setting to crash, to restart or to kill all",
	technique: technique{"Impact", "System Shutdown/Reboot", "T1529", ""},
	response:  "Ask who meant it. A crash at the wrong time destroys data and traces.",
	benign:    "Administrators of machines that hang, and tests of kdump.",
	files:     &fileRule{does: writes, paths: []string{"**/proc/sysrq-trigger", "**/proc/sys/kernel/sysrq"}, except: named("systemd-sysctl systemd-shutdown watchdog"), within: packageManagers},
})
