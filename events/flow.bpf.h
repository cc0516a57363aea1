/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections of TCP, as the kernel tells programs of the root cgroup about their states: established on the side that
 * asked or on the one that was asked, and closed, in whatever way. What is known of one is kept with its socket.
 */
#pragma once

#define FLOW_OUTGOING 1
#define FLOW_INCOMING 2

static __always_inline void put_connection(struct event *e, struct sock *sk)
{
	net_flow_base_local_port(e, BPF_CORE_READ(sk, __sk_common.skc_num));
	net_flow_base_remote_port(e, bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport)));
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET6) {
		put_bytes(e, net_flow_base_local, &sk->__sk_common.skc_v6_rcv_saddr, 16);
		put_bytes(e, net_flow_base_remote, &sk->__sk_common.skc_v6_daddr, 16);
	} else {
		put_bytes(e, net_flow_base_local, &sk->__sk_common.skc_rcv_saddr, 4);
		put_bytes(e, net_flow_base_remote, &sk->__sk_common.skc_daddr, 4);
	}
}

static __always_inline void connection_event(struct socket_owner *owner, struct bpf_sock *sk, bool begun)
{
	struct event *e = owner_event(owner, EVENT_net_flow_base, EVENT_net_flow_base_ARGS);

	if (!e)
		return;
	net_flow_base_begun(e, begun);
	net_flow_base_outgoing(e, owner->flow == FLOW_OUTGOING);
	put_connection(e, socket_address(sk));
	event_submit_bare(e, 0);
}

static __always_inline void connection_begun(struct bpf_sock_ops *ctx, u32 flow)
{
	struct bpf_sock *sk = ctx->sk;
	struct socket_owner *owner;

	if (!sk)
		return;
	owner = bpf_sk_storage_get(&socket_owners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owner)
		return;
	owner->flow = flow;
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	owner = owner_noted(owner, sk);
	if (owner && event_selected(EVENT_net_flow_tcp_begin))
		connection_event(owner, sk, true);
}

/* connection_closed tells of connections whose begin was told, each once. */
static __always_inline void connection_closed(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct socket_owner *owner;

	if (!sk || !event_selected(EVENT_net_flow_tcp_end))
		return;
	owner = bpf_sk_storage_get(&socket_owners, sk, 0, 0);
	if (!owner || !owner->flow)
		return;
	owner = owner_noted(owner, sk);
	if (!owner)
		return;
	connection_event(owner, sk, false);
	owner->flow = 0;
}

SEC("sockops")
int connection_changed(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		connection_begun(ctx, FLOW_OUTGOING);
	else if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		connection_begun(ctx, FLOW_INCOMING);
	else if (ctx->op == BPF_SOCK_OPS_STATE_CB && ctx->args[1] == TCP_CLOSE)
		connection_closed(ctx);
	ctx->reply = -1; /* what the kernel asks is answered as without a program */
	return 1;
}
