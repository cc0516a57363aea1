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
