/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who a socket belongs to. Packets come and go while somebody else is running, so what a record says about the task is
 * taken down when a task does something to the socket, and kept with the socket for as long as that lives:
 *
 *   - it creates the socket, connects it, sends to an address or receives from one: programs of the root cgroup;
 *   - TCP sends in the name of the task that holds the socket's lock, and all else in that of the task which calls:
 *     see owner_sending();
 *   - it accepts a connection: a tail of sys_exit. Until then a connection belongs to the owner of the listening
 *     socket, from which the kernel copies what is kept with it; if that is older than tracing, by listening_key();
 *   - it has the socket open when tracing begins: an iterator.
 *
 * The last two can not reach what is kept with the socket and leave a note, which the next packet finds. Needs storage
 * of sockets in all of these programs: kernel >= 5.9.
 */
#pragma once

struct socket_owner {
	struct bpf_spin_lock lock;
	u32 known;
	u32 flow;   /* how the connection was begun, if its begin was seen: FLOW_* */
	u32 pad;
	u64 socket; /* its address; another one: copied from the listening socket */
	struct event_header task;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct socket_owner);
} socket_owners SEC(".maps");

/* A socket, and what tells it from one that had the same address before. */
struct socket_key {
	u64 socket;
	u32 remote;
	__be16 remote_port;
	u16 local_port;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* set before loading, if a socket's owner matters */
	__type(key, struct socket_key);
	__type(value, struct event_header);
} socket_notes SEC(".maps");

static __always_inline struct socket_key socket_key(struct sock *sk)
{
	struct socket_key key = { .socket = (u64)sk };

	key.remote = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) /* the end differs most */
		bpf_core_read(&key.remote, 4, &sk->__sk_common.skc_v6_daddr.in6_u.u6_addr8[12]);
	key.remote_port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	key.local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	return key;
}

/*
 * listening_key is that of the socket which listens, or listened, where a TCP socket is: for connections of which
 * the kernel could copy nothing, because the listening socket is older than tracing.
 */
static __always_inline struct socket_key listening_key(struct sock *sk)
{
	struct socket_key key = { .socket = (u64)BPF_CORE_READ(sk, __sk_common.skc_net.net) };

	key.remote = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6)
		bpf_core_read(&key.remote, 4, &sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8[12]);
	key.local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	return key;
}

/* task_owns says whether sockets can belong to the task. One that is dying has lost its namespaces already. */
static __always_inline bool task_owns(struct task_struct *task)
{
	return !(TASK(task, flags) & PF_KTHREAD) && TASK(task, nsproxy);
}

/* task_comm reads the task's name; threads that the kernel made for io_uring go by that of their process. */
static __always_inline void task_comm(char to[16], struct task_struct *task)
{
	struct task_struct *named = task_is_io_worker(task) ? TASK(task, group_leader) : task;

	bpf_probe_read_kernel(to, 16, named->comm);
}

/* task_identify fills what a header says about the task. */
static __noinline int task_identify(struct event_header *to, struct task_struct *task)
{
	struct cred *cred = TASK(task, cred);

	to->host_pid = TASK(task, tgid);
	to->host_tid = TASK(task, pid);
	to->uid = TASK(cred, uid.val);
	to->start_time = TASK(task, start_boottime);
	to->process_start_time = process_start_time(task);
	to->cgroup_id = task_cgroup_id(task);
	task_comm(to->comm, task);
	header_namespaces(to, task);
	return 0;
}

/* owner_is says whether the owner is the task, as it is now. */
static __always_inline bool owner_is(struct socket_owner *owner, struct task_struct *task)
{
	struct cred *cred = TASK(task, cred);
	u64 comm[2] = {}, *known = (u64 *)owner->task.comm;

	if (!owner->known || owner->task.host_tid != TASK(task, pid) || owner->task.uid != TASK(cred, uid.val))
		return false;
	task_comm((char *)comm, task);
	return comm[0] == known[0] && comm[1] == known[1];
}

static __always_inline void owner_set(struct socket_owner *owner, u64 socket, const struct event_header *task)
{
	bpf_spin_lock(&owner->lock);
	owner->known = 1;
	owner->socket = socket;
	owner->task = *task;
	bpf_spin_unlock(&owner->lock);
}

/* owner_update makes the current task the owner, unless it is. */
static __always_inline void owner_update(struct socket_owner *owner, u64 socket)
{
	struct task_struct *task = task_current();
	struct event_header identity = {};

	if (!task_owns(task) || (owner->socket == socket && owner_is(owner, task)))
		return;
	task_identify(&identity, task);
	owner_set(owner, socket, &identity);
}

/* socket_address is the address of a socket of which the verifier knows. */
#define socket_address(sk) ((struct sock *)(u64)unknown((void *)(sk)))

/* owner_listening finds who listens where a socket is of which nothing is known. */
static __always_inline struct socket_owner *owner_listening(struct socket_owner *owner, struct bpf_sock *sk)
{
	struct socket_key key = listening_key(socket_address(sk));
	struct event_header *note = bpf_map_lookup_elem(&socket_notes, &key);

	if (!note && key.remote) {
		key.remote = 0; /* of any address */
		note = bpf_map_lookup_elem(&socket_notes, &key);
	}
	if (!note)
		return owner;
	if (!owner)
		owner = bpf_sk_storage_get(&socket_owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (owner)
		owner_set(owner, key.socket, note); /* as copied: who accepts is still to come */
	return owner;
}

/* owner_noted takes over what a program without access to the storage has left. */
static __always_inline struct socket_owner *owner_noted(struct socket_owner *owner, struct bpf_sock *sk)
{
	struct sock *socket = socket_address(sk);
	struct socket_key key;
	struct event_header *note;

	if (owner && owner->socket == (u64)socket)
		return owner;
	key = socket_key(socket);
	note = bpf_map_lookup_elem(&socket_notes, &key);
	if (!note)
		return (owner && owner->known) || sk->protocol != IPPROTO_TCP ? owner : owner_listening(owner, sk);
	if (!owner)
		owner = bpf_sk_storage_get(&socket_owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (owner)
		owner_set(owner, (u64)socket, note);
	bpf_map_delete_elem(&socket_notes, &key);
	return owner;
}

/* Where the registers of a syscall are on a task's stack, by the iterator; 0: see task_registers(). */
u32 registers_at;

/* task_calls_with says whether the task is in a syscall whose first argument is a descriptor of the socket. */
static __always_inline bool task_calls_with(struct task_struct *task, struct sock *sk)
{
	u32 at = registers_at ?: STACK_SIZE - bpf_core_type_size(struct pt_regs);
	const struct pt_regs *registers = BPF_CORE_READ(task, stack) + at;
	u32 first = address_syscall_first(registers, task_in_compat_syscall(task)); /* an int, if a descriptor */
	struct file *file = task_file(first);
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return false;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk) == sk;
}

/*
 * socket_sending says whether the current task sends what leaves the socket.
 *
 * A task that sends or receives by TCP holds the socket's lock for itself, and nobody else sends on the socket
 * meanwhile; while packets and timers are worked on for it, by whoever happens to run, the lock is not held that way.
 * Sockets that listen are worked on without it.
 *
 * Other sockets send within the call, but if the packet is encrypted by IPsec first: then whoever happens to run is in
 * another call.
 */
static __always_inline bool socket_sending(struct socket_owner *owner, struct bpf_sock *sk)
{
	struct sock *socket = socket_address(sk);
	struct task_struct *task = task_current();

	if (sk->protocol == IPPROTO_TCP)
		return sk->state != TCP_LISTEN && BPF_CORE_READ(socket, sk_lock.owned);
	if (owner && owner->socket == (u64)socket && owner_is(owner, task))
		return false;
	return task_owns(task) && task_calls_with(task, socket);
}

/* owner_sending makes the current task the owner of a socket which it sends on. */
static __always_inline struct socket_owner *owner_sending(struct socket_owner *owner, struct bpf_sock *sk)
{
	if (!socket_sending(owner, sk))
		return owner;
	if (!owner)
		owner = bpf_sk_storage_get(&socket_owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (owner)
		owner_update(owner, (u64)socket_address(sk));
	return owner;
}

/* packet_owner returns the owner of the socket that a packet is sent or received by, NULL if that is not known. */
static __always_inline struct socket_owner *packet_owner(struct __sk_buff *skb, bool outgoing)
{
	struct bpf_sock *sk = skb->sk ? bpf_sk_fullsock(skb->sk) : NULL;
	struct socket_owner *owner;

	if (!sk)
		return NULL;
	owner = bpf_sk_storage_get(&socket_owners, sk, 0, 0);
	owner = owner_noted(owner, sk);
	return outgoing ? owner_sending(owner, sk) : owner;
}

SEC("cgroup/sock_create")
int socket_created(struct bpf_sock *ctx)
{
	struct socket_owner *owner =
		bpf_sk_storage_get(&socket_owners, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (owner)
		owner_update(owner, (u64)socket_address(ctx));
	return 1;
}

static __always_inline int socket_used(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct socket_owner *owner;

	if (!sk)
		return 1;
	owner = bpf_sk_storage_get(&socket_owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (owner)
		owner_update(owner, (u64)socket_address(sk));
	return 1;
}

#define SOCKET_USED(section, name)            \
	SEC("cgroup/" section)                \
	int name(struct bpf_sock_addr *ctx)   \
	{                                     \
		return socket_used(ctx);      \
	}

SOCKET_USED("connect4", socket_connects4)
SOCKET_USED("connect6", socket_connects6)
SOCKET_USED("sendmsg4", socket_sends4)
SOCKET_USED("sendmsg6", socket_sends6)
SOCKET_USED("recvmsg4", socket_receives4)
SOCKET_USED("recvmsg6", socket_receives6)

/* socket_note leaves word of a socket's owner; flags as of bpf_map_update_elem. */
static __always_inline void socket_note(struct socket *socket, struct task_struct *task, u64 flags)
{
	struct sock *sk = BPF_CORE_READ(socket, sk);
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	struct event_header identity = {};
	struct socket_key key;

	if ((family != AF_INET && family != AF_INET6) || !task_owns(task))
		return;
	key = socket_key(sk);
	task_identify(&identity, task);
	bpf_map_update_elem(&socket_notes, &key, &identity, flags);
	if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_LISTEN)
		return;
	key = listening_key(sk);
	bpf_map_update_elem(&socket_notes, &key, &identity, flags);
}

static __always_inline bool owner_passes(const struct event_header *h, const struct container_group *container)
{
	u32 process = process_flags(h);

	return process_followed(process) ||
	       (process_passes(process) && container_passes(container) && scope_passes(h, process));
}

/*
 * owner_event is event_start for a record about the owner of a socket. When the owner is not known, the record says
 * nothing about a task; it passes only if nothing was asked of tasks.
 */
static __noinline struct event *owner_event(struct socket_owner *owner, u32 index, u32 args)
{
	struct container_group *container = NULL;
	struct event *e;
	u8 lane;

	if (!(owner && owner->known) && (scope_limited() || container_rule.active || process_rule.active))
		return NULL;
	e = event_buffer(&lane);
	if (!e) {
		event_count(index, lost_no_buffer);
		return NULL;
	}
	if (owner && owner->known) {
		bpf_spin_lock(&owner->lock);
		e->header = owner->task;
		bpf_spin_unlock(&owner->lock);
		container = group_container(e->header.cgroup_id);
		if (e->header.host_pid == own_pid || !owner_passes(&e->header, container)) {
			event_drop(e);
			return NULL;
		}
	} else {
		__builtin_memset(&e->header, 0, sizeof(e->header));
	}
	e->header.timestamp = bpf_ktime_get_boot_ns();
	e->header.present = 0;
	e->header.truncated = 0;
	e->header.event = index;
	e->header.cpu = bpf_get_smp_processor_id();
	e->header.rung = RUNG_CGROUP;
	e->header.flags = container && container->state ? FLAG_CONTAINER_STARTED : 0;
	e->header.lane = lane;
	e->header.size = args * sizeof(u64);
	e->number = e->header.cpu * LANES + lane;
	return e;
}
