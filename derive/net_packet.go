package derive

import (
	"strconv"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// Packets by their headers.
var (
	_ = derived(events.NetPacket, ofPackets(hasTransport, func(p *packet, b *trace.Builder) {
		putDocument(b, 0, p.meta())
	}))
	_ = derived(events.NetPacketRaw, ofPackets(func(*packet) bool { return true }, func(p *packet, b *trace.Builder) {
		b.Tail(0, p.data)
		if p.cut {
			b.Truncate(0)
		}
	}))
	_ = derived(events.NetPacketIPv4, ofPackets(hasLayer(layers.LayerTypeIPv4), func(p *packet, b *trace.Builder) {
		putDocument(b, p.putAddresses(b), protoIPv4(&p.ip4))
	}))
	_ = derived(events.NetPacketIPv6, ofPackets(hasLayer(layers.LayerTypeIPv6), func(p *packet, b *trace.Builder) {
		putDocument(b, p.putAddresses(b), protoIPv6(&p.ip6))
	}))
	_ = derived(events.NetPacketTCP, ofPackets(hasLayer(layers.LayerTypeTCP), func(p *packet, b *trace.Builder) {
		putDocument(b, p.putEnds(b), protoTCP(&p.tcp))
	}))
	_ = derived(events.NetPacketUDP, ofPackets(hasLayer(layers.LayerTypeUDP), func(p *packet, b *trace.Builder) {
		putDocument(b, p.putEnds(b), trace.ProtoUDP{
			SrcPort: p.srcPort, DstPort: p.dstPort, Length: p.udp.Length, Checksum: p.udp.Checksum,
		})
	}))
	_ = derived(events.NetPacketICMP, ofPackets(hasLayer(layers.LayerTypeICMPv4), func(p *packet, b *trace.Builder) {
		putDocument(b, p.putAddresses(b), trace.ProtoICMP{
			TypeCode: p.icmp.TypeCode.String(), Checksum: p.icmp.Checksum, ID: p.icmp.Id, Seq: p.icmp.Seq,
		})
	}))
	_ = derived(events.NetPacketICMPv6, ofPackets(hasLayer(layers.LayerTypeICMPv6), func(p *packet, b *trace.Builder) {
		putDocument(b, p.putAddresses(b), trace.ProtoICMPv6{
			TypeCode: p.icmpv6.TypeCode.String(), Checksum: p.icmpv6.Checksum,
		})
	}))
)

// hasTransport says that a packet is of the protocols that v0.8 knows.
func hasTransport(p *packet) bool {
	return p.has(layers.LayerTypeTCP) || p.has(layers.LayerTypeUDP) ||
		p.has(layers.LayerTypeICMPv4) || p.has(layers.LayerTypeICMPv6)
}

func protoIPv4(h *layers.IPv4) trace.ProtoIPv4 {
	return trace.ProtoIPv4{
		Version: h.Version, IHL: h.IHL, TOS: h.TOS, Length: h.Length, ID: h.Id, Flags: uint8(h.Flags),
		FragOffset: h.FragOffset, TTL: h.TTL, Protocol: protocolName(h.Protocol), Checksum: h.Checksum,
		SrcIP: h.SrcIP.String(), DstIP: h.DstIP.String(),
	}
}

func protoIPv6(h *layers.IPv6) trace.ProtoIPv6 {
	return trace.ProtoIPv6{
		Version: h.Version, TrafficClass: h.TrafficClass, FlowLabel: h.FlowLabel, Length: h.Length,
		NextHeader: protocolName(h.NextHeader), HopLimit: h.HopLimit, SrcIP: h.SrcIP.String(), DstIP: h.DstIP.String(),
	}
}

// protocolName is the name of a protocol, its number if it has none here.
func protocolName(p layers.IPProtocol) string {
	if p.LayerType() == gopacket.LayerTypeZero {
		return strconv.Itoa(int(p))
	}
	return p.String()
}

func protoTCP(h *layers.TCP) trace.ProtoTCP {
	return trace.ProtoTCP{
		SrcPort: uint16(h.SrcPort), DstPort: uint16(h.DstPort), Seq: h.Seq, Ack: h.Ack, DataOffset: h.DataOffset,
		FIN: bit(h.FIN), SYN: bit(h.SYN), RST: bit(h.RST), PSH: bit(h.PSH), ACK: bit(h.ACK), URG: bit(h.URG),
		ECE: bit(h.ECE), CWR: bit(h.CWR), NS: bit(h.NS), Window: h.Window, Checksum: h.Checksum, Urgent: h.Urgent,
	}
}

func bit(set bool) uint8 {
	if set {
		return 1
	}
	return 0
}
