package events

import "github.com/tracee-go/tracee/types/trace"

// What the kernel itself is asked, without a hook: the tracer reads it from the kernel's memory when it starts, when a
// module was loaded, and from time to time. Those that are internal say what is there; what is wrong with it is derived.
var (
	PrintSyscallTable = declare(Event{
		ID: 747, Name: "print_syscall_table", Internal: true, Scanned: true,
		Args: []trace.Field{
			{Name: "syscalls_addresses", Type: ULongs, Doc: "see SyscallAddresses"},
			{Name: "caller_context_id", Type: ULong, Doc: "number of the scan"},
		},
		Doc: "The addresses of the functions behind the syscalls.",
	})
	PrintNetSeqOps = declare(Event{
		ID: 756, Name: "print_net_seq_ops", Internal: true, Scanned: true,
		Args: []trace.Field{
			{Name: "net_seq_ops", Type: ULongs, Doc: "of each of NetSeqOps, those of SeqFunctions; 0: there is no such protocol"},
			{Name: "caller_context_id", Type: ULong, Doc: "number of the scan"},
		},
		Doc: "The addresses of the functions that show the connections in /proc/net.",
	})
)

// PrintProcFops is internal too, but comes from a program.
var PrintProcFops = declare(Event{
	ID: 884, Name: "print_proc_fops", Internal: true,
	Hooks: Ladder{sysExit("print_proc_fops_exit", "getdents", "getdents64")},
	Args: []trace.Field{
		{Name: "operations", Type: VoidPtr, Doc: "struct file_operations; absent, like the others, if it is the kernel's own"},
		{Name: "iterate_shared", Type: VoidPtr},
		{Name: "iterate", Type: VoidPtr},
	},
	Doc: "A directory of /proc was listed by functions that are not the kernel's own.",
})

// Where a syscall has its place among the addresses of print_syscall_table.
const (
	CompatSyscalls     = 512  // those of the 32-bit ABI, by number
	SyscallDispatchers = 1024 // the functions that call the others; see Dispatchers
)

// Dispatchers are functions that every syscall of an ABI goes through, as far as a kernel has them.
var Dispatchers = []string{"x64_sys_call", "x32_sys_call", "ia32_sys_call", "do_syscall_64", "do_int80_emulation"}

// What print_net_seq_ops lists. Each file shows what the table of the same place tells.
var (
	NetSeqOps   = []string{"tcp4_seq_ops", "tcp6_seq_ops", "udp_seq_ops", "udp6_seq_ops", "raw_seq_ops", "raw6_seq_ops"}
	NetSeqFiles = []string{"tcp", "tcp6", "udp", "udp6", "raw", "raw6"}
	// SeqFunctions are fields of struct seq_operations.
	SeqFunctions = []string{"show", "start", "next", "stop"}
)

// SyscallAt names the syscall, or the dispatcher, at a place of print_syscall_table; "" if there is none.
func SyscallAt(native, compat ABI, place int) string {
	switch {
	case place >= SyscallDispatchers && place < SyscallDispatchers+len(Dispatchers):
		return Dispatchers[place-SyscallDispatchers]
	case place >= SyscallDispatchers:
		return ""
	case place >= CompatSyscalls:
		return syscallName(compat, place-CompatSyscalls)
	default:
		return syscallName(native, place)
	}
}

func syscallName(abi ABI, number int) string {
	for _, e := range all {
		if e.Syscall && e.Numbers[abi] == number {
			return e.Name
		}
	}
	return ""
}

const whenScanned = "It is looked at when Tracee starts, after a module comes or goes, and every half minute. "

// Hooks that rootkits put into the kernel.
var (
	HookedSyscalls = declare(Event{
		ID: 2004, Name: "hooked_syscalls",
		From: []*Event{PrintSyscallTable},
		Args: []trace.Field{{Name: "hooked_syscalls", Type: HookedSymbols, Doc: "syscalls, and the modules that replaced them"}},
		Doc: "Which syscalls are not the kernel's own: their entry in the table of syscalls, or the first instruction of their " +
			"function, leads out of the kernel's code. " + whenScanned + "There is an event at the start and after each module that comes, even " +
			"if the list is empty, and otherwise when the list changes. The owner is \"hidden\" if the kernel knows no module " +
			"there. Kernels with x64_sys_call (6.9, and older ones with its backport) have the table, but do not use it.",
	})
	HookedSyscall = declare(Event{
		ID: 880, Name: "hooked_syscall",
		From: []*Event{PrintSyscallTable},
		Args: []trace.Field{
			{Name: "syscall", Type: Str},
			{Name: "address", Type: Str, Doc: "what is called instead, in hexadecimal"},
			{Name: "function", Type: Str, Doc: "the symbol there; absent if the kernel knows none"},
			{Name: "owner", Type: Str, Doc: "the module that it belongs to, or \"hidden\""},
		},
		Doc: "A syscall is not the kernel's own: see hooked_syscalls. Once for each, until it is hooked anew.",
	})
	HookedSeqOps = declare(Event{
		ID: 2005, Name: "hooked_seq_ops",
		From: []*Event{PrintNetSeqOps},
		Args: []trace.Field{{
			Name: "hooked_seq_ops", Type: HookedSymbolMap,
			Doc: "by table and function, such as tcp4_seq_ops_show: the symbol that is called instead, and its module",
		}},
		Doc: "Which functions behind /proc/net/tcp, tcp6, udp, udp6, raw and raw6 are not the kernel's own, as of rootkits that hide " +
			"connections. They are taken from the open files, so it does not matter how they were replaced. " + whenScanned +
			"There is an event at the start and after each module that comes, even if nothing is hooked, and otherwise when that changes.",
	})
	HookedProcFops = declare(Event{
		ID: 755, Name: "hooked_proc_fops",
		From: []*Event{PrintProcFops},
		Args: []trace.Field{{
			Name: "hooked_fops_pointers", Type: HookedSymbols,
			Doc: "which of the pointers are hooked: to struct file_operations, iterate_shared and iterate; and by which modules",
		}},
		Doc: "A directory of /proc was listed by functions that are not the kernel's own, as of rootkits that hide processes. It is " +
			"looked at when somebody lists a directory there, by whom the event is.",
	})
	HiddenKernelModule = declare(Event{
		ID: 881, Name: "hidden_kernel_module", Scanned: true,
		Args: []trace.Field{
			{Name: "address", Type: Str, Doc: "of its struct module, in hexadecimal"},
			{Name: "name", Type: Str},
			{Name: "srcversion", Type: Str, Doc: "absent if the module has none"},
		},
		Doc: "A kernel module is missing in the kernel's list, or in /proc/modules, and yet has an object of /sys/module or a place in " +
			"the tree of the addresses that belong to modules. " + whenScanned + "Once for each, until it appears. A module that left " +
			"all of these is not found.",
	})
	FtraceHook = declare(Event{
		ID: 882, Name: "ftrace_hook", Scanned: true,
		Args: []trace.Field{
			{Name: "symbol", Type: Str, Doc: "the function that is hooked"},
			{Name: "trampoline", Type: Str, Doc: "absent if the callback has none of its own"},
			{Name: "callback", Type: Str, Doc: "what is called before the function, or instead of it"},
			{Name: "callback_offset", Type: Long, Doc: "from the beginning of that symbol"},
			{Name: "callback_owner", Type: Str, Doc: "the module that it belongs to, or \"hidden\""},
			{Name: "flags", Type: Str, Doc: "as the kernel shows them: R saves the registers, I changes where execution goes on"},
			{Name: "count", Type: U64, Doc: "how many callbacks the function has"},
		},
		Doc: "A kernel function is hooked by ftrace, by code that is not the kernel's. " + whenScanned + "Once for each hook. Not told " +
			"are the kernel's own means, behind which others may be: its probes, its function tracer, live patches, and BPF programs, " +
			"such as Tracee's. Of a function with more than one callback, the kernel does not tell which they are.",
	})
	PrintMemDump = declare(Event{
		ID: 883, Name: "print_mem_dump", Scanned: true,
		Args: []trace.Field{
			{Name: "bytes", Type: BytesT},
			{Name: "address", Type: VoidPtr},
			{Name: "length", Type: U64},
			{Name: "caller_context_id", Type: U64, Doc: "number of the look"},
			{Name: "arch", Type: Str, Doc: "as uname -m has it"},
			{Name: "symbol_name", Type: Str, Doc: "absent if there is no symbol at the address"},
			{Name: "symbol_owner", Type: Str, Doc: "\"system\", or a module"},
		},
		Doc: "What is in the kernel's memory. Filters say where: print_mem_dump.symbol_name=x64_sys_call, of modules with " +
			"print_mem_dump.symbol_owner=MODULE, or print_mem_dump.address=0xffffffff81000000, and print_mem_dump.length=64 how much: " +
			"256 bytes if nothing else is said, 4096 at most. There is an event at the start and after each module, and every half " +
			"minute if the bytes have changed.",
	})
)
