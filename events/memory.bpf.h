/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory: what is mapped and how it is protected, on the LSM hooks mmap_file and file_mprotect, which see a change
 * before it is made. On the tracepoint rung after the syscall, from the mapping at the address (bpf_find_vma, kernel
 * >= 5.17); the protection of before is read at entry, because the call replaces it.
 */
#pragma once

#define ALERT_MMAP_WX 1
#define ALERT_MPROTECT_X_ADD 2
#define ALERT_MPROTECT_W_ADD 3
#define ALERT_MPROTECT_W_REM 4

/* protection_alert compares what is asked for with what is: 0 when it is nothing to tell of. */
static __always_inline u32 protection_alert(u64 flags, u64 requested)
{
	bool was_x = flags & VM_EXEC, was_w = flags & VM_WRITE;
	bool to_x = requested & PROT_EXEC, to_w = requested & PROT_WRITE;

	if (!was_x && to_x)
		return ALERT_MPROTECT_X_ADD;
	if (was_x && !was_w && to_x && to_w)
		return ALERT_MPROTECT_W_ADD;
	if (was_x && was_w && to_x && !to_w)
		return ALERT_MPROTECT_W_REM;
	return 0;
}

ENTER_TAIL(mprotect_enter)
{
	struct mapping mapping = mapping_at(task_current(), args[0]);
	struct task_state *state;
	u32 alert = mapping.found ? protection_alert(mapping.flags, args[2]) : 0;

	if (!alert)
		return;
	state = task_state();
	if (!state)
		return;
	state->memory_alert = alert;
	state->valid |= STATE_MEMORY;
}

static __always_inline void memory_alert(u8 rung, u32 alert)
{
	struct event *e = event_begin(EVENT_mem_prot_alert, rung);

	if (!e)
		return;
	mem_prot_alert_alert(e, alert);
	event_submit(e, 0);
}

EXIT_TAIL(mem_prot_alert)
{
	struct task_state *state;

	if (nr != ID_mprotect && nr != ID_pkey_mprotect) {
		if ((u64)ret < (u64)-4095 && (args[2] & PROT_WRITE) && (args[2] & PROT_EXEC))
			memory_alert(RUNG_TRACEPOINT, ALERT_MMAP_WX);
		return;
	}
	state = task_state_take(STATE_MEMORY);
	if (state && ret == 0)
		memory_alert(RUNG_TRACEPOINT, state->memory_alert);
}

/* put_mapped_file stores the arguments that events about a mapped file share: path, flags, device, inode and ctime. */
static __always_inline void put_mapped_file(struct event *e, struct file *file)
{
	struct inode *inode = READ(file, f_inode);

	put_file_path(e, security_mmap_file_pathname, file);
	security_mmap_file_flags(e, READ(file, f_flags));
	security_mmap_file_dev(e, BPF_CORE_READ(inode, i_sb, s_dev));
	security_mmap_file_inode(e, READ(inode, i_ino));
	security_mmap_file_ctime(e, inode_ctime(false, inode));
}

_Static_assert(shared_object_loaded_pathname == security_mmap_file_pathname, "put_mapped_file writes both events");

static __noinline int mmap_event(u8 rung, struct file *file, u64 protection, u64 flags)
{
	struct event *e = event_begin(EVENT_security_mmap_file, rung);

	if (!e)
		return 0;
	put_mapped_file(e, file);
	security_mmap_file_prot(e, protection);
	security_mmap_file_mmap_flags(e, flags);
	put_syscall(e, security_mmap_file_syscall);
	return event_submit(e, 0);
}

static __noinline int shared_object_event(u8 rung, struct file *file)
{
	struct event *e = event_begin(EVENT_shared_object_loaded, rung);

	if (!e)
		return 0;
	put_mapped_file(e, file);
	return event_submit(e, 0);
}

/* mapped_file is the file that an mmap was made of, NULL if it failed or was made of none. */
static __always_inline struct file *mapped_file(const u64 args[6], long ret)
{
	if ((u64)ret >= (u64)-4095 || args[3] & MAP_ANONYMOUS)
		return NULL;
	return task_file(args[4]);
}

EXIT_TAIL(security_mmap_file_exit)
{
	struct file *file = mapped_file(args, ret);

	if (file)
		mmap_event(RUNG_TRACEPOINT, file, args[2], args[3]);
}

EXIT_TAIL(shared_object_loaded_exit)
{
	struct file *file = args[2] & PROT_EXEC ? mapped_file(args, ret) : NULL;

	if (file)
		shared_object_event(RUNG_TRACEPOINT, file);
}

/* One hook for all events about new mappings. */
HOOK3(security_mmap_file, struct file *, given, u64, protection, u64, flags)
{
	struct file *file = unknown(given);
	s32 id;

	if (protection & PROT_WRITE && protection & PROT_EXEC)
		memory_alert(rung, ALERT_MMAP_WX);
	if (!file)
		return 0;
	mmap_event(rung, file, protection, flags);
	if (!(protection & PROT_EXEC))
		return 0;
	id = current_syscall_id();
	if (id == ID_mmap || id == ID_mmap2)
		shared_object_event(rung, file);
	return 0;
}

/*
 * The hook of the LSM has an argument more than its function: what the personality of the task makes of the
 * protection.
 */
SEC("lsm/mmap_file")
int security_mmap_file_lsm(u64 *ctx)
{
	security_mmap_file_seen(RUNG_LSM, (struct file *)ctx[0], ctx[1], ctx[3]);
	return (int)ctx[4];
}

static __always_inline void mprotect_event(u8 rung, struct file *file, u64 protection)
{
	struct event *e = event_begin(EVENT_security_file_mprotect, rung);

	if (!e)
		return;
	if (file) {
		put_file_path(e, security_file_mprotect_pathname, file);
		security_file_mprotect_ctime(e, inode_ctime(false, READ(file, f_inode)));
	} else {
		slot_tail(e, security_file_mprotect_pathname, 0);
		security_file_mprotect_ctime(e, 0);
	}
	security_file_mprotect_prot(e, protection);
	event_submit(e, 0);
}

#ifndef WITHOUT_CALLBACKS
EXIT_TAIL(security_file_mprotect_exit)
{
	struct mapping mapping;

	if (ret != 0)
		return;
	mapping = mapping_at(task_current(), args[0]);
	if (mapping.found)
		mprotect_event(RUNG_TRACEPOINT, mapping.file, args[2]);
}
#endif

LSM_HOOK3(file_mprotect, file_mprotect, struct vm_area_struct *, vma, u64, requested, u64, protection)
{
	u32 alert = protection_alert(BPF_CORE_READ(vma, vm_flags), requested);

	if (alert)
		memory_alert(rung, alert);
	mprotect_event(rung, BPF_CORE_READ(vma, vm_file), requested);
	return 0;
}

#define PAGE_SHIFT 12 /* the unit of mmap2, and of pages of 4 KiB */

EXIT_TAIL(do_mmap_exit)
{
	struct file *file = mapped_file(args, ret);
	struct inode *inode;
	struct event *e;

	if ((u64)ret >= (u64)-4095)
		return;
	e = event_begin(EVENT_do_mmap, RUNG_TRACEPOINT);
	if (!e)
		return;
	do_mmap_addr(e, ret);
	if (file) {
		inode = READ(file, f_inode);
		put_file_path(e, do_mmap_pathname, file);
		do_mmap_flags(e, READ(file, f_flags));
		do_mmap_dev(e, BPF_CORE_READ(inode, i_sb, s_dev));
		do_mmap_inode(e, READ(inode, i_ino));
		do_mmap_ctime(e, inode_ctime(false, inode));
		do_mmap_pgoff(e, nr == ID_mmap2 ? args[5] : args[5] >> PAGE_SHIFT);
	}
	do_mmap_len(e, args[1]);
	do_mmap_prot(e, args[2]);
	do_mmap_mmap_flags(e, args[3]);
	event_submit(e, 0);
}

/* What kind of memory an address of the current task lies in. */
#define MEMORY_MAIN_STACK 1
#define MEMORY_HEAP 2
#define MEMORY_ANONYMOUS 3
#define MEMORY_GO_HEAP 4
#define MEMORY_SIGNAL_STACK 5
#define MEMORY_VDSO 6
#define MEMORY_FILE 7

/*
 * The runtime of Go puts the stacks of goroutines on its heap, which begins at a multiple of 64 MiB: at 0xc000000000
 * before Go 1.26, anywhere since (runtime/malloc.go, heapArenaBytes), and grows by multiples of 4 MiB.
 */
#define GO_HEAP_STEP (4ULL << 20)

static __always_inline u32 memory_kind(struct task_struct *task, const struct mapping *mapping, u64 address)
{
	u64 signal_stack = TASK(task, sas_ss_sp);
	struct mm_struct *mm = TASK(task, mm);
	u64 stack = TASK(mm, start_stack), vdso = (u64)TASK(mm, context.vdso);
	u64 heap = TASK(mm, start_brk), heap_end = TASK(mm, brk);

	if (mapping->file)
		return MEMORY_FILE;
	if (stack >= mapping->start && stack < mapping->end)
		return MEMORY_MAIN_STACK;
	if (address >= signal_stack && address - signal_stack < TASK(task, sas_ss_size))
		return MEMORY_SIGNAL_STACK;
	if (heap_end > heap && mapping->start < heap_end && mapping->end > heap)
		return MEMORY_HEAP;
	if (mapping->start == vdso)
		return MEMORY_VDSO;
	if (mapping->start % GO_HEAP_STEP == 0 && !(mapping->flags & VM_EXEC))
		return MEMORY_GO_HEAP;
	return MEMORY_ANONYMOUS;
}

static const char memory_names[][16] = {
	[MEMORY_MAIN_STACK] = "main stack",
	[MEMORY_HEAP] = "heap",
	[MEMORY_ANONYMOUS] = "anonymous",
	[MEMORY_GO_HEAP] = "golang heap",
	[MEMORY_SIGNAL_STACK] = "signal stack",
	[MEMORY_VDSO] = "vdso",
	[MEMORY_FILE] = "file backed",
};

#define put_source(e, event, pointer, address, kind, mapping)                           \
	do {                                                                            \
		put_u64(e, event##_syscall, nr);                                        \
		event##_##pointer(e, address);                                          \
		put_str(e, event##_vma_type, memory_names[(kind) & 7]);                 \
		event##_vma_start(e, (mapping).start);                                  \
		event##_vma_size(e, (mapping).end - (mapping).start);                   \
		event##_vma_flags(e, (mapping).flags);                                  \
		event_submit(e, 0);                                                     \
	} while (0)

#ifndef WITHOUT_CALLBACKS
/* A syscall made by code that comes from no file. */
static __always_inline void check_source(u32 nr, u64 ip)
{
	struct task_struct *task = task_current();
	struct mapping mapping = mapping_at(task, ip);
	u32 kind = mapping.found ? memory_kind(task, &mapping, ip) : MEMORY_FILE;
	struct event *e;

	if (kind == MEMORY_FILE || kind == MEMORY_VDSO)
		return;
	e = event_begin(EVENT_suspicious_syscall_source, RUNG_TRACEPOINT);
	if (e)
		put_source(e, suspicious_syscall_source, ip, ip, kind, mapping);
}

/*
 * A syscall made on a stack that is none. Where the stacks of further threads are is known to nobody but their makers:
 * theirs may be in any memory of the process's own that is not executable, but not on the heap.
 */
static __always_inline void check_stack(u32 nr, u64 sp)
{
	struct task_struct *task = task_current();
	struct mapping mapping = mapping_at(task, sp);
	u32 kind = mapping.found ? memory_kind(task, &mapping, sp) : MEMORY_MAIN_STACK;
	struct event *e;

	if (kind == MEMORY_MAIN_STACK || kind == MEMORY_SIGNAL_STACK || kind == MEMORY_GO_HEAP)
		return;
	if (kind == MEMORY_ANONYMOUS && !(mapping.flags & VM_EXEC) && TASK(task, pid) != TASK(task, tgid))
		return;
	e = event_begin(EVENT_stack_pivot, RUNG_TRACEPOINT);
	if (e)
		put_source(e, stack_pivot, sp, sp, kind, mapping);
}

/* At entry, because an exec that succeeds leaves nothing of the registers. */
ENTER_TAIL(syscall_source_enter)
{
	if (event_selected(EVENT_suspicious_syscall_source))
		check_source(nr, registers_ip(regs));
	if (event_selected(EVENT_stack_pivot))
		check_stack(nr, registers_sp(regs));
}
#endif
