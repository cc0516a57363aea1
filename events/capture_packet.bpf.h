/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets for --capture network: those of traced processes, as far as they are wanted. Kernel >= 5.10.
 */
#pragma once

const volatile bool capture_all_interfaces;
const volatile u32 capture_snaplen = 65535;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* as many as there are names, set before loading */
	__type(key, u64[2]);
	__type(value, u8);
} capture_interfaces SEC(".maps");

#define CAPTURE_PACKET_PIECES 8

/* put_captured_packet stores as much of the packet as is wanted, and as the record has room for. */
static __always_inline void put_captured_packet(struct event *e, struct __sk_buff *skb)
{
	u32 begin = e->header.size, total = skb->len, done = 0;

	if (total > capture_snaplen)
		total = capture_snaplen;
	for (u32 i = 0; i < CAPTURE_PACKET_PIECES && done < total; i++) {
		u32 n = total - done;

		if (n > PACKET_MAX)
			n = PACKET_MAX;
		barrier_var(n); /* verifier: as in put_packet */
		n = ((n - 1) & (PACKET_MAX - 1)) + 1;
		if (e->header.size > BODY_MASK ||
		    bpf_skb_load_bytes(skb, done, &e->body[e->header.size & BODY_MASK], n))
			break;
		e->header.size += n;
		done += n;
	}
	put_u64(e, capture_pcap_data, (u64)begin | (u64)done << 32);
	if (done < skb->len)
		mark_truncated(e, capture_pcap_data);
}

static __always_inline int capture_packet(struct __sk_buff *skb, bool outgoing)
{
	struct net_device *device = packet_device(skb);
	struct packet packet = {};
	struct event *e;

	if (!packet_parse(skb, &packet) || (!capture_all_interfaces && !interface_listed(device, &capture_interfaces)))
		return 1;
	if (packet.protocol != IPPROTO_TCP && packet.protocol != IPPROTO_UDP && packet.protocol != IPPROTO_ICMP &&
	    packet.protocol != IPPROTO_ICMPV6)
		return 1;
	e = owner_event(packet_owner(skb, outgoing), EVENT_capture_pcap, EVENT_capture_pcap_ARGS);
	if (!e)
		return 1;
	capture_pcap_outgoing(e, outgoing);
	capture_pcap_length(e, skb->len);
	if (device)
		put_str(e, capture_pcap_iface, device->name);
	put_captured_packet(e, skb);
	event_submit_bare(e, 0);
	return 1;
}

SEC("cgroup_skb/ingress")
int capture_packet_in(struct __sk_buff *skb)
{
	return capture_packet(skb, false);
}

SEC("cgroup_skb/egress")
int capture_packet_out(struct __sk_buff *skb)
{
	return capture_packet(skb, true);
}
