package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// compilers compile while their program runs, and so make memory executable all day.
var compilers = named("node java qemu-system-x86_64 qemu-system-x86 qemu-system-aarch64 qemu-aarch64 qemu-x86_64 dotnet mono mono-sgen chrome chromium firefox firefox-bin firefox-esr electron " +
	"code luajit gjs gnome-shell julia pypy pypy3 deno bun wasmtime php-fpm php postgres mongod beam.smp polkitd cinnamon plasmashell WebKitWebProcess " +
	"thunderbird erl wine wine64 wineserver ruby")

// alert recognises one kind of what happens to the protection of memory.
func alert(kinds ...string) func(*surroundings) matcher {
	return watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "mem_prot_alert" {
			return nil, false
		}
		kind := text(e, "alert")
		for _, k := range kinds {
			if k == kind && !s.is(e, compilers) {
				return map[string]any{"alert": kind, "program": s.program(e)}, true
			}
		}
		return nil, false
	})
}

var _ = declare(description{
	id: "TRC-2401", name: "Memory that is writable and executable", severity: medium, tags: linuxAndContainer,
	doc:        "A program asked for memory that can be written and executed at once: where injected code likes to live",
	technique:  technique{"Stealth", "Reflective Code Loading", "T1620", ""},
	response:   "Look at the program: one that compiles nothing has no use for that. Dump the memory before it ends.",
	benign:     "Just-in-time compilers and libraries of callbacks (libffi, PCRE). Well-known runtimes in directories of the system are left out.",
	events:     with("mem_prot_alert"),
	newMatcher: alert("Mmaped region with W+E permissions!", "Protection changed from E to W+E!"),
})

var _ = declare(description{
	id: "TRC-2402", name: "Written memory made executable", severity: medium, tags: linuxAndContainer,
	doc:        "A program made memory executable that it had written before: it unpacks or receives code",
	technique:  technique{"Stealth", "Obfuscated Files or Information: Software Packing", "T1027.002", ""},
	response:   "Look at the program: one that compiles nothing has no use for that. Dump the memory before it ends.",
	benign:     "Just-in-time compilers. Well-known runtimes in directories of the system are left out.",
	events:     with("mem_prot_alert"),
	newMatcher: alert("Protection changed to Executable!"),
})

var _ = declare(description{
	id: "TRC-2404", name: "Process attached to by a stranger", severity: medium, tags: linuxAndContainer,
	doc:       "A program took control of another process by ptrace, and is no known debugger",
	technique: technique{"Privilege Escalation", "Process Injection: Ptrace System Calls", "T1055.008", ""},
	response:  "Look at both processes: the one that attached (data: program) and what it did to the other (data: pid).",
	benign:    "Debuggers and crash reporters that are not known here.",
	events:    with("ptrace"),
	needs:     []detect.Need{need("ptrace", among("request", attach, seize), succeeded)},
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		request := text(e, "request")
		if e.EventName != "ptrace" || e.ReturnValue < 0 || request != "PTRACE_ATTACH" && request != "PTRACE_SEIZE" || s.is(e, debuggers) {
			return nil, false
		}
		pid, _ := whole(e, "pid")
		return map[string]any{"pid": pid, "program": s.program(e)}, true
	}),
})

var _ = declare(description{
	id: "TRC-2405", name: "Registers of a process changed", severity: high, tags: linuxAndContainer,
	doc:       "A program that is no known debugger changed the registers of another process: that makes it run injected code",
	technique: technique{"Privilege Escalation", "Process Injection: Ptrace System Calls", "T1055.008", ""},
	response:  "Stop both processes after copying their memory.",
	benign:    "Debuggers and sandboxes that are not known here.",
	events:    with("ptrace"),
	needs:     []detect.Need{need("ptrace", among("request", setRegs, setRegset, setFpRegs, pokeUsr, setSyscallInfo), succeeded)},
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "ptrace" || e.ReturnValue < 0 || s.is(e, debuggers) {
			return nil, false
		}
		switch request := text(e, "request"); request {
		case "PTRACE_SETREGS", "PTRACE_SETREGSET", "PTRACE_SETFPREGS", "PTRACE_POKEUSR", "PTRACE_SET_SYSCALL_INFO":
			pid, _ := whole(e, "pid")
			return map[string]any{"pid": pid, "request": strings.Clone(request), "program": s.program(e)}, true
		}
		return nil, false
	}),
})

var _ = declare(description{
	id: "TRC-2406", name: "Memory of another process read by a syscall", severity: medium, tags: linuxAndContainer,
	doc:       "A program that is no known debugger read the memory of another process by process_vm_readv",
	technique: technique{"Credential Access", "OS Credential Dumping: Proc Filesystem", "T1003.007", ""},
	response:  "Take what the other process had in its memory as known: passwords, keys, tokens.",
	benign:    "Profilers and crash reporters that are not known here.",
	events:    with("process_vm_readv"),
	needs:     []detect.Need{need("process_vm_readv", succeeded)},
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		pid, ok := whole(e, "pid")
		if e.EventName != "process_vm_readv" || !ok || pid == e.ProcessID || e.ReturnValue < 0 || s.is(e, debuggers.and(named("py-spy rbspy perf bpftrace"))) {
			return nil, false
		}
		return map[string]any{"pid": pid, "program": s.program(e)}, true
	}),
})

var _ = declare(description{
	id: "TRC-1023", name: "Memory of another process read from /proc", severity: high, tags: linuxAndContainer,
	doc:       "The memory of another process was opened for reading by a program that is no known debugger",
	technique: technique{"Credential Access", "OS Credential Dumping: Proc Filesystem", "T1003.007", ""},
	response:  "Take what the other process had in its memory as known: passwords, keys, tokens.",
	benign:    "Crash reporters and profilers that are not known here.",
	files: &fileRule{
		does: reads, paths: []string{"/proc/*/mem", "/proc/*/task/*/mem"}, except: debuggers.and(named("systemd-coredump apport gcore delve py-spy tracee tracee-ebpf")),
		when: func(s *surroundings, e *trace.Event) bool {
			return ofAnother(s, e) && !opensForWriting(text(e, "flags")) // that is TRC-3
		},
	},
})

var _ = declare(description{
	id: "TRC-2013", name: "Descriptor taken from another process", severity: medium, tags: linuxAndContainer,
	doc:       "A program took an open file or connection from another process by pidfd_getfd",
	technique: technique{"Credential Access", "Steal Application Access Token", "T1528", ""},
	response:  "Look at what the other process had open: files it could read are known to this one, too.",
	benign:    "Sandboxes and container runtimes that handle system calls of others.",
	events:    with("pidfd_getfd"),
	needs:     []detect.Need{need("pidfd_getfd", succeeded)},
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "pidfd_getfd" || e.ReturnValue < 0 || s.is(e, containerManagers.and(debuggers, named("systemd lxd lxcfs"))) {
			return nil, false
		}
		return map[string]any{"program": s.program(e)}, true
	}),
})

var _ = declare(description{
	id: "TRC-2407", name: "System call from code of no file", severity: high, tags: linuxAndContainer,
	doc:       "A system call that attackers need was made by code that lies in no file: injected or unpacked",
	technique: technique{"Stealth", "Reflective Code Loading", "T1620", ""},
	response:  "Dump the memory of the process; the address of the code is in the event.",
	benign:    "Just-in-time compilers. Well-known runtimes in directories of the system are left out.",
	events:    with("suspicious_syscall_source"),
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "suspicious_syscall_source" || s.is(e, compilers) {
			return nil, false
		}
		return map[string]any{"memory": strings.Clone(text(e, "vma_type")), "program": s.program(e)}, true
	}),
})

var _ = declare(description{
	id: "TRC-2410", name: "Library loaded from memory", severity: high, tags: linuxAndContainer,
	doc:       "A process loaded a library that lies in a memfd, in shared memory, or whose file was removed before",
	technique: technique{"Stealth", "Reflective Code Loading", "T1620", ""},
	response:  "Copy the library from /proc/PID/map_files.",
	benign:    "Programs that were upgraded while they ran and load a part late.",
	events:    with("shared_object_loaded"),
	needs:     []detect.Need{need("shared_object_loaded", like("pathname", "memfd:*", "/memfd:*", "/dev/shm/*", "/run/shm/*"))},
	newMatcher: watcherOf(func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		if e.EventName != "shared_object_loaded" {
			return nil, false
		}
		path := text(e, "pathname")
		inMemory := strings.HasPrefix(strings.TrimPrefix(path, "/"), "memfd:") || strings.HasPrefix(path, "/dev/shm/") || strings.HasPrefix(path, "/run/shm/")
		if !inMemory || s.is(e, compilers) {
			return nil, false
		}
		return s.about(e, strings.Clone(path)), true
	}),
})
