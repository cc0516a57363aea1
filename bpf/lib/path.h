/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Paths from the kernel's own objects: whole up to VALUE_MAX, resolved to the root of the mount namespace (a chroot
 * does not shorten them, as d_path() would), and marked when they are cut, and when they do not lead this task to the
 * file: it was deleted, or its mount is another namespace's, a file system's own, or gone.
 */
#pragma once

#define PATH_STEPS 4096 /* components and mounts: more than VALUE_MAX has room for */
#define PATH_STEPS_UNROLLED 64

static __always_inline struct mount *mount_of(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

/* dentry_link is what a walk needs of a dentry, in the order in which the kernel has it. */
struct dentry_link {
	struct dentry *parent;
	u32 hash, length;
	const unsigned char *name;
};

#define dentry_offset(field) \
	(bpf_core_field_offset(struct dentry, field) - bpf_core_field_offset(struct dentry, d_parent))

static __always_inline void dentry_link_read(struct dentry_link *to, struct dentry *dentry)
{
	if (kernel_casts()) {
		to->parent = kernel_cast(dentry)->d_parent;
		to->length = kernel_cast(dentry)->d_name.len;
		to->name = kernel_cast(dentry)->d_name.name;
	} else if (dentry_offset(d_name.len) == offsetof(struct dentry_link, length) &&
		   dentry_offset(d_name.name) == offsetof(struct dentry_link, name)) {
		bpf_core_read(to, sizeof(*to), &dentry->d_parent);
	} else { /* CONFIG_RANDSTRUCT */
		to->parent = BPF_CORE_READ(dentry, d_parent);
		to->length = BPF_CORE_READ(dentry, d_name.len);
		to->name = BPF_CORE_READ(dentry, d_name.name);
	}
}

/* path_prepend writes "/name" before e->path_at; false when there is no room. */
static __always_inline bool path_prepend(struct event *e, const struct dentry_link *component)
{
	u32 len = component->length & 255; /* verifier: NAME_MAX is 255 */
	u32 at = e->path_at;

	barrier_var(at); /* verifier: clang removes masks where it knows the value */
	if (at > VALUE_MAX || at < len + 1)
		return false;
	at -= len + 1;
	e->path[at & PATH_MASK] = '/';
	bpf_probe_read_kernel(&e->path[(at + 1) & PATH_MASK], len, component->name);
	e->path_at = at;
	return true;
}

/* mount_link is what a walk needs of a mount, in the order in which the kernel has it. */
struct mount_link {
	struct mount *parent;
	struct dentry *mountpoint;
};

static __always_inline void mount_link_read(struct mount_link *to, struct mount *mnt)
{
	if (kernel_casts()) {
		to->parent = kernel_cast(mnt)->mnt_parent;
		to->mountpoint = kernel_cast(mnt)->mnt_mountpoint;
	} else if (bpf_core_field_offset(struct mount, mnt_mountpoint) ==
		   bpf_core_field_offset(struct mount, mnt_parent) + sizeof(to->parent)) {
		bpf_core_read(to, sizeof(*to), &mnt->mnt_parent);
	} else {
		to->parent = BPF_CORE_READ(mnt, mnt_parent);
		to->mountpoint = BPF_CORE_READ(mnt, mnt_mountpoint);
	}
}

/* path_step goes up by one component or one mount; 1: the walk is over. */
STEP path_step(u32 i, struct event **context)
{
	struct event *e = *context;
	struct path_walk *walk = &e->walk;
	struct dentry *dentry = walk->dentry;
	struct mount *mnt = walk->mnt;
	struct dentry_link link = {};

	if (dentry == walk->mnt_root) {
		struct mount_link up = {};
		struct mount *above;

		mount_link_read(&up, mnt);
		above = up.parent;
		if (above == mnt) {
			struct mnt_namespace *ns = READ(mnt, mnt_ns);

			e->path_whole = READ(ns, ns.inum) == e->header.mnt_ns;
			return 1;
		}
		walk->dentry = up.mountpoint;
		walk->mnt_root = READ(above, mnt.mnt_root);
		walk->mnt = above;
		return 0;
	}
	dentry_link_read(&link, dentry);
	if (dentry == link.parent) {
		if (e->path_at == VALUE_MAX && path_prepend(e, &link)) {
			e->path_at++; /* no slash */
			e->path_whole = !link.length || e->path[e->path_at & PATH_MASK] != '/';
			if (!e->path_whole) /* d_alloc_anon(): no name at all, such as /proc/self/ns/net has */
				e->path_at = VALUE_MAX;
		}
		return 1;
	}
	walk->dentry = link.parent;
	return !path_prepend(e, &link);
}

/*
 * path_climb writes the path from the walk of a buffer to the root in front of what is in its path already, from
 * path_at on; path_whole tells whether the root was reached. It gets the number of the buffer, as event_send() does.
 *
 * The step is a callback, so that it is verified once (bpf_loop, kernel >= 5.17); before that the loop is verified
 * round by round, and shorter.
 */
__noinline int path_climb(u32 number)
{
	struct event *e = event_at(number);

	if (!e)
		return 0;
	e->path_whole = false;
	repeat(PATH_STEPS, PATH_STEPS_UNROLLED, path_step, &e);
	if (e->path_at == VALUE_MAX && e->walk.dentry == e->walk.mnt_root) {
		e->path_at = VALUE_MAX - 1;
		e->path[VALUE_MAX - 1] = '/';
	}
	return 0;
}

/* path_build_before is path_climb from a directory entry. */
static __always_inline void path_build_before(struct event *e, struct vfsmount *vfsmnt, struct dentry *mnt_root,
					      struct dentry *dentry)
{
	e->walk.dentry = dentry;
	e->walk.mnt_root = mnt_root;
	e->walk.mnt = mount_of(vfsmnt);
	path_climb(e->number);
}

/*
 * path_build writes the path to the end of e->path. A file that hangs on no mount (memfd, pipe) is its name alone,
 * without a slash: "memfd:name".
 */
static __always_inline void path_build(struct event *e, struct vfsmount *vfsmnt, struct dentry *mnt_root,
				       struct dentry *dentry)
{
	e->path_at = VALUE_MAX;
	path_build_before(e, vfsmnt, mnt_root, dentry);
}

/* A pipe or a socket has no name: its path is empty. */
static __always_inline void put_built_path(struct event *e, u32 index)
{
	u32 at = e->path_at & PATH_MASK;
	u32 length = e->path_at == VALUE_MAX ? 0 : VALUE_MAX - at;

	if (!e->path_whole)
		mark_truncated(e, index);
	if (tail_full(e, index))
		return;
	bpf_probe_read_kernel(&e->body[e->header.size & BODY_MASK], length, &e->path[at]);
	slot_tail(e, index, length);
}

/* dentry_deleted is the kernel's d_unlinked(): no name leads there any more. What never had one is not deleted. */
static __always_inline bool dentry_deleted(struct dentry *dentry)
{
	return !READ(dentry, d_hash.pprev) && READ(dentry, d_parent) != dentry;
}

/* put_path_of stores the path of an open file, whose type the verifier knows, or does not. */
static __always_inline void put_path_of(struct event *e, u32 index, bool known, struct file *file)
{
	struct vfsmount *mnt = READ_AS(known, file, f_path.mnt);
	struct dentry *dentry = READ_AS(known, file, f_path.dentry);

	path_build(e, mnt, READ_AS(known, mnt, mnt_root), dentry);
	if (dentry_deleted(dentry))
		e->path_whole = false;
	put_built_path(e, index);
}

/* put_file_path is put_path_of for any pointer. */
static __always_inline void put_file_path(struct event *e, u32 index, struct file *file)
{
	put_path_of(e, index, false, file);
}

/* put_mount_path stores the path of a directory entry in a mount. */
static __always_inline void put_mount_path(struct event *e, u32 index, struct vfsmount *mnt, struct dentry *dentry)
{
	path_build(e, mnt, READ(mnt, mnt_root), dentry);
	put_built_path(e, index);
}

/* put_path stores a path as the kernel looked it up. */
static __always_inline void put_path(struct event *e, u32 index, struct path *path)
{
	put_mount_path(e, index, READ(path, mnt), READ(path, dentry));
}

/* path_caller_directory is what a relative path of the current task begins at; NULL: no such descriptor. */
static __always_inline struct path *path_caller_directory(s32 dirfd)
{
	struct task_struct *task = task_current();
	struct file *file;

	if (dirfd == AT_FDCWD)
		return (void *)TASK(task, fs) + bpf_core_field_offset(struct fs_struct, pwd);
	file = task_file(dirfd);
	return file ? (void *)file + bpf_core_field_offset(struct file, f_path) : NULL;
}

/*
 * put_path_behind stores a path of n bytes, its NUL included, that lies at the end of the record, behind the directory
 * that it is relative to. It is as the caller gave it, and nobody knows where that leads: there may be links in it. So
 * it is marked.
 */
ONCE int put_path_behind(struct event *e, u32 index, s32 dirfd, long n)
{
	struct dentry_link given = {};
	struct path *directory;
	struct vfsmount *mnt;
	u8 *text;

	if (!e || n > VALUE_MAX) /* verifier: the caller sees to both */
		return 0;
	text = &e->body[e->header.size & BODY_MASK];
	if (n <= 0) {
		event_count(e->header.event, unreadable);
		return 0;
	}
	mark_truncated(e, index);
	directory = *text == '/' || n > NAME_MAX + 1 ? NULL : path_caller_directory(dirfd);
	if (!directory) {
		slot_tail(e, index, n - 1);
		return 0;
	}
	e->path_at = VALUE_MAX;
	given.length = n - 1;
	given.name = text;
	if (given.length) /* none with AT_EMPTY_PATH */
		path_prepend(e, &given);
	mnt = READ(directory, mnt);
	path_build_before(e, mnt, READ(mnt, mnt_root), READ(directory, dentry));
	put_built_path(e, index);
	return 0;
}

/*
 * put_caller_path is for after the call, when only the caller still has its path; it may have written something else
 * there since.
 */
ONCE int put_caller_path(struct event *e, u32 index, s32 dirfd, u64 str)
{
	if (!e || !str || tail_full(e, index))
		return 0;
	return put_path_behind(e, index, dirfd, user_str_read(&e->body[e->header.size & BODY_MASK], str));
}

/* put_given_path is put_caller_path for a path of which the kernel took a copy. */
static __noinline int put_given_path(struct event *e, u32 index, s32 dirfd, const char *str)
{
	if (!str || tail_full(e, index))
		return 0;
	return put_path_behind(e, index, dirfd,
			       bpf_probe_read_kernel_str(&e->body[e->header.size & BODY_MASK], VALUE_MAX, str));
}

#define MOUNTS 4096
#define MOUNTS_UNROLLED 16

struct mount_search {
	struct super_block *sb;
	struct mnt_namespace *ns;
	struct mount *at;
	struct mount *found;
};

/* mount_step looks at the next mount of the file system; 1: there is none better, or none left. */
STEP mount_step(u32 i, struct mount_search *search)
{
	struct mount *mnt = super_block_mount(search->sb, search->at);
	bool whole;

	if (!mnt)
		return 1;
	search->at = mnt;
	if (READ(mnt, mnt_ns) != search->ns)
		return 0;
	whole = READ(mnt, mnt.mnt_root) == READ(search->sb, s_root);
	if (whole || !search->found)
		search->found = mnt;
	return whole;
}

/*
 * dentry_mount finds a mount through which the current task can reach a file system: one that shows the whole of it, or
 * else any. For hooks that are told of a directory entry, but not of the mount by which somebody came to it.
 */
static __noinline struct vfsmount *dentry_mount(struct super_block *sb)
{
	struct task_struct *task = task_current();
	struct nsproxy *proxy = TASK(task, nsproxy);
	struct mount_search search = { .sb = sb, .ns = TASK(proxy, mnt_ns) };

	repeat(MOUNTS, MOUNTS_UNROLLED, mount_step, &search);
	return search.found ? (void *)search.found + bpf_core_field_offset(struct mount, mnt) : NULL;
}

/*
 * put_dentry_path stores the path of a directory entry, by one of the mounts that lead to it. If this task has none, it
 * is the path within the file system, and marked as cut.
 */
static __always_inline void put_dentry_path(struct event *e, u32 index, struct dentry *dentry)
{
	put_mount_path(e, index, dentry_mount(READ(dentry, d_sb)), dentry);
}
