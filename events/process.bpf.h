/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes: fork, exec, exit, rename, credentials and namespaces.
 *
 * All from BTF tracepoints of the scheduler and the task code (kernel >= 5.11 for typed tasks and task storage). The
 * executable, its arguments and environment come from linux_binprm and the new memory image, which the program can not
 * have touched yet.
 */
#pragma once

SEC("tp_btf/sched_process_fork" APART(sched_process_fork))
int BPF_PROG(sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct event *e = event_begin(EVENT_sched_process_fork, RUNG_TRACEPOINT);

	if (!e)
		return 0;
	sched_process_fork_parent_tid(e, parent->pid);
	sched_process_fork_parent_ns_tid(e, e->header.tid);
	sched_process_fork_parent_pid(e, parent->tgid);
	sched_process_fork_parent_ns_pid(e, e->header.pid);
	sched_process_fork_child_tid(e, child->pid);
	sched_process_fork_child_ns_tid(e, task_pid_in_own_namespace(child));
	sched_process_fork_child_pid(e, child->tgid);
	sched_process_fork_child_ns_pid(e, task_pid_in_own_namespace(child->group_leader));
	sched_process_fork_start_time(e, child->start_boottime);
	sched_process_fork_child_thread_entity_id(e, entity_id(child->pid, child->start_boottime));
	sched_process_fork_child_process_entity_id(e, entity_id(child->tgid, child->group_leader->start_boottime));
	return event_submit(e, 0);
}

SEC("tp_btf/sched_process_exit" APART(sched_process_exit))
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
	struct event *e = event_begin(EVENT_sched_process_exit, RUNG_TRACEPOINT);

	if (!e)
		return 0;
	sched_process_exit_exit_code(e, task->exit_code);
	sched_process_exit_process_group_exit(e, BPF_CORE_READ(task, signal, live.counter) == 0);
	return event_submit(e, 0);
}

/*
 * exit and exit_group do not return: who ends in one of them called it. The registers still say so, and with which
 * status, unless it was a signal that ended the task before the call began. To see the call as it is made would take
 * sys_enter, which costs every syscall of every process.
 */
SEC("tp_btf/sched_process_exit" APART(exit_called))
int BPF_PROG(exit_called, struct task_struct *task)
{
	struct call call;
	struct event *e;

	if (task->exit_code & EXIT_SIGNAL || task->flags & PF_KTHREAD)
		return 0;
	call_current(&call);
	if (call.id == ID_exit_group)
		e = event_begin(EVENT_exit_group, RUNG_NONE);
	else if (call.id == ID_exit)
		e = event_begin(EVENT_exit, RUNG_NONE);
	else
		return 0;
	if (!e)
		return 0;
	if (call.compat)
		e->header.flags |= FLAG_COMPAT;
	put_u64(e, 0, call.args[0]);
	return event_submit(e, 0);
}

/*
 * exec_remember_call notes which syscall the exec is, while the registers still say so. A program that the kernel
 * starts by itself made none.
 */
static __always_inline void exec_remember_call(struct task_state *state, struct task_struct *task)
{
	struct pt_regs *regs = task_registers(task);
	bool compat = task_in_compat_syscall(task); /* set_personality_64bit() is about to clear it */
	const struct syscall_spec *spec = syscall_spec_of(task_syscall_number(regs), compat);
	u64 args[6];

	if (!spec)
		return;
	if (compat)
		state->valid |= STATE_COMPAT;
	if (spec->event == EVENT_execve)
		state->valid |= STATE_EXECVE;
	if (spec->event != EVENT_execveat)
		return;
	task_syscall_args(regs, compat, args);
	state->execveat[0] = args[0];
	state->execveat[1] = args[4];
	state->valid |= STATE_EXECVEAT;
}

/*
 * Within an exec this runs in begin_new_exec(), after the last point of failure and before the new credentials are in
 * force: the last moment at which the old name and credentials are to be had.
 */
SEC("tp_btf/task_rename")
int BPF_PROG(exec_remember, struct task_struct *task, const char *comm)
{
	struct task_struct *current = task_current();
	struct task_state *state;

	if (task->pid != (s32)bpf_get_current_pid_tgid() || !BPF_CORE_READ_BITFIELD_PROBED(current, in_execve))
		return 0;
	state = task_state();
	if (!state)
		return 0;
	bpf_probe_read_kernel(state->comm, sizeof(state->comm), task->comm);
	slim_cred_read(&state->cred, current);
	state->valid |= STATE_COMM | STATE_IDENTITY;
	state->valid &= ~(STATE_COMPAT | STATE_EXECVE | STATE_EXECVEAT);
	exec_remember_call(state, current);
	return 0;
}

SEC("tp_btf/task_rename")
int BPF_PROG(task_rename, struct task_struct *task, const char *comm)
{
	struct event *e = event_begin(EVENT_task_rename, RUNG_TRACEPOINT);

	if (!e)
		return 0;
	put_str(e, task_rename_old_name, task->comm);
	put_str(e, task_rename_new_name, comm);
	put_syscall(e, task_rename_syscall);
	return event_submit(e, 0);
}

static __always_inline void put_argv(struct event *e, u32 index, struct mm_struct *mm)
{
	put_user_block(e, index, BPF_CORE_READ(mm, arg_start), BPF_CORE_READ(mm, arg_end));
}

static __always_inline void put_env(struct event *e, u32 index, struct mm_struct *mm)
{
	if (exec_env)
		put_user_block(e, index, BPF_CORE_READ(mm, env_start), BPF_CORE_READ(mm, env_end));
}

#define AUXV_WORDS 40 /* of mm_struct.saved_auxv; AT_BASE is among the first */

/* auxv_base returns the address at which the ELF interpreter was mapped, 0 if the file has none. */
static __noinline u64 auxv_base(struct mm_struct *mm)
{
	u64 auxv[AUXV_WORDS] = {};

	bpf_probe_read_kernel(auxv, sizeof(auxv), (void *)mm + bpf_core_field_offset(struct mm_struct, saved_auxv));
	for (int i = 0; i < AUXV_WORDS; i += 2) {
		if (auxv[i] == AT_BASE)
			return auxv[i + 1];
		if (auxv[i] == AT_NULL)
			break;
	}
	return 0;
}

/* put_interpreter stores the ELF interpreter: the file that is mapped where the loader put it. Kernel >= 5.17. */
static __always_inline void put_interpreter(struct event *e, struct task_struct *task)
{
	u64 base = auxv_base(TASK(task, mm));
	struct file *file = base ? mapping_at(task, base).file : NULL;
	struct inode *inode;

	if (!file)
		return;
	inode = BPF_CORE_READ(file, f_inode);
	put_file_path(e, sched_process_exec_interpreter_pathname, file);
	sched_process_exec_interpreter_dev(e, BPF_CORE_READ(inode, i_sb, s_dev));
	sched_process_exec_interpreter_inode(e, BPF_CORE_READ(inode, i_ino));
	sched_process_exec_interpreter_ctime(e, inode_ctime(false, inode));
}

SEC("tp_btf/sched_process_exec" APART(sched_process_exec))
int BPF_PROG(sched_process_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct event *e = event_begin(EVENT_sched_process_exec, RUNG_TRACEPOINT);
	struct mm_struct *mm = task->mm;
	struct file *file = bprm->file, *stdin;
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	if (!e)
		return 0;
	put_str(e, sched_process_exec_cmdpath, bprm->filename);
	put_file_path(e, sched_process_exec_pathname, file);
	sched_process_exec_dev(e, BPF_CORE_READ(inode, i_sb, s_dev));
	sched_process_exec_inode(e, BPF_CORE_READ(inode, i_ino));
	sched_process_exec_invoked_from_kernel(e, !!(BPF_CORE_READ(task, real_parent, flags) & PF_KTHREAD));
	sched_process_exec_ctime(e, inode_ctime(false, inode));
	stdin = task_file(0);
	if (stdin)
		sched_process_exec_stdin_type(e, BPF_CORE_READ(stdin, f_inode, i_mode) & S_IFMT);
	sched_process_exec_inode_mode(e, BPF_CORE_READ(inode, i_mode));
	sched_process_exec_argc(e, bprm->argc);
	sched_process_exec_envc(e, bprm->envc);
	put_str(e, sched_process_exec_interp, bprm->interp);
#ifndef WITHOUT_CALLBACKS
	put_interpreter(e, task_current());
#endif
	/* Last, so that long arguments take no room from anything else. */
	put_argv(e, sched_process_exec_argv, mm);
	put_env(e, sched_process_exec_env, mm);
	return event_submit(e, 0);
}

/*
 * An execve that succeeded. Its registers and its caller's memory are gone when it returns, so the event is made here,
 * from what the kernel took over: the name and the credentials of before come from exec_remember.
 */
static __always_inline void execve_succeeded(struct event *e, struct linux_binprm *bprm, u32 pathname, u32 argv,
					     u32 envp)
{
	struct mm_struct *mm = TASK(task_current(), mm);

	put_str(e, pathname, bprm->filename);
	put_argv(e, argv, mm);
	put_env(e, envp, mm);
	event_submit(e, 0);
}

/* execve_start is event_start under the name that the task had at the call, and the ABI that it made it by. */
static __always_inline struct event *execve_start(u32 index, u32 args, struct task_state *state)
{
	struct event *e = event_start_renamed(index, args, RUNG_NONE);

	if (e && state->valid & STATE_COMPAT)
		e->header.flags |= FLAG_COMPAT;
	return e;
}

SEC("tp_btf/sched_process_exec" APART(execve_success))
int BPF_PROG(execve_success, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct task_state *state = task_state_lookup();
	struct event *e;

	if (!state)
		return 0;
	if (state->valid & STATE_EXECVEAT && event_selected(EVENT_execveat)) {
		e = execve_start(EVENT_execveat, EVENT_execveat_ARGS, state);
		if (!e)
			return 0;
		put_u64(e, 0, state->execveat[0]);
		put_u64(e, 4, state->execveat[1]);
		execve_succeeded(e, bprm, 1, 2, 3);
	} else if (state->valid & STATE_EXECVE && event_selected(EVENT_execve)) {
		e = execve_start(EVENT_execve, EVENT_execve_ARGS, state);
		if (e)
			execve_succeeded(e, bprm, 0, 1, 2);
	}
	return 0;
}

ENTER_TAIL(identity_enter)
{
	struct task_state *state = task_state();
	struct task_struct *task = task_current();

	if (!state)
		return;
	slim_cred_read(&state->cred, task);
	task_namespaces_read(&state->namespaces, task);
	state->valid |= STATE_IDENTITY;
}

static __always_inline bool cred_differs(const struct slim_cred *a, const struct slim_cred *b)
{
	const u64 *x = (void *)a, *y = (void *)b;

	for (u32 i = 0; i < sizeof(*a) / sizeof(u64); i++) {
		if (x[i] != y[i])
			return true;
	}
	return false;
}

static __noinline int cred_event(const struct slim_cred *old, const struct slim_cred *new, u8 rung)
{
	struct event *e;

	if (!cred_differs(old, new))
		return 0;
	e = event_begin(EVENT_commit_creds, rung);
	if (!e)
		return 0;
	e->header.uid = new->uid; /* on every rung, the context is that after the change */
	put_bytes(e, commit_creds_old_cred, old, sizeof(*old));
	put_bytes(e, commit_creds_new_cred, new, sizeof(*new));
	put_syscall(e, commit_creds_syscall);
	return event_submit(e, 0);
}

/* cred_changed compares the credentials of the task with those that it had before. */
static __always_inline void cred_changed(struct task_state *state)
{
	struct slim_cred now;

	slim_cred_read(&now, task_current());
	cred_event(&state->cred, &now, RUNG_TRACEPOINT);
}

HOOK1(commit_creds, struct cred *, cred)
{
	struct slim_cred old, new;

	slim_cred_read(&old, task_current());
	slim_cred_copy(&new, false, cred);
	return cred_event(&old, &new, rung);
}

/* put_namespace stores a namespace if it changed: only those are arguments of the event. */
#define put_namespace(e, name, old, now)                       \
	do {                                                   \
		if ((old)->name != (now).name)                 \
			switch_task_ns_new_##name(e, (now).name); \
	} while (0)

static __always_inline void namespace_event(struct task_state *state)
{
	struct task_namespaces *old = &state->namespaces, now;
	struct event *e;

	task_namespaces_read(&now, task_current());
	if (old->mnt == now.mnt && old->pid == now.pid && old->uts == now.uts && old->ipc == now.ipc &&
	    old->net == now.net && old->cgroup == now.cgroup)
		return;
	e = event_begin(EVENT_switch_task_ns, RUNG_TRACEPOINT);
	if (!e)
		return;
	switch_task_ns_pid(e, e->header.host_tid);
	put_namespace(e, mnt, old, now);
	put_namespace(e, pid, old, now);
	put_namespace(e, uts, old, now);
	put_namespace(e, ipc, old, now);
	put_namespace(e, net, old, now);
	put_namespace(e, cgroup, old, now);
	event_submit(e, 0);
}

EXIT_TAIL(commit_creds)
{
	struct task_state *state = task_state_lookup();

	if (state && state->valid & STATE_IDENTITY)
		cred_changed(state);
}

EXIT_TAIL(switch_task_ns)
{
	struct task_state *state = task_state_lookup();

	if (state && state->valid & STATE_IDENTITY)
		namespace_event(state);
}

SEC("tp_btf/sched_process_exec" APART(commit_creds_exec))
int BPF_PROG(commit_creds_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct task_state *state = task_state_lookup();

	if (state && state->valid & STATE_IDENTITY)
		cred_changed(state);
	return 0;
}
