/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a syscall looks on this architecture: its number, its ABI and its arguments, from the saved registers. They still
 * hold the arguments at sys_exit, except after an execve that succeeded.
 */
#pragma once

#define ABIS 2

#if defined(__TARGET_ARCH_x86)

#define X32_SYSCALL_BIT 0x40000000
#define TS_COMPAT 0x0002 /* arch/x86/include/asm/thread_info.h: 32-bit syscall active */

#define SYSCALL_NUMBER(READ) (READ(orig_ax) & ~X32_SYSCALL_BIT)
#define SYSCALL_IS_X32(READ) (READ(orig_ax) & X32_SYSCALL_BIT)
#define INSTRUCTION ip

static __always_inline bool thread_in_compat_syscall(u32 status, unsigned long flags)
{
	return status & TS_COMPAT;
}

#define SYSCALL_FIRST(READ, compat) ((compat) ? (u32)READ(bx) : READ(di))

#define SYSCALL_ARGS(READ, compat, args)        \
	do {                                    \
		if (compat) {                   \
			args[0] = (u32)READ(bx); \
			args[1] = (u32)READ(cx); \
			args[2] = (u32)READ(dx); \
			args[3] = (u32)READ(si); \
			args[4] = (u32)READ(di); \
			args[5] = (u32)READ(bp); \
		} else {                        \
			args[0] = READ(di);     \
			args[1] = READ(si);     \
			args[2] = READ(dx);     \
			args[3] = READ(r10);    \
			args[4] = READ(r8);     \
			args[5] = READ(r9);     \
		}                               \
	} while (0)

#elif defined(__TARGET_ARCH_arm64)

#define TIF_32BIT 22 /* arch/arm64/include/asm/thread_info.h: AArch32 process */

#define SYSCALL_NUMBER(READ) ((u32)READ(syscallno))
#define SYSCALL_IS_X32(READ) 0
#define INSTRUCTION pc

static __always_inline bool thread_in_compat_syscall(u32 status, unsigned long flags)
{
	return flags & (1UL << TIF_32BIT);
}

#define SYSCALL_FIRST(READ, compat) READ(orig_x0)

#define SYSCALL_ARGS(READ, compat, args)  \
	do {                              \
		args[0] = READ(orig_x0);  \
		args[1] = READ(regs[1]);  \
		args[2] = READ(regs[2]);  \
		args[3] = READ(regs[3]);  \
		args[4] = READ(regs[4]);  \
		args[5] = READ(regs[5]);  \
	} while (0)

#endif

#define TYPED(field) (regs->field)
#define UNTYPED(field) BPF_CORE_READ(regs, field)

/* The registers as a tracepoint hands them out: plain loads. */
static __always_inline u64 syscall_number(const struct pt_regs *regs)
{
	return SYSCALL_NUMBER(TYPED);
}

static __always_inline void syscall_args(const struct pt_regs *regs, bool compat, u64 args[6])
{
	SYSCALL_ARGS(TYPED, compat, args);
}

/* Where the code is that made the syscall, and its stack. */
static __always_inline u64 registers_ip(const struct pt_regs *regs)
{
	return regs->INSTRUCTION;
}

static __always_inline u64 registers_sp(const struct pt_regs *regs)
{
	return regs->sp;
}

/* The registers of a task, found by hand before bpf_task_pt_regs (kernel 5.15). */
static __always_inline u64 task_syscall_number(const struct pt_regs *regs)
{
	if (have_helper(task_pt_regs))
		return SYSCALL_NUMBER(TYPED);
	return SYSCALL_NUMBER(UNTYPED);
}

static __always_inline bool task_syscall_is_x32(const struct pt_regs *regs)
{
	if (have_helper(task_pt_regs))
		return SYSCALL_IS_X32(TYPED);
	return SYSCALL_IS_X32(UNTYPED);
}

static __always_inline void task_syscall_args(const struct pt_regs *regs, bool compat, u64 args[6])
{
	if (have_helper(task_pt_regs))
		SYSCALL_ARGS(TYPED, compat, args);
	else
		SYSCALL_ARGS(UNTYPED, compat, args);
}

/*
 * address_syscall_first returns the first argument of the syscall whose registers are at an address, ~0 if they are of
 * no syscall: for programs that can not have bpf_task_pt_regs.
 */
static __always_inline u64 address_syscall_first(const struct pt_regs *regs, bool compat)
{
	if ((int)SYSCALL_NUMBER(UNTYPED) < 0)
		return ~0ULL;
	return SYSCALL_FIRST(UNTYPED, compat);
}
