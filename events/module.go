package events

import "github.com/tracee-go/tracee/types/trace"

// readingCalls are the calls that make the kernel read a file for itself, by descriptor.
var readingCalls = []string{"finit_module", "kexec_file_load"}

// Files that the kernel reads for itself.
var (
	SecurityKernelReadFile = declare(Event{
		ID: 733, Name: "security_kernel_read_file", Critical: true,
		Sets:  []Set{LSMHooks},
		Hooks: lsmHook("kernel_read_file", sysExit("security_kernel_read_file_exit", readingCalls...)),
		Args: []trace.Field{
			{Name: "pathname", Type: Str},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
			{Name: "type", Type: KernelReadType, Doc: "what it is read as; the numbers depend on the kernel"},
			{Name: "ctime", Type: ULong, Doc: "last change of the inode, ns since the epoch"},
		},
		Doc:    "The kernel is about to read a file for itself: a module, firmware, a kernel to boot.",
		Unseen: "Firmware and whatever else no finit_module or kexec_file_load asks for, and calls that fail.",
	})
	SecurityKernelPostReadFile = declare(Event{
		ID: 735, Name: "security_kernel_post_read_file", Critical: true,
		Sets:  []Set{LSMHooks},
		Hooks: lsmHook("kernel_post_read_file", sysExit("security_kernel_post_read_file_exit", readingCalls...)),
		Args: []trace.Field{
			{Name: "pathname", Type: Str},
			{Name: "size", Type: Long, Doc: "bytes that were read"},
			{Name: "type", Type: KernelReadType, Doc: "what it is read as; the numbers depend on the kernel"},
		},
		Doc:    "The kernel has read a file for itself.",
		Unseen: "As for security_kernel_read_file. The size is that of the file when the call returns.",
	})
)

// Modules.
var (
	DoInitModule = declare(Event{
		ID: 752, Name: "do_init_module", Critical: true,
		Hooks: Ladder{
			{Rung: trace.Fentry, Program: "do_init_module_fentry", With: []string{"do_init_module_enter"}},
			{Rung: trace.Kprobe, Program: "do_init_module_kprobe"},
			tracepoint("do_init_module_load"),
		},
		Args: []trace.Field{
			{Name: "name", Type: Str},
			{Name: "version", Type: Str, Doc: "absent if the module has none, or its start failed"},
			{Name: "src_version", Type: Str, Doc: "absent if the module has none, or its start failed"},
			{Name: "prev", Type: VoidPtr, Doc: "the module's neighbour in the kernel's list, before its start"},
			{Name: "next", Type: VoidPtr, Doc: "the neighbour on the other side"},
			{Name: "prev_next", Type: VoidPtr, Doc: "what that neighbour has next: not the module, if that hid itself"},
			{Name: "next_prev", Type: VoidPtr, Doc: "the same on the other side"},
		},
		Doc: "A kernel module was started. The return value is that of its start. On the rungs kprobe and tracepoint the " +
			"module is about to be started, and the return value is 0.",
		Unseen: "Whether the start succeeds, and what it does to the list of modules.",
	})
	ModuleLoad = declare(Event{
		ID: 805, Name: "module_load", Critical: true,
		Sets:  []Set{System, SystemModule},
		Hooks: Ladder{tracepoint("module_load")},
		Args: []trace.Field{
			{Name: "name", Type: Str},
			{Name: "version", Type: Str, Doc: "absent if the module has none"},
			{Name: "src_version", Type: Str, Doc: "absent if the module has none"},
			{Name: "pathname", Type: Str, Doc: "absent, like all that follows, if the module came from memory (init_module)"},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
			{Name: "ctime", Type: ULong, Doc: "last change of the inode, ns since the epoch"},
		},
		Doc: "A kernel module is in place, and about to be started.",
	})
	ModuleFree = declare(Event{
		ID: 806, Name: "module_free", Critical: true,
		Sets:  []Set{System, SystemModule},
		Hooks: Ladder{tracepoint("module_free")},
		Args: []trace.Field{
			{Name: "name", Type: Str},
			{Name: "version", Type: Str, Doc: "absent if the module has none"},
			{Name: "src_version", Type: Str, Doc: "absent if the module has none"},
		},
		Doc: "A kernel module goes away, because it was removed or its start failed.",
	})
)

// Probes, symbols and the state of the kernel.
var (
	KprobeAttach = declare(Event{
		ID: 743, Name: "kprobe_attach",
		Hooks: function("register_kprobe"),
		Args: []trace.Field{
			{Name: "symbol_name", Type: CharStr, Doc: "absent if the probe is given by an address"},
			{Name: "pre_handler_addr", Type: VoidPtr},
			{Name: "post_handler_addr", Type: VoidPtr},
		},
		Doc: "Somebody installs a kernel probe.",
	})
	KallsymsLookupName = declare(Event{
		ID: 826, Name: "kallsyms_lookup_name",
		Hooks: function("kallsyms_lookup_name"),
		Args: []trace.Field{
			{Name: "symbol_name", Type: Str},
			{Name: "symbol_address", Type: VoidPtr, Doc: "0 if there is no such symbol; absent on the rung kprobe"},
		},
		Doc: "Kernel code looks up a symbol by its name, as modules do that want more than is exported to them.",
	})
	KernelTaint = declare(Event{
		ID: 835, Name: "kernel_taint",
		Sets:  []Set{System},
		Hooks: function("add_taint"),
		Args:  []trace.Field{{Name: "flag", Type: UInt, Doc: "number of the bit in /proc/sys/kernel/tainted"}},
		Doc: "The kernel notes that it is no longer what it was built as. Since Linux 6.16 flags that somebody sets by a write " +
			"to /proc/sys/kernel/tainted are not seen: that code has become a part of the same function.",
	})
)
