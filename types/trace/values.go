package trace

import (
	"encoding/binary"
	"encoding/json"
)

// SlimCred is the part of a task's credentials that v0.8 shows. Ids are those of the initial user namespace.
type SlimCred struct {
	Uid, Gid, Suid, Sgid, Euid, Egid, Fsuid, Fsgid uint32 //nolint:revive // names are v0.8's JSON keys

	UserNamespace  uint32 // inode number
	SecureBits     uint32
	CapInheritable uint64
	CapPermitted   uint64
	CapEffective   uint64
	CapBounding    uint64
	CapAmbient     uint64
}

// credSize is the size of struct slim_cred, whose layout is that of SlimCred.
const credSize = 80

// parseCred decodes struct slim_cred; a short record decodes to zero.
func parseCred(raw []byte) SlimCred {
	if len(raw) < credSize {
		return SlimCred{}
	}
	u32 := func(i int) uint32 { return binary.LittleEndian.Uint32(raw[4*i:]) }
	u64 := func(i int) uint64 { return binary.LittleEndian.Uint64(raw[40+8*i:]) }
	return SlimCred{
		Uid: u32(0), Gid: u32(1), Suid: u32(2), Sgid: u32(3), Euid: u32(4), Egid: u32(5), Fsuid: u32(6), Fsgid: u32(7),
		UserNamespace: u32(8), SecureBits: u32(9),
		CapInheritable: u64(0), CapPermitted: u64(1), CapEffective: u64(2), CapBounding: u64(3), CapAmbient: u64(4),
	}
}

// encode is the inverse of parseCred.
func (c SlimCred) encode() []byte {
	raw := make([]byte, 0, credSize)
	for _, v := range [...]uint32{
		c.Uid, c.Gid, c.Suid, c.Sgid, c.Euid, c.Egid, c.Fsuid, c.Fsgid, c.UserNamespace, c.SecureBits,
	} {
		raw = binary.LittleEndian.AppendUint32(raw, v)
	}
	for _, v := range [...]uint64{c.CapInheritable, c.CapPermitted, c.CapEffective, c.CapBounding, c.CapAmbient} {
		raw = binary.LittleEndian.AppendUint64(raw, v)
	}
	return raw
}

// HookedSymbolData names a kernel symbol that was replaced, and the module that did it.
type HookedSymbolData struct {
	SymbolName  string
	ModuleOwner string
}

// PktMeta describes a packet.
type PktMeta struct {
	SrcIP     string `json:"src_ip"`
	DstIP     string `json:"dst_ip"`
	SrcPort   uint16 `json:"src_port"`
	DstPort   uint16 `json:"dst_port"`
	Protocol  uint8  `json:"protocol"`
	PacketLen uint32 `json:"packet_len"`
	Iface     string `json:"iface"`
}

// DnsQueryData is a question of a DNS message.
type DnsQueryData struct { //nolint:revive // v0.8's name
	Query      string `json:"query"`
	QueryType  string `json:"query_type"`
	QueryClass string `json:"query_class"`
}

// DnsAnswer is an answer of a DNS message; TTL is in seconds.
type DnsAnswer struct { //nolint:revive // v0.8's name
	Type   string `json:"answer_type"`
	TTL    uint32 `json:"ttl"`
	Answer string `json:"answer"`
}

// DnsResponseData is a question with its answers.
type DnsResponseData struct { //nolint:revive // v0.8's name
	QueryData DnsQueryData `json:"query_data"`
	DnsAnswer []DnsAnswer  `json:"dns_answer"` //nolint:revive // v0.8's name
}

// documentTypes decodes the argument types that travel as JSON documents, by their declared name.
var documentTypes = map[string]func([]byte) (any, error){
	"struct sockaddr*":                  unmarshal[map[string]string], // one that EncodeSockaddr cannot express
	"const struct sockaddr*":            unmarshal[map[string]string],
	"const char*const*":                 unmarshal[[]string], // elements with a NUL in them
	"const char**":                      unmarshal[[]string],
	"slim_cred_t":                       unmarshal[SlimCred],
	"unsigned long[]":                   unmarshal[[]uint64],
	"[]trace.HookedSymbolData":          unmarshal[[]HookedSymbolData],
	"map[string]trace.HookedSymbolData": unmarshal[map[string]HookedSymbolData],
	"trace.PktMeta":                     unmarshal[PktMeta],
	"[]trace.DnsQueryData":              unmarshal[[]DnsQueryData],
	"[]trace.DnsResponseData":           unmarshal[[]DnsResponseData],
	"trace.PacketMetadata":              unmarshal[PacketMetadata],
	"trace.ProtoIPv4":                   unmarshal[ProtoIPv4],
	"trace.ProtoIPv6":                   unmarshal[ProtoIPv6],
	"trace.ProtoTCP":                    unmarshal[ProtoTCP],
	"trace.ProtoUDP":                    unmarshal[ProtoUDP],
	"trace.ProtoICMP":                   unmarshal[ProtoICMP],
	"trace.ProtoICMPv6":                 unmarshal[ProtoICMPv6],
	"trace.ProtoDNS":                    unmarshalDNS,
	"trace.ProtoHTTP":                   unmarshal[ProtoHTTP],
	"trace.ProtoHTTPRequest":            unmarshal[ProtoHTTPRequest],
	"trace.ProtoHTTPResponse":           unmarshal[ProtoHTTPResponse],
}

func unmarshal[T any](raw []byte) (any, error) {
	var v T
	err := json.Unmarshal(raw, &v)
	return v, err
}
