/* SPDX-License-Identifier: GPL-2.0 */
/* Facts about tasks, and the state that belongs to one. */
#pragma once

/*
 * task_current returns the running task: since 5.11 as a typed pointer, whose fields are plain loads, before that as an
 * address. TASK reads a field of either, or of what one leads to.
 */
static __always_inline struct task_struct *task_current(void)
{
	if (have_helper(get_current_task_btf))
		return bpf_get_current_task_btf();
	return (void *)bpf_get_current_task();
}

#define typed_tasks() have_helper(get_current_task_btf)
#define TASK(p, field) READ_AS(typed_tasks(), p, field)

static __always_inline bool task_in_compat_syscall(struct task_struct *task)
{
	return thread_in_compat_syscall(TASK(task, thread_info.status), TASK(task, thread_info.flags));
}

#define STACK_SIZE 16384 /* THREAD_SIZE of x86-64 and, with pages of 4 KiB, of arm64 */

/* task_registers returns the registers that the current task had when it entered the kernel. */
static __always_inline struct pt_regs *task_registers(struct task_struct *task)
{
	if (have_helper(task_pt_regs))
		return (void *)bpf_task_pt_regs(task);
	return BPF_CORE_READ(task, stack) + STACK_SIZE - bpf_core_type_size(struct pt_regs);
}

/* task_is_io_worker says that the kernel made the thread to do what its process submits to an io_uring. */
static __always_inline bool task_is_io_worker(struct task_struct *task)
{
	return TASK(task, flags) & PF_IO_WORKER;
}

/*
 * task_by_io_uring says that what the current task does was submitted through an io_uring: by a thread that the kernel
 * made for that, or in the call by which requests are submitted. What waited, and is done before the task returns from
 * another call, can not be told from that call.
 */
static __always_inline bool task_by_io_uring(struct task_struct *task)
{
	if (task_is_io_worker(task))
		return true;
	/* The number is the same in all ABIs. */
	return TASK(task, io_uring) && task_syscall_number(task_registers(task)) == ID_io_uring_enter;
}

/* pid_in_namespace returns the number that ns, at the given level, has for pid; 0 when pid is outside of ns. */
static __always_inline u32 pid_in_namespace(struct pid *pid, u32 level, struct pid_namespace *ns)
{
	struct upid upid = {};
	void *at;

	if (BPF_CORE_READ(pid, level) < level)
		return 0;
	at = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
	     level * bpf_core_type_size(struct upid);
	bpf_core_read(&upid.nr, sizeof(upid.nr), at + bpf_core_field_offset(struct upid, nr));
	bpf_core_read(&upid.ns, sizeof(upid.ns), at + bpf_core_field_offset(struct upid, ns));
	return !ns || upid.ns == ns ? upid.nr : 0;
}

static __always_inline struct pid_namespace *pid_namespace(struct pid *pid, u32 level)
{
	struct pid_namespace *ns = NULL;

	bpf_core_read(&ns, sizeof(ns),
		      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
			      level * bpf_core_type_size(struct upid) +
			      bpf_core_field_offset(struct upid, ns));
	return ns;
}

/* task_pid_in_own_namespace returns the task's number in the pid namespace that it lives in. */
static __always_inline u32 task_pid_in_own_namespace(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	u32 level = BPF_CORE_READ(pid, level);

	return level ? pid_in_namespace(pid, level, NULL) : BPF_CORE_READ(task, pid);
}

/* process_start_time returns when a thread's process began: with its leader, as whom a thread that execs goes on. */
static __always_inline u64 process_start_time(struct task_struct *task)
{
	struct task_struct *leader = TASK(task, group_leader);

	return TASK(leader, start_boottime);
}

/* header_namespaces fills what needs the task's namespaces. Tasks outside of any pid namespace skip most of it. */
static __always_inline void header_namespaces(struct event_header *h, struct task_struct *task)
{
	struct task_struct *parent = TASK(task, real_parent);
	struct nsproxy *proxy = TASK(task, nsproxy);
	struct uts_namespace *uts = TASK(proxy, uts_ns);
	struct mnt_namespace *mnt = TASK(proxy, mnt_ns);
	struct pid *pid = TASK(task, thread_pid);
	struct pid_namespace *ns;
	u32 level = TASK(pid, level);

	h->host_ppid = TASK(parent, tgid);
	h->parent_start_time = process_start_time(parent);
	h->mnt_ns = TASK(mnt, ns.inum);
	if (typed_tasks())
		text16_copy(h->uts, uts->name.nodename);
	else
		bpf_probe_read_kernel(h->uts, sizeof(h->uts), uts->name.nodename);
	h->uts[sizeof(h->uts) - 1] = 0;
	if (level == 0) {
		ns = TASK(pid, numbers[0].ns);
		h->pid_ns = TASK(ns, ns.inum);
		h->pid = h->host_pid;
		h->tid = h->host_tid;
		h->ppid = h->host_ppid;
		return;
	}
	/* Not through pid: before 6.3 the verifier allows no unknown offset from a typed pointer. */
	pid = BPF_CORE_READ(task, thread_pid);
	ns = pid_namespace(pid, level);
	h->pid_ns = BPF_CORE_READ(ns, ns.inum);
	h->tid = pid_in_namespace(pid, level, NULL);
	h->pid = pid_in_namespace(BPF_CORE_READ(task, group_leader, thread_pid), level, ns);
	h->ppid = pid_in_namespace(BPF_CORE_READ(parent, group_leader, thread_pid), level, ns);
}

/* The credentials that v0.8 shows; trace.SlimCred has the same layout. */
struct slim_cred {
	u32 uid, gid, suid, sgid, euid, egid, fsuid, fsgid;
	u32 user_namespace;
	u32 securebits;
	u64 cap_inheritable, cap_permitted, cap_effective, cap_bounding, cap_ambient;
};

/*
 * slim_cred_copy copies credentials whose type the verifier knows, or does not. What a capability set is made of
 * differs between kernels.
 */
static __always_inline void slim_cred_copy(struct slim_cred *to, bool known, struct cred *cred)
{
	struct user_namespace *user_ns = READ_AS(known, cred, user_ns);

	to->uid = READ_AS(known, cred, uid.val);
	to->gid = READ_AS(known, cred, gid.val);
	to->suid = READ_AS(known, cred, suid.val);
	to->sgid = READ_AS(known, cred, sgid.val);
	to->euid = READ_AS(known, cred, euid.val);
	to->egid = READ_AS(known, cred, egid.val);
	to->fsuid = READ_AS(known, cred, fsuid.val);
	to->fsgid = READ_AS(known, cred, fsgid.val);
	to->user_namespace = READ_AS(known, user_ns, ns.inum);
	to->securebits = READ_AS(known, cred, securebits);
	bpf_core_read(&to->cap_inheritable, 8, &cred->cap_inheritable);
	bpf_core_read(&to->cap_permitted, 8, &cred->cap_permitted);
	bpf_core_read(&to->cap_effective, 8, &cred->cap_effective);
	bpf_core_read(&to->cap_bounding, 8, &cred->cap_bset);
	bpf_core_read(&to->cap_ambient, 8, &cred->cap_ambient);
}

/* slim_cred_read copies the credentials of a task. */
static __always_inline void slim_cred_read(struct slim_cred *to, struct task_struct *task)
{
	slim_cred_copy(to, typed_tasks(), TASK(task, cred));
}

struct task_namespaces {
	u32 mnt, pid, uts, ipc, net, cgroup;
};

static __always_inline void task_namespaces_read(struct task_namespaces *to, struct task_struct *task)
{
	struct nsproxy *proxy = BPF_CORE_READ(task, nsproxy);

	to->mnt = BPF_CORE_READ(proxy, mnt_ns, ns.inum);
	to->pid = BPF_CORE_READ(proxy, pid_ns_for_children, ns.inum);
	to->uts = BPF_CORE_READ(proxy, uts_ns, ns.inum);
	to->ipc = BPF_CORE_READ(proxy, ipc_ns, ns.inum);
	to->net = BPF_CORE_READ(proxy, net_ns, ns.inum);
	to->cgroup = BPF_CORE_READ(proxy, cgroup_ns, ns.inum);
}

/* What a process does on a signal. */
struct signal_action {
	u64 handler, flags, mask;
};

/* What a task was before the operation it is in; valid flags say which part was taken. */
struct task_state {
	u64 start_time; /* of the task; only where it is found by address */
	u32 valid;
	u32 memory_alert;
	char comm[16];
	struct slim_cred cred;
	struct task_namespaces namespaces;
	u64 execveat[2]; /* dirfd, flags */
	struct signal_action action;
};

#define STATE_COMM 1
#define STATE_IDENTITY 2
#define STATE_MEMORY 4
#define STATE_EXECVEAT 8
#define STATE_COMPAT 16 /* the exec that STATE_COMM is about came through the 32-bit ABI */
#define STATE_EXECVE 32
#define STATE_SIGNAL 64

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} task_states SEC(".maps");

const struct task_state no_task_state = {};

/*
 * In place of task storage before 5.11, sized by user space. Nobody removes from it: what was not used for longest is
 * forgotten, and an address that another task had before is known by that one's start.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, u64);
	__type(value, struct task_state);
} task_states_by_address SEC(".maps");

/* task_state_lookup returns the state of the current task, NULL if it has none. */
static __always_inline struct task_state *task_state_lookup(void)
{
	struct task_struct *task = task_current();
	struct task_state *state;
	u64 address = (u64)task;

	if (have_helper(task_storage_get))
		return bpf_task_storage_get(&task_states, task, 0, 0);
	state = bpf_map_lookup_elem(&task_states_by_address, &address);
	if (!state)
		return NULL;
	/* A thread that executes a program takes over the start of its leader, which was before its own. */
	return TASK(task, start_boottime) <= state->start_time ? state : NULL;
}

/* task_state returns the state of the current task, making it if there is none; NULL only when memory is short. */
static __always_inline struct task_state *task_state(void)
{
	struct task_struct *task = task_current();
	struct task_state *state;
	u64 address = (u64)task;

	if (have_helper(task_storage_get))
		return bpf_task_storage_get(&task_states, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	state = task_state_lookup();
	if (state)
		return state;
	bpf_map_update_elem(&task_states_by_address, &address, &no_task_state, BPF_ANY);
	state = bpf_map_lookup_elem(&task_states_by_address, &address);
	if (state)
		state->start_time = TASK(task, start_boottime);
	return state;
}

/* task_state_take returns the state if the part is valid, and marks that part as used. */
static __always_inline struct task_state *task_state_take(u32 part)
{
	struct task_state *state = task_state_lookup();

	if (!state || !(state->valid & part))
		return NULL;
	state->valid &= ~part;
	return state;
}

/* task_file returns the open file behind a descriptor of the current task, NULL if there is none. */
static __always_inline struct file *task_file(u32 fd)
{
	struct task_struct *task = task_current();
	struct files_struct *files = TASK(task, files);
	struct fdtable *table = TASK(files, fdt);
	struct file *file = NULL;

	if (fd >= TASK(table, max_fds))
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), &TASK(table, fd)[fd]);
	return file;
}

/* A mapping of a task's memory. */
struct mapping {
	bool found;
	u64 start, end, flags;
	struct file *file; /* NULL: anonymous */
};

#ifndef WITHOUT_CALLBACKS
static long mapping_found(struct task_struct *task, struct vm_area_struct *vma, struct mapping *to)
{
	to->found = true;
	to->start = BPF_CORE_READ(vma, vm_start);
	to->end = BPF_CORE_READ(vma, vm_end);
	to->flags = BPF_CORE_READ(vma, vm_flags);
	to->file = BPF_CORE_READ(vma, vm_file);
	return 0;
}
#endif

/*
 * mapping_at finds the mapping at an address of the current task (bpf_find_vma, kernel >= 5.17); before that, and when
 * somebody else is changing the mappings, it finds none.
 */
static __always_inline struct mapping mapping_at(struct task_struct *task, u64 address)
{
	struct mapping mapping = {};

#ifndef WITHOUT_CALLBACKS
	bpf_find_vma(task, address, mapping_found, &mapping, 0);
#endif
	return mapping;
}
