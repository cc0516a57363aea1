/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is done through an io_uring, without syscalls: every request when it is submitted, and, of operations that other
 * events are about, what came of them.
 *
 * Hooks of functions see operations where the kernel does them, in the submitting task or in a thread that it made for
 * that. The tracepoints see a request when it is submitted, after the kernel took its copy of the names in it, and when
 * it is answered: then the kernel's objects tell what happened, and a table that user space fills from the catalogue
 * says which programs to run. A request that asks for no answer is not seen then; what is known of it is sent at once.
 *
 * Kernel >= 5.15, or 5.10 with its changes. How the tracepoints tell of a request differs: uring_answer, uring_second.
 */
#pragma once

#define URING_KEPT 1 /* sized by user space */

struct uring_spec {
	u8 flags;
	u8 answered[URING_TAILS];   /* tails to run, in order; 0 ends the list */
	u8 unanswered[URING_TAILS]; /* the same for requests that are to have no answer */
};

struct uring_spec uring_specs[URING_OPERATIONS] SEC(".data.uring");
const volatile u8 uring_answer;  /* URING_BY_*: what the tracepoint of answers has */
const volatile bool uring_second; /* the request is the second argument of the tracepoint of submissions */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, TAILS);
	__type(key, u32);
	__type(value, u32);
} uring_tails SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, TAILS);
	__type(key, u32);
	__type(value, u32);
} uring_unanswered_tails SEC(".maps");

/* The kernel's copy of the names in a request, by its address: they are gone when it is answered. */
struct uring_names {
	char text[2][VALUE_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, URING_KEPT);
	__type(key, u64);
	__type(value, struct uring_names);
} uring_names SEC(".maps");

/* The descriptor that a request is about, by its address. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, URING_KEPT);
	__type(key, u64);
	__type(value, s32);
} uring_descriptors SEC(".maps");

/* What the kernel may write over in a request, by its address. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, URING_KEPT);
	__type(key, u64);
	__type(value, u64);
} uring_second_words SEC(".maps");

/* By what its caller knows a request, where the kernel tells of an answer by that alone. */
struct uring_key {
	u64 ring;
	u64 user_data;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, URING_KEPT);
	__type(key, struct uring_key);
	__type(value, u64);
} uring_requests SEC(".maps");

static __always_inline struct uring_spec *uring_spec(struct io_kiocb *req)
{
	return &uring_specs[READ(req, opcode) & (URING_OPERATIONS - 1)];
}

/* The low bits of a request's flags are those that its caller gave. */
static __always_inline u32 request_flags(struct io_kiocb *req)
{
	u32 flags = 0;

	bpf_core_read(&flags, sizeof(flags), &req->flags);
	return flags;
}

/* What a request to do something with paths reads: as the caller gave it, and relative to which directories. */
struct request_names {
	s32 directories[2];
	struct filename *names[2];
};

static __always_inline void request_names_read(struct request_names *to, struct io_kiocb *req, u8 operation)
{
	switch (operation) {
	case IORING_OP_OPENAT:
	case IORING_OP_OPENAT2:
		to->directories[0] = READ((struct io_open *)req, dfd);
		to->names[0] = request_name(req, io_open, filename);
		return;
	case IORING_OP_UNLINKAT:
		to->directories[0] = READ((struct io_unlink *)req, dfd);
		to->names[0] = request_name(req, io_unlink, filename);
		return;
	case IORING_OP_MKDIRAT:
		to->directories[0] = READ((struct io_mkdir *)req, dfd);
		to->names[0] = request_name(req, io_mkdir, filename);
		return;
	case IORING_OP_RENAMEAT:
		to->directories[0] = READ((struct io_rename *)req, old_dfd);
		to->directories[1] = READ((struct io_rename *)req, new_dfd);
		to->names[0] = request_name(req, io_rename, oldpath);
		to->names[1] = request_name(req, io_rename, newpath);
		return;
	case IORING_OP_SYMLINKAT:
	case IORING_OP_LINKAT:
		request_names_link(req, operation == IORING_OP_SYMLINKAT, to->directories, to->names);
	}
}

/* The operations that are about a descriptor, or a place among the files of the ring. */
#define URING_DESCRIPTORS                                                                                 \
	(1ULL << 1 | 1ULL << 2 | 1ULL << 3 | 1ULL << 4 | 1ULL << 5 | 1ULL << 6 | 1ULL << 8 | 1ULL << 9 |  \
	 1ULL << 10 | 1ULL << 13 | 1ULL << 16 | 1ULL << 17 | 1ULL << 22 | 1ULL << 23 | 1ULL << 24 |       \
	 1ULL << 26 | 1ULL << 27 | 1ULL << 30 | 1ULL << 33 | 1ULL << 34 | 1ULL << 40 | 1ULL << 41 |       \
	 1ULL << 43 | 1ULL << 46 | 1ULL << 47 | 1ULL << 48 | 1ULL << 49 | 1ULL << 54 | 1ULL << 55 |       \
	 1ULL << 56 | 1ULL << 57 | 1ULL << 58 | 1ULL << 59 | 1ULL << 60 | 1ULL << 61)

static __always_inline bool operation_has_descriptor(u8 operation)
{
	return operation < 64 && URING_DESCRIPTORS >> operation & 1;
}

/* submission_event sends the event of a request as such. */
static __noinline int submission_event(struct io_kiocb *req)
{
	struct event *e = event_begin(EVENT_io_uring_submit, RUNG_TRACEPOINT | BY_IO_URING);
	struct request_names given = {};
	u8 operation;

	if (!e)
		return 0;
	operation = READ(req, opcode);
	io_uring_submit_operation(e, operation);
	io_uring_submit_flags(e, request_flags(req) & 0xff);
	io_uring_submit_user_data(e, request_user_data(req));
	request_names_read(&given, req, operation);
	if (given.names[0] && operation != IORING_OP_SYMLINKAT)
		io_uring_submit_fd(e, given.directories[0]);
	else if (given.names[1])
		io_uring_submit_fd(e, given.directories[1]);
	else if (request_has_fd() && operation_has_descriptor(operation))
		io_uring_submit_fd(e, request_fd(req));
	if (given.names[0] && operation == IORING_OP_SYMLINKAT) /* not a path, but a text */
		put_str(e, io_uring_submit_pathname, READ(given.names[0], name));
	else if (given.names[0])
		put_given_path(e, io_uring_submit_pathname, given.directories[0], READ(given.names[0], name));
	if (given.names[1])
		put_given_path(e, io_uring_submit_new_pathname, given.directories[1],
			       READ(given.names[1], name));
	return event_submit(e, 0);
}

/* names_keep takes the names of a request down, by way of a buffer for events. */
static __noinline int names_keep(struct io_kiocb *req)
{
	struct request_names given = {};
	u64 key = (u64)req;
	struct uring_names *names;
	struct event *e;
	u8 lane;

	request_names_read(&given, req, READ(req, opcode));
	e = given.names[0] ? event_buffer(&lane) : NULL;
	if (!e) {
		bpf_map_delete_elem(&uring_names, &key);
		return 0;
	}
	names = (void *)e->body;
	names->text[0][0] = names->text[1][0] = 0;
	bpf_probe_read_kernel_str(names->text[0], VALUE_MAX, READ(given.names[0], name));
	if (given.names[1])
		bpf_probe_read_kernel_str(names->text[1], VALUE_MAX, READ(given.names[1], name));
	if (bpf_map_update_elem(&uring_names, &key, names, BPF_ANY))
		bpf_map_delete_elem(&uring_names, &key);
	event_drop(e);
	return 0;
}

/* request_keep takes down what will be gone when the request is answered. */
static __always_inline void request_keep(struct io_kiocb *req, const struct uring_spec *spec)
{
	struct uring_key by = { .ring = (u64)READ(req, ctx), .user_data = request_user_data(req) };
	u64 key = (u64)req;

	if (spec->flags & URING_NAMES)
		names_keep(req);
	if (spec->flags & URING_FD && request_has_fd()) {
		s32 fd = request_fd(req);

		bpf_map_update_elem(&uring_descriptors, &key, &fd, BPF_ANY);
	}
	if (request_is_overwritten()) {
		u64 word = request_second_word(req);

		bpf_map_update_elem(&uring_second_words, &key, &word, BPF_ANY);
	}
	if (uring_answer == URING_BY_USER_DATA || READ(req, opcode) == IORING_OP_ACCEPT)
		bpf_map_update_elem(&uring_requests, &by, &key, BPF_ANY);
}

/*
 * tracepoint_argument reads an argument of a tracepoint, as this kernel has it. clang must not read one that is not
 * there in a branch that is not taken, nor choose between their places.
 */
#define tracepoint_argument(ctx, n)                               \
	({                                                        \
		u64 __value;                                      \
		asm volatile("%0 = *(u64 *)(%1 + %2)"             \
			     : "=r"(__value)                      \
			     : "r"(ctx), "i"((n) * sizeof(u64))); \
		__value;                                          \
	})

static __always_inline struct io_kiocb *submitted_request(const u64 *ctx)
{
	if (uring_second)
		return (void *)tracepoint_argument(ctx, 1);
	return (void *)tracepoint_argument(ctx, 0);
}

static __always_inline struct io_uring_cqe *answer(const u64 *ctx)
{
	return (void *)tracepoint_argument(ctx, 2);
}

/* answered_request finds the request of an answer. Answers beyond the first to one request come without it. */
static __always_inline struct io_kiocb *answered_request(const u64 *ctx)
{
	struct uring_key by = {};
	u64 *kept;

	if (uring_answer == URING_BY_USER_DATA) {
		by.user_data = tracepoint_argument(ctx, 1);
	} else {
		u64 req = tracepoint_argument(ctx, 1);

		if (req)
			return (void *)req;
		if (uring_answer == URING_BY_STRUCT)
			by.user_data = READ(answer(ctx), user_data);
		else
			by.user_data = tracepoint_argument(ctx, 2);
	}
	by.ring = tracepoint_argument(ctx, 0);
	kept = bpf_map_lookup_elem(&uring_requests, &by);
	return kept ? (void *)*kept : NULL;
}

static __always_inline s32 answered_result(const u64 *ctx)
{
	if (uring_answer == URING_BY_REQUEST)
		return tracepoint_argument(ctx, 3);
	if (uring_answer == URING_BY_USER_DATA)
		return tracepoint_argument(ctx, 2);
	return READ(answer(ctx), res);
}

static __always_inline void uring_tails_from(void *ctx, const struct uring_spec *spec, u32 position)
{
	for (u32 i = 0; i < URING_TAILS; i++) {
		if (i >= position && spec->answered[i])
			bpf_tail_call(ctx, &uring_tails, spec->answered[i]);
	}
}

static __always_inline void uring_unanswered_from(void *ctx, const struct uring_spec *spec, u32 position)
{
	for (u32 i = 0; i < URING_TAILS; i++) {
		if (i >= position && spec->unanswered[i])
			bpf_tail_call(ctx, &uring_unanswered_tails, spec->unanswered[i]);
	}
}

/* Attached to io_uring_submit_sqe before 6.4. */
SEC("tp_btf/io_uring_submit_req")
int io_uring_submit(u64 *ctx)
{
	struct io_kiocb *req = submitted_request(ctx);
	const struct uring_spec *spec = uring_spec(req);

	if (event_selected(EVENT_io_uring_submit))
		submission_event(req);
	if (!(spec->flags & URING_ACTIVE))
		return 0;
	request_keep(req, spec);
	if (request_flags(req) & IOSQE_CQE_SKIP_SUCCESS)
		uring_unanswered_from(ctx, spec, 0);
	return 0;
}

SEC("tp_btf/io_uring_complete")
int io_uring_complete(u64 *ctx)
{
	struct io_kiocb *req = answered_request(ctx);

	if (req)
		uring_tails_from(ctx, uring_spec(req), 0);
	return 0;
}

/*
 * URING_TAIL declares a program that runs when an operation which the catalogue lists for it is answered. The body gets
 * the request and the result, and then gives way to the next tail of the same operation.
 */
#define URING_TAIL(name)                                                        \
	static __always_inline void name##_body(struct io_kiocb *req, s64 ret); \
	SEC("tp_btf/io_uring_complete" APART(name))                             \
	int name(u64 *ctx)                                                      \
	{                                                                       \
		struct io_kiocb *req = answered_request(ctx);                   \
		const struct uring_spec *spec;                                  \
                                                                                \
		if (!req)                                                       \
			return 0;                                               \
		name##_body(req, answered_result(ctx));                         \
		spec = uring_spec(req);                                         \
		for (u32 i = 0; i < URING_TAILS - 1; i++) {                     \
			if (spec->answered[i] == TAIL_##name)                   \
				uring_tails_from(ctx, spec, i + 1);             \
		}                                                               \
		return 0;                                                       \
	}                                                                       \
	static __always_inline void name##_body(struct io_kiocb *req, s64 ret)

/* URING_UNANSWERED declares its like for a request that is to have no answer, when it is submitted. */
#define URING_UNANSWERED(name)                                              \
	static __always_inline void name##_body(struct io_kiocb *req);      \
	SEC("tp_btf/io_uring_submit_req" APART(name))                       \
	int name(u64 *ctx)                                                  \
	{                                                                   \
		struct io_kiocb *req = submitted_request(ctx);              \
		const struct uring_spec *spec = uring_spec(req);            \
                                                                            \
		name##_body(req);                                           \
		for (u32 i = 0; i < URING_TAILS - 1; i++) {                 \
			if (spec->unanswered[i] == TAIL_##name)             \
				uring_unanswered_from(ctx, spec, i + 1);    \
		}                                                           \
		return 0;                                                   \
	}                                                                   \
	static __always_inline void name##_body(struct io_kiocb *req)

/* uring_event is event_begin for what was done through an io_uring. */
#define uring_event(name) event_begin(EVENT_##name, RUNG_TRACEPOINT | BY_IO_URING)

static __always_inline struct uring_names *request_names_kept(struct io_kiocb *req)
{
	u64 key = (u64)req;

	return bpf_map_lookup_elem(&uring_names, &key);
}

/* request_argument returns an argument that lies in the second word of a request, as it was submitted. */
#define request_argument(req, type, field)                                         \
	(request_is_overwritten() ? request_second_word_kept(req) : (u64)READ((type *)(req), field))

static __always_inline u64 request_second_word_kept(struct io_kiocb *req)
{
	u64 key = (u64)req;
	u64 *word = bpf_map_lookup_elem(&uring_second_words, &key);

	return word ? *word : request_second_word(req);
}

#define put_request_fd(e, setter, req)                                            \
	do {                                                                      \
		u64 __key = (u64)(req);                                           \
		s32 *__fd = bpf_map_lookup_elem(&uring_descriptors, &__key);      \
		if (__fd)                                                         \
			setter(e, *__fd);                                         \
	} while (0)

/* result_file returns the file that an operation opened: behind a new descriptor, or among those of the ring. */
static __always_inline struct file *result_file(struct io_kiocb *req, u32 slot, s64 ret)
{
	if (ret < 0)
		return NULL;
	if (!slot)
		return task_file(ret);
	return ring_file(READ(req, ctx), slot == IORING_FILE_INDEX_ALLOC ? ret : slot - 1);
}

SEC("tp_btf/io_uring_create")
int BPF_PROG(io_uring_create, int fd, void *ring, u32 sq_entries, u32 cq_entries, u32 flags)
{
	struct event *e = event_begin(EVENT_io_uring_create, RUNG_TRACEPOINT);

	if (!e)
		return 0;
	io_uring_create_fd(e, fd);
	io_uring_create_sq_entries(e, sq_entries);
	io_uring_create_cq_entries(e, cq_entries);
	io_uring_create_flags(e, flags);
	return event_submit(e, 0);
}
