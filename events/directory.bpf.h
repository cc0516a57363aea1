/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listings of directories: entries whose inode number is zero. Seen where the kernel puts an entry into the buffer of
 * getdents64; on the tracepoint rung, in that buffer after the call.
 *
 * Kernel >= 5.10.
 */
#pragma once

#define NAME_MASK (VALUE_MAX - 1) /* verifier: names are shorter */

HOOK5(filldir64, void *, context, const char *, name, int, length, s64, offset, u64, ino)
{
	struct event *e;

	if (ino)
		return 0;
	e = event_begin(EVENT_hidden_inodes, rung);
	if (e) {
		put_bytes(e, hidden_inodes_hidden_process, name, length & NAME_MASK);
		event_submit(e, 0);
	}
	e = event_begin(EVENT_zeroed_inodes, rung);
	if (e) {
		put_bytes(e, zeroed_inodes_dirent_name, name, length & NAME_MASK);
		event_submit(e, 0);
	}
	return 0;
}

/* struct linux_dirent64 of include/uapi, which has the name behind it. */
struct directory_entry {
	u64 ino;
	s64 offset;
	u16 length; /* of the whole entry */
	u8 type;
} __attribute__((packed));

#define ENTRIES 65536
#define ENTRIES_UNROLLED 64

struct directory_walk {
	u64 at, end;
};

/* directory_step looks at one entry; 1: it was the last. */
STEP directory_step(u32 i, struct directory_walk *walk)
{
	struct directory_entry entry = {};
	struct event *e;

	if (walk->at >= walk->end || bpf_probe_read_user(&entry, sizeof(entry), (void *)walk->at) || !entry.length)
		return 1;
	if (!entry.ino) {
		e = event_begin(EVENT_hidden_inodes, RUNG_TRACEPOINT);
		if (e) {
			put_user_str(e, hidden_inodes_hidden_process, walk->at + sizeof(entry));
			event_submit(e, 0);
		}
		e = event_begin(EVENT_zeroed_inodes, RUNG_TRACEPOINT);
		if (e) {
			put_user_str(e, zeroed_inodes_dirent_name, walk->at + sizeof(entry));
			event_submit(e, 0);
		}
	}
	walk->at += entry.length;
	return 0;
}

EXIT_TAIL(zeroed_entries)
{
	struct directory_walk walk = { .at = args[1], .end = args[1] + ret };

	if (ret > 0)
		repeat(ENTRIES, ENTRIES_UNROLLED, directory_step, &walk);
}
