/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files: open, execute, write.
 *
 * On fentry from the LSM hooks; on the tracepoint rung after the syscall, from the file that the descriptor now names.
 * Kernel >= 5.11.
 */
#pragma once

/* The name that the caller gave to open, openat or openat2, still in its memory. */
static __always_inline void put_syscall_pathname(struct event *e, u32 index, u32 id, const u64 args[6])
{
	if (id == ID_open)
		put_user_str(e, index, args[0]);
	else if (id == ID_openat || id == ID_openat2)
		put_user_str(e, index, args[1]);
	else
		slot_tail(e, index, 0);
}

/* The verifier knows the type of file, or does not. */
static __always_inline void put_file_open(struct event *e, bool known, struct file *file, u32 flags)
{
	struct inode *inode = READ_AS(known, file, f_inode);
	struct super_block *sb = READ_AS(known, inode, i_sb);

	put_path_of(e, security_file_open_pathname, known, file);
	security_file_open_flags(e, flags);
	security_file_open_dev(e, READ_AS(known, sb, s_dev));
	security_file_open_inode(e, READ_AS(known, inode, i_ino));
	security_file_open_ctime(e, inode_ctime(known, inode));
}

/*
 * The flags with which the file was created are not kept in the file (do_dentry_open() clears them after the LSM
 * hook), so they are taken from the call; the file itself decides about all others.
 */
static __always_inline u32 open_creation_flags(u32 id, const u64 args[6])
{
	u64 flags = 0;

	if (id == ID_open)
		flags = args[1];
	else if (id == ID_creat)
		flags = O_CREAT | O_TRUNC;
	else if (id == ID_openat || id == ID_open_by_handle_at)
		flags = args[2];
	else if (id == ID_openat2)
		bpf_probe_read_user(&flags, sizeof(flags), (void *)args[2]);
	return flags & (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
}

EXIT_TAIL(security_file_open_exit)
{
	struct file *file = ret >= 0 ? task_file(ret) : NULL;
	struct event *e;
	u32 flags;

	if (!file)
		return;
	flags = READ(file, f_flags);
	if (flags & O_PATH) /* opens nothing: the LSM hook is not called either */
		return;
	e = event_begin(EVENT_security_file_open, RUNG_TRACEPOINT);
	if (!e)
		return;
	put_file_open(e, false, file, flags | open_creation_flags(nr, args));
	put_syscall_pathname(e, security_file_open_syscall_pathname, nr, args);
	put_syscall(e, security_file_open_syscall);
	event_submit(e, 0);
}

LSM_HOOK1(file_open, file_open, struct file *, file)
{
	struct task_struct *task = task_current();
	bool compat = task_in_compat_syscall(task);
	struct event *e = event_begin(EVENT_security_file_open, rung);
	u64 args[6];

	if (!e)
		return 0;
	put_file_open(e, rung != RUNG_KPROBE, file, READ_AS(rung != RUNG_KPROBE, file, f_flags));
	task_syscall_args(task_registers(task), compat, args);
	put_syscall_pathname(e, security_file_open_syscall_pathname, current_syscall_id(), args);
	put_syscall(e, security_file_open_syscall);
	return event_submit(e, 0);
}

static __always_inline void put_bprm_check(struct event *e, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	put_file_path(e, security_bprm_check_pathname, file);
	security_bprm_check_dev(e, BPF_CORE_READ(inode, i_sb, s_dev));
	security_bprm_check_inode(e, BPF_CORE_READ(inode, i_ino));
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(security_bprm_check_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct event *e;

	if (!event_selected(EVENT_security_bprm_check))
		return 0;
	/* Who asked for the program, as at the hook: by now the task has the program's name. */
	e = event_start_renamed(EVENT_security_bprm_check, EVENT_security_bprm_check_ARGS, RUNG_TRACEPOINT);
	if (!e)
		return 0;
	put_bprm_check(e, bprm->file);
	return event_submit(e, 0);
}

LSM_HOOK1(bprm_check, bprm_check_security, struct linux_binprm *, bprm)
{
	struct event *e = event_begin(EVENT_security_bprm_check, rung);

	if (!e)
		return 0;
	put_bprm_check(e, BPF_CORE_READ(bprm, file));
	return event_submit(e, 0);
}

#define MAGIC_BYTES 32

/* Where a write began: its position argument, or the file's position less what was written. */
static __always_inline s64 write_start(u32 id, struct file *file, bool compat, const u64 args[6], long written)
{
	if (id == ID_pwrite64 || id == ID_pwritev || id == ID_pwritev2) {
		u64 position = compat ? args[3] | args[4] << 32 : args[3];

		if (position != (u64)-1)
			return position;
	}
	return BPF_CORE_READ(file, f_pos) - written;
}

/* The first buffer of a vector. */
static __always_inline u64 vector_buffer(bool compat, u64 at, u64 *length)
{
	u64 vector[2] = {};
	u32 vector32[2] = {};

	if (narrow_pointers(compat)) {
		bpf_probe_read_user(vector32, sizeof(vector32), (void *)at);
		*length = vector32[1];
		return vector32[0];
	}
	bpf_probe_read_user(vector, sizeof(vector), (void *)at);
	*length = vector[1];
	return vector[0];
}

/* The first bytes of what was written: of the buffer, or of the first element of the vector. */
static __always_inline u64 write_buffer(u32 id, bool compat, const u64 args[6], u64 *length)
{
	if (id != ID_write && id != ID_pwrite64)
		return vector_buffer(compat, args[1], length);
	*length = args[2];
	return args[1];
}

static __always_inline bool file_is_regular(struct file *file)
{
	struct inode *inode = READ(file, f_inode);

	return (READ(inode, i_mode) & S_IFMT) == S_IFREG;
}

/* magic_written sends the event; the buffer lies in the memory of the writer. */
static __always_inline int magic_written(u8 rung, struct file *file, u64 buffer, u64 length, s64 written)
{
	struct event *e = event_begin(EVENT_magic_write, rung);
	struct inode *inode = READ(file, f_inode);
	struct super_block *sb = READ(inode, i_sb);
	u32 n;

	if (!e)
		return 0;
	if (length > written)
		length = written;
	n = length > MAGIC_BYTES ? MAGIC_BYTES : length;
	put_file_path(e, magic_write_pathname, file);
	if (!tail_full(e, magic_write_bytes)) {
		if (bpf_probe_read_user(&e->body[e->header.size & BODY_MASK], n, (void *)buffer))
			event_count(EVENT_magic_write, unreadable);
		else
			slot_tail(e, magic_write_bytes, n);
	}
	magic_write_dev(e, READ(sb, s_dev));
	magic_write_inode(e, READ(inode, i_ino));
	return event_submit(e, written);
}

EXIT_TAIL(magic_write)
{
	struct file *file = ret > 0 ? task_file(args[0]) : NULL;
	u64 buffer, length = 0;

	if (!file || !file_is_regular(file) || write_start(nr, file, compat, args, ret) != 0)
		return;
	buffer = write_buffer(nr, compat, args, &length);
	magic_written(RUNG_TRACEPOINT, file, buffer, length, ret);
}
