// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the scope filters on a header that the test writes into a map. A socket filter, so that kernel 5.10 can run it.
 */
#include "../../bpf/kernel/vmlinux.h"
#include <bpf/bpf_helpers.h>

/* The fields that filters look at; the rest of the real header does not matter here. */
struct event_header {
	u64 timestamp;
	u32 host_pid;
	u32 uid, mnt_ns, pid_ns;
	char comm[16];
	char uts[16];
};

#include "../filter.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct event_header);
} input SEC(".maps");

SEC("socket")
int scope(void *ctx)
{
	u32 key = 0;
	struct event_header *h = bpf_map_lookup_elem(&input, &key);

	return h ? scope_passes(h) : 2;
}

char LICENSE[] SEC("license") = "GPL";
