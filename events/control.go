package events

import "github.com/tracee-go/tracee/types/trace"

var (
	sigactionCalls = []string{"rt_sigaction", "sigaction", "signal"}
	execCalls      = []string{"execve", "execveat"}
)

// What a process changes about itself or the machine, and executions that came to nothing.
var (
	ProcessExecuteFailed = declare(Event{
		ID: 810, Name: "process_execute_failed",
		Sets:  []Set{Proc},
		Hooks: Ladder{sysExit("process_execute_failed", execCalls...)},
		Args: []trace.Field{
			{Name: "dirfd", Type: DirFD, Doc: "only of execveat"},
			{Name: "flags", Type: ExecveatFlags, Doc: "only of execveat"},
			{Name: "pathname", Type: Str, Doc: "as the caller gave it"},
			{Name: "stdin_type", Type: FileTypeU, Doc: "type of the file at descriptor 0"},
			{Name: "stdin_path", Type: Str},
			{Name: "argv", Type: StrVec, Doc: "from the caller's memory; the first 128 KiB, before Linux 5.17 32 strings"},
			{Name: "envp", Type: StrVec, Doc: "from the caller's memory, as much; only with option:exec-env"},
			{Name: "argc", Type: Int, Doc: "how many strings argv has in truth; absent where its end can not be found"},
			{Name: "envc", Type: Int, Doc: "how many strings the environment has, whether or not it is kept"},
		},
		Doc: "A program could not be executed. The return value is the error.",
		Unseen: "Executions that the kernel asks for itself, those that fail when the caller's memory is gone " +
			"already (the process is killed), and strings that another thread changes before the call returns.",
	})
	SecurityTaskSetrlimit = declare(Event{
		ID: 820, Name: "security_task_setrlimit",
		Sets:  []Set{LSMHooks, Proc},
		Hooks: lsmHook("task_setrlimit", sysExit("security_task_setrlimit_exit", "setrlimit", "prlimit64")),
		Args: []trace.Field{
			{Name: "target_host_pid", Type: U32, Doc: "the process whose limit it is, in the initial pid namespace"},
			{Name: "resource", Type: Resource},
			{Name: "new_rlim_cur", Type: U64},
			{Name: "new_rlim_max", Type: U64},
		},
		Doc: "A resource limit is set.",
		Unseen: "Limits that are refused. The target in a pid namespace of its own; the limit of another process is " +
			"taken from the caller's memory.",
	})
	SecurityTaskPrctl = declare(Event{
		ID: 821, Name: "security_task_prctl",
		Sets:  []Set{LSMHooks, Proc},
		Hooks: lsmHook("task_prctl", sysExit("security_task_prctl_exit", "prctl")),
		Args: []trace.Field{
			{Name: "option", Type: PrctlOption},
			{Name: "arg2", Type: partly(U64, prctlArgumentText)},
			{Name: "arg3", Type: U64},
			{Name: "arg4", Type: U64},
			{Name: "arg5", Type: U64},
			{Name: "vma_name", Type: Str, Doc: "the name that PR_SET_VMA gives to memory, from the caller's memory"},
		},
		Doc:    "A process changes or asks for a property of its own." + attempt + "On a tracepoint it is the syscall's.",
		Unseen: "A process that the call itself ends.",
	})
	SecuritySettime64 = declare(Event{
		ID: 822, Name: "security_settime64",
		Sets: []Set{LSMHooks, Time, TimeTOD},
		Hooks: lsmHook("settime64",
			sysExit("security_settime64_exit", "settimeofday", "clock_settime", "clock_settime32")),
		Args: []trace.Field{
			{Name: "tv_sec", Type: Long},
			{Name: "tv_nsec", Type: Long},
			{Name: "tz_minuteswest", Type: Int},
			{Name: "tz_dsttime", Type: Int},
		},
		Doc:    "The clock or the time zone of the machine is set; without the arguments of that which is not.",
		Unseen: "Attempts that fail, the 32-bit calls stime and clock_settime64, and slow corrections (adjtimex).",
	})
	DoSigaction = declare(Event{
		ID: 823, Name: "do_sigaction",
		Sets: []Set{Proc, Signals},
		Hooks: function("do_sigaction", Hook{
			Rung:    trace.Tracepoint,
			Program: "do_sigaction_exit",
			Exit:    sigactionCalls,
			Enter:   []Tail{{Program: "do_sigaction_enter", Syscalls: sigactionCalls}},
		}),
		Args: []trace.Field{
			{Name: "sig", Type: Signal},
			{Name: "is_sa_initialized", Type: Bool, Doc: "a new action is given; otherwise its arguments are absent"},
			{Name: "sa_flags", Type: flagged(ULong, signalActionFlags)},
			{Name: "sa_mask", Type: ULong},
			{Name: "sa_handle_method", Type: U8, Doc: "0 default, 1 ignore, 2 a function"},
			{Name: "sa_handler", Type: VoidPtr},
			{Name: "is_old_sa_initialized", Type: Bool, Doc: "the caller asks for the old action"},
			{Name: "old_sa_flags", Type: flagged(ULong, signalActionFlags)},
			{Name: "old_sa_mask", Type: ULong},
			{Name: "old_sa_handle_method", Type: U8},
			{Name: "old_sa_handler", Type: VoidPtr},
		},
		Doc:    "What a process does on a signal is changed or asked for.",
		Unseen: "Calls that fail.",
	})
)
