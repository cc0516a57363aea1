/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel makes for its users, and rootkits for theirs: entries in /proc and debugfs, devices, and programs
 * that it starts by itself.
 *
 * Kernel >= 5.10.
 */
#pragma once

HOOK4(proc_create, const char *, name, umode_t, mode, const void *, parent, const void *, operations)
{
	struct event *e = event_begin(EVENT_proc_create, rung);

	if (!e)
		return 0;
	put_str(e, proc_create_name, name);
	proc_create_proc_ops_addr(e, (u64)operations);
	return event_submit(e, 0);
}

/* put_short_path stores a path within a file system that is known to have short ones; none stands for its root. */
static __always_inline void put_short_path(struct event *e, u32 index, struct dentry *dentry)
{
	if (!dentry) {
		put_str(e, index, "/");
		return;
	}
	path_build(e, NULL, NULL, dentry);
	e->path_whole = true; /* a walk without mounts ends at a root that it does not know */
	put_built_path(e, index);
}

static __always_inline int debugfs_file_event(u8 rung, const char *name, umode_t mode, struct dentry *parent,
					      u64 operations)
{
	struct event *e = event_begin(EVENT_debugfs_create_file, rung);

	if (!e)
		return 0;
	put_str(e, debugfs_create_file_file_name, name);
	put_short_path(e, debugfs_create_file_path, parent);
	debugfs_create_file_mode(e, mode);
	debugfs_create_file_proc_ops_addr(e, operations);
	return event_submit(e, 0);
}

HOOK5(debugfs_create_file, const char *, name, umode_t, mode, struct dentry *, parent, void *, data, u64, operations)
{
	return debugfs_file_event(rung, name, mode, parent, operations);
}

/* Since 6.13 debugfs_create_file() is a macro for this, whose sixth argument are the operations. */
SEC("fentry/debugfs_create_file_full")
int debugfs_create_file_full_fentry(u64 *ctx)
{
	return debugfs_file_event(RUNG_FENTRY, (const char *)ctx[0], ctx[1], (struct dentry *)ctx[2], ctx[5]);
}

SEC("kprobe/debugfs_create_file_full")
int debugfs_create_file_full_kprobe(struct pt_regs *ctx)
{
	return debugfs_file_event(RUNG_KPROBE, (const char *)REGISTER1, REGISTER2,
				  (struct dentry *)REGISTER3, REGISTER6);
}

HOOK2(debugfs_create_dir, const char *, name, struct dentry *, parent)
{
	struct event *e = event_begin(EVENT_debugfs_create_dir, rung);

	if (!e)
		return 0;
	put_str(e, debugfs_create_dir_name, name);
	put_short_path(e, debugfs_create_dir_path, parent);
	return event_submit(e, 0);
}

/* device_name is dev_name() of the kernel. */
static __always_inline const char *device_name(struct device *device)
{
	const char *initial = READ(device, init_name);

	return initial ? initial : READ(device, kobj.name);
}

HOOK1(device_add, struct device *, device)
{
	struct event *e = event_begin(EVENT_device_add, rung);
	struct device *parent;
	const char *name;

	if (!e)
		return 0;
	name = device_name(device);
	parent = READ(device, parent);
	if (name)
		put_str(e, device_add_name, name);
	if (parent)
		put_str(e, device_add_parent_name, device_name(parent));
	return event_submit(e, 0);
}

RETURN_OR_ENTRY5(__register_chrdev, u32, major, u32, minor, u32, count, const char *, name, u64, operations)
{
	struct event *e;

	if ((s32)ret < 0)
		return 0;
	e = event_begin(EVENT_register_chrdev, rung);
	if (!e)
		return 0;
	register_chrdev_requested_major_number(e, major);
	if (returned || major)
		register_chrdev_granted_major_number(e, major ? major : ret);
	put_str(e, register_chrdev_char_device_name, name);
	register_chrdev_char_device_fops(e, operations);
	return event_submit(e, 0);
}

#define KERNEL_STRINGS 512
#define KERNEL_STRINGS_UNROLLED 24

struct kernel_strings {
	struct event *e;
	char **array;
	u32 index;
	bool complete;
};

/* kernel_string copies one string; 1: the walk is over. */
STEP kernel_string(u32 i, struct kernel_strings *walk)
{
	struct event *e = walk->e;
	char *str = NULL;
	long n;

	bpf_probe_read_kernel(&str, sizeof(str), walk->array + i);
	if (!str) {
		walk->complete = true;
		return 1;
	}
	if (e->header.size > BODY_MASK)
		return 1;
	n = bpf_probe_read_kernel_str(&e->body[e->header.size & BODY_MASK], VALUE_MAX, str);
	if (n <= 0) {
		event_count(e->header.event, unreadable);
		return 1;
	}
	if (n == VALUE_MAX)
		mark_truncated(e, walk->index);
	e->header.size += n;
	return 0;
}

/* put_str_array copies the strings that a NULL-terminated array in the kernel's memory names. */
static __noinline void put_str_array(struct event *e, u32 index, char **array)
{
	struct kernel_strings walk = { .e = e, .array = array, .index = index };
	u32 begin = e->header.size;

	if (!array || tail_full(e, index))
		return;
	repeat(KERNEL_STRINGS, KERNEL_STRINGS_UNROLLED, kernel_string, &walk);
	if (!walk.complete)
		mark_truncated(e, index);
	put_u64(e, index, (u64)begin | (u64)(e->header.size - begin) << 32);
}

/* All ways to start a program from the kernel end here; call_usermodehelper() is only one of them. */
HOOK2(call_usermodehelper_exec, struct subprocess_info *, info, s32, wait)
{
	struct event *e = event_begin(EVENT_call_usermodehelper, rung);

	if (!e)
		return 0;
	put_str(e, call_usermodehelper_pathname, READ(info, path));
	put_str_array(e, call_usermodehelper_argv, READ(info, argv));
	put_str_array(e, call_usermodehelper_envp, READ(info, envp));
	call_usermodehelper_wait(e, wait);
	return event_submit(e, 0);
}

/* The program that was started, by a worker of the kernel. The first of all processes is none of those. */
SEC("tp_btf/sched_process_exec" APART(call_usermodehelper_started))
int BPF_PROG(call_usermodehelper_started, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	struct mm_struct *mm = task->mm;
	struct event *e;

	if (!(BPF_CORE_READ(task, real_parent, flags) & PF_KTHREAD) || task->tgid == 1)
		return 0;
	e = event_begin(EVENT_call_usermodehelper, RUNG_TRACEPOINT);
	if (!e)
		return 0;
	put_str(e, call_usermodehelper_pathname, bprm->filename);
	put_user_block(e, call_usermodehelper_argv, BPF_CORE_READ(mm, arg_start), BPF_CORE_READ(mm, arg_end));
	put_user_block(e, call_usermodehelper_envp, BPF_CORE_READ(mm, env_start), BPF_CORE_READ(mm, env_end));
	return event_submit(e, 0);
}
