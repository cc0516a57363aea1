/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sockets: what is created, connected, bound, opened to connections, accepted and configured. On the LSM hooks with the
 * address that the kernel was given; on the tracepoint rung after the syscall, with addresses from the socket itself.
 */
#pragma once

#define SUN_MAX 110 /* sizeof(struct sockaddr_un) */

struct sockaddr_in {
	u16 family;
	__be16 port;
	__be32 address;
	u8 zero[8];
};

struct sockaddr_in6 {
	u16 family;
	__be16 port;
	u32 flowinfo;
	u8 address[16];
	u32 scope_id;
};

/* file_socket returns the socket that an open file stands for, NULL if it is none. */
static __always_inline struct socket *file_socket(struct file *file)
{
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return BPF_CORE_READ(file, private_data);
}

/* task_socket returns the socket behind a descriptor of the current task, NULL if it is none. */
static __always_inline struct socket *task_socket(u32 fd)
{
	struct file *file = task_file(fd);

	return file ? file_socket(file) : NULL;
}

static __always_inline void put_unix_address(struct event *e, u32 index, struct sock *sk)
{
	struct unix_address *address = BPF_CORE_READ((struct unix_sock *)sk, addr);
	u32 length = BPF_CORE_READ(address, len);
	u16 family = AF_UNIX;

	if (!address || length > SUN_MAX || length < sizeof(family)) {
		put_bytes(e, index, &family, sizeof(family));
		return;
	}
	put_bytes(e, index, (void *)address + bpf_core_field_offset(struct unix_address, name), length);
}

/* put_local_address stores the address that the socket is bound to. */
static __noinline void put_local_address(struct event *e, u32 index, struct sock *sk)
{
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	struct sockaddr_in6 in6 = { .family = AF_INET6 };
	struct sockaddr_in in = { .family = AF_INET };

	if (family == AF_INET) {
		in.port = bpf_htons(BPF_CORE_READ(sk, __sk_common.skc_num));
		in.address = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		put_bytes(e, index, &in, sizeof(in));
	} else if (family == AF_INET6) {
		in6.port = bpf_htons(BPF_CORE_READ(sk, __sk_common.skc_num));
		bpf_core_read(in6.address, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		put_bytes(e, index, &in6, sizeof(in6));
	} else if (family == AF_UNIX) {
		put_unix_address(e, index, sk);
	}
}

/* put_remote_address stores the peer's address; false when the socket knows none. */
static __noinline bool put_remote_address(struct event *e, u32 index, struct sock *sk)
{
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	struct sockaddr_in6 in6 = { .family = AF_INET6 };
	struct sockaddr_in in = { .family = AF_INET };
	struct sock *peer;

	if (family == AF_INET) {
		in.port = BPF_CORE_READ(sk, __sk_common.skc_dport);
		in.address = BPF_CORE_READ(sk, __sk_common.skc_daddr);
		if (!in.address)
			return false;
		put_bytes(e, index, &in, sizeof(in));
		return true;
	}
	if (family == AF_INET6) {
		in6.port = BPF_CORE_READ(sk, __sk_common.skc_dport);
		bpf_core_read(in6.address, 16, &sk->__sk_common.skc_v6_daddr);
		if (!in6.port)
			return false;
		put_bytes(e, index, &in6, sizeof(in6));
		return true;
	}
	if (family != AF_UNIX)
		return false;
	peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
	if (!peer)
		return false;
	put_unix_address(e, index, peer);
	return true;
}

EXIT_TAIL(security_socket_create_exit)
{
	struct socket *socket = NULL;
	struct event *e;
	s32 fd = ret;

	if (ret < 0)
		return;
	if (nr == ID_socketpair && bpf_probe_read_user(&fd, sizeof(fd), (void *)args[3]))
		return;
	socket = task_socket(fd);
	if (!socket)
		return;
	e = event_begin(EVENT_security_socket_create, RUNG_TRACEPOINT);
	if (!e)
		return;
	security_socket_create_family(e, BPF_CORE_READ(socket, sk, __sk_common.skc_family));
	security_socket_create_type(e, BPF_CORE_READ(socket, type));
	security_socket_create_protocol(e, args[2]);
	security_socket_create_kern(e, 0);
	event_submit(e, 0);
}

LSM_HOOK4(socket_create, socket_create, int, family, int, type, int, protocol, int, kern)
{
	struct event *e = event_begin(EVENT_security_socket_create, rung);

	if (!e)
		return 0;
	security_socket_create_family(e, family);
	security_socket_create_type(e, type);
	security_socket_create_protocol(e, protocol);
	security_socket_create_kern(e, kern);
	return event_submit(e, 0);
}

/* put_caller_address stores an address as the caller gave it, and marks it: another may be in its place by now. */
static __always_inline void put_caller_address(struct event *e, u32 index, u64 address, u64 length)
{
	put_user_sockaddr(e, index, address, length & 0xffffffff);
	mark_truncated(e, index);
}

/* The LSM hook is not reached when the call fails before it: not a descriptor, not a socket, address unreadable. */
static __always_inline bool failed_before_hook(long ret)
{
	return ret == -EBADF || ret == -ENOTSOCK || ret == -EFAULT || ret == -EINVAL;
}

EXIT_TAIL(security_socket_connect_exit)
{
	struct socket *socket = failed_before_hook(ret) ? NULL : task_socket(args[0]);
	struct event *e;

	if (!socket)
		return;
	e = event_begin(EVENT_security_socket_connect, RUNG_TRACEPOINT);
	if (!e)
		return;
	security_socket_connect_sockfd(e, args[0]);
	/* A socket that failed to connect has forgotten its peer; then only the caller still has the address. */
	if ((ret != 0 && ret != -EINPROGRESS) ||
	    !put_remote_address(e, security_socket_connect_remote_addr, BPF_CORE_READ(socket, sk)))
		put_caller_address(e, security_socket_connect_remote_addr, args[1], args[2]);
	event_submit(e, ret);
}

/* put_given_address stores the kernel's copy of an address that the caller gave. */
static __noinline void put_given_address(struct event *e, u32 index, const void *address, u32 length)
{
	put_bytes(e, index, address, length > SOCKADDR_MAX ? SOCKADDR_MAX : length);
}

/*
 * put_sockfd stores the first argument of the syscall that the hook belongs to; what io_uring does has no descriptor
 * here.
 */
#define put_sockfd(e, setter, ids)               \
	do {                                     \
		struct call __call = {};         \
		s32 id;                          \
                                                 \
		call_current(&__call);           \
		id = __call.id;                  \
		if (ids)                         \
			setter(e, __call.args[0]); \
	} while (0)

LSM_HOOK3(socket_connect, socket_connect, struct socket *, socket, void *, address, int, length)
{
	struct event *e = event_begin(EVENT_security_socket_connect, rung);

	if (!e)
		return 0;
	put_sockfd(e, security_socket_connect_sockfd, id == ID_connect);
	put_given_address(e, security_socket_connect_remote_addr, address, length);
	return event_submit(e, 0);
}

LSM_HOOK3(socket_bind, socket_bind, struct socket *, socket, void *, address, int, length)
{
	struct event *e = event_begin(EVENT_security_socket_bind, rung);

	if (!e)
		return 0;
	put_sockfd(e, security_socket_bind_sockfd, id == ID_bind);
	put_given_address(e, security_socket_bind_local_addr, address, length);
	return event_submit(e, 0);
}

EXIT_TAIL(security_socket_bind_exit)
{
	struct socket *socket = failed_before_hook(ret) ? NULL : task_socket(args[0]);
	struct event *e;

	if (!socket)
		return;
	e = event_begin(EVENT_security_socket_bind, RUNG_TRACEPOINT);
	if (!e)
		return;
	security_socket_bind_sockfd(e, args[0]);
	if (ret == 0)
		put_local_address(e, security_socket_bind_local_addr, BPF_CORE_READ(socket, sk));
	else
		put_caller_address(e, security_socket_bind_local_addr, args[1], args[2]);
	event_submit(e, ret);
}

EXIT_TAIL(security_socket_listen_exit)
{
	struct socket *socket = failed_before_hook(ret) ? NULL : task_socket(args[0]);
	struct event *e;

	if (!socket)
		return;
	e = event_begin(EVENT_security_socket_listen, RUNG_TRACEPOINT);
	if (!e)
		return;
	security_socket_listen_sockfd(e, args[0]);
	put_local_address(e, security_socket_listen_local_addr, BPF_CORE_READ(socket, sk));
	security_socket_listen_backlog(e, args[1]);
	event_submit(e, ret);
}

LSM_HOOK2(socket_listen, socket_listen, struct socket *, socket, int, backlog)
{
	struct event *e = event_begin(EVENT_security_socket_listen, rung);

	if (!e)
		return 0;
	put_sockfd(e, security_socket_listen_sockfd, id == ID_listen);
	put_local_address(e, security_socket_listen_local_addr, BPF_CORE_READ(socket, sk));
	security_socket_listen_backlog(e, backlog);
	return event_submit(e, 0);
}

LSM_HOOK2(socket_accept, socket_accept, struct socket *, socket, struct socket *, accepted)
{
	struct event *e = event_begin(EVENT_security_socket_accept, rung);

	if (!e)
		return 0;
	put_sockfd(e, security_socket_accept_sockfd, id == ID_accept || id == ID_accept4);
	put_local_address(e, security_socket_accept_local_addr, BPF_CORE_READ(socket, sk));
	return event_submit(e, 0);
}

EXIT_TAIL(security_socket_accept_exit)
{
	struct socket *socket = failed_before_hook(ret) ? NULL : task_socket(args[0]);
	struct event *e;

	if (!socket)
		return;
	e = event_begin(EVENT_security_socket_accept, RUNG_TRACEPOINT);
	if (!e)
		return;
	security_socket_accept_sockfd(e, args[0]);
	put_local_address(e, security_socket_accept_local_addr, BPF_CORE_READ(socket, sk));
	event_submit(e, ret);
}

EXIT_TAIL(socket_dup)
{
	struct socket *socket;
	struct event *e;
	u16 family;

	if (ret < 0)
		return;
	if ((nr == ID_fcntl || nr == ID_fcntl64) && args[1] != F_DUPFD && args[1] != F_DUPFD_CLOEXEC)
		return;
	socket = task_socket(ret);
	if (!socket)
		return;
	family = BPF_CORE_READ(socket, sk, __sk_common.skc_family);
	if (family != AF_INET && family != AF_INET6 && family != AF_UNIX)
		return;
	e = event_begin(EVENT_socket_dup, RUNG_TRACEPOINT);
	if (!e)
		return;
	socket_dup_oldfd(e, args[0]);
	socket_dup_newfd(e, ret);
	put_remote_address(e, socket_dup_remote_addr, BPF_CORE_READ(socket, sk));
	event_submit(e, ret);
}

/* What socket_accept adds to security_socket_accept is the peer, which is there only when the call has returned. */
EXIT_TAIL(socket_accept)
{
	struct socket *socket = ret >= 0 ? task_socket(ret) : NULL;
	struct event *e;

	if (!socket)
		return;
	e = event_begin(EVENT_socket_accept, RUNG_TRACEPOINT);
	if (!e)
		return;
	socket_accept_sockfd(e, args[0]);
	put_local_address(e, socket_accept_local_addr, BPF_CORE_READ(socket, sk));
	put_remote_address(e, socket_accept_remote_addr, BPF_CORE_READ(socket, sk));
	event_submit(e, ret);
}

static __always_inline void put_setsockopt(struct event *e, struct socket *socket, int level, int optname)
{
	security_socket_setsockopt_level(e, level);
	security_socket_setsockopt_optname(e, optname);
	put_local_address(e, security_socket_setsockopt_local_addr, BPF_CORE_READ(socket, sk));
}

EXIT_TAIL(security_socket_setsockopt_exit)
{
	struct socket *socket = task_socket(args[0]);
	struct event *e;

	if (!socket || (s32)args[4] < 0) /* refused before the LSM hook */
		return;
	e = event_begin(EVENT_security_socket_setsockopt, RUNG_TRACEPOINT);
	if (!e)
		return;
	security_socket_setsockopt_sockfd(e, args[0]);
	put_setsockopt(e, socket, args[1], args[2]);
	event_submit(e, ret);
}

LSM_HOOK3(socket_setsockopt, socket_setsockopt, struct socket *, socket, int, level, int, optname)
{
	struct event *e = event_begin(EVENT_security_socket_setsockopt, rung);

	if (!e)
		return 0;
	put_sockfd(e, security_socket_setsockopt_sockfd, id == ID_setsockopt);
	put_setsockopt(e, socket, level, optname);
	return event_submit(e, 0);
}

/* A connection is begun when the socket has chosen its route and is about to send the first packet. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(net_tcp_connect, const struct sock *sk, int from, int to)
{
	u16 family = sk->__sk_common.skc_family;
	struct event *e;

	if (to != TCP_SYN_SENT || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	e = event_begin(EVENT_net_tcp_connect_base, RUNG_TRACEPOINT);
	if (!e)
		return 0;
	if (family == AF_INET6)
		put_bytes(e, net_tcp_connect_base_dst, &sk->__sk_common.skc_v6_daddr, 16);
	else
		put_bytes(e, net_tcp_connect_base_dst, &sk->__sk_common.skc_daddr, 4);
	net_tcp_connect_base_dst_port(e, bpf_ntohs(sk->__sk_common.skc_dport));
	return event_submit(e, 0);
}
