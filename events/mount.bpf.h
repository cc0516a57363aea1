/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The view of a process on the file systems: mounts, its working directory, and watches.
 *
 * After the syscall a path that was mounted on leads to what is mounted there, and one that was unmounted to what was
 * below; so on the tracepoint rung there is only what the caller gave. The working directory is the kernel's on all.
 *
 * Kernel >= 5.10.
 */
#pragma once

/* mount(2) takes a magic number in the upper half of the flags from programs of the last century. */
static __always_inline u64 mount_flags(u64 flags)
{
	return (flags & MS_MGC_MSK) == MS_MGC_VAL ? flags & ~(u64)MS_MGC_MSK : flags;
}

LSM_HOOK5(sb_mount, sb_mount, const char *, device, struct path *, path, const char *, type, u64, flags, void *, data)
{
	struct event *e = event_begin(EVENT_security_sb_mount, rung);

	if (!e)
		return 0;
	if (device)
		put_str(e, security_sb_mount_dev_name, device);
	put_path(e, security_sb_mount_path, path);
	if (type)
		put_str(e, security_sb_mount_type, type);
	security_sb_mount_flags(e, flags);
	return event_submit(e, 0);
}

EXIT_TAIL(security_sb_mount_exit)
{
	struct event *e = ret ? NULL : event_begin(EVENT_security_sb_mount, RUNG_TRACEPOINT);

	if (!e)
		return;
	put_user_str(e, security_sb_mount_dev_name, args[0]);
	put_caller_path(e, security_sb_mount_path, AT_FDCWD, args[1]);
	put_user_str(e, security_sb_mount_type, args[2]);
	security_sb_mount_flags(e, mount_flags(args[3]));
	event_submit(e, 0);
}

LSM_HOOK2(sb_umount, sb_umount, struct vfsmount *, mnt, int, flags)
{
	struct event *e = event_begin(EVENT_security_sb_umount, rung);
	struct file_system_type *type;
	struct super_block *sb;

	if (!e)
		return 0;
	sb = READ(mnt, mnt_sb);
	type = READ(sb, s_type);
	put_mount_path(e, security_sb_umount_mountpoint, mnt, READ(mnt, mnt_root));
	put_str(e, security_sb_umount_type, READ(type, name));
	security_sb_umount_flags(e, flags);
	return event_submit(e, 0);
}

EXIT_TAIL(security_sb_umount_exit)
{
	struct event *e = ret ? NULL : event_begin(EVENT_security_sb_umount, RUNG_TRACEPOINT);

	if (!e)
		return;
	put_caller_path(e, security_sb_umount_mountpoint, AT_FDCWD, args[0]);
	security_sb_umount_flags(e, nr == ID_umount2 ? args[1] : 0);
	event_submit(e, 0);
}

static __always_inline int working_directory(u8 rung, struct path *path, u64 given)
{
	struct event *e = event_begin(EVENT_set_fs_pwd, rung);

	if (!e)
		return 0;
	put_user_str(e, set_fs_pwd_unresolved_path, given);
	put_path(e, set_fs_pwd_resolved_path, path);
	return event_submit(e, 0);
}

HOOK2(set_fs_pwd, struct fs_struct *, fs, struct path *, path)
{
	struct task_struct *task = task_current();
	u64 args[6];

	task_syscall_args(task_registers(task), task_in_compat_syscall(task), args);
	return working_directory(rung, path, current_syscall_id() == ID_chdir ? args[0] : 0);
}

EXIT_TAIL(set_fs_pwd_exit)
{
	struct task_struct *task = task_current();
	struct fs_struct *fs = TASK(task, fs);
	u64 chosen = nr == ID_chdir ? args[0] : 0, given;

	/* verifier: of 6.1, which takes a spilled value for the 0 that it may be, and removes what is for others */
	bpf_probe_read_kernel(&given, sizeof(given), &chosen);
	if (ret == 0)
		working_directory(RUNG_TRACEPOINT, (void *)fs + bpf_core_field_offset(struct fs_struct, pwd), given);
}

static __always_inline struct inode *path_inode(struct path *path)
{
	struct dentry *dentry = READ(path, dentry);

	return READ(dentry, d_inode);
}

LSM_HOOK3(path_notify, path_notify, struct path *, path, u64, mask, u32, type)
{
	struct event *e = event_begin(EVENT_security_path_notify, rung);
	struct super_block *sb;
	struct inode *inode;

	if (!e)
		return 0;
	inode = path_inode(path);
	sb = READ(inode, i_sb);
	put_path(e, security_path_notify_pathname, path);
	security_path_notify_inode(e, READ(inode, i_ino));
	security_path_notify_dev(e, READ(sb, s_dev));
	security_path_notify_mask(e, mask);
	security_path_notify_obj_type(e, type);
	return event_submit(e, 0);
}

/* A 32-bit process gives the mask of fanotify_mark in two words. */
EXIT_TAIL(security_path_notify_exit)
{
	bool inotify = nr == ID_inotify_add_watch;
	u64 name = inotify ? args[1] : compat ? args[5] : args[4];
	u64 mask = inotify ? args[2] & IN_ALL_EVENTS : args[2];
	u32 type = 0;
	s32 directory = inotify ? AT_FDCWD : compat ? args[4] : args[3];
	struct event *e;

	if (ret < 0 || !name || (!inotify && !(args[1] & FAN_MARK_ADD)))
		return;
	if (!inotify && args[1] & FAN_MARK_MOUNT)
		type = watch_type(FSNOTIFY_OBJ_TYPE_VFSMOUNT);
	else if (!inotify && args[1] & FAN_MARK_FILESYSTEM)
		type = watch_type(FSNOTIFY_OBJ_TYPE_SB);
	/* verifier: of 6.1, which loses track of a spilled bool and removes the branch on it */
	barrier_var(type);
	barrier_var(directory);
	barrier_var(mask);
	e = event_begin(EVENT_security_path_notify, RUNG_TRACEPOINT);
	if (!e)
		return;
	put_caller_path(e, security_path_notify_pathname, directory, name);
	security_path_notify_mask(e, mask);
	security_path_notify_obj_type(e, type);
	event_submit(e, 0);
}

RETURN_HOOK4(inotify_find_inode, int, const char *, name, struct path *, path, u32, flags, u64, mask)
{
	struct event *e = ret ? NULL : event_begin(EVENT_inotify_watch, RUNG_FENTRY);
	struct super_block *sb;
	struct inode *inode;

	if (!e)
		return 0;
	inode = path_inode(path);
	sb = READ(inode, i_sb);
	put_path(e, inotify_watch_pathname, path);
	inotify_watch_inode(e, READ(inode, i_ino));
	inotify_watch_dev(e, READ(sb, s_dev));
	return event_submit(e, 0);
}

EXIT_TAIL(inotify_watch_exit)
{
	struct event *e = ret < 0 ? NULL : event_begin(EVENT_inotify_watch, RUNG_TRACEPOINT);

	if (!e)
		return;
	put_caller_path(e, inotify_watch_pathname, AT_FDCWD, args[1]);
	event_submit(e, 0);
}
