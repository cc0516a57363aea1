/* SPDX-License-Identifier: GPL-2.0 */
/* The types of io_uring, as vmlinux.h has others, and what differs between kernels, behind one accessor each. */
#pragma once

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct filename {
	const char *name;
};

struct io_uring_cqe {
	u64 user_data;
	s32 res;
};

/* A request of io_uring begins with the arguments of its operation, in a struct of their own. */
struct io_kiocb {
	struct file *file;
	u8 opcode;
	u32 flags;
	struct io_ring_ctx *ctx;
};

struct open_how {
	u64 flags;
};

struct io_open {
	int dfd;
	u32 file_slot;
	struct filename *filename;
	struct open_how how;
};

struct kiocb {
	s64 ki_pos;
};

struct io_rw {
	struct kiocb kiocb;
	u64 addr;
	u32 len;
};

struct io_splice {
	s64 off_out;
};

struct io_sr_msg {
	void *buf; /* or the message */
};

struct io_connect {
	void *addr;
	int addr_len;
};

struct io_accept {
	u32 file_slot;
};

struct io_listen {
	int backlog;
};

struct io_socket {
	int protocol;
	u32 file_slot;
};

struct io_unlink {
	int dfd;
	int flags;
	struct filename *filename;
};

struct io_rename {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
};

struct io_mkdir {
	int dfd;
	struct filename *filename;
};

struct io_ftrunc {
	s64 len;
};

/* Names that io_uring links: before 5.19, symbolic and hard links apart, and since. */
struct io_link {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
};

struct io_symlink {
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
};

struct io_hardlink {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
};

/* Since 7.0 a request wraps its names, which audit has yet to be told of. */
struct delayed_filename {
	struct filename *__incomplete_filename;
};

struct io_open___delayed {
	struct delayed_filename filename;
};

struct io_unlink___delayed {
	struct delayed_filename filename;
};

struct io_mkdir___delayed {
	struct delayed_filename filename;
};

struct io_rename___delayed {
	struct delayed_filename oldpath;
	struct delayed_filename newpath;
};

struct io_link___delayed {
	struct delayed_filename oldpath;
	struct delayed_filename newpath;
};

/* The answer to a request of io_uring, which holds the descriptor until then (5.19). */
struct io_kiocb___cqe {
	struct {
		u64 user_data;
		int fd;
	} cqe;
};

struct io_kiocb___user_data {
	u64 user_data;
};

/* Until 5.15 the kernel may write the answer over the second word of the arguments. */
struct io_kiocb___overwritten {
	struct {
		u32 cflags;
	} compl;
};

/* Files that a ring keeps without descriptors: an array of words, or of nodes since 6.13. */
struct io_fixed_file {
	unsigned long file_ptr;
};

struct io_rsrc_node___file {
	unsigned long file_ptr;
};

struct io_ring_ctx___words {
	struct {
		struct io_fixed_file *files;
	} file_table;
	unsigned int nr_user_files;
};

struct io_ring_ctx___nodes {
	struct {
		struct {
			unsigned int nr;
			struct io_rsrc_node___file **nodes;
		} data;
	} file_table;
};

#pragma clang attribute pop

/* request_name returns a name in the arguments of a request. */
#define request_name(req, type, field)                                                    \
	(bpf_core_type_exists(struct delayed_filename) ?                                  \
		 READ((struct type##___delayed *)(req), field.__incomplete_filename) :    \
		 READ((struct type *)(req), field))

/* request_names_link tells what a request to make a link reads: the names, and the directories they are relative to. */
static __always_inline void request_names_link(struct io_kiocb *req, bool symbolic, s32 directories[2],
					       struct filename *names[2])
{
	struct io_symlink *symlink = (void *)req;
	struct io_hardlink *hardlink = (void *)req;
	struct io_link *link = (void *)req;

	if (bpf_core_type_exists(struct io_link)) {
		directories[0] = READ(link, old_dfd);
		directories[1] = READ(link, new_dfd);
		names[0] = request_name(req, io_link, oldpath);
		names[1] = request_name(req, io_link, newpath);
	} else if (symbolic) {
		directories[1] = READ(symlink, new_dfd);
		names[0] = READ(symlink, oldpath);
		names[1] = READ(symlink, newpath);
	} else {
		directories[0] = READ(hardlink, old_dfd);
		directories[1] = READ(hardlink, new_dfd);
		names[0] = READ(hardlink, oldpath);
		names[1] = READ(hardlink, newpath);
	}
}

/* request_user_data returns what the caller knows a request of io_uring by. */
static __always_inline u64 request_user_data(struct io_kiocb *req)
{
	struct io_kiocb___user_data *old = (void *)req;
	struct io_kiocb___cqe *new = (void *)req;

	if (bpf_core_field_exists(new->cqe.user_data))
		return READ(new, cqe.user_data);
	return READ(old, user_data);
}

/* request_has_fd says that a request holds the descriptor that it is about, until it is answered. */
static __always_inline bool request_has_fd(void)
{
	return bpf_core_field_exists(((struct io_kiocb___cqe *)0)->cqe.fd);
}

static __always_inline s32 request_fd(struct io_kiocb *req)
{
	return request_has_fd() ? READ((struct io_kiocb___cqe *)req, cqe.fd) : -1;
}

/* request_is_overwritten says that the second word of a request's arguments may be gone when it is answered. */
static __always_inline bool request_is_overwritten(void)
{
	return bpf_core_field_exists(((struct io_kiocb___overwritten *)0)->compl.cflags);
}

static __always_inline u64 request_second_word(struct io_kiocb *req)
{
	u64 word = 0;

	if (request_is_overwritten())
		bpf_core_read(&word, sizeof(word), &((struct io_kiocb___overwritten *)req)->compl.cflags);
	return word;
}

#define FILE_POINTER_MASK (~7UL) /* the low bits say what kind of file it is */

/* ring_file returns a file that a ring keeps without a descriptor, NULL if there is none at that place. */
static __always_inline struct file *ring_file(struct io_ring_ctx *ring, u32 slot)
{
	struct io_ring_ctx___nodes *nodes = (void *)ring;
	struct io_ring_ctx___words *words = (void *)ring;
	unsigned long word = 0;
	void *at = NULL;

	if (bpf_core_field_exists(nodes->file_table.data.nodes)) {
		if (slot >= READ(nodes, file_table.data.nr))
			return NULL;
		bpf_probe_read_kernel(&at, sizeof(at),
				      (void *)READ(nodes, file_table.data.nodes) + (u64)slot * sizeof(at));
		if (at)
			word = READ((struct io_rsrc_node___file *)at, file_ptr);
	} else {
		if (slot >= READ(words, nr_user_files))
			return NULL;
		bpf_probe_read_kernel(&word, sizeof(word),
				      (void *)READ(words, file_table.files) + (u64)slot * sizeof(word));
	}
	return (struct file *)(word & FILE_POINTER_MASK);
}
