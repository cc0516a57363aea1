package events

import "github.com/tracee-go/tracee/types/trace"

var fileOperations = pointer("struct file_operations *")

// What the kernel makes for its users, and rootkits for theirs.
var (
	ProcCreate = declare(Event{
		ID: 742, Name: "proc_create",
		Hooks: function("proc_create"),
		Args: []trace.Field{
			{Name: "name", Type: CharStr},
			{Name: "proc_ops_addr", Type: VoidPtr, Doc: "the functions behind the file"},
		},
		Doc: "Kernel code makes a file in /proc, by the function proc_create. Its siblings, as proc_create_data, are not " +
			"seen.",
	})
	CallUsermodehelper = declare(Event{
		ID: 744, Name: "call_usermodehelper",
		Hooks: function("call_usermodehelper_exec", tracepoint("call_usermodehelper_started")),
		Args: []trace.Field{
			{Name: "pathname", Type: Str},
			{Name: "argv", Type: StrArray},
			{Name: "envp", Type: StrArray},
			{Name: "wait", Type: named(Int, helperWaits), Doc: "0 not at all, 1 for the exec, 2 for the end; absent on the rung tracepoint"},
		},
		Doc: "The kernel starts a program by itself: a core dump handler, modprobe, a release agent. The context is that " +
			"of who caused it, and on the rung tracepoint that of the new process.",
		Unseen: "Who caused it, programs that could not be executed, and what the kernel waits for.",
	})
	DebugfsCreateFile = declare(Event{
		ID: 746, Name: "debugfs_create_file",
		Hooks: append(function("debugfs_create_file"), function("debugfs_create_file_full")...),
		Args: []trace.Field{
			{Name: "file_name", Type: Str},
			{Name: "path", Type: Str, Doc: "of the directory, within debugfs"},
			{Name: "mode", Type: ModeT},
			{Name: "proc_ops_addr", Type: VoidPtr, Doc: "the functions behind the file"},
		},
		Doc: "Kernel code makes a file in debugfs.",
	})
	DebugfsCreateDir = declare(Event{
		ID: 748, Name: "debugfs_create_dir",
		Hooks: function("debugfs_create_dir"),
		Args: []trace.Field{
			{Name: "name", Type: Str},
			{Name: "path", Type: Str, Doc: "of the directory above, within debugfs"},
		},
		Doc: "Kernel code makes a directory in debugfs.",
	})
	DeviceAdd = declare(Event{
		ID: 749, Name: "device_add",
		Hooks: function("device_add"),
		Args: []trace.Field{
			{Name: "name", Type: Str, Doc: "absent if the kernel has yet to find one"},
			{Name: "parent_name", Type: Str, Doc: "absent if the device has no parent"},
		},
		Doc: "A device is added to the system.",
	})
	RegisterChrdev = declare(Event{
		ID: 750, Name: "register_chrdev",
		Hooks: function("__register_chrdev"),
		Args: []trace.Field{
			{Name: "requested_major_number", Type: UInt, Doc: "0: whichever is free"},
			{Name: "granted_major_number", Type: UInt, Doc: "absent on the rung kprobe if the kernel is to choose"},
			{Name: "char_device_name", Type: Str},
			{Name: "char_device_fops", Type: fileOperations, Doc: "the functions behind the device"},
		},
		Doc: "A driver of character devices was registered, or on the rung kprobe is about to be.",
	})
)
