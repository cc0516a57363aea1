package events

import "github.com/tracee-go/tracee/types/trace"

// The view of a process on the file systems.
var (
	SecuritySbMount = declare(Event{
		ID: 730, Name: "security_sb_mount",
		Sets:  []Set{Default, LSMHooks, FS},
		Hooks: lsmHook("sb_mount", sysExit("security_sb_mount_exit", "mount")),
		Args: []trace.Field{
			{Name: "dev_name", Type: Str, Doc: "what to mount, as the caller gave it"},
			{Name: "path", Type: Str, Doc: "where; resolved by the kernel"},
			{Name: "type", Type: Str, Doc: "of the file system; absent when the caller gave none"},
			{Name: "flags", Type: MountFlags},
		},
		Doc:    "Something is about to be mounted, or the flags of a mount to be changed, by mount.",
		Unseen: unseenPath,
	})
	SecuritySbUmount = declare(Event{
		ID: 802, Name: "security_sb_umount",
		Sets:  []Set{Default, LSMHooks, FS},
		Hooks: lsmHook("sb_umount", sysExit("security_sb_umount_exit", "umount2", "umount")),
		Args: []trace.Field{
			{Name: "mountpoint", Type: Str, Doc: "resolved by the kernel"},
			{Name: "type", Type: Str, Doc: "of the file system"},
			{Name: "flags", Type: flagged(Int, umountFlags)},
		},
		Doc:    "A mount is about to be taken away.",
		Unseen: unseenPath + " The type is absent.",
	})
	SetFsPwd = declare(Event{
		ID: 817, Name: "set_fs_pwd",
		Hooks: function("set_fs_pwd", sysExit("set_fs_pwd_exit", "chdir", "fchdir")),
		Args: []trace.Field{
			{Name: "unresolved_path", Type: Str, Doc: "as the caller gave it to chdir; absent elsewhere"},
			{Name: "resolved_path", Type: Str},
		},
		Doc:    "A process changes its working directory.",
		Unseen: "Working directories that change other than by chdir and fchdir: by setns, or for a process that the kernel starts.",
	})
)

// Watching files.
var (
	SecurityPathNotify = declare(Event{
		ID: 818, Name: "security_path_notify",
		Sets:  []Set{LSMHooks, FSMonitor},
		Hooks: lsmHook("path_notify", sysExit("security_path_notify_exit", "inotify_add_watch", "fanotify_mark")),
		Args: []trace.Field{
			{Name: "pathname", Type: Str, Doc: "resolved by the kernel"},
			{Name: "inode", Type: ULong},
			{Name: "dev", Type: DevT},
			{Name: "mask", Type: U64, Doc: "what to be told of; kernels differ in whether the flags of fanotify are among it"},
			{Name: "obj_type", Type: UInt, Doc: "what is watched, as this kernel counts: inode (0), mount or file system"},
		},
		Doc: "Somebody asks to be told of what happens to a file, by inotify, fanotify or dnotify.",
		Unseen: unseenPath + " Dnotify, and a fanotify_mark that takes a mark away or gives a descriptor instead of a path. " +
			"Inode and device are absent.",
	})
	InotifyWatch = declare(Event{
		ID: 819, Name: "inotify_watch",
		Hooks: returned("inotify_find_inode", sysExit("inotify_watch_exit", "inotify_add_watch")),
		Args: []trace.Field{
			{Name: "pathname", Type: Str, Doc: "resolved by the kernel"},
			{Name: "inode", Type: ULong},
			{Name: "dev", Type: DevT},
		},
		Doc:    "A file is watched by inotify.",
		Unseen: unseenPath + " Inode and device are absent.",
	})
)
