/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between kernels, behind one accessor each. */
#pragma once

/* Helpers that not every kernel has. */
enum bpf_func_id {
	BPF_FUNC_task_storage_get = 156,     /* 5.11 */
	BPF_FUNC_get_current_task_btf = 158, /* 5.11 */
	BPF_FUNC_task_pt_regs = 175,         /* 5.15 */
};

/* have_helper is a constant when the program is loaded: the verifier never looks at the branch not taken. */
#define have_helper(name) bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_##name)

#define I_CTIME_QUERIED (1U << 31) /* include/linux/fs.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

/* before 6.6 */
struct inode___timespec {
	struct timespec64 i_ctime;
};

/* 6.6 to 6.10 */
struct inode___private {
	struct timespec64 __i_ctime;
};

/* since 6.11; since 6.13 the top bit of the nanoseconds says that somebody asked for them */
struct inode___split {
	s64 i_ctime_sec;
	u32 i_ctime_nsec;
};

#pragma clang attribute pop

/* inode_ctime returns the time of the last change of the inode, in ns since the epoch. */
static __always_inline u64 inode_ctime(bool known, struct inode *inode)
{
	struct inode___split *split = (void *)inode;
	struct inode___private *private = (void *)inode;
	struct inode___timespec *old = (void *)inode;

	if (bpf_core_field_exists(split->i_ctime_sec))
		return READ_AS(known, split, i_ctime_sec) * 1000000000ULL +
		       (READ_AS(known, split, i_ctime_nsec) & ~I_CTIME_QUERIED);
	if (bpf_core_field_exists(private->__i_ctime))
		return READ_AS(known, private, __i_ctime.tv_sec) * 1000000000ULL +
		       READ_AS(known, private, __i_ctime.tv_nsec);
	return READ_AS(known, old, i_ctime.tv_sec) * 1000000000ULL +
	       READ_AS(known, old, i_ctime.tv_nsec);
}
