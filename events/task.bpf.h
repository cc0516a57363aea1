/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel does for and with a task: switch to another, end it, ask for its privileges, read its program, and
 * make user namespaces.
 *
 * Kernel >= 5.10; the tracepoint of cap_capable since 6.14.
 */
#pragma once

SEC("tp_btf/sched_switch")
int BPF_PROG(sched_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct event *e = event_begin(EVENT_sched_switch, RUNG_TRACEPOINT);

	if (!e)
		return 0;
	sched_switch_cpu(e, bpf_get_smp_processor_id());
	sched_switch_prev_tid(e, prev->pid);
	put_str(e, sched_switch_prev_comm, prev->comm);
	sched_switch_next_tid(e, next->pid);
	put_str(e, sched_switch_next_comm, next->comm);
	return event_submit(e, 0);
}

static __always_inline int exit_event(u8 rung, s64 code)
{
	struct event *e = event_begin(EVENT_do_exit, rung);

	return e ? event_submit(e, code) : 0;
}

HOOK1(do_exit, s64, code)
{
	return exit_event(rung, code);
}

SEC("tp_btf/sched_process_exit" APART(do_exit_tracepoint))
int BPF_PROG(do_exit_tracepoint, struct task_struct *task)
{
	return exit_event(RUNG_TRACEPOINT, task->exit_code);
}

static __always_inline int capability_event(u8 rung, s32 capability)
{
	struct event *e = event_begin(EVENT_cap_capable, rung);

	if (!e)
		return 0;
	cap_capable_cap(e, capability);
	put_syscall(e, cap_capable_syscall);
	return event_submit(e, 0);
}

HOOK4(cap_capable, const struct cred *, cred, struct user_namespace *, ns, s32, capability, u32, options)
{
	if (options & CAP_OPT_NOAUDIT)
		return 0;
	return capability_event(rung, capability);
}

SEC("tp_btf/cap_capable")
int BPF_PROG(cap_capable_tracepoint, const struct cred *cred, struct user_namespace *target,
	     struct user_namespace *capable, int capability)
{
	return capability_event(RUNG_TRACEPOINT, capability);
}

static __always_inline void elf_event(u8 rung, struct file *file)
{
	struct inode *inode = READ(file, f_inode);
	struct event *e = event_begin(EVENT_load_elf_phdrs, rung);
	struct super_block *sb;

	if (!e)
		return;
	sb = READ(inode, i_sb);
	put_file_path(e, load_elf_phdrs_pathname, file);
	load_elf_phdrs_dev(e, READ(sb, s_dev));
	load_elf_phdrs_inode(e, READ(inode, i_ino));
	event_submit(e, 0);
}

HOOK2(load_elf_phdrs, const void *, header, struct file *, file)
{
	elf_event(rung, file);
	return 0;
}

#define ELF_MAGIC 0x464c457f /* "\x7fELF", little endian */

/* After an exec both files are there: the program, and its interpreter where that was mapped. */
SEC("tp_btf/sched_process_exec" APART(load_elf_phdrs_exec))
int BPF_PROG(load_elf_phdrs_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	u32 magic = 0;

	bpf_core_read(&magic, sizeof(magic), &bprm->buf);
	if (magic != ELF_MAGIC)
		return 0;
	elf_event(RUNG_TRACEPOINT, bprm->file);
#ifndef WITHOUT_CALLBACKS
	u64 base = auxv_base(task->mm);
	struct file *interpreter = base ? mapping_at(task_current(), base).file : NULL;

	if (interpreter)
		elf_event(RUNG_TRACEPOINT, interpreter);
#endif
	return 0;
}

static __always_inline int user_namespace_event(u8 rung, struct user_namespace *made)
{
	struct event *e = event_begin(EVENT_user_namespace_create, rung);

	if (!e)
		return 0;
	if (made) {
		struct user_namespace *parent = READ(made, parent);

		user_namespace_create_user_ns(e, READ(made, ns.inum));
		user_namespace_create_parent_user_ns(e, READ(parent, ns.inum));
	}
	put_syscall(e, user_namespace_create_syscall);
	return event_submit(e, 0);
}

RETURN_OR_ENTRY1(create_user_ns, struct cred *, cred)
{
	if ((s32)ret)
		return 0;
	return user_namespace_event(rung, returned ? READ(cred, user_ns) : NULL);
}

/* By clone and its like: the child has another one than its parent. */
SEC("tp_btf/sched_process_fork" APART(user_namespace_create_fork))
int BPF_PROG(user_namespace_create_fork, struct task_struct *parent, struct task_struct *child)
{
	struct user_namespace *made = child->cred->user_ns;

	if (made == parent->cred->user_ns)
		return 0;
	return user_namespace_event(RUNG_TRACEPOINT, made);
}

EXIT_TAIL(user_namespace_create_exit)
{
	struct cred *cred = TASK(task_current(), cred);

	if (ret == 0 && (args[0] & CLONE_NEWUSER))
		user_namespace_event(RUNG_TRACEPOINT, READ(cred, user_ns));
}
