/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The events of other families, for what is done through an io_uring: opening, reading, writing and removing files, and
 * sockets. See uring.bpf.h for when these run.
 *
 * Kernel >= 5.15, or 5.10 with its changes.
 */
#pragma once

static __always_inline u32 request_open_flags(struct io_kiocb *req)
{
	return READ((struct io_open *)req, how.flags);
}

static __always_inline void put_name_as_given(struct event *e, u32 index, struct uring_names *names)
{
	if (names)
		put_str(e, index, names->text[0]);
}

URING_TAIL(security_file_open_uring)
{
	struct file *file = result_file(req, READ((struct io_open *)req, file_slot), ret);
	struct event *e;
	u32 flags;

	if (!file)
		return;
	flags = READ(file, f_flags);
	if (flags & O_PATH)
		return;
	e = uring_event(security_file_open);
	if (!e)
		return;
	flags |= request_open_flags(req) & (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
	put_file_open(e, false, file, flags);
	put_name_as_given(e, security_file_open_syscall_pathname, request_names_kept(req));
	put_syscall(e, security_file_open_syscall);
	event_submit(e, 0);
}

/* Nobody will tell what was opened: only what was asked for. */
URING_UNANSWERED(security_file_open_uring_unanswered)
{
	struct uring_names *names = request_names_kept(req);
	u32 flags = request_open_flags(req);
	struct event *e;

	if (!names || flags & O_PATH)
		return;
	e = uring_event(security_file_open);
	if (!e)
		return;
	put_given_path(e, security_file_open_pathname, READ((struct io_open *)req, dfd), names->text[0]);
	security_file_open_flags(e, flags);
	put_name_as_given(e, security_file_open_syscall_pathname, names);
	put_syscall(e, security_file_open_syscall);
	event_submit(e, 0);
}

URING_TAIL(do_truncate_uring)
{
	bool opened = READ(req, opcode) != IORING_OP_FTRUNCATE;
	struct super_block *sb;
	struct inode *inode;
	struct file *file;
	struct event *e;
	u64 length = 0;

	if (opened) {
		file = result_file(req, READ((struct io_open *)req, file_slot), ret);
		if (!file || !file_was_emptied(file, request_open_flags(req)))
			return;
	} else {
		if (ret || !bpf_core_type_exists(struct io_ftrunc))
			return;
		file = READ(req, file);
		length = READ((struct io_ftrunc *)req, len);
	}
	e = uring_event(do_truncate);
	if (!e)
		return;
	inode = READ(file, f_inode);
	sb = READ(inode, i_sb);
	put_file_path(e, do_truncate_pathname, file);
	do_truncate_inode(e, READ(inode, i_ino));
	do_truncate_dev(e, READ(sb, s_dev));
	do_truncate_length(e, length);
	event_submit(e, 0);
}

/*
 * request_start finds where in its file a transfer began. A request that does not tell its end any more tells what was
 * asked for; where the kernel chose, at the end of a file that only grows or (-1) at its position, the file tells.
 */
static __always_inline u64 request_start(struct io_kiocb *req, struct file *file, u32 mode, s64 moved)
{
	struct inode *inode;
	s64 asked;

	if (READ(file, f_mode) & FMODE_STREAM)
		return 0;
	if (!request_is_overwritten())
		return transfer_start(READ((struct io_rw *)req, kiocb.ki_pos), moved);
	if (mode == FMODE_PWRITE && READ(file, f_flags) & O_APPEND) {
		inode = READ(file, f_inode);
		return transfer_start(READ(inode, i_size), moved);
	}
	asked = request_argument(req, struct io_rw, kiocb.ki_pos);
	return asked == -1 ? transfer_start(READ(file, f_pos), moved) : asked;
}

#define TRANSFER_URING(what, mode)                                                                      \
	URING_TAIL(what##_uring)                                                                        \
	{                                                                                               \
		struct file *file = READ(req, file);                                                    \
                                                                                                        \
		if (file)                                                                               \
			what##_transfer(RUNG_TRACEPOINT | BY_IO_URING, file,                           \
					READ((struct io_rw *)req, len),                                 \
					request_start(req, file, mode, ret), ret);                     \
	}

TRANSFER_URING(vfs_read, FMODE_PREAD)
TRANSFER_URING(vfs_readv, FMODE_PREAD)
TRANSFER_URING(vfs_write, FMODE_PWRITE)
TRANSFER_URING(vfs_writev, FMODE_PWRITE)

URING_TAIL(magic_write_uring)
{
	u64 buffer = READ((struct io_rw *)req, addr), length = READ((struct io_rw *)req, len);
	struct file *file = READ(req, file);

	if (ret <= 0 || !file || !file_is_regular(file) || request_start(req, file, FMODE_PWRITE, ret) != 0)
		return;
	if (READ(req, opcode) == IORING_OP_WRITEV)
		buffer = vector_buffer(task_in_compat_syscall(task_current()), buffer, &length);
	magic_written(RUNG_TRACEPOINT | BY_IO_URING, file, buffer, length, ret);
}

/* The kernel moves the offset of the request along, or the position of the file (-1). */
URING_TAIL(magic_copy_uring)
{
	struct magic_source from = { .copied = true, .fd = -1 };
	struct file *file = READ(req, file);
	s64 end;

	if (ret <= 0 || !file || !file_is_regular(file))
		return;
	end = READ((struct io_splice *)req, off_out);
	if (end == -1)
		end = READ(file, f_pos);
	if (end == ret)
		magic_sent(RUNG_TRACEPOINT | BY_IO_URING, file, &from, ret);
}

static __always_inline void unlinked(struct io_kiocb *req)
{
	struct uring_names *names = request_names_kept(req);
	struct event *e;

	if (READ((struct io_unlink *)req, flags) & AT_REMOVEDIR)
		return;
	e = uring_event(security_inode_unlink);
	if (!e)
		return;
	if (names)
		put_given_path(e, security_inode_unlink_pathname, READ((struct io_unlink *)req, dfd),
			       names->text[0]);
	event_submit(e, 0);
}

URING_TAIL(security_inode_unlink_uring)
{
	if (!ret)
		unlinked(req);
}

URING_UNANSWERED(security_inode_unlink_uring_unanswered)
{
	unlinked(req);
}

static __always_inline void renamed(struct io_kiocb *req)
{
	struct uring_names *names = request_names_kept(req);
	struct event *e = uring_event(security_inode_rename);

	if (!e)
		return;
	if (names) {
		put_given_path(e, security_inode_rename_old_path, READ((struct io_rename *)req, old_dfd),
			       names->text[0]);
		put_given_path(e, security_inode_rename_new_path, READ((struct io_rename *)req, new_dfd),
			       names->text[1]);
	}
	event_submit(e, 0);
}

URING_TAIL(security_inode_rename_uring)
{
	if (!ret)
		renamed(req);
}

URING_UNANSWERED(security_inode_rename_uring_unanswered)
{
	renamed(req);
}

static __always_inline void symlinked(struct io_kiocb *req)
{
	struct uring_names *names = request_names_kept(req);
	struct event *e = uring_event(security_inode_symlink);
	struct request_names given = {};

	if (!e)
		return;
	request_names_link(req, true, given.directories, given.names);
	if (names) {
		put_given_path(e, security_inode_symlink_linkpath, given.directories[1], names->text[1]);
		put_str(e, security_inode_symlink_target, names->text[0]);
	}
	event_submit(e, 0);
}

URING_TAIL(security_inode_symlink_uring)
{
	if (!ret)
		symlinked(req);
}

URING_UNANSWERED(security_inode_symlink_uring_unanswered)
{
	symlinked(req);
}

static __always_inline struct socket *request_socket(struct io_kiocb *req)
{
	struct file *file = READ(req, file);

	return file ? file_socket(file) : NULL;
}

/* A caller of 32 bits has other structs. */
URING_TAIL(netfilter_change_uring)
{
	u64 bytes = request_argument(req, struct io_sr_msg, buf), vector = 0;
	struct socket *socket = request_socket(req);
	u8 operation = READ(req, opcode);

	if (ret <= 0 || !socket)
		return;
	if (operation == IORING_OP_WRITE || operation == IORING_OP_WRITEV)
		bytes = READ((struct io_rw *)req, addr);
	if (operation == IORING_OP_SENDMSG)
		bpf_probe_read_user(&vector, sizeof(vector), (void *)(bytes + MSG_IOV));
	else if (operation == IORING_OP_WRITEV)
		vector = bytes;
	if (vector)
		bpf_probe_read_user(&bytes, sizeof(bytes), (void *)vector);
	if (batch_sent(socket, bytes))
		netfilter_event(RUNG_TRACEPOINT | BY_IO_URING, "nf_tables", 0);
}

URING_TAIL(security_socket_create_uring)
{
	struct socket *socket;
	struct file *file;
	struct event *e;

	if (!bpf_core_type_exists(struct io_socket))
		return;
	file = result_file(req, READ((struct io_socket *)req, file_slot), ret);
	socket = file ? file_socket(file) : NULL;
	if (!socket)
		return;
	e = uring_event(security_socket_create);
	if (!e)
		return;
	security_socket_create_family(e, BPF_CORE_READ(socket, sk, __sk_common.skc_family));
	security_socket_create_type(e, BPF_CORE_READ(socket, type));
	security_socket_create_protocol(e, READ((struct io_socket *)req, protocol));
	security_socket_create_kern(e, 0);
	event_submit(e, 0);
}

static __always_inline void put_connect_address(struct event *e, struct io_kiocb *req)
{
	/* verifier: not by a plain load, which gives a typed pointer; a global function takes a number */
	u64 address = request_is_overwritten() ? request_second_word_kept(req) :
						 (u64)BPF_CORE_READ((struct io_connect *)req, addr);

	put_caller_address(e, security_socket_connect_remote_addr, address,
			   READ((struct io_connect *)req, addr_len));
}

URING_TAIL(security_socket_connect_uring)
{
	struct socket *socket = failed_before_hook(ret) ? NULL : request_socket(req);
	struct event *e;

	if (!socket)
		return;
	e = uring_event(security_socket_connect);
	if (!e)
		return;
	put_request_fd(e, security_socket_connect_sockfd, req);
	if ((ret != 0 && ret != -EINPROGRESS) ||
	    !put_remote_address(e, security_socket_connect_remote_addr, BPF_CORE_READ(socket, sk)))
		put_connect_address(e, req);
	event_submit(e, ret);
}

URING_UNANSWERED(security_socket_connect_uring_unanswered)
{
	struct event *e = uring_event(security_socket_connect);

	if (!e)
		return;
	put_request_fd(e, security_socket_connect_sockfd, req);
	put_connect_address(e, req);
	event_submit(e, 0);
}

URING_TAIL(security_socket_bind_uring)
{
	struct socket *socket = failed_before_hook(ret) ? NULL : request_socket(req);
	struct event *e;

	if (!socket)
		return;
	e = uring_event(security_socket_bind);
	if (!e)
		return;
	put_request_fd(e, security_socket_bind_sockfd, req);
	if (ret == 0) /* else the address is gone */
		put_local_address(e, security_socket_bind_local_addr, BPF_CORE_READ(socket, sk));
	event_submit(e, ret);
}

URING_TAIL(security_socket_listen_uring)
{
	struct socket *socket = failed_before_hook(ret) ? NULL : request_socket(req);
	struct event *e;

	if (!socket || !bpf_core_type_exists(struct io_listen))
		return;
	e = uring_event(security_socket_listen);
	if (!e)
		return;
	put_request_fd(e, security_socket_listen_sockfd, req);
	put_local_address(e, security_socket_listen_local_addr, BPF_CORE_READ(socket, sk));
	security_socket_listen_backlog(e, READ((struct io_listen *)req, backlog));
	event_submit(e, ret);
}

URING_TAIL(security_socket_accept_uring)
{
	struct socket *socket = failed_before_hook(ret) ? NULL : request_socket(req);
	struct event *e;

	if (!socket)
		return;
	e = uring_event(security_socket_accept);
	if (!e)
		return;
	put_request_fd(e, security_socket_accept_sockfd, req);
	put_local_address(e, security_socket_accept_local_addr, BPF_CORE_READ(socket, sk));
	event_submit(e, ret);
}

URING_TAIL(socket_accept_uring)
{
	struct file *file = result_file(req, READ((struct io_accept *)req, file_slot), ret);
	struct socket *socket = file ? file_socket(file) : NULL;
	struct event *e;

	if (!socket)
		return;
	e = uring_event(socket_accept);
	if (!e)
		return;
	put_request_fd(e, socket_accept_sockfd, req);
	put_local_address(e, socket_accept_local_addr, BPF_CORE_READ(socket, sk));
	put_remote_address(e, socket_accept_remote_addr, BPF_CORE_READ(socket, sk));
	event_submit(e, ret);
}
