/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How an event is built and sent: event_begin() takes a buffer and fills the header if the event is selected and the
 * task passes the filters, the put_* functions store arguments, event_submit() copies the record to its ring.
 *
 * A record is the header, one slot of eight bytes per declared argument, and a tail. Values that fit live in their
 * slot; for the others the slot holds offset and length of their bytes in the tail. So user space finds any argument
 * in one step. Needs ring buffers and BTF tracepoints: kernel >= 5.8.
 */
#pragma once

#define MAX_CPUS 1024
#define PATH_MASK (VALUE_MAX - 1)

#define STACK_MAX 20 /* addresses, as in v0.8 */
#define STACK_BYTES_MASK 0xff /* STACK_MAX * sizeof(u64) fits */

#define RINGS 2
#define NO_BUFFER ((u32)-1)

/*
 * ONCE declares a function that is verified once for each program, and not once for each way to it: a global one. Of
 * its arguments the verifier knows what their types say, so pointers are to be checked. Global functions take pointers
 * to memory since 5.12.
 */
#ifdef WITHOUT_CALLBACKS
#define ONCE static __noinline
#else
#define ONCE __noinline
#endif

/* path_walk is how far a walk from a file to the root has come. A global function takes no pointer of the kernel. */
struct path_walk {
	struct dentry *dentry;
	struct dentry *mnt_root;
	struct mount *mnt;
};

/* str_array_walk is how far a walk through an array of strings has come, see bpf/lib/block.h. */
struct str_array_walk {
	u64 array;   /* where the next pointer is */
	u64 str;     /* where the next piece of the present string is, 0 between two strings */
	u32 width;   /* bytes of a pointer */
	u32 index;   /* of the argument */
	u32 kept;    /* bytes so far */
	u32 staged;  /* of these */
	u32 count;   /* strings so far */
	u32 complete; /* the end of the array was reached */
};

/* capture_walk is a run of bytes that is sent piece by piece, see events/capture.bpf.h. */
struct capture_walk {
	struct file *file; /* NULL: memory */
	u64 from;          /* where the bytes are; 0: nowhere that could be read */
	u64 left;
	u64 pos;
	u64 address;
	u64 whole;
	u64 sequence;
	u64 vector; /* of buffers, 0: there is one only */
	u64 moved;  /* what is left in all of them */
	u64 count;
	u32 narrow; /* their addresses have four bytes */
	u32 index;
	s32 fd;
	u32 filter;
	u32 rung;
	char name[16];
};

#define BY_IO_URING 0x80 /* beside a rung: what is seen was done through an io_uring */

struct event {
	u32 users; /* 0: free. Only ever changed by atomic addition, see event_buffer() */
	u32 number;  /* of the buffer, which is its key */
	u64 sequence[RINGS];
	u64 args[8];     /* of the syscall, where they can be indexed */
	struct path_walk walk; /* the path that is being built */
	struct str_array_walk strings;
	struct capture_walk capture; /* while the buffer is taken for it, and not for an event */
	u32 path_at;     /* where the path begins in path[] */
	u32 path_whole;  /* the path reaches the root */
	u32 stack_bytes; /* of the addresses behind the body, with FLAG_STACK */
	char path[2 * VALUE_MAX]; /* a path is built here from the end of its first half; and see bpf/lib/block.h */
	struct event_header header;
	u8 body[BODY_MASK + 1 + VALUE_MAX + 512]; /* slack: the largest single write behind a masked offset */
};

/* Per event: why it did not arrive. */
struct event_counters {
	u64 lost_ring_full;
	u64 lost_no_buffer;  /* all lanes of the CPU were taken */
	u64 unreadable;      /* arguments whose memory could not be read; their event was sent without them */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LANES); /* times the number of CPUs, set before loading */
	__type(key, u32);
	__type(value, struct event);
} buffers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EVENTS);
	__type(key, u32);
	__type(value, struct event_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
} critical SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
} bulk SEC(".maps");

const volatile u8 event_flags[EVENTS_MASK + 1]; /* EVENT_SELECTED, … */
const volatile u32 own_pid;                     /* the tracer, never traced */
const volatile u64 wake_critical = 1 << 17;     /* bytes waiting at which the reader is woken; else it polls */
const volatile u64 wake_bulk = 1 << 20;
const volatile u64 wake_every = 1; /* records; a power of two */
const volatile bool stack_addresses;            /* of the traced program, with every event */

static __always_inline struct event_counters *event_counters(u32 index)
{
	return bpf_map_lookup_elem(&counters, &index);
}

#define event_count(index, counter)                                 \
	({                                                          \
		struct event_counters *__c = event_counters(index); \
		if (__c)                                            \
			__sync_fetch_and_add(&__c->counter, 1);     \
	})

static __always_inline bool event_selected(u32 index)
{
	return event_flags[index & EVENTS_MASK] & EVENT_SELECTED;
}

/*
 * event_buffer takes a free buffer of this CPU. Programs on fentry can be preempted by others on the same CPU, so a
 * buffer is owned by whoever raised its count from zero. Additions whose result is not returned are the only atomic
 * operation before 5.12; the sum is read afterwards: two programs that race may both see 2 and both go on to the next
 * lane, but never both see 1.
 */
static __always_inline struct event *event_buffer(u8 *lane)
{
	u32 first = bpf_get_smp_processor_id() * LANES;

	for (u32 i = 0; i < LANES; i++) {
		u32 key = first + i;
		struct event *e = bpf_map_lookup_elem(&buffers, &key);

		if (!e)
			return NULL;
		__sync_fetch_and_add(&e->users, 1);
		if (*(volatile u32 *)&e->users == 1) {
			*lane = i;
			return e;
		}
		__sync_fetch_and_add(&e->users, -1);
	}
	return NULL;
}

/* event_at returns the buffer with a number, NULL for NO_BUFFER. */
static __always_inline struct event *event_at(u32 number)
{
	return bpf_map_lookup_elem(&buffers, &number);
}

static __always_inline void event_drop(struct event *e)
{
	__sync_fetch_and_add(&e->users, -1);
}

#include "../../filter/argument.bpf.h"

/* header_comm fills the name: the one that the state keeps if there is a state, else the task's present one. */
static __always_inline void header_comm(struct event_header *h, struct task_state *state, struct task_struct *named)
{
	if (state) /* verifier: a load must not be of two kinds of memory */
		bpf_probe_read_kernel(h->comm, sizeof(h->comm), state->comm);
	else if (typed_tasks())
		text16_copy(h->comm, named->comm);
	else
		bpf_probe_read_kernel(h->comm, sizeof(h->comm), named->comm);
}

/*
 * header_fill fills what the header says about a task, as far as it takes to see that the filters reject it; false:
 * they do. The event is attributed to the name of named, or to the one that a state keeps.
 */
static __always_inline bool header_fill(struct event_header *h, struct task_struct *task, struct task_state *state,
					struct task_struct *named, bool admitted)
{
	struct container_group *container;
	struct cred *cred;
	u32 process;

	h->host_tid = TASK(task, pid);
	if (process_rule.active)
		h->process_start_time = process_start_time(task);
	process = process_flags(h);
	if (process_followed(process))
		admitted = true;
	/* What filters say comes first: where there are none, the verifier need not follow both ways of admitted. */
	if (!process_passes(process) && !admitted)
		return false;
	cred = TASK(task, cred);
	h->uid = TASK(cred, uid.val);
	header_comm(h, state, named);
	if (!scope_passes_early(h, process) && !admitted)
		return false;
	h->cgroup_id = task_cgroup_id(task);
	container = group_container(h->cgroup_id);
	if (container && container->state)
		h->flags |= FLAG_CONTAINER_STARTED;
	if (!container_passes(container) && !admitted)
		return false;
	header_namespaces(h, task);
	if (!scope_passes_late(h, process) && !admitted)
		return false;
	if (process_rule.follow && !admitted && !process_follow(h, process))
		event_count(EVENT_process_scope, lost_no_buffer);
	return true;
}

/*
 * event_open_of takes a buffer for an event of a task that is known to be selected, and returns its number; NO_BUFFER:
 * filtered out, or counted as lost. The event is attributed to the task's present name, or to the one that a state
 * keeps. Threads that the kernel made for io_uring have names of their own, which no filter asks for: what they do is
 * attributed to that of their process. What no filter asks for is found out last.
 */
static __always_inline u32 event_open_of(struct task_struct *task, struct task_state *state, u32 index, u32 args,
					 u32 rung)
{
	u32 pid = TASK(task, tgid), flags = event_flags[index & EVENTS_MASK];
	bool unfiltered = flags & EVENT_UNFILTERED, by_itself = rung == RUNG_NONE || flags & EVENT_OF_THREAD;
	struct task_struct *named = task;
	struct event *e;
	u8 lane;

	if (pid == own_pid && !unfiltered)
		return NO_BUFFER;
	e = event_buffer(&lane);
	if (!e) {
		event_count(index, lost_no_buffer);
		return NO_BUFFER;
	}
	/* Into memory as soon as it is known: what the verifier remembers of variables multiplies the ways. */
	e->header.cpu = bpf_get_smp_processor_id();
	e->header.lane = lane;
	e->number = e->header.cpu * LANES + lane;
	e->header.host_pid = pid;
	e->header.flags = 0;
	if (!by_itself && task_is_io_worker(task))
		named = TASK(task, group_leader);
	if (!header_fill(&e->header, task, state, named, unfiltered)) {
		event_drop(e);
		return NO_BUFFER;
	}

	if (rung & BY_IO_URING || (!by_itself && task_by_io_uring(task)))
		e->header.flags |= FLAG_IO_URING;
	e->header.timestamp = bpf_ktime_get_boot_ns();
	e->header.start_time = TASK(task, start_boottime);
	if (!process_rule.active)
		e->header.process_start_time =
			e->header.host_tid == pid ? e->header.start_time : process_start_time(task);
	e->header.present = 0;
	e->header.truncated = 0;
	e->header.event = index;
	e->header.rung = rung & ~BY_IO_URING;
	e->header.size = args * sizeof(u64);
	return e->number;
}

/*
 * event_open is event_open_of for the current task. This and event_send() are global functions of numbers alone, which
 * every kernel verifies once for each program.
 */
__noinline u32 event_open(u32 index, u32 args, u32 rung, bool renamed)
{
	return event_open_of(task_current(), renamed ? task_state_lookup() : NULL, index, args, rung);
}

static __always_inline struct event *event_start(u32 index, u32 args, u8 rung)
{
	return event_at(event_open(index, args, rung, false));
}

/* event_start_renamed is event_start under the name that the state of the task keeps. */
static __always_inline struct event *event_start_renamed(u32 index, u32 args, u8 rung)
{
	return event_at(event_open(index, args, rung, true));
}

/* event_begin is event_start for an event named in the source: EVENT_sched_process_exec. */
#define event_begin(index, rung) \
	(event_selected(index) ? event_start(index, index##_ARGS, rung) : NULL)

/*
 * ring_send looks at every wake_every-th record whether so much is waiting that the reader must be woken; for one that
 * is urgent it must.
 */
#define ring_send(ring, e, bytes, threshold, urgent)                                                \
	({                                                                                          \
		bool __wake = urgent || (!(e->header.sequence & (wake_every - 1)) &&                \
			      bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= threshold);            \
		bpf_ringbuf_output(&ring, &e->header, bytes,                                        \
				   __wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);                \
	})

/* reader_wake makes the reader look now: what it has to take hold of may be gone soon. */
#define reader_wake(ring)                                                       \
	do {                                                                    \
		void *__nothing = bpf_ringbuf_reserve(&ring, 8, 0);             \
		if (__nothing)                                                  \
			bpf_ringbuf_discard(__nothing, BPF_RB_FORCE_WAKEUP);    \
	} while (0)

/* event_send sends the record in a buffer and gives the buffer back. */
__noinline int event_send(u32 number, s64 retval)
{
	struct event *e = event_at(number);
	u32 index;
	u64 bytes;
	u8 ring, flags;
	long err;

	if (!e)
		return 0;
	index = e->header.event;
	e->header.retval = retval;
	flags = event_flags[index & EVENTS_MASK];
	if (filter_arguments && flags & EVENT_JUDGED && !arguments_pass(number)) {
		event_drop(e); /* before it has a number, so that it is not missed */
		return 0;
	}
	ring = flags & EVENT_CRITICAL ? RING_CRITICAL : RING_BULK;
	bytes = e->header.size;
	if (bytes > BODY_MASK + 1 + VALUE_MAX) /* verifier: the put functions keep it below */
		bytes = BODY_MASK + 1 + VALUE_MAX;
	bytes += sizeof(e->header);
	if (stack_addresses && e->header.flags & FLAG_STACK)
		bytes += e->stack_bytes & STACK_BYTES_MASK; /* verifier: the mask */
	e->header.ring = ring;
	e->header.sequence = e->sequence[ring]++;
	if (ring == RING_CRITICAL)
		err = ring_send(critical, e, bytes, wake_critical, flags & EVENT_URGENT);
	else
		err = ring_send(bulk, e, bytes, wake_bulk, flags & EVENT_URGENT);
	if (err)
		event_count(index, lost_ring_full);
	event_drop(e);
	return 0;
}

/*
 * event_stack puts the addresses of the functions that the traced program is in behind the body, innermost first: its
 * instruction pointer, and what is found by frame pointers. Only of the current task, and so not of those that an
 * iterator shows, nor of requests that another one answers. Needs typed tasks: kernel >= 5.11.
 */
static __always_inline void event_stack(struct event *e)
{
	u32 at = e->header.size;
	long n;

	if (!typed_tasks() || at > BODY_MASK + VALUE_MAX || e->header.host_tid != (u32)bpf_get_current_pid_tgid())
		return;
	n = bpf_get_task_stack(bpf_get_current_task_btf(), &e->body[at], STACK_MAX * sizeof(u64), BPF_F_USER_STACK);
	if (n <= 0)
		return;
	e->stack_bytes = n;
	e->header.flags |= FLAG_STACK;
}

/* event_submit_bare is event_submit for programs that may not ask for the stack of a task. */
static __always_inline int event_submit_bare(struct event *e, s64 retval)
{
	event_send(e->number, retval);
	return 0;
}

/* event_submit ends an event; its buffer belongs to others then. */
static __always_inline int event_submit(struct event *e, s64 retval)
{
	if (stack_addresses)
		event_stack(e);
	return event_submit_bare(e, retval);
}

/* Values in the slot. The index is a constant of the generated setters, so the offset is one too. */
static __always_inline void put_u64(struct event *e, u32 index, u64 value)
{
	/* A variable, because clang stores byte by byte through a cast of something that is not aligned. */
	u64 *slot = (void *)&e->body[(index & 63) * sizeof(u64)];

	*slot = value;
	e->header.present |= 1ULL << (index & 63);
}

/* slot_tail makes the slot point to the bytes [size, size + length) of the body and moves the end behind them. */
static __always_inline void slot_tail(struct event *e, u32 index, u32 length)
{
	put_u64(e, index, (u64)e->header.size | (u64)length << 32);
	e->header.size += length;
}

static __always_inline void mark_truncated(struct event *e, u32 index)
{
	e->header.truncated |= 1ULL << (index & 63);
}

/* tail_full says that no further value may start; it marks the argument as cut to nothing. */
static __always_inline bool tail_full(struct event *e, u32 index)
{
	if (e->header.size <= BODY_MASK)
		return false;
	put_u64(e, index, 0);
	mark_truncated(e, index);
	return true;
}

/* put_bytes copies at most VALUE_MAX bytes of kernel memory. */
static __always_inline void put_bytes(struct event *e, u32 index, const void *bytes, u32 length)
{
	if (tail_full(e, index))
		return;
	if (length > VALUE_MAX) {
		length = VALUE_MAX;
		mark_truncated(e, index);
	}
	if (bpf_probe_read_kernel(&e->body[e->header.size & BODY_MASK], length, bytes))
		event_count(e->header.event, unreadable);
	else
		slot_tail(e, index, length);
}

/* put_str copies a NUL-terminated kernel string; what is longer than VALUE_MAX is cut and marked. */
static __noinline void put_str(struct event *e, u32 index, const char *str)
{
	if (tail_full(e, index))
		return;
	long n = bpf_probe_read_kernel_str(&e->body[e->header.size & BODY_MASK], VALUE_MAX, str);

	if (n <= 0) {
		event_count(e->header.event, unreadable);
		return;
	}
	if (n == VALUE_MAX)
		mark_truncated(e, index);
	slot_tail(e, index, n - 1);
}

/*
 * user_str_read copies a string of the traced process, at most VALUE_MAX bytes, and returns its length with the NUL.
 * The helper returns 0 for an empty one where strncpy_from_user_nofault() does (seen on 6.1 and 6.12, not on 6.18).
 */
static __always_inline long user_str_read(u8 *to, u64 str)
{
	long n = bpf_probe_read_user_str(to, VALUE_MAX, (void *)str);

	if (n)
		return n;
	*to = 0;
	return 1;
}

/* put_user_str copies a NUL-terminated string of the traced process. NULL leaves the argument absent. */
ONCE int put_user_str(struct event *e, u32 index, u64 str)
{
	char last = 0;

	if (!e || !str || tail_full(e, index))
		return 0;
	long n = user_str_read(&e->body[e->header.size & BODY_MASK], str);

	if (n <= 0) {
		event_count(e->header.event, unreadable);
		return 0;
	}
	if (n == VALUE_MAX && (bpf_probe_read_user(&last, 1, (void *)(str + VALUE_MAX - 1)) || last))
		mark_truncated(e, index);
	slot_tail(e, index, n - 1);
	return 0;
}
