/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Directory entries and inodes: remove, make, rename, and change permissions, size and times.
 *
 * The LSM hooks of inodes are told of a directory entry only; dentry_mount() finds a way there. On the tracepoint rung
 * the kernel has forgotten what the path of the caller led to, except where the call got a descriptor.
 *
 * Kernel >= 5.10.
 */
#pragma once

LSM_HOOK2(inode_unlink, inode_unlink, struct inode *, dir, struct dentry *, dentry)
{
	struct event *e = event_begin(EVENT_security_inode_unlink, rung);
	struct super_block *sb;
	struct inode *inode;

	if (!e)
		return 0;
	inode = READ(dentry, d_inode);
	sb = READ(inode, i_sb);
	put_dentry_path(e, security_inode_unlink_pathname, dentry);
	security_inode_unlink_inode(e, READ(inode, i_ino));
	security_inode_unlink_device(e, READ(sb, s_dev));
	security_inode_unlink_ctime(e, inode_ctime(false, inode));
	return event_submit(e, 0);
}

EXIT_TAIL(security_inode_unlink_exit)
{
	struct event *e;

	if (ret || (nr == ID_unlinkat && args[2] & AT_REMOVEDIR))
		return;
	e = event_begin(EVENT_security_inode_unlink, RUNG_TRACEPOINT);
	if (!e)
		return;
	if (nr == ID_unlink)
		put_caller_path(e, security_inode_unlink_pathname, AT_FDCWD, args[0]);
	else
		put_caller_path(e, security_inode_unlink_pathname, args[0], args[1]);
	event_submit(e, 0);
}

LSM_HOOK4(inode_mknod, inode_mknod, struct inode *, dir, struct dentry *, dentry, umode_t, mode, u32, dev)
{
	struct event *e = event_begin(EVENT_security_inode_mknod, rung);

	if (!e)
		return 0;
	put_dentry_path(e, security_inode_mknod_file_name, dentry);
	security_inode_mknod_mode(e, mode);
	security_inode_mknod_dev(e, dev);
	return event_submit(e, 0);
}

/* A device number as the kernel keeps it, 12 bits and 20, from that of the syscalls: new_decode_dev(). */
static __always_inline u32 device_decode(u32 dev)
{
	return (dev & 0xfff00) << 12 | (dev >> 12 & 0xfff00) | (dev & 0xff);
}

/* mknod also makes regular files; that is another hook. */
EXIT_TAIL(security_inode_mknod_exit)
{
	u32 at = nr == ID_mknodat, mode = at ? args[2] : args[1], type = mode & S_IFMT;
	bool device = type == S_IFCHR || type == S_IFBLK;
	u32 dev = device ? device_decode(at ? args[3] : args[2]) : 0;
	struct event *e;

	barrier_var(dev); /* verifier: of 6.1, which loses track of a spilled bool and removes the branch on it */
	if (ret || (!device && type != S_IFIFO && type != S_IFSOCK))
		return;
	e = event_begin(EVENT_security_inode_mknod, RUNG_TRACEPOINT);
	if (!e)
		return;
	put_caller_path(e, security_inode_mknod_file_name, at ? args[0] : AT_FDCWD, at ? args[1] : args[0]);
	security_inode_mknod_mode(e, mode);
	security_inode_mknod_dev(e, dev);
	event_submit(e, 0);
}

LSM_HOOK3(inode_symlink, inode_symlink, struct inode *, dir, struct dentry *, dentry, const char *, target)
{
	struct event *e = event_begin(EVENT_security_inode_symlink, rung);

	if (!e)
		return 0;
	put_dentry_path(e, security_inode_symlink_linkpath, dentry);
	put_str(e, security_inode_symlink_target, target);
	return event_submit(e, 0);
}

EXIT_TAIL(security_inode_symlink_exit)
{
	struct event *e;

	if (ret)
		return;
	e = event_begin(EVENT_security_inode_symlink, RUNG_TRACEPOINT);
	if (!e)
		return;
	if (nr == ID_symlink)
		put_caller_path(e, security_inode_symlink_linkpath, AT_FDCWD, args[1]);
	else
		put_caller_path(e, security_inode_symlink_linkpath, args[1], args[2]);
	put_user_str(e, security_inode_symlink_target, args[0]);
	event_submit(e, 0);
}

LSM_HOOK4(inode_rename, inode_rename, struct inode *, old_dir, struct dentry *, from, struct inode *, new_dir,
	  struct dentry *, to)
{
	struct event *e = event_begin(EVENT_security_inode_rename, rung);

	if (!e)
		return 0;
	put_dentry_path(e, security_inode_rename_old_path, from);
	put_dentry_path(e, security_inode_rename_new_path, to);
	return event_submit(e, 0);
}

EXIT_TAIL(security_inode_rename_exit)
{
	struct event *e;

	if (ret)
		return;
	e = event_begin(EVENT_security_inode_rename, RUNG_TRACEPOINT);
	if (!e)
		return;
	if (nr == ID_rename) {
		put_caller_path(e, security_inode_rename_old_path, AT_FDCWD, args[0]);
		put_caller_path(e, security_inode_rename_new_path, AT_FDCWD, args[1]);
	} else {
		put_caller_path(e, security_inode_rename_old_path, args[0], args[1]);
		put_caller_path(e, security_inode_rename_new_path, args[2], args[3]);
	}
	event_submit(e, 0);
}

RETURN_HOOK2(chmod_common, int, struct path *, path, umode_t, mode)
{
	struct event *e = event_begin(EVENT_chmod_common, RUNG_FENTRY);

	if (!e)
		return 0;
	put_path(e, chmod_common_pathname, path);
	chmod_common_mode(e, mode);
	chmod_common_returnValue(e, ret);
	return event_submit(e, ret);
}

EXIT_TAIL(chmod_common_exit)
{
	struct file *file = nr == ID_fchmod ? task_file(args[0]) : NULL;
	bool at = nr == ID_fchmodat || nr == ID_fchmodat2;
	struct event *e;

	if (ret || (nr == ID_fchmod && !file))
		return;
	e = event_begin(EVENT_chmod_common, RUNG_TRACEPOINT);
	if (!e)
		return;
	if (file)
		put_file_path(e, chmod_common_pathname, file);
	else
		put_caller_path(e, chmod_common_pathname, at ? args[0] : AT_FDCWD, at ? args[1] : args[0]);
	chmod_common_mode(e, at ? args[2] : args[1]);
	chmod_common_returnValue(e, ret);
	event_submit(e, ret);
}

/* The first argument is the mapping of ids where mounts can have one, and the directory entry where they can not. */
HOOK3(do_truncate, u64, first, u64, second, u64, third)
{
	struct dentry *dentry = (void *)(mounts_map_ids() ? second : first);
	struct event *e = event_begin(EVENT_do_truncate, rung);
	struct super_block *sb;
	struct inode *inode;

	if (!e)
		return 0;
	inode = READ(dentry, d_inode);
	sb = READ(inode, i_sb);
	put_dentry_path(e, do_truncate_pathname, dentry);
	do_truncate_inode(e, READ(inode, i_ino));
	do_truncate_dev(e, READ(sb, s_dev));
	do_truncate_length(e, mounts_map_ids() ? third : second);
	return event_submit(e, 0);
}

/* file_was_emptied says that an open with these flags emptied a file: not one that it made. */
static __always_inline bool file_was_emptied(struct file *file, u32 flags)
{
	struct inode *inode = READ(file, f_inode);

	return flags & O_TRUNC && !(READ(file, f_mode) & FMODE_CREATED) && !(READ(file, f_flags) & O_PATH) &&
	       (READ(inode, i_mode) & S_IFMT) == S_IFREG;
}

EXIT_TAIL(do_truncate_exit)
{
	bool by_path = nr == ID_truncate || nr == ID_truncate64;
	bool by_fd = nr == ID_ftruncate || nr == ID_ftruncate64;
	bool wide = nr == ID_truncate64 || nr == ID_ftruncate64;
	struct file *file = NULL;
	struct inode *inode;
	struct event *e;

	if (by_fd && ret == 0)
		file = task_file(args[0]);
	else if (!by_path && !by_fd && ret >= 0)
		file = task_file(ret);
	if (by_path ? ret != 0 : !file || (!by_fd && !file_was_emptied(file, open_creation_flags(nr, args))))
		return;
	e = event_begin(EVENT_do_truncate, RUNG_TRACEPOINT);
	if (!e)
		return;
	if (file) {
		struct super_block *sb;

		inode = READ(file, f_inode);
		sb = READ(inode, i_sb);
		put_file_path(e, do_truncate_pathname, file);
		do_truncate_inode(e, READ(inode, i_ino));
		do_truncate_dev(e, READ(sb, s_dev));
	} else {
		put_caller_path(e, do_truncate_pathname, AT_FDCWD, args[0]);
	}
	do_truncate_length(e, !by_path && !by_fd ? 0 : wide ? (u32)args[1] | args[2] << 32 : args[1]);
	event_submit(e, 0);
}

/* Access and modification time. Not given: nanoseconds that say "now" or "as it is" instead. */
struct file_times {
	bool given[2];
	u64 ns[2];
};

static __always_inline void file_time_set(struct file_times *times, u32 which, s64 seconds, u64 nanoseconds)
{
	times->given[which] = nanoseconds < NSEC_PER_SEC;
	times->ns[which] = seconds * NSEC_PER_SEC + nanoseconds;
}

static __always_inline void put_file_times(struct event *e, const struct file_times *times)
{
	if (times->given[0])
		vfs_utimes_atime(e, times->ns[0]);
	if (times->given[1])
		vfs_utimes_mtime(e, times->ns[1]);
}

static __always_inline void put_utimes_path(struct event *e, struct path *path, struct inode *inode)
{
	struct super_block *sb = READ(inode, i_sb);

	put_path(e, vfs_utimes_pathname, path);
	vfs_utimes_dev(e, READ(sb, s_dev));
	vfs_utimes_inode(e, READ(inode, i_ino));
}

HOOK2(vfs_utimes, struct path *, path, struct timespec64 *, to)
{
	struct event *e = event_begin(EVENT_vfs_utimes, rung);
	struct file_times times = {};
	struct dentry *dentry;
	s64 pairs[4];

	if (!e)
		return 0;
	dentry = READ(path, dentry);
	put_utimes_path(e, path, READ(dentry, d_inode));
	if (to && !bpf_probe_read_kernel(pairs, sizeof(pairs), to)) {
		file_time_set(&times, 0, pairs[0], pairs[1]);
		file_time_set(&times, 1, pairs[2], pairs[3]);
	}
	put_file_times(e, &times);
	return event_submit(e, 0);
}

/*
 * user_times reads the times of a caller: two numbers of seconds for utime, else two pairs of seconds and a fraction.
 * A 32-bit process has words of its own width, except in the calls that are free of the year 2038.
 */
static __always_inline void user_times(struct file_times *to, u32 id, bool compat, u64 at)
{
	u64 unit = id == ID_utimes || id == ID_futimesat ? NSEC_PER_USEC : 1;
	bool whole = id == ID_utime;
	s64 words[4] = {};
	s32 words32[4] = {};

	if (compat && id != ID_utimensat) {
		if (bpf_probe_read_user(words32, whole ? 8 : 16, (void *)at))
			return;
		for (u32 i = 0; i < 4; i++)
			words[i] = words32[i];
	} else if (bpf_probe_read_user(words, whole ? 16 : 32, (void *)at)) {
		return;
	}
	file_time_set(to, 0, words[0], whole ? 0 : words[1] * unit);
	file_time_set(to, 1, whole ? words[1] : words[2], whole ? 0 : words[3] * unit);
}

EXIT_TAIL(vfs_utimes_exit)
{
	bool at = nr != ID_utime && nr != ID_utimes;
	u64 name = at ? args[1] : args[0];
	struct file *file = at && !name ? task_file(args[0]) : NULL;
	struct file_times times = {};
	struct event *e;

	if (ret || (!file && !name))
		return;
	e = event_begin(EVENT_vfs_utimes, RUNG_TRACEPOINT);
	if (!e)
		return;
	if (file)
		put_utimes_path(e, &file->f_path, READ(file, f_inode));
	else
		put_caller_path(e, vfs_utimes_pathname, at ? args[0] : AT_FDCWD, name);
	user_times(&times, nr, compat, at ? args[2] : args[1]);
	put_file_times(e, &times);
	event_submit(e, 0);
}
