/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What artifacts are made of (package capture). Of a file that is written or read, user space is told where and how
 * much, with the bytes from the memory of the caller as long as the ring has room: they are all that is left of a file
 * which is gone before anybody could take hold of it. A file that user space has taken hold of (capture_copied) is
 * copied when it is closed, and passes here for the cost of a look-up.
 *
 * Seen after the syscall on every rung; memory and modules before it, while they are as the caller left them. Kernel
 * >= 5.10; memory >= 5.17 (bpf_find_vma).
 */
#pragma once

#define CAPTURE_WRITE 0
#define CAPTURE_READ 1
#define CAPTURE_PREFIXES 3
#define CAPTURE_WORDS 8 /* of eight bytes: a prefix has fifty bytes at most */

/* What --capture says about files: captureFilter in tracer/capture.go. */
struct capture_filter {
	u8 prefixes;
	u8 types;
	u8 descriptors;
	u8 lengths[CAPTURE_PREFIXES];
	u8 unused[2];
	u64 prefix[CAPTURE_PREFIXES][CAPTURE_WORDS];
	u64 mask[CAPTURE_PREFIXES][CAPTURE_WORDS]; /* of the bytes that count */
};

const volatile struct capture_filter capture_filters[2];
const volatile bool capture_all_interfaces;
const volatile u32 capture_snaplen = 65535;

struct capture_key {
	u64 inode;
	u32 dev;
	u32 generation;
};

/* Files that user space copies as a whole. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* set before loading */
	__type(key, struct capture_key);
	__type(value, u8);
} capture_copied SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* as many as there are names, set before loading */
	__type(key, u64[2]);
	__type(value, u8);
} capture_interfaces SEC(".maps");

/* All events here have the same arguments, so that one function makes them. */
_Static_assert(capture_file_write_bytes == capture_exec_bytes && capture_module_bytes == capture_exec_bytes &&
		       capture_mem_bytes == capture_exec_bytes && capture_file_read_bytes == capture_exec_bytes &&
		       capture_bpf_bytes == capture_exec_bytes,
	       "capture_step writes all of them");

/* capture_walk is a run of bytes that is sent piece by piece. */
struct capture_walk {
	struct file *file; /* NULL: memory */
	u64 from;          /* where the bytes are; 0: nowhere that could be read */
	u64 left;
	u64 pos;
	u64 address;
	u64 whole;
	u64 sequence;
	const char *name;
	u32 index;
	s32 fd;
	u32 filter;
	u32 rung;
};

/* capture_type is the bit of a type of files: Type in capture/options.go. */
static __always_inline u8 capture_type(umode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 1;
	case S_IFIFO:
		return 2;
	case S_IFSOCK:
		return 4;
	case S_IFCHR:
		return 8;
	case S_IFBLK:
		return 16;
	}
	return 0;
}

static __always_inline bool capture_is_copied(struct file *file)
{
	struct inode *inode = READ(file, f_inode);
	struct super_block *sb = READ(inode, i_sb);
	struct capture_key key = {
		.inode = READ(inode, i_ino),
		.dev = READ(sb, s_dev),
		.generation = READ(inode, i_generation),
	};

	return bpf_map_lookup_elem(&capture_copied, &key);
}

/* capture_file_passes decides what needs no path. */
static __always_inline bool capture_file_passes(const volatile struct capture_filter *filter, struct file *file,
						s32 fd)
{
	struct inode *inode = READ(file, f_inode);
	u8 type = capture_type(READ(inode, i_mode));

	if (!type || (filter->types && !(filter->types & type)))
		return false;
	if (filter->descriptors && (fd < 0 || fd > 2 || !(filter->descriptors >> fd & 1)))
		return false;
	return !filter->prefixes || type != 4; /* sockets have no path */
}

/* capture_path_passes says whether the path that was built in a buffer begins with a prefix, if there are any. */
__noinline int capture_path_passes(u32 number, u32 which)
{
	const volatile struct capture_filter *filter = &capture_filters[which & 1];
	struct event *e = event_at(number);
	const u64 *words;
	u32 at;

	if (!e)
		return 0;
	if (!filter->prefixes)
		return 1;
	at = e->path_at;
	if (at > VALUE_MAX)
		return 0;
	words = (void *)&e->path[at & PATH_MASK]; /* behind it is slack enough */
	for (u32 i = 0; i < CAPTURE_PREFIXES; i++) {
		u64 differs = 0;

		/* Without branches: the verifier would follow each. */
		for (u32 j = 0; j < CAPTURE_WORDS; j++)
			differs |= (words[j] ^ filter->prefix[i][j]) & filter->mask[i][j];
		if (i < filter->prefixes && filter->lengths[i] <= VALUE_MAX - at && !differs)
			return 1;
	}
	return 0;
}

/* put_captured_file stores what is known of the file; false: its path is not wanted. */
static __always_inline bool put_captured_file(struct event *e, struct capture_walk *walk)
{
	struct file *file = walk->file;
	struct vfsmount *mnt = READ(file, f_path.mnt);
	struct dentry *dentry = READ(file, f_path.dentry);
	struct inode *inode = READ(file, f_inode);
	struct super_block *sb = READ(inode, i_sb);

	path_build(e, mnt, READ(mnt, mnt_root), dentry);
	if (walk->filter <= CAPTURE_READ && !capture_path_passes(e->number, walk->filter))
		return false;
	if (dentry_deleted(dentry))
		e->path_whole = false;
	put_built_path(e, capture_exec_pathname);
	capture_exec_dev(e, READ(sb, s_dev));
	capture_exec_inode(e, READ(inode, i_ino));
	capture_exec_generation(e, READ(inode, i_generation));
	capture_exec_mode(e, READ(inode, i_mode));
	capture_exec_ctime(e, inode_ctime(false, inode));
	return true;
}

/* capture_step sends the next piece; 1: that was the last one. */
STEP capture_step(u32 i, struct capture_walk *walk)
{
	u64 n = walk->left;
	struct event *e = event_at(event_open(walk->index, EVENT_capture_exec_ARGS, walk->rung, false));

	if (!e)
		return 1;
	if (walk->file && !put_captured_file(e, walk)) {
		event_drop(e);
		return 1;
	}
	if (walk->from && n > BLOCK_MAX)
		n = BLOCK_MAX;
	capture_exec_fd(e, walk->fd);
	capture_exec_pos(e, walk->pos);
	capture_exec_size(e, n);
	capture_exec_address(e, walk->address);
	capture_exec_whole(e, walk->whole);
	capture_exec_sequence(e, walk->sequence);
	if (walk->name)
		put_str(e, capture_exec_name, walk->name);
	if (walk->from && n && chunk_room(bulk))
		put_user_block(e, capture_exec_bytes, walk->from, walk->from + n);
	event_submit(e, 0);
	walk->left -= n;
	walk->pos += n;
	if (walk->from)
		walk->from += n;
	return !walk->left;
}

#define CAPTURE_PIECES 512
#define CAPTURE_PIECES_UNROLLED 2

/* capture_wake makes the reader look now: what it has to take hold of may be gone soon. */
#define capture_wake(ring)                                                      \
	do {                                                                    \
		void *__nothing = bpf_ringbuf_reserve(&ring, 8, 0);             \
		if (__nothing)                                                  \
			bpf_ringbuf_discard(__nothing, BPF_RB_FORCE_WAKEUP);    \
	} while (0)

static __noinline int capture_pieces(struct capture_walk *walk)
{
	walk->sequence = bpf_ktime_get_boot_ns();
	repeat(CAPTURE_PIECES, CAPTURE_PIECES_UNROLLED, capture_step, walk);
	if (walk->left && walk->from) { /* what is too much for pieces */
		walk->from = 0;
		capture_step(0, walk);
	}
	capture_wake(bulk);
	return 0;
}

#define CAPTURE_VECTOR 64
#define CAPTURE_VECTOR_UNROLLED 4

struct capture_vector {
	struct capture_walk walk;
	u64 vector;
	u64 moved;
	u64 count;
	bool narrow;
};

/* capture_vector_step sends what one buffer of a vector has. */
STEP capture_vector_step(u32 i, struct capture_vector *v)
{
	u64 element[2] = {};
	u32 narrow[2] = {};
	u64 n;

	if (!v->moved || i >= v->count)
		return 1;
	if (v->narrow) {
		bpf_probe_read_user(narrow, sizeof(narrow), (void *)(v->vector + i * sizeof(narrow)));
		element[0] = narrow[0];
		element[1] = narrow[1];
	} else {
		bpf_probe_read_user(element, sizeof(element), (void *)(v->vector + i * sizeof(element)));
	}
	n = element[1] > v->moved ? v->moved : element[1];
	if (!n)
		return 0;
	v->moved -= n;
	v->walk.from = element[0];
	v->walk.left = n;
	if (capture_step(0, &v->walk))
		return 0;
	v->walk.from = 0; /* the rest of a long buffer */
	capture_step(0, &v->walk);
	return 0;
}

static __noinline int capture_vectors(struct capture_vector *v)
{
	repeat(CAPTURE_VECTOR, CAPTURE_VECTOR_UNROLLED, capture_vector_step, v);
	if (v->moved) {
		v->walk.from = 0;
		v->walk.left = v->moved;
		capture_step(0, &v->walk);
	}
	capture_wake(bulk);
	return 0;
}

/* capture_transfer sends what a call that reads or writes has moved. */
static __always_inline void capture_transfer(u32 index, u32 which, u32 mode, u32 nr, bool compat, const u64 args[6],
					     long ret)
{
	bool plain = nr == ID_write || nr == ID_pwrite64 || nr == ID_read || nr == ID_pread64;
	struct capture_vector v = {
		.walk = { .index = index, .filter = which, .fd = args[0], .rung = RUNG_TRACEPOINT },
	};
	struct file *file = ret > 0 ? task_file(args[0]) : NULL;
	s64 start;

	if (!file || !capture_file_passes(&capture_filters[which], file, args[0]))
		return;
	if (which == CAPTURE_WRITE && capture_is_copied(file))
		return;
	start = call_start(nr, compat, args, file, mode, ret);
	if (start < 0)
		return;
	v.walk.file = file;
	v.walk.pos = start;
	v.walk.whole = ret;
	if (plain) {
		v.walk.from = args[1];
		v.walk.left = ret;
		capture_pieces(&v.walk);
		return;
	}
	v.vector = args[1];
	v.count = args[2];
	v.moved = ret;
	v.narrow = narrow_pointers(compat);
	capture_vectors(&v);
}

/* capture_notice tells that a file changes without bytes that could be read from anybody's memory. */
static __always_inline void capture_notice(struct file *file, s32 fd, u64 size, u32 rung)
{
	struct capture_walk walk = {
		.index = EVENT_capture_file_write, .filter = CAPTURE_WRITE, .fd = fd, .rung = rung, .left = size,
	};

	if (!file || !capture_file_passes(&capture_filters[CAPTURE_WRITE], file, fd) || capture_is_copied(file))
		return;
	walk.file = file;
	walk.whole = size;
	walk.pos = -1; /* nobody knows */
	capture_pieces(&walk);
}

EXIT_TAIL(capture_write_exit)
{
	s32 fd = args[0];

	if (!event_selected(EVENT_capture_file_write))
		return;
	if (nr == ID_mmap || nr == ID_mmap2) {
		struct file *file = mapped_file(args, ret);

		if (file && args[3] & MAP_SHARED && READ(file, f_mode) & FMODE_WRITE)
			capture_notice(file, args[4], args[1], RUNG_TRACEPOINT);
		return;
	}
	if (ret <= 0)
		return;
	if (nr == ID_splice || nr == ID_copy_file_range)
		fd = args[2];
	else if (nr != ID_sendfile && nr != ID_sendfile32) {
		capture_transfer(EVENT_capture_file_write, CAPTURE_WRITE, FMODE_PWRITE, nr, compat, args, ret);
		return;
	}
	capture_notice(task_file(fd), fd, ret, RUNG_TRACEPOINT);
}

EXIT_TAIL(capture_read_exit)
{
	if (event_selected(EVENT_capture_file_read))
		capture_transfer(EVENT_capture_file_read, CAPTURE_READ, FMODE_PREAD, nr, compat, args, ret);
}

URING_TAIL(capture_write_uring)
{
	if (ret > 0 && event_selected(EVENT_capture_file_write))
		capture_notice(READ(req, file), -1, ret, RUNG_TRACEPOINT | BY_IO_URING);
}

/* The buffer of a request is in the memory of whoever submitted it, which may not be the current task's. */
URING_TAIL(capture_read_uring)
{
	struct capture_walk walk = {
		.index = EVENT_capture_file_read, .filter = CAPTURE_READ, .fd = -1,
		.rung = RUNG_TRACEPOINT | BY_IO_URING,
	};
	struct file *file = READ(req, file);

	if (ret <= 0 || !file || !event_selected(EVENT_capture_file_read) ||
	    !capture_file_passes(&capture_filters[CAPTURE_READ], file, -1))
		return;
	walk.file = file;
	walk.left = ret;
	walk.whole = ret;
	walk.pos = request_start(req, file, FMODE_PREAD, ret);
	capture_pieces(&walk);
}

#define CAPTURE_UNFILTERED 2 /* in place of a filter */

SEC("tp_btf/sched_process_exec")
int BPF_PROG(capture_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct capture_walk walk = {
		.index = EVENT_capture_exec, .filter = CAPTURE_UNFILTERED, .fd = -1, .rung = RUNG_TRACEPOINT,
	};

	if (!event_selected(EVENT_capture_exec))
		return 0;
	walk.file = unknown(bprm->file);
	capture_step(0, &walk);
	capture_wake(critical);
	return 0;
}

ENTER_TAIL(capture_module_enter)
{
	struct capture_walk walk = {
		.index = EVENT_capture_module, .filter = CAPTURE_UNFILTERED, .fd = -1, .rung = RUNG_TRACEPOINT,
	};

	if (!event_selected(EVENT_capture_module))
		return;
	if (nr == ID_finit_module) {
		walk.fd = args[0];
		walk.file = task_file(args[0]);
		if (!walk.file)
			return;
	} else {
		walk.address = walk.from = args[0];
		walk.left = walk.whole = args[1];
	}
	capture_pieces(&walk);
}

#ifndef WITHOUT_CALLBACKS
ENTER_TAIL(capture_mem_enter)
{
	struct capture_walk walk = {
		.index = EVENT_capture_mem, .filter = CAPTURE_UNFILTERED, .fd = -1, .rung = RUNG_TRACEPOINT,
	};
	struct mapping mapping;

	if (!event_selected(EVENT_capture_mem) || !(args[2] & PROT_EXEC) || args[2] & PROT_WRITE)
		return;
	mapping = mapping_at(task_current(), args[0]);
	if (!mapping.found || !(mapping.flags & VM_WRITE) || !(mapping.flags & VM_EXEC))
		return;
	walk.address = walk.from = args[0];
	walk.left = walk.whole = args[1];
	capture_pieces(&walk);
}
#endif

/* The beginning of union bpf_attr, as BPF_PROG_LOAD takes it (include/uapi/linux/bpf.h). */
struct prog_load_attr {
	u32 prog_type;
	u32 insn_cnt;
	u64 insns;
	u64 license;
	u32 log_level;
	u32 log_size;
	u64 log_buf;
	u32 kern_version;
	u32 prog_flags;
	char prog_name[16];
};

#define BPF_PROG_LOAD 5
#define BPF_INSN_SIZE 8

EXIT_TAIL(capture_bpf_exit)
{
	struct capture_walk walk = {
		.index = EVENT_capture_bpf, .filter = CAPTURE_UNFILTERED, .rung = RUNG_TRACEPOINT,
	};
	struct prog_load_attr attr = {};

	if (!event_selected(EVENT_capture_bpf) || (u32)args[0] != BPF_PROG_LOAD || ret < 0)
		return;
	if (bpf_probe_read_user(&attr, sizeof(attr), (void *)args[1]))
		return;
	attr.prog_name[15] = 0;
	walk.fd = ret;
	walk.name = attr.prog_name;
	walk.address = walk.from = attr.insns;
	walk.left = walk.whole = (u64)attr.insn_cnt * BPF_INSN_SIZE;
	capture_pieces(&walk);
}

#define CAPTURE_PACKET_PIECES 8

/* put_captured_packet stores as much of the packet as is wanted, and as the record has room for. */
static __always_inline void put_captured_packet(struct event *e, struct __sk_buff *skb)
{
	u32 begin = e->header.size, total = skb->len, done = 0;

	if (total > capture_snaplen)
		total = capture_snaplen;
	for (u32 i = 0; i < CAPTURE_PACKET_PIECES && done < total; i++) {
		u32 n = total - done;

		if (n > PACKET_MAX)
			n = PACKET_MAX;
		barrier_var(n); /* verifier: as in put_packet */
		n = ((n - 1) & (PACKET_MAX - 1)) + 1;
		if (e->header.size > BODY_MASK ||
		    bpf_skb_load_bytes(skb, done, &e->body[e->header.size & BODY_MASK], n))
			break;
		e->header.size += n;
		done += n;
	}
	put_u64(e, capture_pcap_data, (u64)begin | (u64)done << 32);
	if (done < skb->len)
		mark_truncated(e, capture_pcap_data);
}

static __always_inline bool capture_interface_passes(struct net_device *device)
{
	u64 name[2] = {};

	if (capture_all_interfaces)
		return true;
	return device && bpf_probe_read_kernel_str(name, sizeof(name), device->name) > 0 &&
	       bpf_map_lookup_elem(&capture_interfaces, name);
}

static __always_inline int capture_packet(struct __sk_buff *skb, bool outgoing)
{
	struct bpf_sock *sk = skb->sk ? bpf_sk_fullsock(skb->sk) : NULL;
	struct net_device *device = packet_device(skb);
	struct socket_owner *owner = NULL;
	struct packet packet = {};
	struct event *e;

	if (!packet_parse(skb, &packet) || !capture_interface_passes(device))
		return 1;
	if (packet.protocol != IPPROTO_TCP && packet.protocol != IPPROTO_UDP && packet.protocol != IPPROTO_ICMP &&
	    packet.protocol != IPPROTO_ICMPV6)
		return 1;
	if (sk) {
		owner = bpf_sk_storage_get(&socket_owners, sk, 0, 0);
		owner = owner_noted(owner, sk);
		if (outgoing)
			owner = owner_sending(owner, sk);
	}
	e = owner_event(owner, EVENT_capture_pcap, EVENT_capture_pcap_ARGS);
	if (!e)
		return 1;
	capture_pcap_outgoing(e, outgoing);
	capture_pcap_length(e, skb->len);
	if (device)
		put_str(e, capture_pcap_iface, device->name);
	put_captured_packet(e, skb);
	event_submit_bare(e, 0);
	return 1;
}

SEC("cgroup_skb/ingress")
int capture_packet_in(struct __sk_buff *skb)
{
	return capture_packet(skb, false);
}

SEC("cgroup_skb/egress")
int capture_packet_out(struct __sk_buff *skb)
{
	return capture_packet(skb, true);
}
