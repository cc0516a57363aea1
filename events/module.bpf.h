/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Code that comes into the kernel: the files that it reads for itself, modules, probes, and the symbols that are looked
 * up for them.
 *
 * Kernel >= 5.10.
 */
#pragma once

static __always_inline void read_file_event(u8 rung, struct file *file, s32 id)
{
	struct event *e = event_begin(EVENT_security_kernel_read_file, rung);
	struct super_block *sb;
	struct inode *inode;

	if (!e)
		return;
	inode = READ(file, f_inode);
	sb = READ(inode, i_sb);
	put_file_path(e, security_kernel_read_file_pathname, file);
	security_kernel_read_file_dev(e, READ(sb, s_dev));
	security_kernel_read_file_inode(e, READ(inode, i_ino));
	security_kernel_read_file_type(e, id);
	security_kernel_read_file_ctime(e, inode_ctime(false, inode));
	event_submit(e, 0);
}

static __always_inline void post_read_file_event(u8 rung, struct file *file, s64 size, s32 id)
{
	struct event *e = event_begin(EVENT_security_kernel_post_read_file, rung);

	if (!e)
		return;
	put_file_path(e, security_kernel_post_read_file_pathname, file);
	security_kernel_post_read_file_size(e, size);
	security_kernel_post_read_file_type(e, id);
	event_submit(e, 0);
}

LSM_HOOK2(kernel_read_file, kernel_read_file, struct file *, file, s32, id)
{
	read_file_event(rung, file, id);
	return 0;
}

LSM_HOOK4(kernel_post_read_file, kernel_post_read_file, struct file *, file, const char *, buffer, s64, size, s32, id)
{
	post_read_file_event(rung, file, size, id);
	return 0;
}

/* The files that a successful call made the kernel read. */
#define READ_FILES(file_read)                                                                              \
	do {                                                                                               \
		if (ret)                                                                                   \
			return;                                                                            \
		if (nr == ID_finit_module) {                                                               \
			file_read(args[0], bpf_core_enum_value(enum kernel_read_file_id, READING_MODULE)); \
			return;                                                                            \
		}                                                                                          \
		file_read(args[0], bpf_core_enum_value(enum kernel_read_file_id, READING_KEXEC_IMAGE));    \
		if (!(args[4] & KEXEC_FILE_NO_INITRAMFS))                                                  \
			file_read(args[1], bpf_core_enum_value(enum kernel_read_file_id,                   \
							       READING_KEXEC_INITRAMFS));                  \
	} while (0)

static __always_inline void descriptor_read(u32 fd, s32 id)
{
	struct file *file = task_file(fd);

	if (file)
		read_file_event(RUNG_TRACEPOINT, file, id);
}

EXIT_TAIL(security_kernel_read_file_exit)
{
	READ_FILES(descriptor_read);
}

static __always_inline void descriptor_was_read(u32 fd, s32 id)
{
	struct file *file = task_file(fd);
	struct inode *inode;

	if (!file)
		return;
	inode = READ(file, f_inode);
	post_read_file_event(RUNG_TRACEPOINT, file, READ(inode, i_size), id);
}

EXIT_TAIL(security_kernel_post_read_file_exit)
{
	READ_FILES(descriptor_was_read);
}

/* put_module_str copies a string that a module may lack. */
static __always_inline void put_module_str(struct event *e, u32 index, const char *str)
{
	if (str)
		put_str(e, index, str);
}

#define put_module(e, event, module)                                        \
	do {                                                                \
		put_str(e, event##_name, (module)->name);                   \
		put_module_str(e, event##_version, READ(module, version));  \
		put_module_str(e, event##_src_version, READ(module, srcversion)); \
	} while (0)

SEC("tp_btf/module_load")
int BPF_PROG(module_load, struct module *module)
{
	struct event *e = event_begin(EVENT_module_load, RUNG_TRACEPOINT);
	struct file *file = NULL;
	struct super_block *sb;
	struct inode *inode;
	u64 args[6];

	if (!e)
		return 0;
	put_module(e, module_load, module);
	if (current_syscall_id() == ID_finit_module) {
		struct task_struct *task = task_current();

		task_syscall_args(task_registers(task), task_in_compat_syscall(task), args);
		file = task_file(args[0]);
	}
	if (file) {
		inode = READ(file, f_inode);
		sb = READ(inode, i_sb);
		put_file_path(e, module_load_pathname, file);
		module_load_dev(e, READ(sb, s_dev));
		module_load_inode(e, READ(inode, i_ino));
		module_load_ctime(e, inode_ctime(false, inode));
	}
	return event_submit(e, 0);
}

SEC("tp_btf/module_free")
int BPF_PROG(module_free, struct module *module)
{
	struct event *e = event_begin(EVENT_module_free, RUNG_TRACEPOINT);

	if (!e)
		return 0;
	put_module(e, module_free, module);
	return event_submit(e, 0);
}

#define MODULES_IN_INIT 64

/* Neighbours of a module in the kernel's list before its init function ran, which may take it out of there. */
struct module_neighbours {
	struct list_head *prev, *next;
	char name[56]; /* the module is gone after an init function that failed */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MODULES_IN_INIT);
	__type(key, u64);
	__type(value, struct module_neighbours);
} modules_in_init SEC(".maps");

static __always_inline void put_neighbours(struct event *e, struct list_head *prev,
					   struct list_head *next)
{
	do_init_module_prev(e, (u64)prev);
	do_init_module_next(e, (u64)next);
	do_init_module_prev_next(e, (u64)READ(prev, next));
	do_init_module_next_prev(e, (u64)READ(next, prev));
}

SEC("fentry/do_init_module")
int BPF_PROG(do_init_module_enter, struct module *module)
{
	struct module_neighbours neighbours = {
		.prev = READ(module, list.prev),
		.next = READ(module, list.next),
	};
	u64 address = (u64)module;

	bpf_probe_read_kernel(neighbours.name, sizeof(neighbours.name), module->name);
	bpf_map_update_elem(&modules_in_init, &address, &neighbours, BPF_ANY);
	return 0;
}

static __always_inline int module_starts(u8 rung, struct module *module)
{
	struct event *e = event_begin(EVENT_do_init_module, rung);

	if (!e)
		return 0;
	put_module(e, do_init_module, module);
	put_neighbours(e, READ(module, list.prev), READ(module, list.next));
	return event_submit(e, 0);
}

static __always_inline int module_started(struct module *module, s32 ret)
{
	u64 address = (u64)module;
	struct module_neighbours *before = bpf_map_lookup_elem(&modules_in_init, &address);
	struct event *e = before ? event_begin(EVENT_do_init_module, RUNG_FENTRY) : NULL;

	if (e) {
		put_str(e, do_init_module_name, before->name);
		if (!ret) {
			put_module_str(e, do_init_module_version, READ(module, version));
			put_module_str(e, do_init_module_src_version, READ(module, srcversion));
		}
		put_neighbours(e, before->prev, before->next);
		event_submit(e, ret);
	}
	bpf_map_delete_elem(&modules_in_init, &address);
	return 0;
}

RETURN_OR_ENTRY1(do_init_module, struct module *, module)
{
	return returned ? module_started(module, ret) : module_starts(rung, module);
}

SEC("tp_btf/module_load")
int BPF_PROG(do_init_module_load, struct module *module)
{
	return module_starts(RUNG_TRACEPOINT, module);
}

HOOK1(register_kprobe, struct kprobe *, probe)
{
	struct event *e = event_begin(EVENT_kprobe_attach, rung);
	const char *symbol;

	if (!e)
		return 0;
	symbol = READ(probe, symbol_name);
	if (symbol)
		put_str(e, kprobe_attach_symbol_name, symbol);
	kprobe_attach_pre_handler_addr(e, (u64)READ(probe, pre_handler));
	kprobe_attach_post_handler_addr(e, (u64)READ(probe, post_handler));
	return event_submit(e, 0);
}

RETURN_OR_ENTRY1(kallsyms_lookup_name, const char *, name)
{
	struct event *e = event_begin(EVENT_kallsyms_lookup_name, rung);

	if (!e)
		return 0;
	put_str(e, kallsyms_lookup_name_symbol_name, name);
	if (returned)
		kallsyms_lookup_name_symbol_address(e, ret);
	return event_submit(e, 0);
}

HOOK1(add_taint, u32, flag)
{
	struct event *e = event_begin(EVENT_kernel_taint, rung);

	if (!e)
		return 0;
	kernel_taint_flag(e, flag);
	return event_submit(e, 0);
}
