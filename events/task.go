package events

import "github.com/tracee-go/tracee/types/trace"

// What the kernel does for and with a task.
var (
	SchedSwitch = declare(Event{
		ID: 709, Name: "sched_switch", OfThread: true,
		Hooks: Ladder{tracepoint("sched_switch")},
		Args: []trace.Field{
			{Name: "cpu", Type: Int},
			{Name: "prev_tid", Type: Int, Doc: "of the thread that leaves, in the initial pid namespace"},
			{Name: "prev_comm", Type: Str},
			{Name: "next_tid", Type: Int, Doc: "of the thread that comes, in the initial pid namespace"},
			{Name: "next_comm", Type: Str},
		},
		Doc: "A CPU switches from one thread to another. The context is that of the thread that leaves.",
	})
	DoExit = declare(Event{
		ID: 710, Name: "do_exit", OfThread: true,
		Sets:   []Set{Proc, ProcLife},
		Hooks:  function("do_exit", tracepoint("do_exit_tracepoint")),
		Doc:    "A thread begins to end. The return value is its exit code: status << 8 | signal.",
		Unseen: "A thread that faults while it ends.",
	})
	CapCapable = declare(Event{
		ID: 711, Name: "cap_capable",
		Sets:  []Set{Default},
		Hooks: function("cap_capable", tracepoint("cap_capable_tracepoint")),
		Args: []trace.Field{
			{Name: "cap", Type: CapabilityT},
			{Name: "syscall", Type: SyscallNumber, Doc: "only with option:detect-syscall"},
		},
		Doc:    "The kernel asks whether the task has a capability. Questions that are not to be audited are left out.",
		Unseen: "Which questions are not to be audited: those are reported too. The tracepoint exists since Linux 6.14.",
	})
	LoadElfPhdrs = declare(Event{
		ID: 754, Name: "load_elf_phdrs",
		Sets:  []Set{Proc},
		Hooks: function("load_elf_phdrs", tracepoint("load_elf_phdrs_exec")),
		Args: []trace.Field{
			{Name: "pathname", Type: Str},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
		},
		Doc:    "The kernel reads an ELF file to execute it: the program, and then the interpreter that it names.",
		Unseen: "Executions that fail; and before Linux 5.17 the interpreter.",
	})
	UserNamespaceCreate = declare(Event{
		ID: 833, Name: "user_namespace_create",
		Sets: []Set{Proc},
		Hooks: function("create_user_ns", Hook{
			Rung:    trace.Tracepoint,
			Program: "user_namespace_create_exit",
			Exit:    []string{"unshare"},
			With:    []string{"user_namespace_create_fork"},
		}),
		Args: []trace.Field{
			{Name: "user_ns", Type: U32, Doc: "the new namespace; absent on the rung kprobe, which sees attempts"},
			{Name: "parent_user_ns", Type: U32, Doc: "the namespace in which it was made; absent with user_ns"},
			{Name: "syscall", Type: SyscallNumber, Doc: "only with option:detect-syscall"},
		},
		Doc: "A user namespace was made, by unshare or clone. Its maker has all capabilities in it, and so reaches kernel " +
			"code that is otherwise for root alone.",
		Unseen: "A namespace whose unshare fails after all, in a later step.",
	})
)
