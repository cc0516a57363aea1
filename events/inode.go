package events

import "github.com/tracee-go/tracee/types/trace"

const (
	// unseenPath goes with every path that only the arguments of the syscall tell.
	unseenPath = "Attempts that fail, what the kernel does, and " + unresolvedPath + " " + uringUnanswered

	unresolvedPath = "where the path leads: it is as the caller gave it, behind the directory that it is relative to, " +
		"and marked as truncated."

	// uringUnanswered goes with what is seen when an operation of io_uring is answered.
	uringUnanswered = "By io_uring, operations whose answer the ring has no room for; one that is to have no answer is told " +
		"of as it was submitted, whatever came of it."

	pathOfEntry = "resolved by the kernel; through which mount, of several of the file system, is not known"
)

// Directory entries and inodes.
var (
	SecurityInodeUnlink = declare(Event{
		ID: 723, Name: "security_inode_unlink",
		Sets: []Set{Default, LSMHooks, FS, FSFileOps},
		Hooks: lsmHook("inode_unlink", sysExit("security_inode_unlink_exit", "unlink", "unlinkat").
			byUringUnanswered("security_inode_unlink_uring", "UNLINKAT")),
		Args: []trace.Field{
			{Name: "pathname", Type: Str, Doc: pathOfEntry},
			{Name: "inode", Type: ULong},
			{Name: "device", Type: DevT},
			{Name: "ctime", Type: U64, Doc: "last change of the inode, ns since the epoch"},
		},
		Doc:    "A name of a file is about to be removed.",
		Unseen: unseenPath + " Inode, device and ctime are absent.",
	})
	SecurityInodeMknod = declare(Event{
		ID: 734, Name: "security_inode_mknod",
		Sets:  []Set{LSMHooks},
		Hooks: lsmHook("inode_mknod", sysExit("security_inode_mknod_exit", "mknod", "mknodat")),
		Args: []trace.Field{
			{Name: "file_name", Type: Str, Doc: pathOfEntry},
			{Name: "mode", Type: InodeModeU, Doc: "as asked for; without the umask in file systems that have no ACLs"},
			{Name: "dev", Type: DevT, Doc: "of the device that the node stands for"},
		},
		Doc:    "A device node, a named pipe or a socket is about to be made in a file system.",
		Unseen: unseenPath + " Sockets that are made by bind. The mode has the bits of the umask in every file system.",
	})
	SecurityInodeSymlink = declare(Event{
		ID: 736, Name: "security_inode_symlink",
		Sets: []Set{LSMHooks, FS, FSFileOps},
		Hooks: lsmHook("inode_symlink", sysExit("security_inode_symlink_exit", "symlink", "symlinkat").
			byUringUnanswered("security_inode_symlink_uring", "SYMLINKAT")),
		Args: []trace.Field{
			{Name: "linkpath", Type: Str, Doc: pathOfEntry},
			{Name: "target", Type: Str, Doc: "as the caller gave it"},
		},
		Doc:    "A symbolic link is about to be made.",
		Unseen: unseenPath,
	})
	SecurityInodeRename = declare(Event{
		ID: 759, Name: "security_inode_rename",
		Hooks: lsmHook("inode_rename", sysExit("security_inode_rename_exit", "rename", "renameat", "renameat2").
			byUringUnanswered("security_inode_rename_uring", "RENAMEAT")),
		Args: []trace.Field{
			{Name: "old_path", Type: Str, Doc: pathOfEntry},
			{Name: "new_path", Type: Str, Doc: pathOfEntry},
		},
		Doc:    "A file or directory is about to get another name. An exchange of two names is seen both ways by the LSM.",
		Unseen: unseenPath,
	})
	ChmodCommon = declare(Event{
		ID: 811, Name: "chmod_common",
		Hooks: returned("chmod_common", sysExit("chmod_common_exit", "chmod", "fchmod", "fchmodat", "fchmodat2")),
		Args: []trace.Field{
			{Name: "pathname", Type: Str},
			{Name: "mode", Type: InodeModeU, Doc: "as asked for"},
			{Name: "returnValue", Type: Long},
		},
		Doc:    "The permissions of a file were changed, or an attempt failed after the file was found.",
		Unseen: "Attempts that fail; what the kernel does; and unless a descriptor was given, " + unresolvedPath,
	})
	DoTruncate = declare(Event{
		ID: 812, Name: "do_truncate",
		Hooks: function("do_truncate", sysExit("do_truncate_exit",
			"truncate", "ftruncate", "truncate64", "ftruncate64", "open", "openat", "openat2", "creat").
			byUring("do_truncate_uring", "OPENAT", "OPENAT2", "FTRUNCATE")),
		Args: []trace.Field{
			{Name: "pathname", Type: Str, Doc: pathOfEntry},
			{Name: "inode", Type: ULong},
			{Name: "dev", Type: DevT},
			{Name: "length", Type: U64, Doc: "the new size"},
		},
		Doc:    "The size of a file is about to be set, by truncate or by an open with O_TRUNC.",
		Unseen: "Attempts that fail; what the kernel does; and for truncate inode, device and " + unresolvedPath,
	})
	VFSUtimes = declare(Event{
		ID: 816, Name: "vfs_utimes",
		Hooks: function("vfs_utimes", sysExit("vfs_utimes_exit",
			"utime", "utimes", "futimesat", "utimensat", "utimensat_time32")),
		Args: []trace.Field{
			{Name: "pathname", Type: Str},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
			{Name: "atime", Type: U64, Doc: "ns since the epoch; absent if it is to be the present time, or to stay"},
			{Name: "mtime", Type: U64, Doc: "the same of the last modification"},
		},
		Doc:    "The times of a file are about to be set: a way to hide that it was touched.",
		Unseen: "Attempts that fail; and unless a descriptor was given, inode, device and " + unresolvedPath,
	})
)
