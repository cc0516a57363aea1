package test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// trigger makes an event happen. What it does not want must not happen: after it, the child's events of this kind are
// exactly those that it asked for.
type trigger struct {
	event string
	name  string
	do    func(*actor)
}

// triggers has the rows of all families; each function is in the file of its family.
var triggers = []trigger{
	{"sys_enter", "in order", enterSyscalls},
	{"sys_exit", "in order", exitSyscalls},
	{"sched_process_fork", "process", forkProcess},
	{"sched_process_fork", "into a pid namespace", forkIntoNamespace},
	{"sched_process_exec", "program", execProgram},
	{"sched_process_exec", "script", execScript},
	{"sched_process_exec", "file in memory", execMemory},
	{"sched_process_exec", "flipped path", execFlipped},
	{"sched_process_exec", "other names", execByOtherNames},
	{"sched_process_exec", "overlay", execOnOverlay},
	{"sched_process_exit", "status", exitWithStatus},
	{"sched_process_exit", "signal", exitBySignal},
	{"commit_creds", "setresuid", changeUser},
	{"commit_creds", "no change", keepUser},
	{"commit_creds", "capset", dropCapabilities},
	{"commit_creds", "exec of a setuid file", execSetuid},
	{"switch_task_ns", "unshare and setns", switchNamespaces},
	{"task_rename", "prctl", renameByCall},
	{"task_rename", "proc", renameByFile},
	{"task_rename", "exec", renameByExec},
	{"cgroup_mkdir", "directory", makeCgroup},
	{"cgroup_rmdir", "directory", removeCgroup},
	{"cgroup_attach_task", "write to cgroup.procs", attachToCgroup},
	{"security_bprm_check", "program", checkProgram},
	{"security_bprm_check", "script", checkScript},
	{"security_bprm_check", "failing", checkNothing},
	{"security_bprm_check", "flipped path", checkFlipped},
	{"security_file_open", "calls", openByEachCall},
	{"security_file_open", "creation flags", openWithFlags},
	{"security_file_open", "names", openByOtherNames},
	{"security_file_open", "handle", openByHandle},
	{"security_file_open", "long path", openDeep},
	{"security_file_open", "chroot and mounts", openElsewhere},
	{"security_file_open", "nothing", openNothing},
	{"security_file_open", "flipped path", openFlipped},
	{"security_file_open", "roots", openThroughRoots},
	{"security_file_open", "below mounts", openBelowMounts},
	{"security_file_open", "deleted", openDeleted},
	{"security_file_open", "nameless", openNameless},
	{"security_file_open", "other namespaces", openInOtherNamespaces},
	{"security_file_open", "overlay", openOnOverlay},
	{"magic_write", "calls", writeByEachCall},
	{"magic_write", "long and short", writeSizes},
	{"magic_write", "nothing", writeElsewhere},
	{"magic_write", "copies", dropByEachCall},
	{"magic_write", "clones", dropByClone},
	{"magic_write", "copies elsewhere", dropNothing},
	{"magic_write", "copy of a process that ends", dropAndClose},
	{"security_socket_create", "families", createSockets},
	{"security_socket_bind", "families", bindSockets},
	{"security_socket_bind", "flipped address", bindFlipped},
	{"security_socket_listen", "families", listenOnSockets},
	{"security_socket_connect", "families", connectSockets},
	{"security_socket_connect", "refused", connectRefused},
	{"security_socket_connect", "flipped address", connectFlipped},
	{"security_socket_accept", "families", acceptOnSockets},
	{"socket_dup", "calls", duplicateSockets},
	{"socket_dup", "nothing", duplicateOthers},
	{"mem_prot_alert", "alerts", alertMemory},
	{"mem_prot_alert", "nothing", changeMemory},
	{"security_socket_setsockopt", "families", setSocketOptions},
	{"socket_accept", "peers", acceptWithPeers},
	{"net_tcp_connect", "families", connectTCP},
	{"security_mmap_file", "files", mapFiles},
	{"shared_object_loaded", "file", loadSharedObject},
	{"do_mmap", "file and memory", mapMemory},
	{"security_file_mprotect", "file and memory", protectMemory},
	{"suspicious_syscall_source", "injected code", callFromNoFile},
	{"stack_pivot", "false stack", callOnNoStack},
	{"do_sigaction", "set and ask", changeSignals},
	{"security_task_setrlimit", "calls", setLimits},
	{"security_task_prctl", "options", changeProperties},
	{"security_settime64", "calls", setClock},
	{"process_execute_failed", "calls", failToExecute},
	{"do_exit", "status", endWithStatus},
	{"cap_capable", "chroot and sethostname", useCapabilities},
	{"load_elf_phdrs", "program", loadProgram},
	{"user_namespace_create", "clone and unshare", makeUserNamespaces},
	{"security_bpf", "commands", callBPF},
	{"security_bpf_map", "make and open", openMaps},
	{"security_bpf_prog", "load and open", openPrograms},
	{"security_kernel_read_file", "module", readModule},
	{"security_kernel_post_read_file", "module", haveReadModule},
	{"module_load", "from a file and from memory", insertModule},
	{"module_free", "module", removeModule},
	{"do_init_module", "module", startModule},
	{"kprobe_attach", "tracefs", attachProbe},
	{"kernel_taint", "sysctl", taint},
	{"device_add", "loopback", addDevice},
	{"call_usermodehelper", "modprobe", callHelper},
	{"io_uring_create", "ring", createRing},
	{"io_uring_submit", "operations", submitOperations},
	{"bpf_attach", "socket and tracepoint", attachPrograms},
	{"netfilter_change", "nf_tables", changeFilter},
	{"hooked_syscalls", "table", hookSyscallTable},
	{"hooked_syscalls", "table, by a hidden module", hookSyscallTableHidden},
	{"hooked_syscall", "table", hookOneSyscall},
	{"hooked_seq_ops", "tcp", hookSeqOps},
	{"hooked_proc_fops", "root of proc", hookProcFops},
	{"hidden_kernel_module", "missing in the list", hideFromList},
	{"hidden_kernel_module", "missing in the list and in sysfs", hideFromAll},
	{"ftrace_hook", "function", hookByFtrace},
	{"proc_create", "module", making("proc_create")},
	{"register_chrdev", "module", making("register_chrdev")},
	{"debugfs_create_dir", "module", making("debugfs_create_dir")},
	{"debugfs_create_file", "module", making("debugfs_create_file")},
}

// untriggered gives the reason why an event has no trigger.
var untriggered = map[string]string{
	"lost_events":       "made in user space; see the test of floods",
	"artifact_captured": "made in user space; see the tests of artifacts",
	"tracee_info":       "made in user space; see the test of the beginning",
	"init_namespaces":   "made in user space; see the test of the beginning",

	"net_packet_base":      "internal; see the events of packets that are made of it",
	"net_flow_base":        "internal; see net_flow_tcp_begin and net_flow_tcp_end",
	"net_tcp_connect_base": "internal; see net_tcp_connect",
	"process_image":        "shows in the executable of other events; see the test of what was there before",
	"existing_process":     "happens when tracing begins; see the test of what was there before",
	"existing_file":        "happens when tracing begins; see the test of what was there before",
	"existing_socket":      "happens when tracing begins; see the test of what was there before",

	"print_mem_dump": "is told by filters what to do; see its own test",

	"sched_switch":         "happens when the kernel likes; see the test of repeated events",
	"kallsyms_lookup_name": "happens as often as the kernel likes; see the test of repeated events",
}

func triggerActions() map[string]func(*actor) {
	actions := map[string]func(*actor){}
	for _, row := range triggers {
		actions[row.action()] = row.do
	}
	return actions
}

func (row trigger) action() string { return row.event + "/" + row.name }

func TestEveryEventHasATrigger(t *testing.T) {
	rows := map[string]int{}
	for _, row := range triggers {
		rows[row.event]++
		if _, ok := events.Lookup(row.event); !ok {
			t.Errorf("trigger for %s: no such event", row.event)
		}
	}
	for _, e := range events.All() {
		reason := untriggered[e.Name]
		switch {
		case e.Syscall && rows[e.Name] > 0:
			t.Errorf("%s is a syscall: those are tested all together", e.Name)
		case e.Internal && len(e.From) == 0: // seen by what is derived of them
		case !e.Syscall && rows[e.Name] == 0 && reason == "":
			t.Errorf("%s has neither a trigger nor a reason for having none", e.Name)
		case rows[e.Name] > 0 && reason != "":
			t.Errorf("%s has a trigger, and a reason for having none", e.Name)
		}
	}
}

// rawStreams are apart from the others, so that those run without a record of every syscall.
func rawStreams(e *events.Event) bool { return e == events.SysEnter || e == events.SysExit }

func triggered(keep func(*events.Event) bool) []*events.Event {
	var kept []*events.Event
	for _, e := range events.All() {
		if !e.Syscall && (len(e.Hooks) > 0 || len(e.From) > 0 || e.Scanned && !e.Internal) && keep(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

func TestEventsHaveTheirTrueValues(t *testing.T) {
	selected := triggered(func(e *events.Event) bool { return !rawStreams(e) })
	runTriggers(t, tracer.Config{Events: selected, DetectSyscall: true, ExecEnv: true})
}

func TestRawSyscallStreams(t *testing.T) {
	selected := triggered(rawStreams)
	runTriggers(t, tracer.Config{Events: selected})
}

// TestEveryRungSeesTheSame forces what has more than one rung down the ladder, rung by rung.
func TestEveryRungSeesTheSame(t *testing.T) {
	ladders := triggered(func(e *events.Event) bool { return len(e.Hooks) > 1 })
	without := []trace.Rung{}
	for _, rung := range []trace.Rung{trace.LSM, trace.Fentry, trace.Kprobe} {
		without = append(without, rung)
		lower := slices.DeleteFunc(slices.Clone(ladders), func(e *events.Event) bool {
			return !slices.ContainsFunc(e.Hooks[:len(e.Hooks)-1], func(h events.Hook) bool { return h.Rung == rung })
		})
		if len(lower) == 0 {
			continue
		}
		t.Run(fmt.Sprintf("without %s", rung), func(t *testing.T) {
			runTriggers(t, tracer.Config{
				Events: lower, Without: slices.Clone(without), DetectSyscall: true,
			})
		})
	}
}

// runTriggers runs the triggers of the selected events under one tracer.
func runTriggers(t *testing.T, config tracer.Config) {
	config.Events = chosen(t.Name(), config.Events)
	s := start(t, config)
	for _, a := range s.tracer.Attachments() {
		if slices.Contains(config.Without, a.Rung) {
			t.Errorf("%s is on rung %s in spite of the configuration", a.Event.Name, a.Rung)
		}
		for _, err := range unexpectedRefusals(a.Err) {
			t.Errorf("%s: %v", a.Event.Name, err)
		}
	}
	for _, row := range triggers {
		if !slices.Contains(config.Events, lookup(row.event)) {
			continue
		}
		t.Run(row.action(), func(t *testing.T) { s.trigger(t, row) })
	}
}

func (s *session) trigger(t *testing.T, row trigger) {
	detail := row.name
	defer func() { report(t, row.event, s.rungs()[row.event], detail) }()
	if _, ok := s.rungs()[row.event]; !ok {
		detail += ": not available on this kernel"
		t.Skip(detail)
	}
	skip := ""
	s.try(t, func(t testing.TB) { skip = s.tryTrigger(t, row) })
	if skip != "" {
		detail += ": " + skip
		t.Skip(skip)
	}
}

// tryTrigger returns why it could not be tried, if so.
func (s *session) tryTrigger(t testing.TB, row trigger) (skip string) {
	c := spawn(t, row.action())
	found, seen := s.run(c, 0)
	if found.Skip != "" {
		return found.Skip
	}
	pids := []int{c.pid}
	for _, w := range found.Wants {
		pids = append(pids, w.Pid)
	}
	seen = ofTestMemory(ofTestFiles(of(seen, pids, row.event)))
	if rawStreams(lookup(row.event)) {
		seen = marked(seen)
	}
	for _, e := range seen {
		if e.Rung != s.rungs()[row.event] {
			t.Errorf("rung: got %s, want %s", e.Rung, s.rungs()[row.event])
		}
	}
	c.compareAll(found.Wants, seen)
	return ""
}
