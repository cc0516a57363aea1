/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keeps what filters ask of processes, see lib/process.h: at the fork, at the exec, and at the end, when the kernel
 * frees the task, behind which there are no events of it. These programs are attached before those of events, so that
 * an event is judged by what its process is. What was there before is taken down by an iterator; user space runs it
 * until nothing new is found, because a process may be visited before the one that it descends from.
 */
#pragma once

u32 processes_noted; /* by the iterator */

/* scope_buffer takes a buffer for a look at a task that makes no event; NULL: there is none, which is counted. */
static __always_inline struct event *scope_buffer(struct task_struct *task)
{
	struct event *e;
	u8 lane;

	e = event_buffer(&lane);
	if (!e) {
		event_count(EVENT_process_scope, lost_no_buffer);
		return NULL;
	}
	e->header.cpu = bpf_get_smp_processor_id();
	e->number = e->header.cpu * LANES + lane;
	e->header.event = EVENT_process_scope;
	e->header.flags = 0;
	e->header.present = 0;
	e->header.truncated = 0;
	e->header.size = EVENT_process_scope_ARGS * sizeof(u64);
	e->header.host_pid = TASK(task, tgid);
	e->header.process_start_time = process_start_time(task);
	return e;
}

/* scope_follow lets a task pass that has had no event so far. */
static __always_inline void scope_follow(struct task_struct *task)
{
	struct event *e;

	if (!process_rule.follow || TASK(task, tgid) == own_pid)
		return;
	e = scope_buffer(task);
	if (!e)
		return;
	header_fill(&e->header, task, NULL, task, false);
	event_drop(e);
}

/* process_kept is process_note that counts when there is no room. */
static __always_inline struct process *process_kept(u64 key)
{
	struct process *process = process_note(key);

	if (!process)
		event_count(EVENT_process_scope, lost_no_buffer);
	return process;
}

/* executable_note marks the process of a task if the verdict on its file is another than that on most. */
static __always_inline void executable_note(struct task_struct *task, u64 key, struct file *file)
{
	struct event *e = scope_buffer(task);
	struct process *process;
	bool other = false;

	if (!e)
		return;
	header_namespaces(&e->header, task);
	put_file_path(e, process_scope_pathname, file);
	if (e->header.present & 1) {
		u64 *slot = (void *)&e->body[process_scope_pathname * sizeof(u64)];

		other = text_verdict(e->number, *slot, 0, process_rule.patterns, process_rule.unlisted) !=
			process_rule.executable;
	}
	event_drop(e);
	process = other ? process_kept(key) : bpf_map_lookup_elem(&processes, &key);
	if (process)
		process->executable = other;
}

SEC("tp_btf/sched_process_fork" APART(scope_fork))
int BPF_PROG(scope_fork, struct task_struct *parent, struct task_struct *child)
{
	u64 key = entity_id(parent->tgid, parent->group_leader->start_boottime);
	struct process *maker, *made;

	if (child->pid != child->tgid)
		return 0;
	scope_follow(task_current());
	maker = bpf_map_lookup_elem(&processes, &key);
	if (!maker || !(maker->tree | maker->executable | maker->followed))
		return 0;
	made = process_kept(entity_id(child->tgid, child->start_boottime));
	if (!made)
		return 0;
	made->tree = maker->tree;
	made->executable = maker->executable;
	made->followed = maker->followed;
	return 0;
}

SEC("tp_btf/sched_process_exec" APART(scope_exec))
int BPF_PROG(scope_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	u64 key = entity_id(task->tgid, task->group_leader->start_boottime);
	struct process *process;

	if (process_rule.fresh && task->group_leader->start_boottime < tracing_since) {
		process = process_kept(key);
		if (process)
			process->executed = 1;
	}
	if (process_rule.executable)
		executable_note(task_current(), key, bprm->file);
	scope_follow(task_current());
	return 0;
}

SEC("tp_btf/sched_process_free")
int BPF_PROG(scope_free, struct task_struct *task)
{
	u64 key = entity_id(task->tgid, task->start_boottime);

	if (task->pid == task->tgid) /* a leader that another thread executed a program over has lost its number */
		bpf_map_delete_elem(&processes, &key);
	return 0;
}

/* tree_verdict is what tree says about a task that is there already: 0 if nothing yet. */
static __always_inline u8 tree_verdict(struct task_struct *task)
{
	struct task_struct *parent = BPF_CORE_READ(task, real_parent, group_leader);
	u32 pid = TASK(task, tgid), parent_pid = READ(parent, tgid);
	u64 key = entity_id(parent_pid, READ(parent, start_boottime));
	u8 *listed = bpf_map_lookup_elem(&process_roots, &pid);
	struct process *above;

	if (listed)
		return *listed;
	above = bpf_map_lookup_elem(&processes, &key);
	if (above && above->tree)
		return above->tree;
	listed = bpf_map_lookup_elem(&process_roots, &parent_pid);
	return listed ? *listed : 0;
}

SEC("iter/task")
int scope_existing(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct process *process;
	struct file *file;
	u8 tree = 0;
	u64 key;

	if (!task || task->pid != task->tgid)
		return 0;
	key = entity_id(task->tgid, task->start_boottime);
	file = process_rule.executable ? task_executable(task) : NULL;
	if (file)
		executable_note(task, key, file);
	if (process_rule.tree)
		tree = tree_verdict(task);
	process = tree ? process_kept(key) : NULL;
	if (process && !process->tree) {
		process->tree = tree;
		processes_noted++;
	}
	scope_follow(task);
	return 0;
}
