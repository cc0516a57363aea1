/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files that have changed between opening and closing. What is compared is the time of the last change of the inode, so
 * it does not matter how it was changed: by which call, through a mapping, by io_uring.
 *
 * A file is compared when its last descriptor is about to go: before a call that closes, before an exec, and when a
 * process ends. There the file is still in the table, and the process in its namespaces.
 *
 * Kernel >= 5.10.
 */
#pragma once

#define MODIFICATIONS 10240

/* An open file that may change. */
struct modification {
	u64 inode; /* its address: that of the file may be used again, for one that is not ours */
	u64 ctime; /* 0: opening changed it */
	u64 walk;  /* that counts */
	u64 closing;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MODIFICATIONS);
	__type(key, u64);
	__type(value, struct modification);
} modifications SEC(".maps");

static __always_inline void modification_begin(struct file *file, u32 flags)
{
	struct inode *inode = READ(file, f_inode);
	struct modification begun = { .inode = (u64)inode };
	u64 key = (u64)file;

	if (!(READ(file, f_mode) & FMODE_WRITE) || !file_is_regular(file))
		return;
	if (!file_was_emptied(file, flags))
		begun.ctime = inode_ctime(false, inode);
	bpf_map_update_elem(&modifications, &key, &begun, BPF_ANY);
}

EXIT_TAIL(file_modification_open)
{
	struct file *file = ret >= 0 ? task_file(ret) : NULL;

	if (file)
		modification_begin(file, open_creation_flags(nr, args));
}

URING_TAIL(file_modification_uring)
{
	struct file *file = result_file(req, READ((struct io_open *)req, file_slot), ret);

	if (file)
		modification_begin(file, request_open_flags(req));
}

/*
 * modification_end looks at a file of which one more descriptor is about to be closed: with others in the same walk
 * over a table of descriptors, or alone (walk 0). It is a global function, because those are verified once, and not
 * again for every round of a loop.
 */
__noinline int modification_end(u64 address, u64 walk)
{
	struct modification *begun = bpf_map_lookup_elem(&modifications, &address);
	struct file *file = (void *)address;
	struct super_block *sb;
	struct inode *inode;
	struct event *e;
	u64 before, now;

	if (!begun)
		return 0;
	inode = READ(file, f_inode);
	if (begun->inode != (u64)inode)
		return 0;
	if (!walk || begun->walk != walk)
		begun->closing = 0;
	begun->walk = walk;
	begun->closing++;
	if (begun->closing < file_references(file))
		return 0;
	before = begun->ctime;
	now = inode_ctime(false, inode);
	bpf_map_delete_elem(&modifications, &address);
	if (before == now)
		return 0;
	e = event_begin(EVENT_file_modification, RUNG_TRACEPOINT);
	if (!e)
		return 0;
	sb = READ(inode, i_sb);
	put_file_path(e, file_modification_file_path, file);
	file_modification_dev(e, READ(sb, s_dev));
	file_modification_inode(e, READ(inode, i_ino));
	if (before)
		file_modification_old_ctime(e, before);
	file_modification_new_ctime(e, now);
	event_submit(e, 0);
	return 0;
}

#define DESCRIPTORS 4096
#define DESCRIPTORS_UNROLLED 64

struct descriptor_walk {
	u32 first, last;
	bool on_exec; /* only those that an exec closes */
	u64 id;
};

STEP descriptor_step(u32 i, struct descriptor_walk *walk)
{
	struct task_struct *task = task_current();
	struct files_struct *files = TASK(task, files);
	struct fdtable *table = TASK(files, fdt);
	u32 fd = walk->first + i;
	unsigned long word = 0;
	struct file *file;

	if (fd > walk->last || fd >= TASK(table, max_fds))
		return 1;
	if (walk->on_exec) {
		bpf_probe_read_kernel(&word, sizeof(word), TASK(table, close_on_exec) + fd / 64);
		if (!(word >> (fd & 63) & 1))
			return 0;
	}
	file = task_file(fd);
	if (file)
		modification_end((u64)file, walk->id);
	return 0;
}

static __always_inline void descriptors_end(u32 first, u32 last, bool on_exec)
{
	struct descriptor_walk walk = { .first = first, .last = last, .on_exec = on_exec, .id = bpf_ktime_get_ns() };

	repeat(DESCRIPTORS, DESCRIPTORS_UNROLLED, descriptor_step, &walk);
}

ENTER_TAIL(file_modification_close)
{
	u32 fd = nr == ID_dup2 || nr == ID_dup3 ? args[1] : args[0];
	struct file *file;

	if (nr == ID_close_range) {
		if (!(args[2] & CLOSE_RANGE_CLOEXEC))
			descriptors_end(args[0], args[1], false);
		return;
	}
	if (nr != ID_close && fd == (u32)args[0])
		return;
	file = task_file(fd);
	if (file)
		modification_end((u64)file, 0);
}

ENTER_TAIL(file_modification_exec)
{
	descriptors_end(0, -1, true);
}

/* Files are shared by the threads of a process; the last one closes them. */
SEC("tp_btf/sched_process_exit" APART(file_modification_exit))
int BPF_PROG(file_modification_exit, struct task_struct *task)
{
	struct files_struct *files = task->files;

	if (files && files->count.counter == 1)
		descriptors_end(0, -1, false);
	return 0;
}
