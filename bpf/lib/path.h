/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Paths from the kernel's own objects: whole up to VALUE_MAX, resolved to the root of the mount namespace (a chroot
 * does not shorten them, as d_path() would), and marked when cut or when the walk ended away from that root.
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

struct path_walk {
	struct event *e;
	struct dentry *dentry;
	struct dentry *mnt_root;
	struct mount *mnt;
};

/* path_step goes up by one component or one mount; 1: the walk is over. */
STEP path_step(u32 i, struct path_walk *walk)
{
	struct dentry *dentry = walk->dentry;
	struct mount *mnt = walk->mnt;
	struct event *e = walk->e;
	struct dentry_link link = {};

	if (dentry == walk->mnt_root) {
		struct mount_link up = {};
		struct mount *above;

		mount_link_read(&up, mnt);
		above = up.parent;
		if (above == mnt) {
			e->path_whole = true;
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
			e->path_whole = true;
		}
		return 1;
	}
	walk->dentry = link.parent;
	return !path_prepend(e, &link);
}

/*
 * path_build writes the path to the end of e->path, beginning at e->path_at; e->path_whole tells whether the root was
 * reached. A file that hangs on no mount (memfd, pipe) is its name alone, without a slash: "memfd:name".
 *
 * The step is a callback, so that it is verified once (bpf_loop, kernel >= 5.17); before that the loop is verified
 * round by round, and shorter.
 */
static __noinline int path_build(struct event *e, struct vfsmount *vfsmnt, struct dentry *mnt_root,
				 struct dentry *dentry)
{
	struct path_walk walk = {
		.e = e,
		.dentry = dentry,
		.mnt_root = mnt_root,
		.mnt = mount_of(vfsmnt),
	};

	e->path_at = VALUE_MAX;
	e->path_whole = false;
	repeat(PATH_STEPS, PATH_STEPS_UNROLLED, path_step, &walk);
	if (e->path_at == VALUE_MAX && e->path_whole) {
		e->path_at = VALUE_MAX - 1;
		e->path[VALUE_MAX - 1] = '/';
	}
	return 0;
}

static __always_inline void put_built_path(struct event *e, u32 index)
{
	u32 at = e->path_at & PATH_MASK;
	u32 length = VALUE_MAX - at;

	if (!e->path_whole)
		mark_truncated(e, index);
	if (tail_full(e, index))
		return;
	bpf_probe_read_kernel(&e->body[e->header.size & BODY_MASK], length, &e->path[at]);
	slot_tail(e, index, length);
}

/* put_path_of stores the path of an open file, whose type the verifier knows, or does not. */
static __always_inline void put_path_of(struct event *e, u32 index, bool known, struct file *file)
{
	struct vfsmount *mnt = READ_AS(known, file, f_path.mnt);

	path_build(e, mnt, READ_AS(known, mnt, mnt_root), READ_AS(known, file, f_path.dentry));
	put_built_path(e, index);
}

/* put_file_path is put_path_of for any pointer. */
static __always_inline void put_file_path(struct event *e, u32 index, struct file *file)
{
	put_path_of(e, index, false, file);
}
