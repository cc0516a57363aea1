package events

import "github.com/tracee-go/tracee/types/trace"

// copyCalls write without a buffer of the caller; ioctl does if it clones.
var copyCalls = []string{"sendfile", "sendfile32", "copy_file_range", "splice", "ioctl"}

// Files.
var (
	MagicWrite = declare(Event{
		ID: 717, Name: "magic_write",
		Hooks: Ladder{
			{
				Rung: trace.Fentry, Program: "magic_copy", Exit: copyCalls,
				With: []string{"magic_write_fexit", "magic_writev_fexit"},
			},
			sysExit("magic_write", append([]string{"write", "writev", "pwrite64", "pwritev", "pwritev2"}, copyCalls...)...),
		}.byUring("magic_write_uring", "WRITE", "WRITE_FIXED", "WRITEV").byUring("magic_copy_uring", "SPLICE"),
		Args: []trace.Field{
			{Name: "pathname", Type: Str},
			{Name: "bytes", Type: BytesT, Doc: "the first bytes, 32 at most, from the memory of the writer. What the kernel copied " +
				"is read from the file at once, by the tracer: marked as truncated if the file has been changed since, or cut, " +
				"and absent if nothing leads to the file any more"},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
		},
		Doc: "Bytes are put at the beginning of a regular file: what kind of file is being made. By write and its kin, by " +
			"sendfile, copy_file_range and splice, or by a clone of blocks (FICLONE, FICLONERANGE); the return value is the " +
			"number of bytes. Not seen are files that are written through a mapping, by asynchronous I/O (io_submit) or by " +
			"exchanging their blocks: file_modification tells of those.",
		Unseen: "Bytes that another thread changes while they are written, a position or an offset that it moves meanwhile, and " +
			"a descriptor that it replaces before the call returns. A copy is seen after the call on every rung, so the same " +
			"holds for copies on all of them, and one whose call fails when it tells the offset is not seen.",
	})
	SecurityBprmCheck = declare(Event{
		ID: 721, Name: "security_bprm_check", Critical: true,
		Sets:  []Set{Default, LSMHooks, Proc, ProcLife},
		Hooks: lsmHook("bprm_check", Hook{Rung: trace.Tracepoint, Program: "security_bprm_check_exec", With: []string{"exec_remember"}}),
		Args: []trace.Field{
			{Name: "pathname", Type: Str},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
		},
		Doc:    "A program is about to be executed, as seen by the LSM hook; for a script, once more for its interpreter.",
		Unseen: "Executions that are denied or fail, and the file of a script (only its interpreter is seen).",
	})
	SecurityFileOpen = declare(Event{
		ID: 722, Name: "security_file_open",
		Sets: []Set{Default, LSMHooks, FS, FSFileOps},
		Hooks: lsmHook("file_open",
			sysExit("security_file_open_exit", "open", "openat", "openat2", "creat", "open_by_handle_at").
				byUringUnanswered("security_file_open_uring", uringOpens...)),
		Args: []trace.Field{
			{Name: "pathname", Type: Str, Doc: "resolved by the kernel, to the root of the mount namespace; marked as truncated if the file was deleted, or its mount is not of that namespace"},
			{Name: "flags", Type: OpenFlags, Doc: "of the open file, with those of its creation"},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
			{Name: "ctime", Type: ULong, Doc: "last change of the inode, ns since the epoch"},
			{Name: "syscall_pathname", Type: Str, Doc: "as the caller gave it to open, openat or openat2; empty elsewhere"},
			{Name: "syscall", Type: SyscallNumber, Doc: "only with option:detect-syscall"},
		},
		Doc: "A file is opened, as the kernel resolved it: free of the races of the open syscalls.",
		Unseen: "Opens that are denied or fail, files that the kernel opens for itself (exec, core dumps), and a " +
			"descriptor that another thread replaces before the call returns. " + uringUnanswered,
	})
)
