package derive

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/tracee-go/tracee/types/trace"
)

// packet is a record of the kernel side, taken apart as far as it goes.
type packet struct {
	outgoing bool
	length   uint32 // of the packet, of which data may be a part
	iface    string
	data     []byte
	cut      bool // data is longer than what was kept

	src, dst         netip.Addr
	srcPort, dstPort uint16
	protocol         layers.IPProtocol
	payload          []byte // of TCP or UDP

	found  []gopacket.LayerType
	ip4    layers.IPv4
	ip6    layers.IPv6
	skip   layers.IPv6ExtensionSkipper
	tcp    layers.TCP
	udp    layers.UDP
	icmp   layers.ICMPv4
	icmpv6 layers.ICMPv6

	dns             layers.DNS
	dnsRead, hasDNS bool // read when somebody asks for it
}

// packets takes each record apart once, whatever is made of it.
type packets struct {
	source *trace.Event
	packet packet
	err    error

	parsers [2]*gopacket.DecodingLayerParser // of IPv4 and of IPv6
}

func newPackets() *packets {
	p := &packets{}
	at := &p.packet
	for i, first := range []gopacket.LayerType{layers.LayerTypeIPv4, layers.LayerTypeIPv6} {
		p.parsers[i] = gopacket.NewDecodingLayerParser(first, &at.ip4, &at.ip6, &at.skip, &at.tcp, &at.udp, &at.icmp, &at.icmpv6)
		p.parsers[i].IgnoreUnsupported = true
	}
	return p
}

// of returns the packet of a record. It is valid until the next one is asked for.
func (p *packets) of(source *trace.Event) (*packet, error) {
	if p.source != source {
		p.source = source
		p.err = p.read(source)
	}
	return &p.packet, p.err
}

func (p *packets) read(source *trace.Event) error {
	at := &p.packet
	at.found, at.payload, at.dnsRead = at.found[:0], nil, false
	at.src, at.dst, at.srcPort, at.dstPort, at.protocol = netip.Addr{}, netip.Addr{}, 0, 0, 0
	at.iface = ""
	if name, ok := source.Lookup("iface"); ok {
		at.iface = name.Text()
	}
	outgoing, _ := source.Lookup("outgoing")
	length, known := source.Lookup("length")
	data, ok := source.Lookup("data")
	if !ok || !known || len(data.Raw()) == 0 {
		return wrong(source, "data")
	}
	at.outgoing, at.length = outgoing.Uint() != 0, uint32(length.Uint())
	at.data, at.cut = data.Raw(), data.Truncated()
	parser := p.parsers[0]
	if at.data[0]>>4 == 6 {
		parser = p.parsers[1]
	}
	if err := parser.DecodeLayers(at.data, &at.found); err != nil {
		return fmt.Errorf("packet: %w", err)
	}
	for _, layer := range at.found {
		at.note(layer)
	}
	return nil
}

// note takes over what a layer tells about the packet as a whole.
func (p *packet) note(layer gopacket.LayerType) {
	switch layer {
	case layers.LayerTypeIPv4:
		p.src, _ = netip.AddrFromSlice(p.ip4.SrcIP)
		p.dst, _ = netip.AddrFromSlice(p.ip4.DstIP)
		p.protocol = p.ip4.Protocol
	case layers.LayerTypeIPv6:
		p.src, _ = netip.AddrFromSlice(p.ip6.SrcIP)
		p.dst, _ = netip.AddrFromSlice(p.ip6.DstIP)
		p.protocol = p.ip6.NextHeader
	case layers.LayerTypeTCP:
		p.protocol = layers.IPProtocolTCP
		p.srcPort, p.dstPort, p.payload = uint16(p.tcp.SrcPort), uint16(p.tcp.DstPort), p.tcp.Payload
	case layers.LayerTypeUDP:
		p.protocol = layers.IPProtocolUDP
		p.srcPort, p.dstPort, p.payload = uint16(p.udp.SrcPort), uint16(p.udp.DstPort), p.udp.Payload
	case layers.LayerTypeICMPv6:
		p.protocol = layers.IPProtocolICMPv6
	}
}

func (p *packet) has(layer gopacket.LayerType) bool {
	for _, found := range p.found {
		if found == layer {
			return true
		}
	}
	return false
}

// meta is what v0.8 says of a packet.
func (p *packet) meta() trace.PktMeta {
	return trace.PktMeta{
		SrcIP: p.src.String(), DstIP: p.dst.String(), SrcPort: p.srcPort, DstPort: p.dstPort,
		Protocol: uint8(p.protocol), PacketLen: p.length, Iface: p.iface,
	}
}

func (p *packet) metadata() trace.PacketMetadata {
	if p.outgoing {
		return trace.PacketMetadata{Direction: trace.PacketEgress}
	}
	return trace.PacketMetadata{Direction: trace.PacketIngress}
}

// putAddresses stores the first arguments of events without ports, and returns the index of the next.
func (p *packet) putAddresses(b *trace.Builder) int {
	b.Text(0, p.src.String())
	b.Text(1, p.dst.String())
	putDocument(b, 2, p.metadata())
	return 3
}

// putEnds is putAddresses for events with ports.
func (p *packet) putEnds(b *trace.Builder) int {
	b.Text(0, p.src.String())
	b.Text(1, p.dst.String())
	b.Slot(2, uint64(p.srcPort))
	b.Slot(3, uint64(p.dstPort))
	putDocument(b, 4, p.metadata())
	return 5
}

// putDocument stores a value that JSON can hold.
func putDocument(b *trace.Builder, index int, value any) {
	if text, err := json.Marshal(value); err == nil { // the types of package trace do not fail
		b.Tail(index, text)
	}
}

// ofPackets makes one event of each packet that is of the kind.
func ofPackets(is func(*packet) bool, fill func(*packet, *trace.Builder)) func(*settings) maker {
	return func(s *settings) maker {
		return func(source *trace.Event, emit emitter) error {
			p, err := s.packets.of(source)
			if err != nil {
				return err
			}
			if is(p) {
				emit(func(b *trace.Builder) { fill(p, b) })
			}
			return nil
		}
	}
}

// hasLayer says that a packet has a header of the kind.
func hasLayer(layer gopacket.LayerType) func(*packet) bool {
	return func(p *packet) bool { return p.has(layer) }
}
