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

/* All events here have the same arguments, so that one function makes them. */
_Static_assert(capture_file_write_bytes == capture_exec_bytes && capture_module_bytes == capture_exec_bytes &&
		       capture_mem_bytes == capture_exec_bytes && capture_file_read_bytes == capture_exec_bytes &&
		       capture_bpf_bytes == capture_exec_bytes,
	       "capture_step writes all of them");

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

/*
 * capture_file_passes decides what needs no path of a file that is written or read. This and what follows are global
 * functions of numbers, so that the verifier adds up what they cost and does not multiply it; a file whose type it
 * knows is made unknown() for them.
 */
__noinline int capture_file_passes(u32 which, u64 address, s32 fd)
{
	const volatile struct capture_filter *filter = &capture_filters[which & 1];
	struct file *file = (void *)address;
	struct inode *inode = READ(file, f_inode);
	u8 type = capture_type(READ(inode, i_mode));

	if (!type || (filter->types && !(filter->types & type)))
		return 0;
	if (filter->descriptors && (fd < 0 || fd > 2 || !(filter->descriptors >> fd & 1)))
		return 0;
	if (filter->prefixes && type == 4) /* sockets have no path */
		return 0;
	return which != CAPTURE_WRITE || !capture_is_copied(file);
}

/*
 * capture_begin takes a buffer for a walk and returns its number; NO_BUFFER: there is none, which is counted. The
 * buffer is given back by event_drop().
 */
__noinline u32 capture_begin(u32 index, u32 filter, s32 fd, u32 rung)
{
	struct event *walker;
	u8 lane;

	walker = event_buffer(&lane);
	if (!walker) {
		event_count(index, lost_no_buffer);
		return NO_BUFFER;
	}
	walker->number = bpf_get_smp_processor_id() * LANES + lane;
	__builtin_memset(&walker->capture, 0, sizeof(walker->capture));
	walker->capture.index = index;
	walker->capture.filter = filter;
	walker->capture.fd = fd;
	walker->capture.rung = rung;
	return walker->number;
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
__noinline int capture_step(u32 number)
{
	struct event *walker = event_at(number), *e;
	struct capture_walk *walk;
	u64 n;

	if (!walker)
		return 1;
	walk = &walker->capture;
	e = event_at(event_open(walk->index, EVENT_capture_exec_ARGS, walk->rung, false));
	if (e && walk->file && !put_captured_file(e, walk)) {
		event_drop(e);
		e = NULL;
	}
	if (!e) { /* nor would there be one for the rest */
		walk->left = walk->moved = 0;
		return 1;
	}
	n = walk->left;
	if (walk->from && n > BLOCK_MAX)
		n = BLOCK_MAX;
	capture_exec_fd(e, walk->fd);
	capture_exec_pos(e, walk->pos);
	capture_exec_size(e, n);
	capture_exec_address(e, walk->address);
	capture_exec_whole(e, walk->whole);
	capture_exec_sequence(e, walk->sequence);
	if (walk->index == EVENT_capture_bpf)
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

STEP capture_piece(u32 i, u32 *number)
{
	int last = capture_step(*number);

	barrier_var(last); /* verifier: it does not know what the function returns, as clang does */
	return last ? 1 : 0;
}

/* capture_pieces sends all of a walk, and ends it. */
__noinline int capture_pieces(u32 number)
{
	struct event *walker = event_at(number);
	struct capture_walk *walk;

	if (!walker)
		return 0;
	walk = &walker->capture;
	walk->sequence = bpf_ktime_get_boot_ns();
	repeat(CAPTURE_PIECES, CAPTURE_PIECES_UNROLLED, capture_piece, &number);
	if (walk->left && walk->from) { /* what is too much for pieces */
		walk->from = 0;
		capture_step(number);
	}
	reader_wake(bulk);
	event_drop(walker);
	return 0;
}

#define CAPTURE_VECTOR 64
#define CAPTURE_VECTOR_UNROLLED 4

/* capture_vector_step sends what one buffer of a vector has. */
STEP capture_vector_step(u32 i, u32 *number)
{
	struct event *walker = event_at(*number);
	struct capture_walk *walk;
	u64 element[2] = {};
	u32 narrow[2] = {};
	u64 n;

	if (!walker)
		return 1;
	walk = &walker->capture;
	if (!walk->moved || i >= walk->count)
		return 1;
	if (walk->narrow) {
		bpf_probe_read_user(narrow, sizeof(narrow), (void *)(walk->vector + i * sizeof(narrow)));
		element[0] = narrow[0];
		element[1] = narrow[1];
	} else {
		bpf_probe_read_user(element, sizeof(element), (void *)(walk->vector + i * sizeof(element)));
	}
	n = element[1] > walk->moved ? walk->moved : element[1];
	if (!n)
		return 0;
	walk->moved -= n;
	walk->from = element[0];
	walk->left = n;
	if (capture_step(*number))
		return 0;
	walk->from = 0; /* the rest of a long buffer */
	capture_step(*number);
	return 0;
}

/* capture_vectors is capture_pieces for what lies in several buffers. */
__noinline int capture_vectors(u32 number)
{
	struct event *walker = event_at(number);
	struct capture_walk *walk;

	if (!walker)
		return 0;
	walk = &walker->capture;
	walk->sequence = bpf_ktime_get_boot_ns();
	repeat(CAPTURE_VECTOR, CAPTURE_VECTOR_UNROLLED, capture_vector_step, &number);
	if (walk->moved) {
		walk->from = 0;
		walk->left = walk->moved;
		capture_step(number);
	}
	reader_wake(bulk);
	event_drop(walker);
	return 0;
}

/*
 * capture_call finds what a call has moved whose arguments are in the buffer of a walk; 0: it did not come as far as
 * the file.
 */
__noinline int capture_call(u32 number, u32 nr, bool compat, s64 ret)
{
	struct event *walker = event_at(number);
	bool plain = nr == ID_write || nr == ID_pwrite64 || nr == ID_read || nr == ID_pread64;
	struct capture_walk *walk;
	s64 start;

	if (!walker)
		return 0;
	walk = &walker->capture;
	start = call_start(nr, compat, walker->args, walk->file,
			   walk->filter == CAPTURE_WRITE ? FMODE_PWRITE : FMODE_PREAD, ret);
	if (start < 0)
		return 0;
	walk->pos = start;
	walk->whole = ret;
	if (plain) {
		walk->from = walker->args[1];
		walk->left = ret;
		return 1;
	}
	walk->vector = walker->args[1];
	walk->count = walker->args[2];
	walk->moved = ret;
	walk->narrow = narrow_pointers(compat);
	return 1;
}

/* capture_transfer sends what a call that reads or writes has moved. */
static __always_inline void capture_transfer(u32 index, u32 which, u32 nr, bool compat, const u64 args[6], long ret)
{
	struct file *file = ret > 0 ? task_file(args[0]) : NULL;
	struct event *walker;
	u32 number;

	if (!file || !capture_file_passes(which, (u64)file, args[0]))
		return;
	number = capture_begin(index, which, args[0], RUNG_TRACEPOINT);
	walker = event_at(number);
	if (!walker)
		return;
	walker->capture.file = file;
	for (u32 i = 0; i < 6; i++)
		walker->args[i] = args[i];
	if (!capture_call(number, nr, compat, ret))
		event_drop(walker);
	else if (walker->capture.vector)
		capture_vectors(number);
	else
		capture_pieces(number);
}

/* capture_notice tells that a file changes without bytes that could be read from anybody's memory. */
static __always_inline void capture_notice(struct file *file, s32 fd, u64 size, u32 rung)
{
	struct event *walker;
	u32 number;

	if (!file || !capture_file_passes(CAPTURE_WRITE, (u64)file, fd))
		return;
	number = capture_begin(EVENT_capture_file_write, CAPTURE_WRITE, fd, rung);
	walker = event_at(number);
	if (!walker)
		return;
	walker->capture.file = file;
	walker->capture.left = walker->capture.whole = size;
	walker->capture.pos = -1; /* nobody knows */
	capture_pieces(number);
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
		capture_transfer(EVENT_capture_file_write, CAPTURE_WRITE, nr, compat, args, ret);
		return;
	}
	capture_notice(task_file(fd), fd, ret, RUNG_TRACEPOINT);
}

EXIT_TAIL(capture_read_exit)
{
	if (event_selected(EVENT_capture_file_read))
		capture_transfer(EVENT_capture_file_read, CAPTURE_READ, nr, compat, args, ret);
}

URING_TAIL(capture_write_uring)
{
	if (ret > 0 && event_selected(EVENT_capture_file_write))
		capture_notice(unknown(READ(req, file)), -1, ret, RUNG_TRACEPOINT | BY_IO_URING);
}

/* The buffer of a request is in the memory of whoever submitted it, which may not be the current task's. */
URING_TAIL(capture_read_uring)
{
	struct file *file = unknown(READ(req, file));
	struct event *walker;
	u32 number;

	if (ret <= 0 || !file || !event_selected(EVENT_capture_file_read) ||
	    !capture_file_passes(CAPTURE_READ, (u64)file, -1))
		return;
	number = capture_begin(EVENT_capture_file_read, CAPTURE_READ, -1, RUNG_TRACEPOINT | BY_IO_URING);
	walker = event_at(number);
	if (!walker)
		return;
	walker->capture.file = file;
	walker->capture.left = walker->capture.whole = ret;
	walker->capture.pos = request_start(req, file, FMODE_PREAD, ret);
	capture_pieces(number);
}

#define CAPTURE_UNFILTERED 2 /* in place of a filter */

SEC("tp_btf/sched_process_exec" APART(capture_exec))
int BPF_PROG(capture_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct event *walker;
	u32 number;

	if (!event_selected(EVENT_capture_exec))
		return 0;
	number = capture_begin(EVENT_capture_exec, CAPTURE_UNFILTERED, -1, RUNG_TRACEPOINT);
	walker = event_at(number);
	if (!walker)
		return 0;
	walker->capture.file = unknown(bprm->file);
	capture_step(number);
	reader_wake(critical);
	event_drop(walker);
	return 0;
}

/* capture_memory sends what lies in the memory of the caller. */
static __always_inline void capture_memory(u32 index, u64 from, u64 size)
{
	u32 number = capture_begin(index, CAPTURE_UNFILTERED, -1, RUNG_TRACEPOINT);
	struct event *walker = event_at(number);

	if (!walker)
		return;
	walker->capture.address = walker->capture.from = from;
	walker->capture.left = walker->capture.whole = size;
	capture_pieces(number);
}

ENTER_TAIL(capture_module_enter)
{
	struct event *walker;
	struct file *file;
	u32 number;

	if (!event_selected(EVENT_capture_module))
		return;
	if (nr != ID_finit_module) {
		capture_memory(EVENT_capture_module, args[0], args[1]);
		return;
	}
	file = task_file(args[0]);
	if (!file)
		return;
	number = capture_begin(EVENT_capture_module, CAPTURE_UNFILTERED, args[0], RUNG_TRACEPOINT);
	walker = event_at(number);
	if (!walker)
		return;
	walker->capture.file = file;
	capture_pieces(number);
}

#ifndef WITHOUT_CALLBACKS
ENTER_TAIL(capture_mem_enter)
{
	struct mapping mapping;

	if (!event_selected(EVENT_capture_mem) || !(args[2] & PROT_EXEC) || args[2] & PROT_WRITE)
		return;
	mapping = mapping_at(task_current(), args[0]);
	if (mapping.found && mapping.flags & VM_WRITE && mapping.flags & VM_EXEC)
		capture_memory(EVENT_capture_mem, args[0], args[1]);
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
	struct prog_load_attr attr = {};
	struct event *walker;
	u32 number;

	if (!event_selected(EVENT_capture_bpf) || (u32)args[0] != BPF_PROG_LOAD || ret < 0)
		return;
	if (bpf_probe_read_user(&attr, sizeof(attr), (void *)args[1]))
		return;
	number = capture_begin(EVENT_capture_bpf, CAPTURE_UNFILTERED, ret, RUNG_TRACEPOINT);
	walker = event_at(number);
	if (!walker)
		return;
	attr.prog_name[15] = 0;
	__builtin_memcpy(walker->capture.name, attr.prog_name, sizeof(attr.prog_name));
	walker->capture.address = walker->capture.from = attr.insns;
	walker->capture.left = walker->capture.whole = (u64)attr.insn_cnt * BPF_INSN_SIZE;
	capture_pieces(number);
}
