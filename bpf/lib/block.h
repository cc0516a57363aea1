/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arguments that are longer than a record: its beginning is in the record, the rest in chunks, which are records of
 * their own in the same ring, sent before it. Header and lane are those of the event that they belong to, which is how
 * user space (tracer/chunks.go) puts them together. Only what does not fit costs more: chunks are written straight into
 * the ring, and the buffers stay small.
 */
#pragma once

#define CHUNK_MAX VALUE_MAX
#define BLOCK_MAX (128 << 10) /* of one argument; what is longer is cut and marked */

struct chunk {
	struct event_header header;
	u8 bytes[CHUNK_MAX];
};

/* chunk_room says that a ring is at most half full: long arguments may not push out other events. */
#define chunk_room(ring) \
	(bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) < bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 2)

/* chunk_wake tells whether so much is waiting that the reader must be woken. */
#define chunk_wake(ring, threshold)                                                           \
	(bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) >= threshold ? BPF_RB_FORCE_WAKEUP : \
								    BPF_RB_NO_WAKEUP)

#define STAGED 0 /* in place of an address: the bytes are in the buffer, where a path would be */

/* chunk_fill makes a record of n bytes of the current memory image, or of those that are STAGED. */
static __always_inline bool chunk_fill(struct chunk *chunk, struct event *e, u32 index, u64 from, u32 n)
{
	if (from == STAGED) {
		bpf_probe_read_kernel(chunk->bytes, n, e->path);
	} else if (bpf_probe_read_user(chunk->bytes, n, (void *)from)) {
		event_count(e->header.event, unreadable);
		return false;
	}
	chunk->header = e->header;
	chunk->header.flags |= FLAG_CHUNK;
	chunk->header.present = 1ULL << (index & 63);
	chunk->header.size = n;
	return true;
}

/* chunk_send sends n bytes as one record; false: the ring has no room for them, or they could not be read. */
#define chunk_send(which, ring_of, threshold, e, index, from, n)                  \
	({                                                                        \
		struct chunk *__c = NULL;                                         \
		bool __sent = false;                                              \
		if (chunk_room(ring_of))                                          \
			__c = bpf_ringbuf_reserve(&ring_of, sizeof(*__c), 0);     \
		if (__c && chunk_fill(__c, e, index, from, n)) {                  \
			__c->header.ring = which;                                 \
			__c->header.sequence = e->sequence[which]++;              \
			bpf_ringbuf_submit(__c, chunk_wake(ring_of, threshold));  \
			__sent = true;                                            \
		} else if (__c) {                                                 \
			bpf_ringbuf_discard(__c, BPF_RB_NO_WAKEUP);               \
		}                                                                 \
		__sent;                                                           \
	})

/*
 * put_chunk sends n bytes for the event that is made in a buffer. A function that is not static is verified once,
 * whatever calls it how often, but may have numbers only for arguments.
 */
__noinline int put_chunk(u32 buffer, u32 index, u64 from, u32 n)
{
	struct event *e = bpf_map_lookup_elem(&buffers, &buffer);

	if (!e || n > CHUNK_MAX) /* verifier: the caller sees to both */
		return 0;
	if (event_flags[e->header.event & EVENTS_MASK] & EVENT_CRITICAL)
		return chunk_send(RING_CRITICAL, critical, wake_critical, e, index, from, n);
	return chunk_send(RING_BULK, bulk, wake_bulk, e, index, from, n);
}

/* put_chunks sends what lies between the addresses and returns where it had to stop. */
static __always_inline u64 put_chunks(struct event *e, u32 index, u64 from, u64 to)
{
	for (u32 i = 0; i < BLOCK_MAX / CHUNK_MAX && from != to; i++) {
		u64 left = to - from;
		u32 n = left > CHUNK_MAX ? CHUNK_MAX : left;

		if (!put_chunk(e->number, index, from, n))
			break;
		from += n;
	}
	return from;
}

/* put_user_block copies a run of NUL-terminated strings from the current memory image, at most BLOCK_MAX bytes. */
ONCE int put_user_block(struct event *e, u32 index, u64 from, u64 to)
{
	u32 begin;
	u64 last;

	if (!e)
		return 0;
	begin = e->header.size;
	if (to < from)
		to = from;
	last = to - from > BLOCK_MAX ? from + BLOCK_MAX : to;
	for (int i = 0; i < (BODY_MASK + 1) / VALUE_MAX; i++) {
		u64 left = last - from;
		u32 n = left > VALUE_MAX ? VALUE_MAX : left;

		if (!left || e->header.size > BODY_MASK)
			break;
		if (bpf_probe_read_user(&e->body[e->header.size & BODY_MASK], n, (void *)from)) {
			event_count(e->header.event, unreadable);
			to = last = from; /* nor can the rest be read */
			mark_truncated(e, index);
			break;
		}
		e->header.size += n;
		from += n;
	}
	put_u64(e, index, (u64)begin | (u64)(e->header.size - begin) << 32);
	if (last != from)
		from = put_chunks(e, index, from, last);
	if (to != from)
		mark_truncated(e, index);
	return 0;
}

/*
 * Arrays of strings, which go into the record one after the other, each with its NUL. What the body has no room for
 * is staged until there is enough for a chunk. How far the walk has come is kept in the buffer: the verifier would
 * remember every value of what is on the stack.
 */
static __always_inline void str_array_begin(struct event *e, u32 index, u64 array, bool narrow)
{
	e->strings.array = array;
	e->strings.str = 0;
	e->strings.width = narrow ? 4 : 8;
	e->strings.index = index;
	e->strings.kept = e->strings.staged = e->strings.count = 0;
	e->strings.complete = !array;
}

/* str_array_next reads the next pointer of an array; false: there is none, or it can not be read. */
static __always_inline bool str_array_next(struct event *e)
{
	struct str_array_walk *walk = &e->strings;
	u64 str = 0;

	if (bpf_probe_read_user(&str, walk->width == 4 ? 4 : 8, (void *)walk->array)) {
		event_count(e->header.event, unreadable);
		return false;
	}
	walk->array += walk->width;
	walk->str = str;
	if (str)
		walk->count++;
	else
		walk->complete = true;
	return str;
}

/* str_array_flush sends a chunk of what is staged, as much as one can have, and says whether it could. */
static __noinline bool str_array_flush(struct event *e)
{
	u32 staged = e->strings.staged, n = staged > CHUNK_MAX ? CHUNK_MAX : staged, rest = staged - n;

	if (!put_chunk(e->number, e->strings.index, STAGED, n))
		return false;
	if (rest && rest <= VALUE_MAX)
		bpf_probe_read_kernel(e->path, rest, &e->path[CHUNK_MAX]);
	e->strings.staged = rest;
	return true;
}

/*
 * str_array_piece copies the next piece of a string: all of it, or as much as one read takes, without a NUL. It returns
 * false where the array has to be cut.
 */
static __always_inline bool str_array_piece(struct event *e)
{
	struct str_array_walk *walk = &e->strings;
	bool inside = e->header.size <= BODY_MASK;
	u32 left = BLOCK_MAX - walk->kept;
	u8 *to = (u8 *)&e->path[walk->staged & PATH_MASK];
	u64 str = walk->str;
	long n;

	if (!left)
		return false;
	if (inside)
		to = &e->body[e->header.size & BODY_MASK];
	n = user_str_read(to, str);
	if (n <= 0) {
		event_count(e->header.event, unreadable);
		return false;
	}
	walk->str = 0;
	if (n == VALUE_MAX) { /* the helper wrote the last byte */
		n--;
		walk->str = str + n;
	}
	if (n > left) {
		n = left;
		walk->str = str + n;
	}
	walk->kept += n;
	if (inside)
		e->header.size += n;
	else
		walk->staged += n;
	return walk->staged < CHUNK_MAX || str_array_flush(e);
}

/* str_array_step copies a piece of a string; 1: the walk is over. */
STEP str_array_step(u32 i, struct event **context)
{
	struct event *e = *context;

	if (!e->strings.str && !str_array_next(e))
		return 1;
	return !str_array_piece(e);
}

#define STR_ARRAY_UNROLLED 32

/* put_user_strings is put_user_str_array for a buffer by its number: a global function, which is verified once. */
__noinline int put_user_strings(u32 number, u32 index, u64 array, bool narrow)
{
	struct event *e = event_at(number);
	u32 begin;

	if (!e || !array)
		return 0;
	begin = e->header.size;
	str_array_begin(e, index, array, narrow);
	repeat(BLOCK_MAX + 1, STR_ARRAY_UNROLLED, str_array_step, &e);
	put_u64(e, index, (u64)begin | (u64)(e->header.size - begin) << 32);
	if ((e->strings.staged && !str_array_flush(e)) || !e->strings.complete)
		mark_truncated(e, index);
	return 0;
}

/*
 * put_user_str_array copies the strings that a NULL-terminated array of pointers names, at most BLOCK_MAX bytes; before
 * bpf_loop (kernel 5.17) at most 32 pieces of strings.
 */
static __always_inline int put_user_str_array(struct event *e, u32 index, u64 array, bool narrow)
{
	return put_user_strings(e->number, index, array, narrow);
}

#define COUNTED_MAX (1 << 18) /* pointers for which the kernel gives room: 2 MiB */
#define COUNTED_UNROLLED 256

STEP str_array_count_step(u32 i, struct event **context)
{
	return !str_array_next(*context);
}

/* user_str_array_count returns how many strings there are, negative where the end is not found. */
__noinline int user_str_array_count(u32 number, u64 array, bool narrow)
{
	struct event *e = event_at(number);

	if (!e)
		return -1;
	str_array_begin(e, 0, array, narrow);
	if (array)
		repeat(COUNTED_MAX, COUNTED_UNROLLED, str_array_count_step, &e);
	return e->strings.complete ? e->strings.count : -1;
}
