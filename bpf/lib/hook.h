/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One body, several programs: the same code attached where this kernel allows it best.
 *
 * HOOKn(function, type, name, ...) observes the entry of a kernel function, by fentry or, where there are no
 * trampolines (arm64 before 6.0), by kprobe: programs <function>_fentry and <function>_kprobe. LSM_HOOKn(hook, lsm,
 * ...) does so for security_<hook>, and can also be attached to the LSM itself, which knows the hook as lsm:
 * security_<hook>_lsm. There a program decides too; 0 leaves the verdict as it was, because a program is not run after
 * one that denied. The body gets the arguments, and the rung it runs on; arguments at the end that nobody needs can be
 * left out.
 *
 * RETURN_HOOKn(function, result, type, name, ...) observes the return, by fexit alone: program <function>_fexit. All n
 * arguments must be named: ret lies behind them. A kretprobe would have to keep them.
 *
 * RETURN_OR_ENTRYn(function, type, name, ...) is for where the entry says nearly as much: programs <function>_fentry,
 * by fexit, and <function>_kprobe, at the entry. Its body is told by returned which it is, and gets the return value
 * as ret: 0 at the entry.
 */
#pragma once

/* APART, behind what a program attaches to, gives it a section of its own; those of wanted programs are read. */
#define APART(name) "+" #name

#define REGISTER1 PT_REGS_PARM1(ctx)
#define REGISTER2 PT_REGS_PARM2(ctx)
#define REGISTER3 PT_REGS_PARM3(ctx)
#define REGISTER4 PT_REGS_PARM4(ctx)
#define REGISTER5 PT_REGS_PARM5(ctx)
/* bpf_tracing.h has the arguments up to the fifth. */
#if defined(__TARGET_ARCH_x86)
#define REGISTER6 (ctx)->r9
#elif defined(__TARGET_ARCH_arm64)
#define REGISTER6 (ctx)->regs[5]
#endif

#define HOOK1(f, t1, a1) \
	static __always_inline int f##_seen(u8 rung, t1 a1); \
	SEC("fentry/" #f) \
	int f##_fentry(u64 *ctx) \
	{ \
		return f##_seen(RUNG_FENTRY, (t1)ctx[0]); \
	} \
	SEC("kprobe/" #f) \
	int f##_kprobe(struct pt_regs *ctx) \
	{ \
		return f##_seen(RUNG_KPROBE, (t1)REGISTER1); \
	} \
	static __always_inline int f##_seen(u8 rung, t1 a1)

#define LSM_HOOK1(h, lsm, t1, a1) \
	static __always_inline int security_##h##_seen(u8 rung, t1 a1); \
	SEC("lsm/" #lsm) \
	int security_##h##_lsm(u64 *ctx) \
	{ \
		security_##h##_seen(RUNG_LSM, (t1)ctx[0]); \
		return 0; \
	} \
	HOOK1(security_##h, t1, a1)

#define HOOK2(f, t1, a1, t2, a2) \
	static __always_inline int f##_seen(u8 rung, t1 a1, t2 a2); \
	SEC("fentry/" #f) \
	int f##_fentry(u64 *ctx) \
	{ \
		return f##_seen(RUNG_FENTRY, (t1)ctx[0], (t2)ctx[1]); \
	} \
	SEC("kprobe/" #f) \
	int f##_kprobe(struct pt_regs *ctx) \
	{ \
		return f##_seen(RUNG_KPROBE, (t1)REGISTER1, (t2)REGISTER2); \
	} \
	static __always_inline int f##_seen(u8 rung, t1 a1, t2 a2)

#define LSM_HOOK2(h, lsm, t1, a1, t2, a2) \
	static __always_inline int security_##h##_seen(u8 rung, t1 a1, t2 a2); \
	SEC("lsm/" #lsm) \
	int security_##h##_lsm(u64 *ctx) \
	{ \
		security_##h##_seen(RUNG_LSM, (t1)ctx[0], (t2)ctx[1]); \
		return 0; \
	} \
	HOOK2(security_##h, t1, a1, t2, a2)

#define HOOK3(f, t1, a1, t2, a2, t3, a3) \
	static __always_inline int f##_seen(u8 rung, t1 a1, t2 a2, t3 a3); \
	SEC("fentry/" #f) \
	int f##_fentry(u64 *ctx) \
	{ \
		return f##_seen(RUNG_FENTRY, (t1)ctx[0], (t2)ctx[1], (t3)ctx[2]); \
	} \
	SEC("kprobe/" #f) \
	int f##_kprobe(struct pt_regs *ctx) \
	{ \
		return f##_seen(RUNG_KPROBE, (t1)REGISTER1, (t2)REGISTER2, (t3)REGISTER3); \
	} \
	static __always_inline int f##_seen(u8 rung, t1 a1, t2 a2, t3 a3)

#define LSM_HOOK3(h, lsm, t1, a1, t2, a2, t3, a3) \
	static __always_inline int security_##h##_seen(u8 rung, t1 a1, t2 a2, t3 a3); \
	SEC("lsm/" #lsm) \
	int security_##h##_lsm(u64 *ctx) \
	{ \
		security_##h##_seen(RUNG_LSM, (t1)ctx[0], (t2)ctx[1], (t3)ctx[2]); \
		return 0; \
	} \
	HOOK3(security_##h, t1, a1, t2, a2, t3, a3)

#define HOOK4(f, t1, a1, t2, a2, t3, a3, t4, a4) \
	static __always_inline int f##_seen(u8 rung, t1 a1, t2 a2, t3 a3, t4 a4); \
	SEC("fentry/" #f) \
	int f##_fentry(u64 *ctx) \
	{ \
		return f##_seen(RUNG_FENTRY, (t1)ctx[0], (t2)ctx[1], (t3)ctx[2], (t4)ctx[3]); \
	} \
	SEC("kprobe/" #f) \
	int f##_kprobe(struct pt_regs *ctx) \
	{ \
		return f##_seen(RUNG_KPROBE, (t1)REGISTER1, (t2)REGISTER2, (t3)REGISTER3, (t4)REGISTER4); \
	} \
	static __always_inline int f##_seen(u8 rung, t1 a1, t2 a2, t3 a3, t4 a4)

#define LSM_HOOK4(h, lsm, t1, a1, t2, a2, t3, a3, t4, a4) \
	static __always_inline int security_##h##_seen(u8 rung, t1 a1, t2 a2, t3 a3, t4 a4); \
	SEC("lsm/" #lsm) \
	int security_##h##_lsm(u64 *ctx) \
	{ \
		security_##h##_seen(RUNG_LSM, (t1)ctx[0], (t2)ctx[1], (t3)ctx[2], (t4)ctx[3]); \
		return 0; \
	} \
	HOOK4(security_##h, t1, a1, t2, a2, t3, a3, t4, a4)

#define HOOK5(f, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
	static __always_inline int f##_seen(u8 rung, t1 a1, t2 a2, t3 a3, t4 a4, t5 a5); \
	SEC("fentry/" #f) \
	int f##_fentry(u64 *ctx) \
	{ \
		return f##_seen(RUNG_FENTRY, (t1)ctx[0], (t2)ctx[1], (t3)ctx[2], (t4)ctx[3], (t5)ctx[4]); \
	} \
	SEC("kprobe/" #f) \
	int f##_kprobe(struct pt_regs *ctx) \
	{ \
		return f##_seen(RUNG_KPROBE, (t1)REGISTER1, (t2)REGISTER2, (t3)REGISTER3, \
				  (t4)REGISTER4, (t5)REGISTER5); \
	} \
	static __always_inline int f##_seen(u8 rung, t1 a1, t2 a2, t3 a3, t4 a4, t5 a5)

#define LSM_HOOK5(h, lsm, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
	static __always_inline int security_##h##_seen(u8 rung, t1 a1, t2 a2, t3 a3, t4 a4, t5 a5); \
	SEC("lsm/" #lsm) \
	int security_##h##_lsm(u64 *ctx) \
	{ \
		security_##h##_seen(RUNG_LSM, (t1)ctx[0], (t2)ctx[1], (t3)ctx[2], (t4)ctx[3], (t5)ctx[4]); \
		return 0; \
	} \
	HOOK5(security_##h, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)

#define RETURN_OR_ENTRY1(f, t1, a1) \
	static __always_inline int f##_seen(u8 rung, bool returned, s64 ret, t1 a1); \
	SEC("fexit/" #f) \
	int f##_fentry(u64 *ctx) \
	{ \
		return f##_seen(RUNG_FENTRY, true, ctx[1], (t1)ctx[0]); \
	} \
	SEC("kprobe/" #f) \
	int f##_kprobe(struct pt_regs *ctx) \
	{ \
		return f##_seen(RUNG_KPROBE, false, 0, \
				(t1)REGISTER1); \
	} \
	static __always_inline int f##_seen(u8 rung, bool returned, s64 ret, t1 a1)

#define RETURN_OR_ENTRY5(f, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
	static __always_inline int f##_seen(u8 rung, bool returned, s64 ret, \
					    t1 a1, t2 a2, t3 a3, t4 a4, t5 a5); \
	SEC("fexit/" #f) \
	int f##_fentry(u64 *ctx) \
	{ \
		return f##_seen(RUNG_FENTRY, true, ctx[5], \
				(t1)ctx[0], (t2)ctx[1], (t3)ctx[2], (t4)ctx[3], (t5)ctx[4]); \
	} \
	SEC("kprobe/" #f) \
	int f##_kprobe(struct pt_regs *ctx) \
	{ \
		return f##_seen(RUNG_KPROBE, false, 0, \
				(t1)REGISTER1, (t2)REGISTER2, (t3)REGISTER3, \
				(t4)REGISTER4, (t5)REGISTER5); \
	} \
	static __always_inline int f##_seen(u8 rung, bool returned, s64 ret, \
					    t1 a1, t2 a2, t3 a3, t4 a4, t5 a5)

#define RETURN_HOOK2(f, result, t1, a1, t2, a2) \
	static __always_inline int f##_returned(t1 a1, t2 a2, result ret); \
	SEC("fexit/" #f) \
	int f##_fexit(u64 *ctx) \
	{ \
		return f##_returned((t1)ctx[0], (t2)ctx[1], (result)ctx[2]); \
	} \
	static __always_inline int f##_returned(t1 a1, t2 a2, result ret)

#define RETURN_HOOK4(f, result, t1, a1, t2, a2, t3, a3, t4, a4) \
	static __always_inline int f##_returned(t1 a1, t2 a2, t3 a3, t4 a4, result ret); \
	SEC("fexit/" #f) \
	int f##_fexit(u64 *ctx) \
	{ \
		return f##_returned((t1)ctx[0], (t2)ctx[1], (t3)ctx[2], (t4)ctx[3], (result)ctx[4]); \
	} \
	static __always_inline int f##_returned(t1 a1, t2 a2, t3 a3, t4 a4, result ret)

#define RETURN_HOOK5(f, result, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
	static __always_inline int f##_returned(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, result ret); \
	SEC("fexit/" #f) \
	int f##_fexit(u64 *ctx) \
	{ \
		return f##_returned((t1)ctx[0], (t2)ctx[1], (t3)ctx[2], (t4)ctx[3], (t5)ctx[4], \
				    (result)ctx[5]); \
	} \
	static __always_inline int f##_returned(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, result ret)

#define RETURN_HOOK6(f, result, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6) \
	static __always_inline int f##_returned(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6, result ret); \
	SEC("fexit/" #f) \
	int f##_fexit(u64 *ctx) \
	{ \
		return f##_returned((t1)ctx[0], (t2)ctx[1], (t3)ctx[2], (t4)ctx[3], (t5)ctx[4], (t6)ctx[5], \
				    (result)ctx[6]); \
	} \
	static __always_inline int f##_returned(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6, result ret)
