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

/* 5.12 to 6.1, and since: mounts can map ids, so functions that change inodes have an argument for that. */
struct vfsmount___user_namespace {
	void *mnt_userns;
};

struct vfsmount___mapping {
	void *mnt_idmap;
};

/* The mounts of a file system: a list before 6.18, a chain since. */
struct super_block___list {
	struct list_head s_mounts;
};

struct mount___list {
	struct list_head mnt_instance;
};

struct super_block___chain {
	struct mount *s_mounts;
};

struct mount___chain {
	struct mount *mnt_next_for_sb;
};

/* before 6.6 */
struct file_operations___exclusive {
	void *iterate;
};

/* How often a file is referred to: a count, or since 6.13 one less than that. */
struct file___count {
	struct {
		long counter;
	} f_count;
};

struct file___less {
	struct {
		struct {
			s64 counter;
		} refcnt;
	} f_ref;
};

/* 5.10 to 5.15 count what a watch is on differently. */
enum fsnotify_obj_type {
	FSNOTIFY_OBJ_TYPE_VFSMOUNT = 1,
	FSNOTIFY_OBJ_TYPE_SB = 2,
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

static __always_inline u64 file_references(struct file *file)
{
	struct file___count *count = (void *)file;
	struct file___less *less = (void *)file;

	if (bpf_core_field_exists(less->f_ref.refcnt.counter))
		return READ(less, f_ref.refcnt.counter) + 1;
	return READ(count, f_count.counter);
}

/* mounts_map_ids says that functions like do_truncate() have a first argument for the mapping of ids. */
static __always_inline bool mounts_map_ids(void)
{
	return bpf_core_field_exists(((struct vfsmount___user_namespace *)0)->mnt_userns) ||
	       bpf_core_field_exists(((struct vfsmount___mapping *)0)->mnt_idmap);
}

/* super_block_mount returns the mount of the file system that comes after the given one, or after NULL; NULL: none. */
static __always_inline struct mount *super_block_mount(struct super_block *sb, struct mount *after)
{
	struct super_block___list *list = (void *)sb;
	struct list_head *next;

	if (bpf_core_field_exists(((struct mount___chain *)0)->mnt_next_for_sb)) {
		/* verifier: clang would compute the address before an unrolled loop, where no branch guards it */
		barrier_var(sb);
		return after ? READ((struct mount___chain *)after, mnt_next_for_sb) :
			       READ((struct super_block___chain *)sb, s_mounts);
	}
	next = after ? READ((struct mount___list *)after, mnt_instance.next) : READ(list, s_mounts.next);
	if ((void *)next == (void *)sb + bpf_core_field_offset(struct super_block___list, s_mounts))
		return NULL;
	return (void *)next - bpf_core_field_offset(struct mount___list, mnt_instance);
}

/* watch_type is the number of a kind of watched object on this kernel. */
#define watch_type(value)                                                   \
	(bpf_core_enum_value_exists(enum fsnotify_obj_type, value) ?        \
		 bpf_core_enum_value(enum fsnotify_obj_type, value) : value)

/* file_operations_iterate returns the function that lists a directory while nobody else does; 0: none. */
static __always_inline u64 file_operations_iterate(struct file_operations *operations)
{
	struct file_operations___exclusive *old = (void *)operations;

	return bpf_core_field_exists(old->iterate) ? (u64)READ(old, iterate) : 0;
}
