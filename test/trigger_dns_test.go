package test

import (
	"fmt"
	"net"
	"unsafe"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

func init() {
	triggers = append(
		triggers,
		trigger{"dns_request", "look-up", func(a *actor) { a.network(); a.wantQuestion("dns_request", a.lookUp(false)) }},
		trigger{"dns_response", "look-up", func(a *actor) { a.network(); a.wantAnswer("dns_response", a.lookUp(false)) }},
		trigger{"net_packet_dns", "look-up", dissectDNS},
		trigger{"net_packet_dns", "over TCP", func(a *actor) { a.network(); a.wantDNS(a.lookUp(true)) }},
		trigger{"net_packet_dns_request", "look-up", func(a *actor) {
			a.network()
			a.wantQuestion("net_packet_dns_request", a.lookUp(false))
			a.wantQuestion("net_packet_dns_request", a.lookUp(true))
		}},
		trigger{"net_packet_dns_response", "look-up", func(a *actor) {
			a.network()
			a.wantAnswer("net_packet_dns_response", a.lookUp(false))
			a.wantAnswer("net_packet_dns_response", a.lookUp(true))
		}},
		trigger{"net_tcp_connect", "by name", connectByName},
	)
}

// lookUp is what was asked of a server of the child's own, and answered.
type lookUp struct {
	client             int32 // port
	protocol           uint8
	question, answer   []byte // messages
	questions, answers uint32 // bytes of the packets
}

// exampleName leads to 127.0.0.9 by an alias.
const exampleName, exampleAlias = "www.example.test", "host.example.test"

func dnsMessage(answered bool) *layers.DNS {
	m := &layers.DNS{
		ID: 77, RD: true, QDCount: 1,
		Questions: []layers.DNSQuestion{{Name: []byte(exampleName), Type: layers.DNSTypeA, Class: layers.DNSClassIN}},
	}
	if answered {
		m.QR, m.RA, m.ANCount = true, true, 2
		m.Answers = []layers.DNSResourceRecord{
			{Name: []byte(exampleName), Type: layers.DNSTypeCNAME, Class: layers.DNSClassIN, TTL: 60, CNAME: []byte(exampleAlias)},
			{Name: []byte(exampleAlias), Type: layers.DNSTypeA, Class: layers.DNSClassIN, TTL: 30, IP: net.IPv4(127, 0, 0, 9).To4()},
		}
	}
	return m
}

func (a *actor) pack(m *layers.DNS) []byte {
	buffer := gopacket.NewSerializeBuffer()
	a.check(m.SerializeTo(buffer, gopacket.SerializeOptions{FixLengths: true}))
	return buffer.Bytes()
}

// say writes a message; over TCP its length comes first.
func (a *actor) say(fd int, message []byte, stream bool) {
	if stream {
		message = append([]byte{byte(len(message) >> 8), byte(len(message))}, message...)
	}
	a.must(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&message[0])), uintptr(len(message)))
}

// lookUp asks a question and answers it, by sockets of the child.
func (a *actor) lookUp(stream bool) lookUp {
	l := lookUp{question: a.pack(dnsMessage(false)), answer: a.pack(dnsMessage(true))}
	server := inet("127.0.0.1", 53)
	var client, other int
	if stream {
		l.protocol = unix.IPPROTO_TCP
		listener := a.listening(server)
		client = a.bound(inet("127.0.0.1", 0), unix.SOCK_STREAM)
		if r := a.connect(client, server); r < 0 {
			a.fail(unix.Errno(-r))
		}
		other = a.must(unix.SYS_ACCEPT, uintptr(listener), 0, 0)
		a.must(unix.SYS_CLOSE, uintptr(listener))
	} else {
		l.protocol = unix.IPPROTO_UDP
		client, other = a.bound(inet("127.0.0.1", 0), unix.SOCK_DGRAM), a.bound(server, unix.SOCK_DGRAM)
		a.connect(client, server)
		a.connect(other, a.local(client))
	}
	l.client = port(a.local(client))
	a.say(client, l.question, stream)
	a.receive(other, 512)
	a.say(other, l.answer, stream)
	a.receive(client, 512)
	header := 20 + 8
	if stream {
		header = 20 + 32 + 2 // with timestamps, and the message's length
	}
	l.questions, l.answers = uint32(header+len(l.question)), uint32(header+len(l.answer))
	if stream {
		a.reset(other)
	} else {
		a.must(unix.SYS_CLOSE, uintptr(other))
	}
	return l
}

func (l lookUp) meta(answer bool) trace.PktMeta {
	m := trace.PktMeta{
		SrcIP: "127.0.0.1", DstIP: "127.0.0.1", SrcPort: uint16(l.client), DstPort: 53, Protocol: l.protocol,
		PacketLen: l.questions, Iface: "lo",
	}
	if answer {
		m.SrcPort, m.DstPort, m.PacketLen = m.DstPort, m.SrcPort, l.answers
	}
	return m
}

var exampleQuery = trace.DnsQueryData{Query: exampleName, QueryType: "A", QueryClass: "IN"}

// wantQuestion asks for a question that is sent and received.
func (a *actor) wantQuestion(event string, l lookUp) {
	for range 2 {
		a.want(event, arguments{"metadata": l.meta(false), "dns_questions": []trace.DnsQueryData{exampleQuery}})
	}
}

func (a *actor) wantAnswer(event string, l lookUp) {
	for range 2 {
		a.want(event, arguments{"metadata": l.meta(true), "dns_response": []trace.DnsResponseData{{
			QueryData: exampleQuery,
			DnsAnswer: []trace.DnsAnswer{
				{Type: "CNAME", TTL: 60, Answer: exampleAlias}, {Type: "A", TTL: 30, Answer: "127.0.0.9"},
			},
		}}})
	}
}

func (a *actor) wantDNS(l lookUp) {
	question := trace.ProtoDNS{
		ID: 77, OpCode: "query", RD: 1, ResponseCode: "no error", QDCount: 1,
		Questions:   []trace.ProtoDNSQuestion{{Name: exampleName, Type: "A", Class: "IN"}},
		Answers:     []trace.ProtoDNSResourceRecord{},
		Authorities: []trace.ProtoDNSResourceRecord{}, Additionals: []trace.ProtoDNSResourceRecord{},
	}
	answer := question
	answer.QR, answer.RA, answer.ANCount = 1, 1, 2
	answer.Answers = []trace.ProtoDNSResourceRecord{
		{Name: exampleName, Type: "CNAME", Class: "IN", TTL: 60, CNAME: exampleAlias, OPT: []trace.ProtoDNSOPT{}},
		{Name: exampleAlias, Type: "A", Class: "IN", TTL: 30, IP: "127.0.0.9", OPT: []trace.ProtoDNSOPT{}},
	}
	for n, message := range []trace.ProtoDNS{question, answer} {
		meta := l.meta(n == 1)
		for i := range 2 {
			a.want("net_packet_dns", arguments{
				"src": "127.0.0.1", "dst": "127.0.0.1", "src_port": meta.SrcPort, "dst_port": meta.DstPort, "metadata": way(i),
				"proto_dns": dnsLike{message},
			})
		}
	}
}

func dissectDNS(a *actor) {
	a.network()
	a.datagram(inet("127.0.0.1", 0), a.pack(dnsMessage(false)), true) // not on port 53
	a.wantDNS(a.lookUp(false))
}

// connectByName connects to an address whose name was looked up before.
func connectByName(a *actor) {
	a.network()
	connect := func(address string, names []string) {
		peer := a.local(a.listening(inet(address, 0)))
		a.connect(a.socket(unix.AF_INET, unix.SOCK_STREAM), peer)
		a.want("net_tcp_connect", arguments{"dst": address, "dst_port": port(peer), "dst_dns": names})
	}
	connect("127.0.0.8", []string{})
	a.lookUp(false)
	connect("127.0.0.9", []string{exampleName, exampleAlias})
}

// dnsLike is a message, in which empty lists and none are the same: gob, by which it comes here, does not tell them apart.
type dnsLike struct{ Value trace.ProtoDNS }

func (m dnsLike) match(got any) error {
	g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", m.Value)
	if g != w {
		return fmt.Errorf("got %s, want %s", g, w)
	}
	return nil
}
