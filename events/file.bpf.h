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

SEC("tp_btf/sched_process_exec" APART(security_bprm_check_exec))
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

/* Where the first bytes of what was written are: in the memory of the writer, or only in the file. */
struct magic_source {
	bool copied; /* from another file, or from a pipe: what the kernel moves by itself is in nobody's memory */
	s32 fd;
	u64 buffer, length;
};

/*
 * copied_file stands in place of the bytes until the reader, who is told by FLAG_COPIED, has found them
 * (tracer/copied.go).
 */
struct copied_file {
	u64 ctime;
	u64 magic; /* of the file system */
	u32 generation;
	s32 fd; /* of the process, -1: none */
	u64 unused;
};

_Static_assert(sizeof(struct copied_file) == MAGIC_BYTES, "there is room for the bytes");

static __always_inline void put_copied_file(struct event *e, struct inode *inode, s32 fd)
{
	struct super_block *sb = READ(inode, i_sb);
	struct copied_file copied = {
		.ctime = inode_ctime(false, inode),
		.magic = READ(sb, s_magic),
		.generation = READ(inode, i_generation),
		.fd = fd,
	};

	if (tail_full(e, magic_write_bytes))
		return;
	bpf_probe_read_kernel(&e->body[e->header.size & BODY_MASK], sizeof(copied), &copied);
	slot_tail(e, magic_write_bytes, sizeof(copied));
	e->header.present &= ~(1ULL << magic_write_bytes);
	e->header.flags |= FLAG_COPIED;
}

static __always_inline void put_written_bytes(struct event *e, u64 buffer, u64 length)
{
	u32 n = length > MAGIC_BYTES ? MAGIC_BYTES : length;

	if (tail_full(e, magic_write_bytes))
		return;
	if (bpf_probe_read_user(&e->body[e->header.size & BODY_MASK], n, (void *)buffer))
		event_count(EVENT_magic_write, unreadable);
	else
		slot_tail(e, magic_write_bytes, n);
}

/* magic_sent sends the event of a write to the beginning of a file. */
static __always_inline int magic_sent(u8 rung, struct file *file, const struct magic_source *from, s64 written)
{
	struct event *e = event_begin(EVENT_magic_write, rung);
	struct inode *inode = READ(file, f_inode);
	struct super_block *sb = READ(inode, i_sb);

	if (!e)
		return 0;
	put_file_path(e, magic_write_pathname, file);
	if (from->copied)
		put_copied_file(e, inode, from->fd);
	else
		put_written_bytes(e, from->buffer, from->length > written ? written : from->length);
	magic_write_dev(e, READ(sb, s_dev));
	magic_write_inode(e, READ(inode, i_ino));
	event_submit(e, written);
	if (from->copied)
		reader_wake(bulk);
	return 0;
}

/* magic_written is for what lies in the memory of the writer. */
static __always_inline int magic_written(u8 rung, struct file *file, u64 buffer, u64 length, s64 written)
{
	struct magic_source from = { .buffer = buffer, .length = length };

	return magic_sent(rung, file, &from, written);
}

/* Part of a file that another one takes over without a copy (ioctl_ficlonerange(2)). */
struct clone_range {
	s64 from_fd;
	u64 from, length, to;
};

#define FICLONE 0x40049409
#define FICLONERANGE 0x4020940d

/* cloned_bytes says how much of another file a clone put at the beginning of a file. */
static __always_inline s64 cloned_bytes(const u64 args[6])
{
	struct clone_range range = { .from_fd = args[2] };
	struct inode *inode;
	struct file *file;

	if ((u32)args[1] == FICLONERANGE) {
		if (bpf_probe_read_user(&range, sizeof(range), (void *)args[2]) || range.to)
			return 0;
	} else if ((u32)args[1] != FICLONE) {
		return 0;
	}
	if (range.length) /* 0: all that there is */
		return range.length;
	file = task_file(range.from_fd);
	if (!file)
		return 0;
	inode = READ(file, f_inode);
	return READ(inode, i_size) - range.from;
}

/* copy_end says where a copy has ended: where the caller's offset is now, or the position of the file. */
static __always_inline s64 copy_end(u32 id, const u64 args[6], struct file *file)
{
	s64 end = -1;

	if ((id != ID_splice && id != ID_copy_file_range) || !args[3])
		return READ(file, f_pos);
	bpf_probe_read_user(&end, sizeof(end), (void *)args[3]);
	return end;
}

static __always_inline bool call_copies(u32 id)
{
	return id == ID_sendfile || id == ID_sendfile32 || id == ID_copy_file_range || id == ID_splice ||
	       id == ID_ioctl;
}

/* magic_copied looks at a call by which the kernel wrote: was it to the beginning of a regular file? */
static __always_inline void magic_copied(u8 rung, u32 id, const u64 args[6], s64 ret)
{
	struct magic_source from = { .copied = true };
	s64 moved = ret;
	struct file *file;

	if (id == ID_ioctl)
		moved = ret ? 0 : cloned_bytes(args);
	if (moved <= 0)
		return;
	from.fd = id == ID_splice || id == ID_copy_file_range ? args[2] : args[0];
	file = task_file(from.fd);
	if (!file || !file_is_regular(file) || (id != ID_ioctl && copy_end(id, args, file) != moved))
		return;
	magic_sent(rung, file, &from, moved);
}

/* On the rung fentry, beside the programs that see writes: there is no function that all of these calls come to. */
EXIT_TAIL(magic_copy)
{
	magic_copied(RUNG_FENTRY, nr, args, ret);
}

EXIT_TAIL(magic_write)
{
	struct file *file;
	u64 buffer, length = 0;

	if (call_copies(nr)) {
		magic_copied(RUNG_TRACEPOINT, nr, args, ret);
		return;
	}
	file = ret > 0 ? task_file(args[0]) : NULL;
	if (!file || !file_is_regular(file) || write_start(nr, file, compat, args, ret) != 0)
		return;
	buffer = write_buffer(nr, compat, args, &length);
	magic_written(RUNG_TRACEPOINT, file, buffer, length, ret);
}
