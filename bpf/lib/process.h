/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is kept of a process for --trace tree, follow, executable and pid=new, by its entity id, from its fork (or the
 * start of tracing) until the kernel frees it; see events/scope.bpf.h. Of most processes there is nothing to keep.
 */
#pragma once

/* Each is written by itself, so that two writers do not undo each other. */
struct process {
	u8 tree;       /* the verdict on the nearest ancestor that is listed */
	u8 executable; /* it runs a program on which the verdict is another than process_rule.executable */
	u8 executed;   /* it has executed a program since tracing began */
	u8 followed;   /* it, or one that it descends from, has passed */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set before loading, if it is needed */
	__type(key, u64);
	__type(value, struct process);
} processes SEC(".maps");

/* Processes that tree lists, with the verdict on them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* as many as there are, set before loading */
	__type(key, u32);
	__type(value, u8);
} process_roots SEC(".maps");

const volatile struct filter_process_rule process_rule;
const volatile u64 tracing_since; /* CLOCK_BOOTTIME, ns */

/* What filters ask of a process, in registers. */
#define PROCESS_TREE 3 /* FILTER_IN or FILTER_OUT */
#define PROCESS_EXECUTABLE 4
#define PROCESS_FOLLOWED 8
/* and PROCESS_NEW, which filters ask for as if it was a number */

/* process_flags answers for the process of a header, which must have its number and its start. */
static __always_inline u32 process_flags(const struct event_header *h)
{
	struct process *process;
	u32 flags = 0;
	u64 key;

	if (!process_rule.active)
		return 0;
	key = entity_id(h->host_pid, h->process_start_time);
	process = bpf_map_lookup_elem(&processes, &key);
	if (process) {
		flags = process->tree & PROCESS_TREE;
		if (process->executable)
			flags |= PROCESS_EXECUTABLE;
		if (process->followed)
			flags |= PROCESS_FOLLOWED;
		if (process->executed)
			flags |= PROCESS_NEW;
	}
	if (h->process_start_time >= tracing_since)
		flags |= PROCESS_NEW;
	return flags;
}

/* process_passes is what tree and executable say. The verifier deletes what no flag asked for. */
static __always_inline bool process_passes(u32 flags)
{
	u32 verdict = flags & PROCESS_TREE;

	if (process_rule.tree && (verdict ? verdict : process_rule.tree) == FILTER_OUT)
		return false;
	if (process_rule.executable)
		return (process_rule.executable == FILTER_IN) == !(flags & PROCESS_EXECUTABLE);
	return true;
}

/* process_followed says that the process, or one that it descends from, has passed the filters. */
static __always_inline bool process_followed(u32 flags)
{
	return process_rule.follow && flags & PROCESS_FOLLOWED;
}

const struct process process_unknown = {};

/* process_note returns what is kept of a process, to be written to; NULL when there is no room for it. */
static __always_inline struct process *process_note(u64 key)
{
	struct process *process = bpf_map_lookup_elem(&processes, &key);

	if (process)
		return process;
	bpf_map_update_elem(&processes, &key, &process_unknown, BPF_NOEXIST);
	return bpf_map_lookup_elem(&processes, &key);
}

/* process_follow notes that the process of a header passes; false: there is no room for it. */
static __always_inline bool process_follow(const struct event_header *h, u32 flags)
{
	struct process *process;

	if (!process_rule.follow || flags & PROCESS_FOLLOWED)
		return true;
	process = process_note(entity_id(h->host_pid, h->process_start_time));
	if (process)
		process->followed = 1;
	return process;
}
