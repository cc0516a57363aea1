/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What was there before tracing began, read by iterators (kernel >= 5.8), and which program each process runs, from
 * its fork to its end. An iterator visits all tasks, or all their open files; what it finds is written as records to
 * whoever reads the iterator, so nothing is lost for want of room in a ring.
 */
#pragma once

/* The contexts of iterators. They are not read by offset of a field, so they need no relocation. */
struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	u64 fd;
	struct file *file;
};

/* event_write hands the record to the reader of the iterator and gives the buffer back. */
static __always_inline int event_write(struct event *e, struct seq_file *seq)
{
	u64 bytes = e->header.size;

	if (bytes > BODY_MASK + 1 + VALUE_MAX) /* verifier: the put functions keep it below */
		bytes = BODY_MASK + 1 + VALUE_MAX;
	e->header.retval = 0;
	bpf_seq_write(seq, &e->header, bytes + sizeof(e->header)); /* what does not fit now is visited again */
	event_drop(e);
	return 0;
}

/* existing_begin is event_begin for a task that an iterator visits. */
#define existing_begin(task, index)                                                                        \
	(event_selected(index) ? event_at(event_open_of(task, NULL, index, index##_ARGS, RUNG_NONE)) : NULL)

static __always_inline struct file *task_executable(struct task_struct *task)
{
	struct mm_struct *mm = READ(task, mm);

	return mm ? READ(mm, exe_file) : NULL;
}

SEC("iter/task")
int process_image_existing(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct file *file;
	struct event *e;

	if (!task || task->pid != task->tgid)
		return 0;
	file = task_executable(task);
	if (!file)
		return 0;
	e = existing_begin(task, EVENT_process_image);
	if (!e)
		return 0;
	process_image_process(e, entity_id(task->tgid, task->start_boottime));
	put_file_path(e, process_image_pathname, file);
	return event_write(e, seq);
}

SEC("tp_btf/sched_process_exec" APART(process_image_exec))
int BPF_PROG(process_image_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct event *e = event_begin(EVENT_process_image, RUNG_NONE);

	if (!e)
		return 0;
	process_image_process(e, entity_id(e->header.host_pid, e->header.process_start_time));
	put_file_path(e, process_image_pathname, bprm->file);
	return event_submit(e, 0);
}

/* A new process runs what its maker does. */
SEC("tp_btf/sched_process_fork" APART(process_image_fork))
int BPF_PROG(process_image_fork, struct task_struct *parent, struct task_struct *child)
{
	struct event *e;

	if (child->pid != child->tgid || !child->mm)
		return 0;
	e = event_begin(EVENT_process_image, RUNG_NONE);
	if (!e)
		return 0;
	process_image_process(e, entity_id(child->tgid, child->start_boottime));
	process_image_maker(e, entity_id(e->header.host_pid, e->header.process_start_time));
	return event_submit(e, 0);
}

SEC("tp_btf/sched_process_exit" APART(process_image_exit))
int BPF_PROG(process_image_exit, struct task_struct *task)
{
	struct event *e;

	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	e = event_begin(EVENT_process_image, RUNG_NONE);
	if (!e)
		return 0;
	process_image_process(e, entity_id(e->header.host_pid, e->header.process_start_time));
	return event_submit(e, 0);
}

SEC("iter/task")
int existing_process(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct slim_cred cred;
	struct inode *inode;
	struct file *file;
	struct event *e;

	if (!task || task->pid != task->tgid)
		return 0;
	e = existing_begin(task, EVENT_existing_process);
	if (!e)
		return 0;
	slim_cred_read(&cred, task);
	put_bytes(e, existing_process_cred, &cred, sizeof(cred));
	file = task_executable(task);
	if (file) {
		inode = READ(file, f_inode);
		existing_process_dev(e, BPF_CORE_READ(inode, i_sb, s_dev));
		existing_process_inode(e, READ(inode, i_ino));
		put_file_path(e, existing_process_pathname, file);
	}
	return event_write(e, seq);
}

#define TYPE(mode) (1 << (((mode) & S_IFMT) >> 12)) /* of a file, as one bit */

/*
 * EXISTING declares a program that visits the files of these types which processes have open. The body fills the rest
 * of the event whose name it has, and returns whether that is to be recorded.
 */
#define EXISTING(name, types, descriptor)                                                                  \
	static __always_inline bool name##_body(struct event *e, struct file *file, struct inode *inode);  \
	SEC("iter/task_file")                                                                              \
	int name(struct bpf_iter__task_file *ctx)                                                          \
	{                                                                                                  \
		struct seq_file *seq = ctx->meta->seq;                                                     \
		struct task_struct *task = ctx->task;                                                      \
		struct file *file = ctx->file;                                                             \
		struct inode *inode;                                                                       \
		struct event *e;                                                                           \
                                                                                                           \
		if (!task || !file || task->pid != task->tgid)                                             \
			return 0;                                                                          \
		inode = READ(file, f_inode);                                                               \
		if (!(TYPE(READ(inode, i_mode)) & (types)))                                                \
			return 0;                                                                          \
		e = existing_begin(task, EVENT_##name);                                                    \
		if (!e)                                                                                    \
			return 0;                                                                          \
		name##_##descriptor(e, ctx->fd);                                                           \
		if (name##_body(e, file, inode))                                                           \
			return event_write(e, seq);                                                        \
		event_drop(e);                                                                             \
		return 0;                                                                                  \
	}                                                                                                  \
	static __always_inline bool name##_body(struct event *e, struct file *file, struct inode *inode)

EXISTING(existing_file, TYPE(S_IFREG) | TYPE(S_IFDIR) | TYPE(S_IFCHR) | TYPE(S_IFBLK), fd)
{
	existing_file_flags(e, READ(file, f_flags));
	existing_file_dev(e, BPF_CORE_READ(inode, i_sb, s_dev));
	existing_file_inode(e, READ(inode, i_ino));
	put_file_path(e, existing_file_pathname, file);
	return true;
}

EXISTING(existing_socket, TYPE(S_IFSOCK), sockfd)
{
	struct socket *socket = READ(file, private_data);
	struct sock *sk = READ(socket, sk);

	if (!sk)
		return false;
	existing_socket_family(e, BPF_CORE_READ(sk, __sk_common.skc_family));
	existing_socket_type(e, READ(socket, type));
	existing_socket_protocol(e, READ(sk, sk_protocol));
	existing_socket_state(e, BPF_CORE_READ(sk, __sk_common.skc_state));
	put_local_address(e, existing_socket_local_addr, sk);
	put_remote_address(e, existing_socket_remote_addr, sk);
	return true;
}
