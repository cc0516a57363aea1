/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packets, as programs of the root cgroup see them: what sockets send, on its way to the device, and what is about to
 * be put into their queues. The base record has the headers, or more where an event needs it; user space takes it
 * apart.
 */
#pragma once

#define PACKET_MAX 4096 /* bytes that are sent of one; a power of two */
#define EXTENSIONS_MAX 6

#define PORT_DNS 53

const volatile bool filter_interfaces; /* net= was given */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* as many as there are names, set before loading */
	__type(key, u64[2]);
	__type(value, u8);
} interfaces SEC(".maps");

struct packet {
	u8 version;
	u8 protocol;
	bool first;      /* it has the header of its protocol: not a later fragment */
	u8 flags;        /* of TCP */
	u32 transport;   /* where that header begins */
	u32 payload;     /* where it ends */
	u16 ports[2];    /* source, destination */
};

static __always_inline bool packet_ipv4(struct __sk_buff *skb, struct packet *p)
{
	u8 header[20];

	if (bpf_skb_load_bytes(skb, 0, header, sizeof(header)))
		return false;
	p->protocol = header[9];
	p->transport = (header[0] & 0xf) * 4;
	p->first = !(header[6] & 0x1f) && !header[7];
	return true;
}

/* packet_ipv6 looks behind the headers of extensions, as far as they are few. */
static __always_inline bool packet_ipv6(struct __sk_buff *skb, struct packet *p)
{
	u8 next, extension[8];
	u32 at = 40;

	if (bpf_skb_load_bytes(skb, 6, &next, 1))
		return false;
	p->first = true;
	for (u32 i = 0; i < EXTENSIONS_MAX; i++) {
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT && next != IPPROTO_AH)
			break;
		if (bpf_skb_load_bytes(skb, at, extension, sizeof(extension)))
			return false;
		if (next == IPPROTO_FRAGMENT) {
			p->first = p->first && !extension[2] && !(extension[3] & 0xf8);
			at += 8;
		} else if (next == IPPROTO_AH) {
			at += (extension[1] + 2) * 4;
		} else {
			at += (extension[1] + 1) * 8;
		}
		next = extension[0];
	}
	p->protocol = next;
	p->transport = at;
	return true;
}

/* packet_transport finds the end of the transport header, and in it what decides whether the packet is wanted. */
static __always_inline void packet_transport(struct __sk_buff *skb, struct packet *p)
{
	u8 header[14];

	p->payload = p->transport;
	if (!p->first)
		return;
	if (p->protocol == IPPROTO_TCP) {
		if (bpf_skb_load_bytes(skb, p->transport, header, sizeof(header)))
			return;
		p->flags = header[13];
		p->payload += (header[12] >> 4) * 4;
	} else if (p->protocol == IPPROTO_UDP) {
		if (bpf_skb_load_bytes(skb, p->transport, header, 8))
			return;
		p->payload += 8;
	} else {
		if (p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6)
			p->payload += 8;
		return;
	}
	p->ports[0] = header[0] << 8 | header[1];
	p->ports[1] = header[2] << 8 | header[3];
}

static __always_inline bool packet_parse(struct __sk_buff *skb, struct packet *p)
{
	u8 first;
	bool known;

	if (bpf_skb_load_bytes(skb, 0, &first, 1))
		return false;
	p->version = first >> 4;
	if (p->version == 4)
		known = packet_ipv4(skb, p);
	else
		known = p->version == 6 && packet_ipv6(skb, p);
	if (known)
		packet_transport(skb, p);
	return known;
}

#define packet_wants(name) event_selected(EVENT_##name)

/* packet_header_wanted says whether some event needs no more than the headers of the packet. */
static __always_inline bool packet_header_wanted(const struct packet *p)
{
	bool tcp = p->protocol == IPPROTO_TCP, udp = p->protocol == IPPROTO_UDP;
	bool icmp = p->protocol == IPPROTO_ICMP, icmpv6 = p->protocol == IPPROTO_ICMPV6;

	if (packet_wants(net_packet_ipv4) && p->version == 4)
		return true;
	if (packet_wants(net_packet_ipv6) && p->version == 6)
		return true;
	if (!p->first)
		return false;
	return (packet_wants(net_packet) && (tcp || udp || icmp || icmpv6)) || (packet_wants(net_packet_tcp) && tcp) ||
	       (packet_wants(net_packet_udp) && udp) || (packet_wants(net_packet_icmp) && icmp) ||
	       (packet_wants(net_packet_icmpv6) && icmpv6);
}

#define dns_wanted()                                                                                        \
	(packet_wants(dns_request) || packet_wants(dns_response) || packet_wants(net_packet_dns) ||         \
	 packet_wants(net_packet_dns_request) || packet_wants(net_packet_dns_response))
#define names_wanted() \
	(packet_wants(net_tcp_connect) || packet_wants(net_flow_tcp_begin) || packet_wants(net_flow_tcp_end))
#define http_wanted()                                                                \
	(packet_wants(net_packet_http) || packet_wants(net_packet_http_request) || \
	 packet_wants(net_packet_http_response))

/* packet_is_dns says whether the packet is of DNS, by its ports. */
static __always_inline bool packet_is_dns(const struct packet *p)
{
	if (dns_wanted() && (p->ports[0] == PORT_DNS || p->ports[1] == PORT_DNS))
		return true;
	return names_wanted() && p->ports[0] == PORT_DNS;
}

#define TEXT4(a, b, c, d) ((u32)(a) | (u32)(b) << 8 | (u32)(c) << 16 | (u32)(d) << 24)

/* begins_http says whether bytes begin a message of HTTP/1. */
static __always_inline bool begins_http(u32 bytes)
{
	return bytes == TEXT4('H', 'T', 'T', 'P') || bytes == TEXT4('G', 'E', 'T', ' ') ||
	       bytes == TEXT4('P', 'O', 'S', 'T') || bytes == TEXT4('P', 'U', 'T', ' ') ||
	       bytes == TEXT4('H', 'E', 'A', 'D') || bytes == TEXT4('D', 'E', 'L', 'E') ||
	       bytes == TEXT4('O', 'P', 'T', 'I') || bytes == TEXT4('P', 'A', 'T', 'C') ||
	       bytes == TEXT4('C', 'O', 'N', 'N') || bytes == TEXT4('T', 'R', 'A', 'C');
}

/* packet_payload_wanted says whether some event needs all of the packet. */
static __always_inline bool packet_payload_wanted(struct __sk_buff *skb, const struct packet *p)
{
	u8 begin[8];

	if (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP)
		return false;
	if ((dns_wanted() || names_wanted()) && packet_is_dns(p) && p->payload < skb->len)
		return true;
	if (p->protocol != IPPROTO_TCP || !(http_wanted() || packet_wants(net_packet_tls)))
		return false;
	if (bpf_skb_load_bytes(skb, p->payload, begin, sizeof(begin)))
		return false;
	if (http_wanted() && begins_http(TEXT4(begin[0], begin[1], begin[2], begin[3])))
		return true;
	/* A handshake record of any version, in it the greeting of a client. */
	return packet_wants(net_packet_tls) && begin[0] == 0x16 && begin[1] == 3 && begin[5] == 1;
}

/* packet_wanted returns how many bytes of the packet are to be sent, 0: none, because no event needs it. */
static __always_inline u32 packet_wanted(struct __sk_buff *skb, const struct packet *p)
{
	if (packet_wants(net_packet_raw) || packet_payload_wanted(skb, p))
		return skb->len;
	if (packet_header_wanted(p))
		return p->payload < skb->len ? p->payload : skb->len;
	return 0;
}

/* put_packet stores the beginning of the packet. The length is at least 1. */
static __always_inline void put_packet(struct event *e, struct __sk_buff *skb, u32 length)
{
	if (length > PACKET_MAX) {
		length = PACKET_MAX;
		mark_truncated(e, net_packet_base_data);
	}
	barrier_var(length); /* verifier: of 6.1, which sees that it is not 0 by no other means */
	length = ((length - 1) & (PACKET_MAX - 1)) + 1;
	if (bpf_skb_load_bytes(skb, 0, &e->body[e->header.size & BODY_MASK], length))
		event_count(EVENT_net_packet_base, unreadable);
	else
		slot_tail(e, net_packet_base_data, length);
}

static __always_inline struct net_device *packet_device(struct __sk_buff *skb)
{
	return BPF_CORE_READ((struct sk_buff *)unknown((void *)skb), dev);
}

static __always_inline void put_interface(struct event *e, struct __sk_buff *skb)
{
	struct net_device *device = packet_device(skb);

	if (device)
		put_str(e, net_packet_base_iface, device->name);
}

/* interface_listed says whether the name of an interface is in a table. */
static __always_inline bool interface_listed(struct net_device *device, void *table)
{
	u64 name[2] = {};

	return device && bpf_probe_read_kernel_str(name, sizeof(name), device->name) > 0 &&
	       bpf_map_lookup_elem(table, name);
}

/* interface_passes says whether the packet's interface is among those of net=, if there are any. */
static __always_inline bool interface_passes(struct __sk_buff *skb)
{
	return !filter_interfaces || interface_listed(packet_device(skb), &interfaces);
}

/* only_dns_wanted says, before loading, that no event needs a packet whose ports are not those of DNS. */
#define only_dns_wanted()                                                                           \
	(!packet_wants(net_packet_raw) && !packet_wants(net_packet_ipv4) &&                         \
	 !packet_wants(net_packet_ipv6) && !packet_wants(net_packet) && !packet_wants(net_packet_tcp) && \
	 !packet_wants(net_packet_udp) && !packet_wants(net_packet_icmp) &&                         \
	 !packet_wants(net_packet_icmpv6) && !packet_wants(net_packet_tls) && !http_wanted())

/*
 * packet_of_stream says whether the packet is of a TCP connection to other ports than that of DNS. The socket knows,
 * and its ports are read for less than the packet's headers. What listens has packets of whoever asks.
 */
static __always_inline bool packet_of_stream(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk ? bpf_sk_fullsock(skb->sk) : NULL;

	return sk && sk->protocol == IPPROTO_TCP && sk->state != TCP_LISTEN && sk->src_port != PORT_DNS &&
	       sk->dst_port != bpf_htons(PORT_DNS);
}

static __always_inline int packet_seen(struct __sk_buff *skb, bool outgoing)
{
	struct packet packet = {};
	struct event *e;
	u32 length;

	if (only_dns_wanted() && packet_of_stream(skb))
		return 1;
	if (!packet_parse(skb, &packet))
		return 1;
	length = packet_wanted(skb, &packet);
	if (!length || !interface_passes(skb))
		return 1;
	e = owner_event(packet_owner(skb, outgoing), EVENT_net_packet_base, EVENT_net_packet_base_ARGS);
	if (!e)
		return 1;
	net_packet_base_outgoing(e, outgoing);
	net_packet_base_length(e, skb->len);
	put_interface(e, skb);
	put_packet(e, skb, length);
	event_submit_bare(e, 0);
	return 1;
}

SEC("cgroup_skb/ingress")
int packet_in(struct __sk_buff *skb)
{
	return packet_seen(skb, false);
}

SEC("cgroup_skb/egress")
int packet_out(struct __sk_buff *skb)
{
	return packet_seen(skb, true);
}

EXIT_TAIL(socket_accepted)
{
	struct socket *socket = ret >= 0 ? task_socket(ret) : NULL;

	if (socket)
		socket_note(socket, task_current(), BPF_ANY);
}

/*
 * sockets_found sees every open file once, when tracing begins. Of tasks that share a socket the first counts. It finds
 * out, too, what the programs of packets have no helper for.
 */
SEC("iter/task_file")
int sockets_found(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[1];
	struct file *file = (void *)ctx[3];

	if (task && !registers_at)
		registers_at = (u64)task_registers(task) - (u64)TASK(task, stack);
	if (!task || !file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket_note(BPF_CORE_READ(file, private_data), task, BPF_NOEXIST);
	return 0;
}
