package events

import "github.com/tracee-go/tracee/types/trace"

// What is submitted to an io_uring.
var (
	IoUringCreate = declare(Event{
		ID: 832, Name: "io_uring_create",
		Sets:  []Set{FS, FSAsyncIO},
		Hooks: Ladder{tracepoint("io_uring_create")},
		Args: []trace.Field{
			{Name: "fd", Type: Int, Doc: "of the new ring"},
			{Name: "sq_entries", Type: U32, Doc: "requests that fit, rounded up to a power of two"},
			{Name: "cq_entries", Type: U32, Doc: "answers that fit"},
			{Name: "flags", Type: flagged(U32, uringSetupFlags)},
		},
		Doc: "A process made an io_uring, through which it can open, read, write, send and receive without syscalls.",
	})
	IoUringSubmit = declare(Event{
		ID: 870, Name: "io_uring_submit",
		Sets:  []Set{FS, FSAsyncIO},
		Hooks: Ladder{tracepoint("io_uring_submit")},
		Args: []trace.Field{
			{Name: "operation", Type: UringOperation},
			{Name: "fd", Type: Int, Doc: "of the file or socket, or of the directory that a path is relative to; a place among the " +
				"files of the ring if flags have IOSQE_FIXED_FILE; absent if the operation has none, and of files before Linux 5.19"},
			{Name: "pathname", Type: Str, Doc: "as the caller gave it, behind its directory, and so marked as truncated; of a symbolic " +
				"link, its target"},
			{Name: "new_pathname", Type: Str, Doc: "the same of the new name, where the operation has two"},
			{Name: "flags", Type: flagged(U8, uringRequestFlags), Doc: "IOSQE_ASYNC also where the kernel decides so"},
			{Name: "user_data", Type: U64, Doc: "by which the caller knows the answer"},
		},
		Doc: "An operation was submitted to an io_uring. Most are events of their own too, marked via io_uring: " +
			"security_file_open, security_socket_connect and others. The context is that of the thread that submitted it, " +
			"which for a ring with SQPOLL is the kernel's thread in the process.",
	})
)

// What operations of io_uring are seen as where syscalls are: see Hook.Uring.
var (
	uringOpens  = []string{"OPENAT", "OPENAT2"}
	uringReads  = []string{"READ", "READ_FIXED", "READ_MULTISHOT"}
	uringWrites = []string{"WRITE", "WRITE_FIXED"}
)
