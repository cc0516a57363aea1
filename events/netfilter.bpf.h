/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes of the packet filter, by the calls that make them: the functions behind are in modules, which may come later
 * than we do. Kernel >= 5.10.
 */
#pragma once

static __always_inline void netfilter_event(u8 rung, const char *subsystem, u64 table)
{
	struct event *e = event_begin(EVENT_netfilter_change, rung);

	if (!e)
		return;
	put_str(e, netfilter_change_subsystem, subsystem);
	put_user_str(e, netfilter_change_table, table);
	event_submit(e, 0);
}

/* The old interface replaces a table as a whole. Its name is what the caller's memory begins with. */
static __always_inline void table_replaced(u32 level, u32 option, u64 value)
{
	if (level == SOL_IP && option == IPT_SO_SET_REPLACE)
		netfilter_event(RUNG_TRACEPOINT, "ip_tables", value);
	else if (level == SOL_IPV6 && option == IPT_SO_SET_REPLACE)
		netfilter_event(RUNG_TRACEPOINT, "ip6_tables", value);
	else if (level == SOL_IP && option == ARPT_SO_SET_REPLACE)
		netfilter_event(RUNG_TRACEPOINT, "arp_tables", value);
	else if (level == SOL_IP && option == EBT_SO_SET_ENTRIES)
		netfilter_event(RUNG_TRACEPOINT, "ebtables", value);
}

#define MSG_IOV 16 /* msg_iov of struct msghdr */

/* sent_bytes returns where the first bytes of a message are, in the memory of a sender with 64 bits. */
static __always_inline u64 sent_bytes(u32 nr, const u64 args[6])
{
	u64 vector = 0, bytes = 0;

	if (nr == ID_sendto || nr == ID_write)
		return args[1];
	if (nr == ID_writev)
		vector = args[1];
	else
		bpf_probe_read_user(&vector, sizeof(vector), (void *)(args[1] + MSG_IOV));
	bpf_probe_read_user(&bytes, sizeof(bytes), (void *)vector);
	return bytes;
}

/* The new interface takes changes only in batches, whose first message says so. */
static __always_inline bool batch_sent(struct socket *socket, u64 bytes)
{
	struct {
		u32 length;
		u16 type, flags;
		u32 sequence, port;
		u8 family, version;
		__be16 subsystem;
	} first = {};
	struct sock *sk;

	if (!socket)
		return false;
	sk = READ(socket, sk);
	if (READ(sk, __sk_common.skc_family) != AF_NETLINK || READ(sk, sk_protocol) != NETLINK_NETFILTER)
		return false;
	bpf_probe_read_user(&first, sizeof(first), (void *)bytes);
	return first.type == NFNL_MSG_BATCH_BEGIN && first.subsystem == bpf_htons(NFNL_SUBSYS_NFTABLES);
}

EXIT_TAIL(netfilter_change)
{
	if (nr == ID_setsockopt) {
		if (ret == 0)
			table_replaced(args[1], args[2], args[3]);
	} else if (ret > 0 && !narrow_pointers(compat) &&
		   batch_sent(task_socket(args[0]), sent_bytes(nr, args))) {
		netfilter_event(RUNG_TRACEPOINT, "nf_tables", 0);
	}
}
