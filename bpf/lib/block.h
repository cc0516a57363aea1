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

/* chunk_fill makes a record of n bytes of the current memory image. */
static __always_inline bool chunk_fill(struct chunk *chunk, struct event *e, u32 index, u64 from, u32 n)
{
	if (bpf_probe_read_user(chunk->bytes, n, (void *)from)) {
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
