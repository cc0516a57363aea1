/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Syscalls, and the dispatch of everything that is observed around them.
 *
 * sys_exit is one program on tp_btf/sys_exit. It looks the number up in a table that user space fills from the
 * catalogue, builds the syscall's event from the saved registers if it is selected, and then runs the tails that the
 * table lists: programs of other events that this syscall can cause (security_file_open after openat …). A syscall
 * that nobody needs costs one look-up. sys_enter exists for what is gone at the exit, and is attached only then.
 *
 * Kernel >= 5.11.
 */
#pragma once

#define SOCKADDR_MAX 128 /* sizeof(struct sockaddr_storage) */

struct syscall_spec {
	u16 event;     /* index in the catalogue; also what the argument "syscall" is made from */
	u8 flags;
	u8 args;       /* registers that hold arguments */
	u8 kinds[6];
	u8 sockaddr_length; /* argument that holds the length of the socket address */
	u8 pointed;         /* further arguments: words of a struct */
	u8 pointer;         /* ... whose address is in this register */
	u8 words[POINTED_MAX]; /* ... and where they are in it, in units of 8 bytes */
	u8 enter[ENTER_TAILS];  /* tails to run at entry, in order; 0 ends the list */
	u8 exit[SYSCALL_TAILS]; /* tails to run at exit, in order; 0 ends the list */
};

/* Filled when the rungs are chosen, which is after the other constants are set; so not among those. */
struct syscall_spec syscall_specs[ABIS * SYSCALLS] SEC(".data.syscalls");
struct syscall_spec multiplexed_specs[MULTIPLEXED] SEC(".data.syscalls");
const volatile u16 event_ids[EVENTS_MASK + 1]; /* catalogue index -> id */
const volatile bool detect_syscall;            /* fill the arguments called "syscall" */
const volatile bool exec_env;                  /* keep the environment of an exec */
const volatile bool fd_paths;                  /* tell the files of descriptors */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, TAILS);
	__type(key, u32);
	__type(value, u32);
} exit_tails SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, TAILS);
	__type(key, u32);
	__type(value, u32);
} enter_tails SEC(".maps");

static __always_inline const struct syscall_spec *syscall_spec_of(u64 nr, bool compat)
{
	u64 at = (compat ? SYSCALLS : 0) + nr;

	if (nr >= SYSCALLS)
		return NULL;
	barrier_var(at); /* verifier: clang removes masks where it knows the value, and compat may come from memory */
	return &syscall_specs[at & (ABIS * SYSCALLS - 1)];
}

static __always_inline const struct syscall_spec *syscall_spec(const struct pt_regs *regs, bool compat)
{
	return syscall_spec_of(syscall_number(regs), compat);
}

/* spec_behind returns the call that a multiplexer stands for, and any other as it is. */
static __always_inline const struct syscall_spec *spec_behind(const struct pt_regs *regs,
							       const struct syscall_spec *spec)
{
	u64 args[6];

	if (!(spec->flags & SPEC_MULTIPLEXER))
		return spec;
	syscall_args(regs, true, args);
	if (args[0] >= MULTIPLEXED)
		return spec;
	return &multiplexed_specs[args[0] & (MULTIPLEXED - 1)]; /* verifier: the mask */
}

/* The syscall that a task is in. */
struct call {
	s32 id; /* negative: none */
	bool compat;
	u64 args[6];
};

/* call_current finds the syscall that the current task is in, and its arguments. */
static __noinline int call_current(struct call *call)
{
	struct task_struct *task = task_current();
	const struct pt_regs *regs = task_registers(task);
	const struct syscall_spec *spec;
	u32 words[6] = {};

	if (task_is_io_worker(task)) { /* its registers are those of the task that made it */
		call->id = -1;
		return 0;
	}
	call->compat = task_in_compat_syscall(task);
	spec = syscall_spec_of(task_syscall_number(regs), call->compat);
	if (!spec) {
		call->id = -1;
		return 0;
	}
	task_syscall_args(regs, call->compat, call->args);
	if (call->compat && spec->flags & SPEC_MULTIPLEXER && call->args[0] < MULTIPLEXED) {
		spec = &multiplexed_specs[call->args[0] & (MULTIPLEXED - 1)];
		bpf_probe_read_user(words, sizeof(words), (void *)call->args[1]);
		for (u32 i = 0; i < 6; i++)
			call->args[i] = words[i];
	}
	call->id = event_ids[spec->event & EVENTS_MASK];
	return 0;
}

/*
 * narrow_pointers says that what the arguments of this call point to has pointers of 32 bits: by the 32-bit ABI, and by
 * x32, whose calls with such arguments have numbers of their own.
 */
static __always_inline bool narrow_pointers(bool compat)
{
	return compat || task_syscall_is_x32(task_registers(task_current()));
}

/* current_syscall_id returns the id of the syscall that the task is in, negative when it is in none. */
static __always_inline s32 current_syscall_id(void)
{
	struct task_struct *task = task_current();
	const struct syscall_spec *spec;

	if (task_is_io_worker(task))
		return -1;
	spec = syscall_spec_of(task_syscall_number(task_registers(task)), task_in_compat_syscall(task));
	return spec ? event_ids[spec->event & EVENTS_MASK] : -1;
}

/* put_syscall stores the argument "syscall" of an event that is not one; only with option:detect-syscall. */
static __always_inline void put_syscall(struct event *e, u32 index)
{
	if (detect_syscall)
		put_u64(e, index, current_syscall_id());
}

/* Not verified ONCE: where the kernel keeps the address, it is of a type, and a global function would not take it. */
static __noinline int put_user_sockaddr(struct event *e, u32 index, u64 address, u64 length)
{
	u32 n = length > SOCKADDR_MAX ? SOCKADDR_MAX : length;

	if (!address || !n || tail_full(e, index))
		return 0;
	if (bpf_probe_read_user(&e->body[e->header.size & BODY_MASK], n, (void *)address))
		event_count(e->header.event, unreadable);
	else
		slot_tail(e, index, n);
	return 0;
}

/* sockaddr_length finds the length of a syscall's socket address, 0 when the call left none. */
static __always_inline u64 sockaddr_length(struct event *e, const struct syscall_spec *spec, long ret)
{
	u8 where = spec->sockaddr_length;
	u64 value = e->args[where & 7];
	s32 length = 0;

	if (where == SOCKADDR_NONE)
		return 0;
	if (!(where & SOCKADDR_BY_POINTER))
		return value & 0xffffffff;
	if (ret < 0 || !value || bpf_probe_read_user(&length, sizeof(length), (void *)value))
		return 0;
	return length < 0 ? 0 : length;
}

/* What is put in the place of the path of a file that has none: a pipe, a socket. */
struct nameless {
	u64 inode;
	u64 mode;
};

/* slot_of_fd makes the slot of a descriptor point to the bytes at the end of the body. */
static __always_inline void slot_of_fd(struct event *e, u32 index, u32 fd, u32 length, u32 flags)
{
	put_u64(e, index, fd | (u64)(e->header.size & 0xffff) << FD_OFFSET_SHIFT |
				  (u64)((length | flags) & 0xffff) << FD_LENGTH_SHIFT);
	e->header.size += length;
}

/*
 * put_fd stores a descriptor with the path of its file, as the kernel's file object has it at this moment: another
 * thread may have put another file there since the call looked.
 */
ONCE int put_fd(struct event *e, u32 index, u32 fd)
{
	struct nameless nameless = {};
	struct inode *inode;
	struct file *file;
	u32 begin, length = 0;
	u64 truncated;

	if (!e || index >= 6)
		return 0;
	put_u64(e, index, fd);
	file = task_file(fd);
	if (!file || e->header.size > BODY_MASK)
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	nameless.inode = BPF_CORE_READ(inode, i_ino);
	nameless.mode = BPF_CORE_READ(inode, i_mode);
	begin = e->header.size;
	truncated = e->header.truncated;
	if ((nameless.mode & S_IFMT) != S_IFSOCK) { /* some kernels name sockets after their protocol */
		put_file_path(e, index, file);
		length = e->header.size - begin;
		e->header.size = begin;
	}
	if (length) {
		slot_of_fd(e, index, fd, length & (VALUE_MAX - 1), 0);
		return 0;
	}
	e->header.truncated = truncated;
	bpf_probe_read_kernel(&e->body[begin & BODY_MASK], sizeof(nameless), &nameless);
	slot_of_fd(e, index, fd, sizeof(nameless), FD_NAMELESS);
	return 0;
}

/* A descriptor that is about to be closed: the body that put_fd made of it. */
#define CLOSING_MAX 1024
struct closing {
	u64 slot;
	u8 text[CLOSING_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* set before loading, if they are wanted */
	__type(key, u32);
	__type(value, struct closing);
} closing SEC(".maps");

/* fd_remember takes down, before a call that closes a descriptor, which file it is. */
static __noinline int fd_remember(const struct syscall_spec *spec, u32 fd)
{
	struct event *e = event_start(spec->event, 1, RUNG_NONE);
	u32 task = bpf_get_current_pid_tgid();

	if (!e)
		return 0;
	put_fd(e, 0, fd);
	bpf_map_update_elem(&closing, &task, e->body, BPF_ANY);
	event_drop(e);
	return 0;
}

/* put_fd_closed is put_fd for after the close. */
ONCE int put_fd_closed(struct event *e, u32 index, u32 fd)
{
	u32 task = bpf_get_current_pid_tgid();
	struct closing *noted = bpf_map_lookup_elem(&closing, &task);
	u32 length;
	u64 above;

	if (!e || index >= 6)
		return 0;
	put_u64(e, index, fd);
	if (!noted || (u32)noted->slot != fd || e->header.size > BODY_MASK)
		return 0;
	above = noted->slot >> FD_LENGTH_SHIFT;
	length = above & ~FD_NAMELESS;
	if (length >= CLOSING_MAX) {
		length = CLOSING_MAX - 1;
		mark_truncated(e, index);
	}
	if (length && !bpf_probe_read_kernel(&e->body[e->header.size & BODY_MASK], length, noted->text))
		slot_of_fd(e, index, fd, length, above & FD_NAMELESS);
	bpf_map_delete_elem(&closing, &task);
	return 0;
}

ONCE int put_syscall_arg(struct event *e, const struct syscall_spec *spec, u32 i, bool compat, long ret)
{
	u64 value, pair = 0;

	if (!e || !spec || i >= 6)
		return 0;
	value = e->args[i & 7];
	switch (spec->kinds[i]) {
	case KIND_STR:
		return put_user_str(e, i, value);
	case KIND_STR_ARRAY:
		return put_user_str_array(e, i, value, compat);
	case KIND_STR_ARRAY32:
		return put_user_str_array(e, i, value, true);
	case KIND_SOCKADDR:
		return put_user_sockaddr(e, i, value, sockaddr_length(e, spec, ret));
	case KIND_INT_PAIR:
		if (ret == 0 && !bpf_probe_read_user(&pair, sizeof(pair), (void *)value))
			put_u64(e, i, pair);
		return 0;
	case KIND_NONE:
		return 0;
	case KIND_FD:
		return fd_paths ? put_fd(e, i, value) : 0;
	case KIND_FD_CLOSED:
		return fd_paths ? put_fd_closed(e, i, value) : 0;
	case KIND_LONG:
		put_u64(e, i, compat ? (u64)(s64)(s32)value : value);
		return 0;
	default:
		put_u64(e, i, value);
		return 0;
	}
}

/* put_pointed stores the words of a struct, behind the registers. */
ONCE int put_pointed(struct event *e, const struct syscall_spec *spec)
{
	u64 address, value;

	if (!e || !spec)
		return 0;
	address = e->args[spec->pointer & 7];
	for (u32 i = 0; i < POINTED_MAX; i++) {
		if (i >= spec->pointed)
			break;
		if (bpf_probe_read_user(&value, sizeof(value), (void *)(address + 8 * spec->words[i])))
			event_count(e->header.event, unreadable);
		else
			put_u64(e, spec->args + i, value);
	}
	return 0;
}

/* spec_args collects the arguments of a syscall: registers, or the words that one of them points to. */
static __always_inline void spec_args(const struct pt_regs *regs, const struct syscall_spec *spec, bool compat,
				      u64 args[6])
{
	u32 words[6] = {};

	syscall_args(regs, compat, args);
	if (!compat || !(spec->flags & (SPEC_ARGUMENT_BLOCK | SPEC_MULTIPLEXED)))
		return;
	bpf_probe_read_user(words, sizeof(words), (void *)(spec->flags & SPEC_MULTIPLEXED ? args[1] : args[0]));
	for (u32 i = 0; i < 6; i++)
		args[i] = words[i];
}

/*
 * syscall_event sends the event of the syscall itself. It finds out about the ABI anew: where its caller had found out,
 * the verifier of 6.1 saw a constant, and took the branch for the 32-bit ABI away.
 */
static __noinline int syscall_event(const struct pt_regs *regs, const struct syscall_spec *spec, long ret)
{
	struct event *e = event_start(spec->event, spec->args + spec->pointed, RUNG_NONE);
	bool compat = task_in_compat_syscall(task_current());

	if (!e)
		return 0;
	if (compat)
		e->header.flags |= FLAG_COMPAT;
	spec_args(regs, spec, compat, e->args);
	for (u32 i = 0; i < 6; i++) {
		if (i >= spec->args)
			break;
		put_syscall_arg(e, spec, i, compat, ret);
	}
	if (spec->pointed)
		put_pointed(e, spec);
	return event_submit(e, ret);
}

/*
 * exit_tails_from runs the tails of the syscall's list, the first of them at the given position. It returns only when
 * there are none: a program that this kernel refused leaves its place empty, and the next one gets its turn.
 */
static __always_inline void exit_tails_from(void *ctx, const struct syscall_spec *spec, u32 position)
{
	for (u32 i = 0; i < SYSCALL_TAILS; i++) {
		if (i >= position && spec->exit[i])
			bpf_tail_call(ctx, &exit_tails, spec->exit[i]);
	}
}

/* exit_tail_position returns the position behind a tail in the syscall's list. */
ONCE u32 exit_tail_position(const struct syscall_spec *spec, u32 tail)
{
	for (u32 i = 0; spec && i < SYSCALL_TAILS; i++) {
		if (spec->exit[i] == tail)
			return i + 1;
	}
	return SYSCALL_TAILS;
}

/* syscall_exited does what somebody needs after this syscall. */
static __noinline int syscall_exited(void *ctx, const struct pt_regs *regs, long ret)
{
	bool compat = task_in_compat_syscall(task_current());
	const struct syscall_spec *spec = syscall_spec(regs, compat), *behind;

	if (!spec)
		return 0;
	if (event_selected(EVENT_sys_exit)) {
		struct event *e = event_begin(EVENT_sys_exit, RUNG_TRACEPOINT);

		if (e) {
			sys_exit_syscall(e, event_ids[spec->event & EVENTS_MASK]);
			event_submit(e, ret);
		}
	}
	behind = spec_behind(regs, spec);
	if (behind->flags & SPEC_EVENT)
		spec = behind; /* a multiplexer is shown as itself only if its call is not selected */
	if ((spec->flags & SPEC_EVENT) && !((spec->flags & SPEC_NOT_ZERO) && ret == 0))
		syscall_event(regs, spec, ret);
	exit_tails_from(ctx, behind, 0);
	return 0;
}

/* A function of its own, because this runs after every syscall: it has no registers to save. */
SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit, struct pt_regs *regs, long ret)
{
	const struct syscall_spec *spec = syscall_spec(regs, false);

	/* A spec is active if either ABI gives its number a meaning that somebody needs. */
	if (!spec || !(spec->flags & SPEC_ACTIVE))
		return 0;
	return syscall_exited(ctx, regs, ret);
}

/*
 * EXIT_TAIL declares a program that runs after the syscalls which the catalogue lists for it. The body gets the
 * arguments as they were and the return value, and then gives way to the next tail of the same syscall.
 */
#define EXIT_TAIL(name)                                                                            \
	static __always_inline void name##_body(u32 nr, bool compat, const u64 args[6], long ret); \
	SEC("tp_btf/sys_exit" APART(name))                                                         \
	int BPF_PROG(name, struct pt_regs *regs, long ret)                                         \
	{                                                                                          \
		bool compat = task_in_compat_syscall(task_current());                              \
		const struct syscall_spec *spec = syscall_spec(regs, compat);             \
		u64 args[6];                                                                       \
                                                                                                   \
		if (!spec)                                                                         \
			return 0;                                                                  \
		spec = spec_behind(regs, spec);                                                    \
		spec_args(regs, spec, compat, args);                                               \
		name##_body(event_ids[spec->event & EVENTS_MASK], compat, args, ret);              \
		exit_tails_from(ctx, spec, exit_tail_position(spec, TAIL_##name));                 \
		return 0;                                                                          \
	}                                                                                          \
	static __always_inline void name##_body(u32 nr, bool compat, const u64 args[6], long ret)

/* enter_tails_from is exit_tails_from for the way in. */
static __always_inline void enter_tails_from(void *ctx, const struct syscall_spec *spec, u32 position)
{
	for (u32 i = 0; i < ENTER_TAILS; i++) {
		if (i >= position && spec->enter[i])
			bpf_tail_call(ctx, &enter_tails, spec->enter[i]);
	}
}

SEC("tp_btf/sys_enter")
int BPF_PROG(sys_enter, struct pt_regs *regs, long nr)
{
	const struct syscall_spec *spec = syscall_spec(regs, false);
	bool compat;

	if (!spec || !(spec->flags & SPEC_ACTIVE))
		return 0;
	compat = task_in_compat_syscall(task_current());
	if (compat)
		spec = syscall_spec(regs, true);
	if (!spec)
		return 0;
	if (event_selected(EVENT_sys_enter)) {
		struct event *e = event_begin(EVENT_sys_enter, RUNG_TRACEPOINT);

		if (e) {
			sys_enter_syscall(e, event_ids[spec->event & EVENTS_MASK]);
			event_submit(e, 0);
		}
	}
	if (spec->flags & SPEC_ENTER_EVENT)
		syscall_event(regs, spec, 0);
	if (fd_paths && spec->flags & SPEC_CLOSES) {
		u64 args[6];

		syscall_args(regs, compat, args);
		fd_remember(spec, args[0]);
	}
	enter_tails_from(ctx, spec, 0);
	return 0;
}

/*
 * ENTER_TAIL declares a program that runs before the syscalls which the catalogue lists for it, and then gives way
 * to the next tail of the same syscall.
 */
#define ENTER_TAIL(name)                                                                                     \
	static __always_inline void name##_body(const struct pt_regs *regs, u32 nr, const u64 args[6]);      \
	SEC("tp_btf/sys_enter" APART(name))                                                                  \
	int BPF_PROG(name, struct pt_regs *regs)                                                             \
	{                                                                                                    \
		bool compat = task_in_compat_syscall(task_current());                                        \
		const struct syscall_spec *spec = syscall_spec(regs, compat);                                \
		u64 args[6];                                                                                 \
                                                                                                             \
		if (!spec)                                                                                   \
			return 0;                                                                            \
		syscall_args(regs, compat, args);                                                            \
		name##_body(regs, event_ids[spec->event & EVENTS_MASK], args);                               \
		for (u32 i = 0; i < ENTER_TAILS - 1; i++) {                                                  \
			if (spec->enter[i] == TAIL_##name)                                                   \
				enter_tails_from(ctx, spec, i + 1);                                          \
		}                                                                                            \
		return 0;                                                                                    \
	}                                                                                                    \
	static __always_inline void name##_body(const struct pt_regs *regs, u32 nr, const u64 args[6])
