package events

import "github.com/tracee-go/tracee/types/trace"

// syscallHooks holds the ladders of the syscalls for which the program sys_exit is not enough.
var syscallHooks = map[string]Ladder{
	// Their registers and the memory of their caller are gone when they return with success.
	"execve":   {{With: []string{"exec_remember", "execve_success"}}},
	"execveat": {{With: []string{"exec_remember", "execve_success"}}},
	// They do not return.
	"exit":       {{With: []string{"exit_called"}}},
	"exit_group": {{With: []string{"exit_called"}}},
}

// identityCalls are the syscalls that can change the credentials of their caller; execve does too, and has its own hook.
var identityCalls = []string{
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups",
	"setuid16", "setgid16", "setreuid16", "setregid16", "setresuid16", "setresgid16", "setfsuid16", "setfsgid16",
	"setgroups16", "capset", "prctl", "keyctl", "unshare", "setns",
}

var namespaceCalls = []string{"unshare", "setns"}

// The raw stream of syscalls.
var (
	SysEnter = declare(Event{
		ID: 704, Name: "sys_enter", OfThread: true,
		Hooks: Ladder{{Rung: trace.Tracepoint}},
		Args:  []trace.Field{{Name: "syscall", Type: SyscallNumber, Doc: "id of the syscall"}},
		Doc:   "A syscall begins. Only its number; no arguments.",
	})
	SysExit = declare(Event{
		ID: 705, Name: "sys_exit", OfThread: true,
		Hooks: Ladder{{Rung: trace.Tracepoint}},
		Args:  []trace.Field{{Name: "syscall", Type: SyscallNumber, Doc: "id of the syscall"}},
		Doc:   "A syscall returned. The return value is the syscall's.",
	})
)

// Processes and threads.
var (
	SchedProcessFork = declare(Event{
		ID: 706, Name: "sched_process_fork", Critical: true, OfThread: true,
		Hooks: Ladder{tracepoint("sched_process_fork")},
		Args: []trace.Field{
			{Name: "parent_tid", Type: Int},
			{Name: "parent_ns_tid", Type: Int},
			{Name: "parent_pid", Type: Int},
			{Name: "parent_ns_pid", Type: Int},
			{Name: "child_tid", Type: Int},
			{Name: "child_ns_tid", Type: Int},
			{Name: "child_pid", Type: Int},
			{Name: "child_ns_pid", Type: Int},
			{Name: "start_time", Type: ULong, Doc: "of the child, ns since boot"},
			{Name: "child_thread_entity_id", Type: U64, Doc: "what the child's events have as threadEntityId"},
			{Name: "child_process_entity_id", Type: U64, Doc: "what the child's events have as processEntityId"},
		},
		Doc: "A process or thread was created. The context is the parent's.",
	})
	SchedProcessExec = declare(Event{
		ID: 707, Name: "sched_process_exec", Critical: true,
		Sets:  []Set{Default, Proc},
		Hooks: Ladder{tracepoint("sched_process_exec")},
		Args: []trace.Field{
			{Name: "cmdpath", Type: Str, Doc: "the path as the caller gave it"},
			{Name: "pathname", Type: Str, Doc: "the file that runs, resolved by the kernel; memfd:name for a file in memory"},
			{Name: "argv", Type: StrVec, Doc: "from the new memory image; the first 128 KiB"},
			{Name: "env", Type: StrVec, Doc: "from the new memory image; the first 128 KiB; only with option:exec-env"},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
			{Name: "invoked_from_kernel", Type: Int, Doc: "1 when a kernel thread started it (user mode helper)"},
			{Name: "ctime", Type: ULong, Doc: "last change of the file's inode, ns since the epoch"},
			{Name: "stdin_type", Type: FileTypeU, Doc: "type of the file at descriptor 0"},
			{Name: "inode_mode", Type: UModeT},
			{Name: "interp", Type: Str, Doc: "the binary format's idea of the program: the interpreter of a script"},
			{Name: "interpreter_pathname", Type: Str, Doc: "the ELF interpreter that was mapped"},
			{Name: "interpreter_dev", Type: DevT},
			{Name: "interpreter_inode", Type: ULong},
			{Name: "interpreter_ctime", Type: ULong},
			{Name: "argc", Type: Int, Doc: "how many strings argv has in truth"},
			{Name: "envc", Type: Int, Doc: "how many strings the environment has, whether or not it is kept"},
			{Name: "sha256", Type: Str, Doc: "of the file; only with option:exec-hash, and if it could be read"},
		},
		Doc: "A program was executed, with success. Everything in it comes from the kernel's own objects.",
	})
	SchedProcessExit = declare(Event{
		ID: 708, Name: "sched_process_exit", Critical: true, OfThread: true,
		Sets:  []Set{Default, Proc, ProcLife},
		Hooks: Ladder{tracepoint("sched_process_exit")},
		Args: []trace.Field{
			{Name: "exit_code", Type: Long, Doc: "status << 8 | signal"},
			{Name: "process_group_exit", Type: Bool, Doc: "this was the last thread of its process"},
		},
		Doc: "A thread ended.",
	})
	TaskRename = declare(Event{
		ID: 757, Name: "task_rename", OfThread: true,
		Sets:  []Set{Proc},
		Hooks: Ladder{tracepoint("task_rename")},
		Args: []trace.Field{
			{Name: "old_name", Type: Str},
			{Name: "new_name", Type: Str},
			{Name: "syscall", Type: SyscallNumber, Doc: "only with option:detect-syscall"},
		},
		Doc: "A thread changed its name (comm), by prctl, by writing to /proc, or by an exec.",
	})
)

// Privileges and namespaces.
var (
	CommitCreds = declare(Event{
		ID: 715, Name: "commit_creds", Critical: true,
		Hooks: function("commit_creds", Hook{
			Rung:    trace.Tracepoint,
			Program: "commit_creds",
			Exit:    identityCalls,
			Enter:   []Tail{{Program: "identity_enter", Syscalls: identityCalls}},
			With:    []string{"exec_remember", "commit_creds_exec"},
		}),
		Args: []trace.Field{
			{Name: "old_cred", Type: CredT},
			{Name: "new_cred", Type: CredT},
			{Name: "syscall", Type: SyscallNumber, Doc: "only with option:detect-syscall"},
		},
		Doc: "The credentials of a task changed.",
		Unseen: "Credentials that change other than by a syscall of the task or by an exec, as a kernel exploit does; " +
			"and a change that is taken back within the same syscall.",
	})
	SwitchTaskNS = declare(Event{
		ID: 716, Name: "switch_task_ns", Critical: true,
		Hooks: Ladder{{
			Rung:    trace.Tracepoint,
			Program: "switch_task_ns",
			Exit:    namespaceCalls,
			Enter:   []Tail{{Program: "identity_enter", Syscalls: namespaceCalls}},
		}},
		Args: []trace.Field{
			{Name: "pid", Type: PidT},
			{Name: "new_mnt", Type: U32},
			{Name: "new_pid", Type: U32},
			{Name: "new_uts", Type: U32},
			{Name: "new_ipc", Type: U32},
			{Name: "new_net", Type: U32},
			{Name: "new_cgroup", Type: U32},
		},
		Doc:    "A task moved to other namespaces. Only those that changed are arguments.",
		Unseen: "Namespaces that change other than by unshare and setns.",
	})
)
