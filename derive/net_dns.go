package derive

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// Messages of DNS. Those of v0.8 are of UDP only, and go by the port.
var (
	_ = derived(events.DNSRequest, ofDNS(func(p *packet, m *layers.DNS) bool {
		return !m.QR && p.has(layers.LayerTypeUDP) && p.dstPort == portDNS
	}, putQuestions))
	_ = derived(events.DNSResponse, ofDNS(func(p *packet, m *layers.DNS) bool {
		return m.QR && p.has(layers.LayerTypeUDP) && p.srcPort == portDNS
	}, putAnswers))
	_ = derived(events.NetPacketDNS, ofDNS(func(*packet, *layers.DNS) bool { return true },
		func(p *packet, m *layers.DNS, b *trace.Builder) { putDocument(b, p.putEnds(b), protoDNS(m)) }))
	_ = derived(events.NetPacketDNSRequest, ofDNS(func(_ *packet, m *layers.DNS) bool { return !m.QR }, putQuestions))
	_ = derived(events.NetPacketDNSResponse, ofDNS(func(_ *packet, m *layers.DNS) bool { return m.QR }, putAnswers))
)

const portDNS = 53

// ofDNS makes an event of each packet with a message that is of the kind.
func ofDNS(is func(*packet, *layers.DNS) bool, fill func(*packet, *layers.DNS, *trace.Builder)) func(*settings) maker {
	return ofPackets(
		func(p *packet) bool { m := p.message(); return m != nil && is(p, m) },
		func(p *packet, b *trace.Builder) { fill(p, p.message(), b) },
	)
}

// message returns the message of DNS in the packet, nil if there is none.
func (p *packet) message() *layers.DNS {
	if !p.dnsRead {
		p.dnsRead, p.hasDNS = true, p.readDNS()
	}
	if !p.hasDNS {
		return nil
	}
	return &p.dns
}

// readDNS reports whether there is a message: whether its questions can be read. What follows them may be cut, or be made
// to be unreadable.
func (p *packet) readDNS() bool {
	text := p.payload
	if len(text) == 0 || p.srcPort != portDNS && p.dstPort != portDNS {
		return false
	}
	if p.has(layers.LayerTypeTCP) { // its length comes first, where it begins
		if len(text) < 2 || int(binary.BigEndian.Uint16(text)) < len(text)-2 {
			return false
		}
		text = text[2:]
	}
	p.dns.QDCount = 0
	err := p.dns.DecodeFromBytes(text, gopacket.NilDecodeFeedback)
	return err == nil || p.dns.QDCount > 0 && len(p.dns.Questions) == int(p.dns.QDCount)
}

func putQuestions(p *packet, m *layers.DNS, b *trace.Builder) {
	questions := make([]trace.DnsQueryData, 0, len(m.Questions))
	for i := range m.Questions {
		questions = append(questions, queryData(&m.Questions[i]))
	}
	putDocument(b, 0, p.meta())
	putDocument(b, 1, questions)
}

func putAnswers(p *packet, m *layers.DNS, b *trace.Builder) {
	answers := make([]trace.DnsAnswer, 0, len(m.Answers))
	for i := range m.Answers {
		r := &m.Answers[i]
		answers = append(answers, trace.DnsAnswer{Type: typeName(r.Type), TTL: r.TTL, Answer: answerText(r)})
	}
	responses := make([]trace.DnsResponseData, 0, len(m.Questions))
	for i := range m.Questions {
		responses = append(responses, trace.DnsResponseData{QueryData: queryData(&m.Questions[i]), DnsAnswer: answers})
	}
	putDocument(b, 0, p.meta())
	putDocument(b, 1, responses)
}

func queryData(q *layers.DNSQuestion) trace.DnsQueryData {
	return trace.DnsQueryData{Query: string(q.Name), QueryType: typeName(q.Type), QueryClass: className(q.Class)}
}

// newerTypes are those whose names the library does not know.
var newerTypes = map[layers.DNSType]string{64: "SVCB", 65: "HTTPS", 251: "IXFR", 252: "AXFR", 255: "ANY", 257: "CAA"}

// typeName is the name of a type of records; one without a name is TYPE and its number, as in RFC 3597.
func typeName(t layers.DNSType) string {
	if name, ok := newerTypes[t]; ok {
		return name
	}
	if name := t.String(); name != "Unknown" {
		return name
	}
	return "TYPE" + strconv.Itoa(int(t))
}

func className(c layers.DNSClass) string {
	if name := c.String(); name != "Unknown" {
		return name
	}
	return "CLASS" + strconv.Itoa(int(c))
}

// answerText is what a record says, in words.
func answerText(r *layers.DNSResourceRecord) string {
	switch r.Type {
	case layers.DNSTypeA, layers.DNSTypeAAAA:
		return r.IP.String()
	case layers.DNSTypeNS:
		return string(r.NS)
	case layers.DNSTypeCNAME:
		return string(r.CNAME)
	case layers.DNSTypePTR:
		return string(r.PTR)
	case layers.DNSTypeTXT:
		return strings.Join(texts(r.TXTs), " ")
	case layers.DNSTypeSOA:
		return string(r.SOA.MName)
	case layers.DNSTypeMX:
		return fmt.Sprintf("%d %s", r.MX.Preference, r.MX.Name)
	case layers.DNSTypeSRV:
		return fmt.Sprintf("%d %d %d %s", r.SRV.Priority, r.SRV.Weight, r.SRV.Port, r.SRV.Name)
	case layers.DNSTypeURI:
		return fmt.Sprintf("%d %d %s", r.URI.Priority, r.URI.Weight, r.URI.Target)
	default:
		return fmt.Sprintf("%x", r.Data)
	}
}

func texts(raw [][]byte) []string {
	var list []string
	for _, text := range raw {
		list = append(list, string(text))
	}
	return list
}

func protoDNS(m *layers.DNS) trace.ProtoDNS {
	questions := make([]trace.ProtoDNSQuestion, 0, len(m.Questions))
	for _, q := range m.Questions {
		questions = append(questions, trace.ProtoDNSQuestion{
			Name: string(q.Name), Type: typeName(q.Type), Class: className(q.Class),
		})
	}
	return trace.ProtoDNS{
		ID: m.ID, QR: bit(m.QR), OpCode: strings.ToLower(m.OpCode.String()), AA: bit(m.AA), TC: bit(m.TC), RD: bit(m.RD),
		RA: bit(m.RA), Z: m.Z, ResponseCode: strings.ToLower(m.ResponseCode.String()),
		QDCount: m.QDCount, ANCount: m.ANCount, NSCount: m.NSCount, ARCount: m.ARCount, Questions: questions,
		Answers: protoRecords(m.Answers), Authorities: protoRecords(m.Authorities), Additionals: protoRecords(m.Additionals),
	}
}

func protoRecords(records []layers.DNSResourceRecord) []trace.ProtoDNSResourceRecord {
	list := make([]trace.ProtoDNSResourceRecord, 0, len(records))
	for i := range records {
		list = append(list, protoRecord(&records[i]))
	}
	return list
}

func protoRecord(r *layers.DNSResourceRecord) trace.ProtoDNSResourceRecord {
	record := trace.ProtoDNSResourceRecord{
		Name: string(r.Name), Type: typeName(r.Type), Class: className(r.Class), TTL: r.TTL,
		NS: string(r.NS), CNAME: string(r.CNAME), PTR: string(r.PTR), TXTs: texts(r.TXTs), TXT: string(r.TXT),
		SOA: trace.ProtoDNSSOA{
			MName: string(r.SOA.MName), RName: string(r.SOA.RName), Serial: r.SOA.Serial, Refresh: r.SOA.Refresh,
			Retry: r.SOA.Retry, Expire: r.SOA.Expire, Minimum: r.SOA.Minimum,
		},
		SRV: trace.ProtoDNSSRV{Priority: r.SRV.Priority, Weight: r.SRV.Weight, Port: r.SRV.Port, Name: string(r.SRV.Name)},
		MX:  trace.ProtoDNSMX{Preference: r.MX.Preference, Name: string(r.MX.Name)},
		OPT: make([]trace.ProtoDNSOPT, 0, len(r.OPT)),
		URI: trace.ProtoDNSURI{Priority: r.URI.Priority, Weight: r.URI.Weight, Target: string(r.URI.Target)},
	}
	if r.IP != nil {
		record.IP = r.IP.String()
	}
	for _, option := range r.OPT {
		record.OPT = append(record.OPT, trace.ProtoDNSOPT{Code: option.Code.String(), Data: fmt.Sprintf("%x", option.Data)})
	}
	return record
}
