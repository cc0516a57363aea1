package events

import "github.com/tracee-go/tracee/types/trace"

// ownerPrograms tell, for every socket, who it belongs to: see bpf/lib/owner.h. The iterator comes last, so that no socket
// is made between it and the others.
var ownerPrograms = []string{
	"socket_created", "socket_connects4", "socket_connects6", "socket_sends4", "socket_sends6", "socket_receives4",
	"socket_receives6",
}

// cgroupHook is made of programs of the root cgroup, with those that know the owners of sockets.
func cgroupHook(programs ...string) Hook {
	with := append(append([]string{}, ownerPrograms...), programs...)
	return Hook{
		Rung: trace.Cgroup, Program: "socket_accepted", Exit: []string{"accept", "accept4"}, With: append(with, "sockets_found"),
	}
}

const (
	packetUnseen = "Packets that no socket sends or receives, such as forwarded ones; those of sockets that were bound to a " +
		"class or priority of cgroup v1."
	packetMetaDoc = "addresses, ports, number of the protocol, bytes of the packet from its IP header on, interface"
)

// Packets. Package derive makes them of the base record.
var (
	NetPacketBase = declare(Event{
		ID: 840, Name: "net_packet_base", Internal: true,
		Hooks: Ladder{cgroupHook("packet_in", "packet_out")},
		Args: []trace.Field{
			{Name: "outgoing", Type: Bool},
			{Name: "length", Type: U32, Doc: "bytes of the packet"},
			{Name: "iface", Type: Str},
			{Name: "data", Type: BytesT, Doc: "the packet from its IP header on; as much as the events that are wanted need"},
		},
		Doc: "A packet that a wanted event needs.",
	})
	NetPacket = declare(packet(700, "net_packet", []Set{NetworkEvents},
		"A packet of TCP, UDP or ICMP is sent or received by a socket.",
		trace.Field{Name: "metadata", Type: PktMeta, Doc: packetMetaDoc},
	))
	NetPacketRaw = declare(packet(842, "net_packet_raw", []Set{Packets},
		"A packet is sent or received by a socket.",
		trace.Field{Name: "data", Type: BytesT, Doc: "from its IP header on; at most 4096 bytes"},
	))
	NetPacketIPv4 = declare(packet(843, "net_packet_ipv4", []Set{NetworkEvents},
		"A packet of IPv4 is sent or received by a socket.",
		addressed(trace.Field{Name: "proto_ipv4", Type: ProtoIPv4})...,
	))
	NetPacketIPv6 = declare(packet(844, "net_packet_ipv6", []Set{NetworkEvents},
		"A packet of IPv6 is sent or received by a socket.",
		addressed(trace.Field{Name: "proto_ipv6", Type: ProtoIPv6})...,
	))
	NetPacketTCP = declare(packet(845, "net_packet_tcp", []Set{NetworkEvents},
		"A packet of TCP is sent or received by a socket.",
		withPorts(trace.Field{Name: "proto_tcp", Type: ProtoTCP})...,
	))
	NetPacketUDP = declare(packet(846, "net_packet_udp", []Set{NetworkEvents},
		"A packet of UDP is sent or received by a socket.",
		withPorts(trace.Field{Name: "proto_udp", Type: ProtoUDP})...,
	))
	NetPacketICMP = declare(packet(847, "net_packet_icmp", []Set{Default, NetworkEvents},
		"A packet of ICMP is sent or received by a socket; by one of the kernel's own, where it answers.",
		addressed(trace.Field{Name: "proto_icmp", Type: ProtoICMP})...,
	))
	NetPacketICMPv6 = declare(packet(848, "net_packet_icmpv6", []Set{Default, NetworkEvents},
		"A packet of ICMPv6 is sent or received by a socket; by one of the kernel's own, where it answers.",
		addressed(trace.Field{Name: "proto_icmpv6", Type: ProtoICMPv6})...,
	))
)

// Messages in packets.
var (
	DNSRequest = declare(packet(701, "dns_request", []Set{NetworkEvents},
		"A question is sent to port 53 by UDP.",
		trace.Field{Name: "metadata", Type: PktMeta, Doc: packetMetaDoc},
		trace.Field{Name: "dns_questions", Type: DNSQueries},
	))
	DNSResponse = declare(packet(702, "dns_response", []Set{NetworkEvents},
		"An answer comes from port 53 by UDP.",
		trace.Field{Name: "metadata", Type: PktMeta, Doc: packetMetaDoc},
		trace.Field{Name: "dns_response", Type: DNSResponses, Doc: "each question with all answers"},
	))
	NetPacketDNS = declare(packet(849, "net_packet_dns", []Set{NetworkEvents},
		"A message of DNS is sent or received, by port 53 of UDP, or of TCP where it begins in the packet.",
		withPorts(trace.Field{Name: "proto_dns", Type: ProtoDNS, Doc: dnsDoc})...,
	))
	NetPacketDNSRequest = declare(packet(850, "net_packet_dns_request", []Set{Default, NetworkEvents},
		"A question of DNS is sent or received.",
		trace.Field{Name: "metadata", Type: PktMeta, Doc: packetMetaDoc},
		trace.Field{Name: "dns_questions", Type: DNSQueries},
	))
	NetPacketDNSResponse = declare(packet(851, "net_packet_dns_response", []Set{Default, NetworkEvents},
		"An answer of DNS is sent or received.",
		trace.Field{Name: "metadata", Type: PktMeta, Doc: packetMetaDoc},
		trace.Field{Name: "dns_response", Type: DNSResponses, Doc: "each question with all answers"},
	))
	NetPacketHTTP = declare(packet(852, "net_packet_http", []Set{NetworkEvents},
		"A message of HTTP/1 begins in a packet, on any port, in the clear.",
		withPorts(trace.Field{Name: "proto_http", Type: ProtoHTTP, Doc: httpDoc})...,
	))
	NetPacketHTTPRequest = declare(packet(853, "net_packet_http_request", []Set{Default, NetworkEvents},
		"A request of HTTP/1 begins in a packet, on any port, in the clear.",
		trace.Field{Name: "metadata", Type: PktMeta, Doc: packetMetaDoc},
		trace.Field{Name: "http_request", Type: ProtoHTTPReq, Doc: httpDoc},
	))
	NetPacketHTTPResponse = declare(packet(854, "net_packet_http_response", []Set{Default, NetworkEvents},
		"A response of HTTP/1 begins in a packet, on any port, in the clear.",
		trace.Field{Name: "metadata", Type: PktMeta, Doc: packetMetaDoc},
		trace.Field{Name: "http_response", Type: ProtoHTTPResp, Doc: httpDoc},
	))
	NetPacketTLS = declare(packet(857, "net_packet_tls", []Set{NetworkEvents},
		"A client greets a server by TLS, on any port of TCP: the greeting names the server before anything is encrypted.",
		withPorts(
			trace.Field{Name: "server_name", Type: Str, Doc: "absent when the client gives none"},
			trace.Field{Name: "protocols", Type: StrArray, Doc: "what the client wants to speak (ALPN)"},
			trace.Field{Name: "versions", Type: StrArray, Doc: "of TLS, which the client offers"},
		)...,
	))
)

const (
	dnsDoc   = "records that can not be read are left out, with all behind them: the counts are the message's own"
	httpDoc  = "marked as truncated when the packet, or its first 4096 bytes, end before the header fields do"
	namesDoc = "names for which an answer of DNS gave the address, the last one first; empty: none was seen"
)

// Connections.
var (
	NetFlowBase = declare(Event{
		ID: 841, Name: "net_flow_base", Internal: true,
		Hooks: Ladder{cgroupHook("connection_changed")},
		Args: []trace.Field{
			{Name: "begun", Type: Bool},
			{Name: "outgoing", Type: Bool},
			{Name: "local", Type: BytesT},
			{Name: "local_port", Type: U16},
			{Name: "remote", Type: BytesT},
			{Name: "remote_port", Type: U16},
		},
		Doc: "A TCP connection is established or closed.",
	})
	NetFlowTCPBegin = declare(flow(855, "net_flow_tcp_begin", "A TCP connection is established."))
	NetFlowTCPEnd   = declare(flow(856, "net_flow_tcp_end", "A TCP connection whose begin was seen is over: closed, reset or given up."))
)

func flow(id int, name, doc string) Event {
	return Event{
		ID: id, Name: name, Sets: []Set{NetworkEvents, Flows}, From: []*Event{NetFlowBase}, Better: []*Event{NetPacketBase},
		Args: []trace.Field{
			{Name: "conn_direction", Type: Str, Doc: "outgoing or incoming"},
			{Name: "src", Type: Str, Doc: "who asked for the connection"},
			{Name: "dst", Type: Str, Doc: "who was asked"},
			{Name: "src_port", Type: U16},
			{Name: "dst_port", Type: U16},
			{Name: "src_dns", Type: StrArray, Doc: namesDoc},
			{Name: "dst_dns", Type: StrArray, Doc: namesDoc},
		},
		Doc: doc + " The process is the socket's owner, as for packets: who accepts a connection is known when it is over, at its " +
			"begin the owner of the listening socket is named.",
	}
}

// packet is an event that is made of the base record.
func packet(id int, name string, sets []Set, doc string, args ...trace.Field) Event {
	return Event{
		ID: id, Name: name, Sets: sets, From: []*Event{NetPacketBase}, Args: args, Unseen: packetUnseen,
		Doc: doc + " The process is the socket's owner: who last connected it, sent or received on it; for a connection that " +
			"nobody accepted yet, the owner of the listening socket; process 0 if it is not known.",
	}
}

// addressed are the arguments of packets without ports.
func addressed(more ...trace.Field) []trace.Field {
	return append([]trace.Field{
		{Name: "src", Type: Str},
		{Name: "dst", Type: Str},
		{Name: "metadata", Type: PacketMetadata, Doc: "direction: 1 received, 2 sent"},
	}, more...)
}

// withPorts are those of packets with ports.
func withPorts(more ...trace.Field) []trace.Field {
	return append([]trace.Field{
		{Name: "src", Type: Str},
		{Name: "dst", Type: Str},
		{Name: "src_port", Type: U16},
		{Name: "dst_port", Type: U16},
		{Name: "metadata", Type: PacketMetadata, Doc: "direction: 1 received, 2 sent"},
	}, more...)
}
