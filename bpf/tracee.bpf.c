//go:build ignore

// SPDX-License-Identifier: GPL-2.0
/* The kernel side of Tracee: this file is its table of contents. */

#include "kernel/vmlinux.h"
#include "kernel/uapi.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include "lib/read.h"
#include "kernel/flavors.h"
#include "kernel/uring.h"
#include "kernel/syscall.h"

/* numbers and setters of the catalogue */
struct event;
static __always_inline void put_u64(struct event *e, unsigned int index, unsigned long long value);
#include "gen/events.h"

/* mechanisms */
#include "lib/header.h"
#include "../filter/filter.bpf.h"
#include "lib/task.h"
#include "lib/container.h"
#include "lib/process.h"
#include "lib/repeat.h"
#include "lib/event.h"
#include "lib/block.h"
#include "lib/path.h"
#include "lib/hook.h"
#include "lib/owner.h"

/* events, each beside its declaration */
#include "../events/syscall.bpf.h"
#include "../events/uring.bpf.h"
#include "../events/process.bpf.h"
#include "../events/cgroup.bpf.h"
#include "../events/container.bpf.h"
#include "../events/file.bpf.h"
#include "../events/readwrite.bpf.h"
#include "../events/inode.bpf.h"
#include "../events/mount.bpf.h"
#include "../events/directory.bpf.h"
#include "../events/memory.bpf.h"
#include "../events/net.bpf.h"
#include "../events/packet.bpf.h"
#include "../events/flow.bpf.h"
#include "../events/control.bpf.h"
#include "../events/task.bpf.h"
#include "../events/module.bpf.h"
#include "../events/kernel.bpf.h"
#include "../events/bpf.bpf.h"
#include "../events/integrity.bpf.h"
#include "../events/netfilter.bpf.h"
#include "../events/existing.bpf.h"
#include "../events/scope.bpf.h"
#include "../events/uring_operations.bpf.h"
#include "../events/modification.bpf.h"
#include "../events/capture.bpf.h"
#include "../events/capture_packet.bpf.h"

char LICENSE[] SEC("license") = "GPL";
