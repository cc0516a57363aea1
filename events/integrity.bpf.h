/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What rootkits change in open files: the functions that list the directories of /proc. Looked at after the calls that
 * list directories, so it costs nothing that others do with files.
 *
 * Kernel >= 5.10.
 */
#pragma once

#define PROC_SUPER_MAGIC 0x9fa0

/* Where the kernel's code and data are; set before loading if somebody asks. */
const volatile u64 kernel_start, kernel_text_end, kernel_end;

static __always_inline bool foreign(u64 address, u64 end)
{
	return address && (address < kernel_start || address >= end);
}

EXIT_TAIL(print_proc_fops_exit)
{
	struct file *file = event_selected(EVENT_print_proc_fops) ? task_file(args[0]) : NULL;
	struct file_operations *operations;
	struct super_block *sb;
	struct inode *inode;
	u64 iterate, shared;
	struct event *e;

	if (!file)
		return;
	inode = READ(file, f_inode);
	sb = READ(inode, i_sb);
	if (READ(sb, s_magic) != PROC_SUPER_MAGIC)
		return;
	operations = READ(file, f_op);
	iterate = file_operations_iterate(operations);
	shared = (u64)READ(operations, iterate_shared);
	if (!foreign((u64)operations, kernel_end) && !foreign(iterate, kernel_text_end) &&
	    !foreign(shared, kernel_text_end))
		return;
	e = event_begin(EVENT_print_proc_fops, RUNG_TRACEPOINT);
	if (!e)
		return;
	if (foreign((u64)operations, kernel_end))
		print_proc_fops_operations(e, (u64)operations);
	if (foreign(shared, kernel_text_end))
		print_proc_fops_iterate_shared(e, shared);
	if (foreign(iterate, kernel_text_end))
		print_proc_fops_iterate(e, iterate);
	event_submit(e, 0);
}
