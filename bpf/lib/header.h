/* SPDX-License-Identifier: GPL-2.0 */
/* The header of a record: the context of an event. User space reads it by the Go type that bpf2go makes from it. */
#pragma once

struct event_header {
	u64 timestamp;  /* CLOCK_BOOTTIME, ns */
	u64 start_time; /* of the thread, CLOCK_BOOTTIME, ns */
	u64 process_start_time; /* of its thread group's leader */
	u64 parent_start_time;  /* of the leader of the parent */
	u64 cgroup_id;
	u64 sequence;   /* counts the records of this ring, CPU and lane */
	s64 retval;
	u64 present;    /* bit i: argument i is there */
	u64 truncated;  /* bit i: argument i was cut */
	u32 pid, tid, ppid; /* as the task's pid namespace counts; ppid 0: parent outside of it */
	u32 host_pid, host_tid, host_ppid;
	u32 uid;        /* real uid in the initial user namespace */
	u32 mnt_ns, pid_ns;
	u16 event;      /* index in the catalogue */
	u16 cpu;
	u8 rung;
	u8 flags;
	u8 lane;
	u8 ring;
	u32 size;       /* bytes that follow the header */
	char comm[16];
	char uts[16];
};

#define BODY_MASK 0x7fff    /* bytes of slots and tail; a power of two less one */
#define VALUE_MAX 4096      /* one string or path, terminating NUL included */

/* entity_id is trace.EntityID: who a thread or process is, for those that an event names. */
static __always_inline u64 entity_id(u32 pid, u64 start)
{
	u64 z = start + pid * 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	z ^= z >> 31;
	if (!pid)
		return 0;
	return z ? z : 1;
}
