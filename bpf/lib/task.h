/* SPDX-License-Identifier: GPL-2.0 */
/* Facts about tasks, and the state that belongs to one. */
#pragma once

/* task_current returns the running task as a typed pointer, so that its fields are plain loads. Kernel >= 5.11. */
static __always_inline struct task_struct *task_current(void)
{
	return bpf_get_current_task_btf();
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

/* header_namespaces fills what needs the task's namespaces. Tasks outside of any pid namespace skip most of it. */
static __always_inline void header_namespaces(struct event_header *h, struct task_struct *task)
{
	struct task_struct *parent = task->real_parent;
	struct nsproxy *proxy = task->nsproxy;
	struct pid *pid = task->thread_pid;
	struct pid_namespace *ns;
	u32 level = pid->level;

	h->host_ppid = parent->tgid;
	h->mnt_ns = proxy->mnt_ns->ns.inum;
	text16_copy(h->uts, proxy->uts_ns->name.nodename);
	h->uts[sizeof(h->uts) - 1] = 0;
	if (level == 0) {
		h->pid_ns = pid->numbers[0].ns->ns.inum;
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

static __always_inline void slim_cred_read(struct slim_cred *to, const struct cred *cred)
{
	to->uid = BPF_CORE_READ(cred, uid.val);
	to->gid = BPF_CORE_READ(cred, gid.val);
	to->suid = BPF_CORE_READ(cred, suid.val);
	to->sgid = BPF_CORE_READ(cred, sgid.val);
	to->euid = BPF_CORE_READ(cred, euid.val);
	to->egid = BPF_CORE_READ(cred, egid.val);
	to->fsuid = BPF_CORE_READ(cred, fsuid.val);
	to->fsgid = BPF_CORE_READ(cred, fsgid.val);
	to->user_namespace = BPF_CORE_READ(cred, user_ns, ns.inum);
	to->securebits = BPF_CORE_READ(cred, securebits);
	bpf_core_read(&to->cap_inheritable, 8, &cred->cap_inheritable);
	bpf_core_read(&to->cap_permitted, 8, &cred->cap_permitted);
	bpf_core_read(&to->cap_effective, 8, &cred->cap_effective);
	bpf_core_read(&to->cap_bounding, 8, &cred->cap_bset);
	bpf_core_read(&to->cap_ambient, 8, &cred->cap_ambient);
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

/* What a task was before the operation it is in; valid flags say which part was taken. */
struct task_state {
	u32 valid;
	u32 memory_alert;
	char comm[16];
	struct slim_cred cred;
	struct task_namespaces namespaces;
	u64 execveat[2]; /* dirfd, flags */
};

#define STATE_COMM 1
#define STATE_IDENTITY 2
#define STATE_MEMORY 4
#define STATE_EXECVEAT 8
#define STATE_EXECVE 32
#define STATE_COMPAT 16 /* the exec that STATE_COMM is about came through the 32-bit ABI */

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_state);
} task_states SEC(".maps");

/* task_state returns the state of the current task, making it if there is none; NULL only when memory is short. */
static __always_inline struct task_state *task_state(void)
{
	return bpf_task_storage_get(&task_states, task_current(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

/* task_state_take returns the state if the part is valid, and marks that part as used. */
static __always_inline struct task_state *task_state_take(u32 part)
{
	struct task_state *state = bpf_task_storage_get(&task_states, task_current(), 0, 0);

	if (!state || !(state->valid & part))
		return NULL;
	state->valid &= ~part;
	return state;
}

/* task_file returns the open file behind a descriptor of the current task, NULL if there is none. */
static __always_inline struct file *task_file(u32 fd)
{
	struct fdtable *table = task_current()->files->fdt;
	struct file *file = NULL;

	if (fd >= table->max_fds)
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), &table->fd[fd]);
	return file;
}
