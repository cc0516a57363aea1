package events

import "github.com/tracee-go/tracee/types/trace"

// transferArgs are the arguments of an event about reading or writing.
func transferArgs(amount trace.Field) []trace.Field {
	return []trace.Field{
		{Name: "pathname", Type: Str},
		{Name: "dev", Type: DevT},
		{Name: "inode", Type: ULong},
		amount,
		{Name: "pos", Type: Off, Doc: "where in the file it began; 0 if the file has no positions"},
	}
}

// readArgs have the return value once more, as newer versions of Tracee do.
func readArgs(amount trace.Field) []trace.Field {
	return append(transferArgs(amount), trace.Field{Name: "returnValue", Type: Long})
}

var (
	byteCount   = trace.Field{Name: "count", Type: Size, Doc: "bytes asked for"}
	vectorCount = trace.Field{Name: "vlen", Type: ULong, Doc: "number of buffers"}
)

// Contents of files.
var (
	VFSWrite = declare(Event{
		ID: 712, Name: "vfs_write",
		Hooks: returned("vfs_write", sysExit("vfs_write_exit", "write", "pwrite64")).byUring("vfs_write_uring", uringWrites...),
		Args:  transferArgs(byteCount),
		Doc:   "A file was written to, or an attempt failed. The return value is the number of bytes written.",
		Unseen: "Writes that no write call makes (the kernel for itself); a position that another thread moves meanwhile; " +
			"and a descriptor that is replaced before the call returns.",
	})
	VFSWritev = declare(Event{
		ID: 713, Name: "vfs_writev",
		Hooks: returned("vfs_writev", sysExit("vfs_writev_exit", "writev", "pwritev", "pwritev2")).byUring("vfs_writev_uring", "WRITEV"),
		Args:  transferArgs(vectorCount),
		Doc: "A file was written to from several buffers, or an attempt failed. The return value is the number of bytes " +
			"written.",
		Unseen: "A position that another thread moves meanwhile, and a descriptor that is replaced before the call returns.",
	})
	KernelWrite = declare(Event{
		ID: 741, Name: "__kernel_write",
		Hooks: returned("__kernel_write"),
		Args:  transferArgs(byteCount),
		Doc: "The kernel wrote to a file by itself: a core dump, process accounting. The return value is the number of bytes " +
			"written.",
	})
	VFSRead = declare(Event{
		ID: 814, Name: "vfs_read",
		Hooks: returned("vfs_read", sysExit("vfs_read_exit", "read", "pread64")).byUring("vfs_read_uring", uringReads...),
		Args:  readArgs(byteCount),
		Doc:   "A file was read, or an attempt failed. The return value is the number of bytes read.",
		Unseen: "Reads that no read call makes (the kernel for itself); a position that another thread moves meanwhile; and a " +
			"descriptor that is replaced before the call returns.",
	})
	VFSReadv = declare(Event{
		ID: 815, Name: "vfs_readv",
		Hooks: returned("vfs_readv", sysExit("vfs_readv_exit", "readv", "preadv", "preadv2")).byUring("vfs_readv_uring", "READV"),
		Args:  readArgs(vectorCount),
		Doc:   "A file was read into several buffers, or an attempt failed. The return value is the number of bytes read.",
		Unseen: "Reads that no read call makes (splice on old kernels); a position that another thread moves meanwhile; and a " +
			"descriptor that is replaced before the call returns.",
	})
	DirtyPipeSplice = declare(Event{
		ID: 745, Name: "dirty_pipe_splice",
		Hooks: returned("do_splice", sysExit("dirty_pipe_splice", "splice")),
		Args: []trace.Field{
			{Name: "inode_in", Type: ULong},
			{Name: "in_file_type", Type: FileTypeU},
			{Name: "in_file_path", Type: Str},
			{Name: "exposed_data_start_offset", Type: LOff, Doc: "where in the file the exposed bytes begin"},
			{Name: "exposed_data_len", Type: Size},
			{Name: "inode_out", Type: ULong, Doc: "of the pipe"},
			{Name: "out_pipe_last_buffer_flags", Type: UInt},
		},
		Doc: "A splice left a page of a file in a pipe in such a way that a write to the pipe changes the file: the flaw " +
			"Dirty Pipe (CVE-2022-0847), which kernels 5.8 to 5.16.10 have.",
		Unseen: "Splices by io_uring, and a pipe that another thread changes before the call returns.",
	})
)
