/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Containers: the books that lib/container.h reads. From the BTF tracepoints of the cgroup core and of the scheduler;
 * kernel >= 5.10. The tracer attaches them before all others, so that theirs is the first word on an exec.
 */
#pragma once

/* container_group_add writes down a new group if it is that of a container or within one. */
static __always_inline bool container_group_add(struct cgroup *cgroup, u64 id)
{
	u64 above = BPF_CORE_READ(cgroup, self.parent, cgroup, kn, id);
	struct container_group *parent, group = { .outermost = id };
	struct filter_container_key key = {};
	u8 *verdict;

	parent = bpf_map_lookup_elem(&container_groups, &above);
	if (parent) {
		group.outermost = parent->outermost;
	} else {
		if (!container_named(&key, BPF_CORE_READ(cgroup, kn, name)))
			return false;
		if (container_rule.listed) {
			verdict = bpf_map_lookup_elem(&container_ids, &key);
			group.verdict = verdict ? *verdict : 0;
		}
	}
	if (bpf_map_update_elem(&container_groups, &id, &group, BPF_ANY))
		return false;
	containers_known = 1;
	return true;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(container_group_made, struct cgroup *cgroup, const char *path)
{
	u64 id = BPF_CORE_READ(cgroup, kn, id);
	struct event *e;

	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != container_hierarchy || !container_group_add(cgroup, id))
		return 0;
	e = event_begin(EVENT_container_group_made, RUNG_TRACEPOINT);
	if (!e)
		return 0;
	container_group_made_cgroup_id(e, id);
	put_str(e, container_group_made_cgroup_path, path);
	container_group_made_time(e, e->header.timestamp);
	return event_submit(e, 0);
}

/* Nothing runs in a group that is removed, so it is forgotten at once. */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(container_group_removed, struct cgroup *cgroup, const char *path)
{
	u64 id = BPF_CORE_READ(cgroup, kn, id);
	struct event *e;

	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != container_hierarchy ||
	    bpf_map_delete_elem(&container_groups, &id))
		return 0;
	e = event_begin(EVENT_container_group_removed, RUNG_TRACEPOINT);
	if (!e)
		return 0;
	container_group_removed_cgroup_id(e, id);
	put_str(e, container_group_removed_cgroup_path, path);
	return event_submit(e, 0);
}

#define GROUP_DEPTH 32 /* of control groups within each other, of which the path is told */

#define GROUP_NAME_MAX 256

struct group_walk {
	struct event *e;
	struct cgroup *group;
};

/* group_path_step writes the name of a group in front of what e->path has, and goes up; 1: the walk is over. */
STEP group_path_step(u32 i, struct group_walk *walk)
{
	struct cgroup *group = walk->group;
	struct cgroup_subsys_state *above = BPF_CORE_READ(group, self.parent);
	struct dentry_link component = { .name = (const unsigned char *)BPF_CORE_READ(group, kn, name) };
	long length;

	if (!above)
		return 1;
	/* for its length: the second half is free, and the stack is too small */
	length = bpf_probe_read_kernel_str(&walk->e->path[VALUE_MAX], GROUP_NAME_MAX, component.name);
	if (length <= 1)
		return 1;
	component.length = length - 1;
	walk->group = BPF_CORE_READ(above, cgroup);
	return !path_prepend(walk->e, &component);
}

/* put_group_path stores the path of a control group from the root of its hierarchy. */
static __always_inline void put_group_path(struct event *e, u32 index, struct cgroup *group)
{
	struct group_walk walk = { .e = e, .group = group };

	e->path_at = VALUE_MAX;
	repeat(GROUP_DEPTH, GROUP_DEPTH, group_path_step, &walk);
	group = walk.group;
	e->path_whole = !BPF_CORE_READ(group, self.parent);
	put_built_path(e, index);
}

/* container_group_begun writes down the group of a container that is known by what begins in it, and tells of it. */
static __always_inline void container_group_begun(struct task_struct *task)
{
	struct cgroup *cgroup = task_group_of(task);
	u64 id = BPF_CORE_READ(cgroup, kn, id);
	struct container_group group = { .outermost = id, .state = CONTAINER_STARTED };
	struct filter_container_key key = {};
	struct event *e;
	u8 *verdict;

	if (!container_begins(&key, task, cgroup))
		return;
	if (container_rule.listed) {
		verdict = bpf_map_lookup_elem(&container_ids, &key);
		group.verdict = verdict ? *verdict : 0;
	}
	if (bpf_map_update_elem(&container_groups, &id, &group, BPF_NOEXIST))
		return;
	containers_known = 1;
	e = event_begin(EVENT_container_group_made, RUNG_TRACEPOINT);
	if (!e)
		return;
	container_group_made_cgroup_id(e, id);
	put_group_path(e, container_group_made_cgroup_path, cgroup);
	container_group_made_time(e, e->header.timestamp);
	event_submit(e, 0);
}

/*
 * A container has started with the first exec in a mount namespace other than the parent's: before that, the runtime
 * prepares it, by execs in its own namespace.
 */
SEC("tp_btf/sched_process_exec" APART(container_started))
int BPF_PROG(container_started, struct task_struct *task)
{
	struct container_group *container = group_container(task_cgroup_id(task_current()));

	if (container && container->state)
		return 0;
	if (BPF_CORE_READ(task, nsproxy, mnt_ns) == BPF_CORE_READ(task, real_parent, nsproxy, mnt_ns))
		return 0;
	if (container)
		container->state = CONTAINER_STARTED;
	else
		container_group_begun(task);
	return 0;
}
