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

static __always_inline u64 syscall_number(const struct pt_regs *regs)
{
	return regs->orig_ax & ~X32_SYSCALL_BIT;
}

static __always_inline bool task_in_compat_syscall(const struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT;
}

static __always_inline void syscall_args(const struct pt_regs *regs, bool compat, u64 args[6])
{
	if (compat) {
		args[0] = (u32)regs->bx;
		args[1] = (u32)regs->cx;
		args[2] = (u32)regs->dx;
		args[3] = (u32)regs->si;
		args[4] = (u32)regs->di;
		args[5] = (u32)regs->bp;
		return;
	}
	args[0] = regs->di;
	args[1] = regs->si;
	args[2] = regs->dx;
	args[3] = regs->r10;
	args[4] = regs->r8;
	args[5] = regs->r9;
}

#elif defined(__TARGET_ARCH_arm64)

#define TIF_32BIT 22 /* arch/arm64/include/asm/thread_info.h: AArch32 process */

static __always_inline u64 syscall_number(const struct pt_regs *regs)
{
	return (u32)regs->syscallno;
}

static __always_inline bool task_in_compat_syscall(const struct task_struct *task)
{
	return task->thread_info.flags & (1UL << TIF_32BIT);
}

static __always_inline void syscall_args(const struct pt_regs *regs, bool compat, u64 args[6])
{
	args[0] = regs->orig_x0;
	args[1] = regs->regs[1];
	args[2] = regs->regs[2];
	args[3] = regs->regs[3];
	args[4] = regs->regs[4];
	args[5] = regs->regs[5];
}

#endif
