package trace

// The protocols of packets, in the JSON of Tracee v0.10 and later. What is a bit in a header is 0 or 1 here.

// PacketDirection says which way a packet went, as the owner of the socket sees it.
type PacketDirection uint8

// The directions.
const (
	PacketIngress PacketDirection = 1
	PacketEgress  PacketDirection = 2
)

// PacketMetadata is what headers do not say.
type PacketMetadata struct {
	Direction PacketDirection `json:"direction"`
}

// ProtoIPv4 is a header of IPv4. Length is 0 for a large packet that the device is to take apart.
type ProtoIPv4 struct {
	Version    uint8  `json:"version"`
	IHL        uint8  `json:"IHL"` // words of 32 bits
	TOS        uint8  `json:"TOS"`
	Length     uint16 `json:"length"`
	ID         uint16 `json:"id"`
	Flags      uint8  `json:"flags"`
	FragOffset uint16 `json:"fragOffset"`
	TTL        uint8  `json:"TTL"`
	Protocol   string `json:"protocol"`
	Checksum   uint16 `json:"checksum"`
	SrcIP      string `json:"srcIP"`
	DstIP      string `json:"dstIP"`
}

// ProtoIPv6 is a header of IPv6.
type ProtoIPv6 struct {
	Version      uint8  `json:"version"`
	TrafficClass uint8  `json:"trafficClass"`
	FlowLabel    uint32 `json:"flowLabel"`
	Length       uint16 `json:"length"`
	NextHeader   string `json:"nextHeader"`
	HopLimit     uint8  `json:"hopLimit"`
	SrcIP        string `json:"srcIP"`
	DstIP        string `json:"dstIP"`
}

// ProtoTCP is a header of TCP.
type ProtoTCP struct {
	SrcPort    uint16 `json:"srcPort"`
	DstPort    uint16 `json:"dstPort"`
	Seq        uint32 `json:"seq"`
	Ack        uint32 `json:"ack"`
	DataOffset uint8  `json:"dataOffset"` // words of 32 bits
	FIN        uint8  `json:"FIN"`
	SYN        uint8  `json:"SYN"`
	RST        uint8  `json:"RST"`
	PSH        uint8  `json:"PSH"`
	ACK        uint8  `json:"ACK"`
	URG        uint8  `json:"URG"`
	ECE        uint8  `json:"ECE"`
	CWR        uint8  `json:"CWR"`
	NS         uint8  `json:"NS"`
	Window     uint16 `json:"window"`
	Checksum   uint16 `json:"checksum"`
	Urgent     uint16 `json:"urgent"`
}

// ProtoUDP is a header of UDP.
type ProtoUDP struct {
	SrcPort  uint16 `json:"srcPort"`
	DstPort  uint16 `json:"dstPort"`
	Length   uint16 `json:"length"`
	Checksum uint16 `json:"checksum"`
}

// ProtoICMP is a header of ICMP. ID and Seq mean something in some types only.
type ProtoICMP struct {
	TypeCode string `json:"typeCode"`
	Checksum uint16 `json:"checksum"`
	ID       uint16 `json:"id"`
	Seq      uint16 `json:"seq"`
}

// ProtoICMPv6 is a header of ICMPv6.
type ProtoICMPv6 struct {
	TypeCode string `json:"typeCode"`
	Checksum uint16 `json:"checksum"`
}

// ProtoDNS is a DNS message.
type ProtoDNS struct {
	ID           uint16                   `json:"ID"`
	QR           uint8                    `json:"QR"`
	OpCode       string                   `json:"opCode"`
	AA           uint8                    `json:"AA"`
	TC           uint8                    `json:"TC"`
	RD           uint8                    `json:"RD"`
	RA           uint8                    `json:"RA"`
	Z            uint8                    `json:"Z"`
	ResponseCode string                   `json:"responseCode"`
	QDCount      uint16                   `json:"QDCount"`
	ANCount      uint16                   `json:"ANCount"`
	NSCount      uint16                   `json:"NSCount"`
	ARCount      uint16                   `json:"ARCount"`
	Questions    []ProtoDNSQuestion       `json:"questions"`
	Answers      []ProtoDNSResourceRecord `json:"answers"`
	Authorities  []ProtoDNSResourceRecord `json:"authorities"`
	Additionals  []ProtoDNSResourceRecord `json:"additionals"`
}

// ProtoDNSQuestion is a question of a DNS message.
type ProtoDNSQuestion struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Class string `json:"class"`
}

// ProtoDNSResourceRecord is a record of a DNS message. Of the fields behind TTL, those that its type has are filled.
type ProtoDNSResourceRecord struct {
	Name  string        `json:"name"`
	Type  string        `json:"type"`
	Class string        `json:"class"`
	TTL   uint32        `json:"TTL"` // seconds
	IP    string        `json:"IP"`
	NS    string        `json:"NS"`
	CNAME string        `json:"CNAME"`
	PTR   string        `json:"PTR"`
	TXTs  []string      `json:"TXTs"`
	SOA   ProtoDNSSOA   `json:"SOA"`
	SRV   ProtoDNSSRV   `json:"SRV"`
	MX    ProtoDNSMX    `json:"MX"`
	OPT   []ProtoDNSOPT `json:"OPT"`
	URI   ProtoDNSURI   `json:"URI"`
	TXT   string        `json:"TXT"`
}

// ProtoDNSSOA is the data of a record SOA.
type ProtoDNSSOA struct {
	MName   string `json:"MName"`
	RName   string `json:"RName"`
	Serial  uint32 `json:"serial"`
	Refresh uint32 `json:"refresh"`
	Retry   uint32 `json:"retry"`
	Expire  uint32 `json:"expire"`
	Minimum uint32 `json:"minimum"`
}

// ProtoDNSSRV is the data of a record SRV.
type ProtoDNSSRV struct {
	Priority uint16 `json:"priority"`
	Weight   uint16 `json:"weight"`
	Port     uint16 `json:"port"`
	Name     string `json:"name"`
}

// ProtoDNSMX is the data of a record MX.
type ProtoDNSMX struct {
	Preference uint16 `json:"preference"`
	Name       string `json:"name"`
}

// ProtoDNSURI is the data of a record URI.
type ProtoDNSURI struct {
	Priority uint16 `json:"priority"`
	Weight   uint16 `json:"weight"`
	Target   string `json:"target"`
}

// ProtoDNSOPT is an option of a record OPT.
type ProtoDNSOPT struct {
	Code string `json:"code"`
	Data string `json:"data"`
}

// ProtoHTTP is the head of a message of HTTP/1: of a request or, by Direction, of a response.
type ProtoHTTP struct {
	Direction     string              `json:"direction"`
	Method        string              `json:"method"`
	Protocol      string              `json:"protocol"`
	Host          string              `json:"host"`
	URIPath       string              `json:"uri_path"`
	Status        string              `json:"status"`
	StatusCode    int                 `json:"status_code"`
	Headers       map[string][]string `json:"headers"`
	ContentLength int64               `json:"content_length"` // -1: not known
}

// ProtoHTTPRequest is the head of a request.
type ProtoHTTPRequest struct {
	Method        string              `json:"method"`
	Protocol      string              `json:"protocol"`
	Host          string              `json:"host"`
	URIPath       string              `json:"uri_path"`
	Headers       map[string][]string `json:"headers"`
	ContentLength int64               `json:"content_length"`
}

// ProtoHTTPResponse is the head of a response.
type ProtoHTTPResponse struct {
	Status        string              `json:"status"`
	StatusCode    int                 `json:"status_code"`
	Protocol      string              `json:"protocol"`
	Headers       map[string][]string `json:"headers"`
	ContentLength int64               `json:"content_length"`
}

// unmarshalDNS makes lists that gob left out, because they are empty, empty lists.
func unmarshalDNS(raw []byte) (any, error) {
	v, err := unmarshal[ProtoDNS](raw)
	if err != nil {
		return v, err
	}
	d := v.(ProtoDNS)
	if d.Questions == nil {
		d.Questions = []ProtoDNSQuestion{}
	}
	for _, records := range []*[]ProtoDNSResourceRecord{&d.Answers, &d.Authorities, &d.Additionals} {
		if *records == nil {
			*records = []ProtoDNSResourceRecord{}
		}
		for i := range *records {
			if (*records)[i].OPT == nil {
				(*records)[i].OPT = []ProtoDNSOPT{}
			}
		}
	}
	return d, nil
}
