/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which control groups are those of containers, whether a container has started, and what --trace container says of it.
 *
 * User space writes down the groups that are there when tracing begins, events/container.bpf.h those that are made
 * later: before anything can run in them, if their names tell, else with the first program in them. A group within that
 * of a container belongs to the outermost one.
 */
#pragma once

#define CONTAINER_GROUPS 16384

struct container_group {
	u64 outermost; /* id of the group that the container is known by; the rest is valid there only */
	u32 state;     /* CONTAINER_EXISTED, CONTAINER_STARTED; none: it is being set up */
	u8 verdict;    /* FILTER_IN, FILTER_OUT: the container is listed by its id */
	u8 pad[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CONTAINER_GROUPS);
	__type(key, u64);
	__type(value, struct container_group);
} container_groups SEC(".maps");

/* How runtimes dress up an id as the name of a group. */
struct container_dress {
	char prefix[CONTAINER_DRESS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct container_dress);
	__type(value, u8);
} container_dresses SEC(".maps");

/* Beginnings of ids that --trace lists, with the verdict on them. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* as many as there are, set before loading */
	__type(key, struct filter_container_key);
	__type(value, u8);
} container_ids SEC(".maps");

#define UNIFIED_HIERARCHY 0xffffffff

const volatile struct filter_container_rule container_rule;
const volatile u32 container_controller = UNIFIED_HIERARCHY; /* whose hierarchy tells containers */
const volatile u32 container_hierarchy;                      /* and its number */
u32 containers_known; /* 0: there has never been one */

static __always_inline u64 cgroup_id(struct cgroup *cgroup)
{
	struct kernfs_node *node = TASK(cgroup, kn);

	return TASK(node, id);
}

/* task_group_of returns the group of any task in the hierarchy in which runtimes make groups for containers. */
static __always_inline struct cgroup *task_group_of(struct task_struct *task)
{
	struct cgroup_subsys_state *state = NULL;
	void *at;

	if (container_controller == UNIFIED_HIERARCHY)
		return BPF_CORE_READ(task, cgroups, dfl_cgrp);
	at = (void *)BPF_CORE_READ(task, cgroups) + bpf_core_field_offset(struct css_set, subsys) +
	     container_controller * sizeof(state);
	bpf_probe_read_kernel(&state, sizeof(state), at);
	return BPF_CORE_READ(state, cgroup);
}

/* task_cgroup_id returns the id of the task's group in the hierarchy in which runtimes make groups for containers. */
static __always_inline u64 task_cgroup_id(struct task_struct *task)
{
	struct css_set *groups = TASK(task, cgroups);

	if (container_controller == UNIFIED_HIERARCHY)
		return cgroup_id(TASK(groups, dfl_cgrp));
	return BPF_CORE_READ(task_group_of(task), kn, id);
}

/* group_container returns what is known of the container that a group belongs to, NULL for the host. */
static __always_inline struct container_group *group_container(u64 id)
{
	struct container_group *group;
	u64 outermost;

	if (!*(volatile u32 *)&containers_known)
		return NULL;
	group = bpf_map_lookup_elem(&container_groups, &id);
	if (!group || group->outermost == id)
		return group;
	outermost = group->outermost;
	return bpf_map_lookup_elem(&container_groups, &outermost);
}

/* container_passes is what --trace container says. The verifier deletes what no flag asked for. */
static __always_inline bool container_passes(const struct container_group *container)
{
	u32 state = container ? container->state : 0;
	u8 verdict = container ? container->verdict : 0;

	if (!container_rule.active)
		return true;
	if (container_rule.running && !state)
		return false;
	if (container_rule.old && !(state & CONTAINER_EXISTED))
		return false;
	if (container_rule.not_started && state)
		return false;
	if (container_rule.listed && verdict)
		return verdict == FILTER_IN;
	if (container_rule.fresh && state == CONTAINER_STARTED)
		return true;
	if (container_rule.started && state)
		return true;
	return container_rule.unlisted == FILTER_IN;
}

/* container_id_read reads the id that a name of length bytes ends with, in lower case. */
static __always_inline bool container_id_read(struct filter_container_key *key, const char *name, u32 length)
{
	key->prefix_length = sizeof(key->text) * 8;
	if (bpf_probe_read_kernel(key->text, sizeof(key->text), name + length - sizeof(key->text)))
		return false;
	for (int i = 0; i < sizeof(key->text); i++) {
		u8 c = key->text[i];

		if (c >= '0' && c <= '9')
			continue;
		c |= 0x20;
		if (c < 'a' || c > 'f')
			return false;
		key->text[i] = c;
	}
	return true;
}

/* container_dress_known says that a runtime puts this before an id: the first bytes of a name. */
static __always_inline bool container_dress_known(const char *name, u32 length)
{
	char dress[2 * CONTAINER_DRESS] = {}; /* verifier: the second half is room for a length that it does not know */

	if (length > CONTAINER_DRESS) {
		name += length - CONTAINER_DRESS;
		length = CONTAINER_DRESS;
	}
	barrier_var(length);
	length &= 2 * CONTAINER_DRESS - 1;
	if (length && bpf_probe_read_kernel(dress, length, name))
		return false;
	return bpf_map_lookup_elem(&container_dresses, dress);
}

#define CONTAINER_SCOPE 6 /* bytes of ".scope" */

/* container_named says that the name of a group is that of a container, and reads the id. */
static __noinline bool container_named(struct filter_container_key *key, const char *name)
{
	char text[256], end[CONTAINER_SCOPE];
	long length = bpf_probe_read_kernel_str(text, sizeof(text), name) - 1;

	if (length < (long)sizeof(key->text))
		return false;
	if (bpf_probe_read_kernel(end, sizeof(end), name + length - CONTAINER_SCOPE))
		return false;
	if (end[0] == '.' && end[1] == 's' && end[2] == 'c' && end[3] == 'o' && end[4] == 'p' && end[5] == 'e')
		length -= CONTAINER_SCOPE;
	if (length < (long)sizeof(key->text) || !container_id_read(key, name, length))
		return false;
	return container_dress_known(name, length - sizeof(key->text));
}

#define CONTAINER_SERVICE 8 /* bytes of ".service" */

/*
 * container_begins says that the current task, which executes a program, is the first process of a container whose
 * group has a name of any kind, and reads the beginning of that name. The process is the first of a pid namespace, in a
 * mount namespace of its own (the caller has seen to that), and whoever started it is outside of the group: so neither
 * programs that divide themselves up nor somebody's unshare is a container. Services of systemd may be all that.
 */
static __noinline bool container_begins(struct filter_container_key *key, struct task_struct *task,
					struct cgroup *group)
{
	char service[CONTAINER_SERVICE + 1] = ".service", end[CONTAINER_SERVICE + 1] = {}, text[256];
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	const char *name = BPF_CORE_READ(group, kn, name);
	long length;

	if (!BPF_CORE_READ(task, thread_pid, level) || task_pid_in_own_namespace(task) != 1)
		return false;
	if (!BPF_CORE_READ(group, self.parent) || task_group_of(parent) == group)
		return false;
	length = bpf_probe_read_kernel_str(text, sizeof(text), name) - 1;
	if (length <= 0)
		return false;
	if (length > CONTAINER_SERVICE) {
		bpf_probe_read_kernel(end, CONTAINER_SERVICE, name + length - CONTAINER_SERVICE);
		if (!__builtin_memcmp(end, service, sizeof(end)))
			return false;
	}
	key->prefix_length = sizeof(key->text) * 8;
	bpf_probe_read_kernel_str(key->text, sizeof(key->text), name);
	return true;
}
