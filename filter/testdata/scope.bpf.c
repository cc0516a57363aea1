// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the filters on a record that the test writes into a map. Socket filters, so that kernel 5.10 can run them.
 */
#include "../../bpf/kernel/vmlinux.h"
#include "../../bpf/kernel/uapi.h"
#include <bpf/bpf_helpers.h>

#define FLAG_COMPAT 1

#include "../../bpf/lib/header.h"
#include "../filter.bpf.h"
#include "../../bpf/lib/process.h"

struct event {
	struct event_header header;
	u8 body[BODY_MASK + 1 + VALUE_MAX + 512];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct event);
} input SEC(".maps");

static __always_inline struct event *event_at(u32 number)
{
	return bpf_map_lookup_elem(&input, &number);
}

#include "../../bpf/lib/repeat.h"
#include "../argument.bpf.h"

/* As header_fill() of lib/event.h asks. */
SEC("socket")
int scope(void *ctx)
{
	struct event *e = event_at(0);
	u32 process;

	if (!e)
		return 2;
	process = process_flags(&e->header);
	if (process_followed(process))
		return true;
	return process_passes(process) && scope_passes(&e->header, process);
}

SEC("socket")
int arguments(void *ctx)
{
	return arguments_pass(0);
}

char LICENSE[] SEC("license") = "GPL";
