/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The contents of files: reading, writing, and splicing into a pipe. Each is seen when it has ended, by fexit; on the
 * tracepoint rung after the syscall, from the file that the descriptor names. io_uring takes another way on both rungs.
 *
 * Kernel >= 5.10.
 */
#pragma once

/*
 * transfer_start finds where a transfer began: its end is where the file's position is now. What is read or written
 * without moving it (terminals, /dev/null) has none.
 */
static __always_inline u64 transfer_start(s64 end, s64 moved)
{
	return moved > 0 && end >= moved ? end - moved : end;
}

static __always_inline u64 transfer_start_at(s64 *position, s64 moved)
{
	s64 end = 0;

	if (position)
		bpf_probe_read_kernel(&end, sizeof(end), position);
	return transfer_start(end, moved);
}

static __always_inline bool call_is_positional(u32 id)
{
	return id == ID_pread64 || id == ID_preadv || id == ID_preadv2 || id == ID_pwrite64 || id == ID_pwritev ||
	       id == ID_pwritev2;
}

/* The position argument; -1 for preadv2 and pwritev2 means the position of the file. */
static __always_inline s64 call_position(bool compat, const u64 args[6])
{
	return compat ? (u32)args[3] | args[4] << 32 : args[3];
}

/*
 * call_start finds where the transfer of a call began, negative if the call did not come as far as the file. A write
 * by position to a file that only grows goes to its end all the same.
 */
static __always_inline s64 call_start(u32 id, bool compat, const u64 args[6], struct file *file, u32 mode, long ret)
{
	bool vector2 = id == ID_preadv2 || id == ID_pwritev2;
	bool positional = call_is_positional(id);
	s64 position = call_position(compat, args);
	struct inode *inode;

	if (READ(file, f_flags) & O_PATH)
		return -1;
	if (positional && !(vector2 && position == -1)) {
		if (position < 0 || !(READ(file, f_mode) & mode))
			return -1;
		if (mode != FMODE_PWRITE || !(READ(file, f_flags) & O_APPEND))
			return position;
		inode = READ(file, f_inode);
		return transfer_start(READ(inode, i_size), ret);
	}
	if (READ(file, f_mode) & FMODE_STREAM)
		return 0;
	return transfer_start(READ(file, f_pos), ret);
}

/* TRANSFER defines <what>_transfer(), which sends the event of a transfer. */
#define TRANSFER(what, amount)                                                                       \
	static __always_inline int what##_transfer(u8 rung, struct file *file, u64 count, u64 start, \
						    s64 moved)                                        \
	{                                                                                             \
		struct event *e = event_begin(EVENT_##what, rung);                                   \
		struct inode *inode;                                                                  \
		struct super_block *sb;                                                               \
                                                                                                      \
		if (!e)                                                                               \
			return 0;                                                                     \
		inode = READ(file, f_inode);                                                          \
		sb = READ(inode, i_sb);                                                               \
		what##_path(e, what##_pathname, file);                                               \
		what##_dev(e, READ(sb, s_dev));                                                      \
		what##_inode(e, READ(inode, i_ino));                                                 \
		what##_##amount(e, count);                                                           \
		what##_pos(e, start);                                                                \
		what##_result(e, moved);                                                             \
		return event_submit(e, moved);                                                        \
	}

/*
 * The kernel may write through a mount of its own that shows the file alone, as process accounting does; so the path is
 * that by which others see the file.
 */
static __always_inline void put_kernel_file_path(struct event *e, u32 index, struct file *file)
{
	if (READ(mount_of(READ(file, f_path.mnt)), mnt_ns))
		put_file_path(e, index, file);
	else
		put_dentry_path(e, index, READ(file, f_path.dentry));
}

#define vfs_write_path put_file_path
#define vfs_writev_path put_file_path
#define vfs_read_path put_file_path
#define vfs_readv_path put_file_path
#define __kernel_write_path put_kernel_file_path

/* Only the events about reading have the result among their arguments too. */
#define vfs_write_result(e, moved)
#define vfs_writev_result(e, moved)
#define __kernel_write_result(e, moved)
#define vfs_read_result(e, moved) vfs_read_returnValue(e, moved)
#define vfs_readv_result(e, moved) vfs_readv_returnValue(e, moved)

TRANSFER(vfs_write, count)
TRANSFER(vfs_writev, vlen)
TRANSFER(__kernel_write, count)
TRANSFER(vfs_read, count)
TRANSFER(vfs_readv, vlen)

#define RETURNED_BYTES(what, bytes)                                                                          \
	RETURN_HOOK4(what, s64, struct file *, file, bytes, buffer, u64, count, s64 *, position)             \
	{                                                                                                     \
		return what##_transfer(RUNG_FENTRY, file, count, transfer_start_at(position, ret), ret);     \
	}

#define RETURNED_VECTOR(what)                                                                                 \
	RETURN_HOOK5(what, s64, struct file *, file, void *, vector, u64, count, s64 *, position, u32, flags) \
	{                                                                                                      \
		return what##_transfer(RUNG_FENTRY, file, count, transfer_start_at(position, ret), ret);      \
	}

RETURNED_BYTES(vfs_write, const char *)
RETURNED_VECTOR(vfs_writev)
RETURNED_BYTES(__kernel_write, const void *)
RETURNED_BYTES(vfs_read, char *)
RETURNED_VECTOR(vfs_readv)

#define TRANSFER_TAIL(what, mode)                                                         \
	EXIT_TAIL(what##_exit)                                                            \
	{                                                                                  \
		struct file *file = task_file(args[0]);                                    \
		s64 start = file ? call_start(nr, compat, args, file, mode, ret) : -1;     \
                                                                                           \
		if (start >= 0)                                                            \
			what##_transfer(RUNG_TRACEPOINT, file, args[2], start, ret);      \
	}

TRANSFER_TAIL(vfs_write, FMODE_PWRITE)
TRANSFER_TAIL(vfs_writev, FMODE_PWRITE)
TRANSFER_TAIL(vfs_read, FMODE_PREAD)
TRANSFER_TAIL(vfs_readv, FMODE_PREAD)

/* magic_returned looks at a write that has ended: was it to the beginning of a regular file? */
static __always_inline int magic_returned(struct file *file, u64 buffer, u64 length, s64 *position, s64 written)
{
	if (written <= 0 || !file_is_regular(file) || transfer_start_at(position, written) != 0)
		return 0;
	return magic_written(RUNG_FENTRY, file, buffer, length, written);
}

/* Programs of their own beside those above, because the events may be on different rungs. */
SEC("fexit/vfs_write")
int magic_write_fexit(u64 *ctx)
{
	return magic_returned((void *)ctx[0], ctx[1], ctx[2], (void *)ctx[3], ctx[4]);
}

SEC("fexit/vfs_writev")
int magic_writev_fexit(u64 *ctx)
{
	u64 length = 0, buffer;

	if ((s64)ctx[5] <= 0)
		return 0;
	buffer = vector_buffer(task_in_compat_syscall(task_current()), ctx[1], &length);
	return magic_returned((void *)ctx[0], buffer, length, (void *)ctx[3], ctx[5]);
}

/* pipe_last_flags returns the flags of the buffer that was put into the pipe last. */
static __always_inline u32 pipe_last_flags(struct pipe_inode_info *pipe)
{
	u32 last = (READ(pipe, head) - 1) & (READ(pipe, ring_size) - 1);
	struct pipe_buffer *buffer = (void *)READ(pipe, bufs) + last * bpf_core_type_size(struct pipe_buffer);

	return READ(buffer, flags);
}

/* A page of a file must never be in a pipe as one that a write may be added to. */
static __always_inline int splice_ended(u8 rung, struct file *in, s64 start, struct file *out, s64 moved)
{
	struct inode *from = READ(in, f_inode), *to = READ(out, f_inode);
	struct event *e;
	u32 flags;

	if ((READ(to, i_mode) & S_IFMT) != S_IFIFO || (READ(from, i_mode) & S_IFMT) == S_IFIFO)
		return 0;
	flags = pipe_last_flags(READ(out, private_data));
	if (!(flags & PIPE_BUF_FLAG_CAN_MERGE))
		return 0;
	e = event_begin(EVENT_dirty_pipe_splice, rung);
	if (!e)
		return 0;
	dirty_pipe_splice_inode_in(e, READ(from, i_ino));
	dirty_pipe_splice_in_file_type(e, READ(from, i_mode) & S_IFMT);
	put_file_path(e, dirty_pipe_splice_in_file_path, in);
	dirty_pipe_splice_exposed_data_start_offset(e, start);
	dirty_pipe_splice_exposed_data_len(e, moved);
	dirty_pipe_splice_inode_out(e, READ(to, i_ino));
	dirty_pipe_splice_out_pipe_last_buffer_flags(e, flags);
	return event_submit(e, moved);
}

/* The offset is in kernel memory since 5.11, before that in the caller's. */
RETURN_HOOK6(do_splice, s64, struct file *, in, s64 *, in_offset, struct file *, out, s64 *, out_offset, u64, length,
	     u32, flags)
{
	s64 end = 0;

	if (ret <= 0)
		return 0;
	if (!in_offset)
		end = READ(in, f_pos);
	else if (bpf_probe_read_kernel(&end, sizeof(end), in_offset))
		bpf_probe_read_user(&end, sizeof(end), in_offset);
	return splice_ended(RUNG_FENTRY, in, end - ret, out, ret);
}

EXIT_TAIL(dirty_pipe_splice)
{
	struct file *in = ret > 0 ? task_file(args[0]) : NULL;
	struct file *out = ret > 0 ? task_file(args[2]) : NULL;
	s64 end = 0;

	if (!in || !out)
		return;
	if (args[1])
		bpf_probe_read_user(&end, sizeof(end), (void *)args[1]);
	else
		end = READ(in, f_pos);
	splice_ended(RUNG_TRACEPOINT, in, end - ret, out, ret);
}
