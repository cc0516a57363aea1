package trace

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// plainEvent is v0.8's event as a plain struct, with our additions: what encoding/json makes of it is the reference.
type plainEvent struct {
	Timestamp           int             `json:"timestamp"`
	ThreadStartTime     int             `json:"threadStartTime"`
	ProcessorID         int             `json:"processorId"`
	ProcessID           int             `json:"processId"`
	CgroupID            uint            `json:"cgroupId"`
	ThreadID            int             `json:"threadId"`
	ParentProcessID     int             `json:"parentProcessId"`
	HostProcessID       int             `json:"hostProcessId"`
	HostThreadID        int             `json:"hostThreadId"`
	HostParentProcessID int             `json:"hostParentProcessId"`
	UserID              int             `json:"userId"`
	MountNS             int             `json:"mountNamespace"`
	PIDNS               int             `json:"pidNamespace"`
	ProcessName         string          `json:"processName"`
	HostName            string          `json:"hostName"`
	ContainerID         string          `json:"containerId"`
	ContainerImage      string          `json:"containerImage"`
	ContainerName       string          `json:"containerName"`
	PodName             string          `json:"podName"`
	PodNamespace        string          `json:"podNamespace"`
	PodUID              string          `json:"podUID"`
	EventID             int             `json:"eventId,string"`
	EventName           string          `json:"eventName"`
	ArgsNum             int             `json:"argsNum"`
	ReturnValue         int             `json:"returnValue"`
	StackAddresses      []uint64        `json:"stackAddresses"`
	ContextFlags        ContextFlags    `json:"contextFlags"`
	Args                []plainArgument `json:"args"`
	ThreadEntityID      uint64          `json:"threadEntityId,omitempty"`
	ProcessEntityID     uint64          `json:"processEntityId,omitempty"`
	ParentEntityID      uint64          `json:"parentEntityId,omitempty"`
	ContainerDigest     string          `json:"containerImageDigest,omitempty"`
	ContainerRuntime    string          `json:"containerRuntime,omitempty"`
	Executable          *plainFile      `json:"executable,omitempty"`
	Rung                string          `json:"rung,omitempty"`
	Compat              bool            `json:"compat,omitempty"`
	Via                 string          `json:"via,omitempty"`
	Errno               string          `json:"errno,omitempty"`
	StackSymbols        []string        `json:"stackSymbols,omitempty"`
	MatchedPolicies     []string        `json:"matchedPolicies,omitempty"`
	Truncated           []string        `json:"truncated,omitempty"`
	Bytes               json.RawMessage `json:"bytes,omitempty"`
}

type plainFile struct {
	Path string `json:"path"`
}

type plainArgument struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value any    `json:"value"`
}

func plain(e *Event) plainEvent {
	p := plainEvent{
		Timestamp: e.Timestamp, ThreadStartTime: e.ThreadStartTime, ProcessorID: e.ProcessorID, ProcessID: e.ProcessID,
		CgroupID: e.CgroupID, ThreadID: e.ThreadID, ParentProcessID: e.ParentProcessID, HostProcessID: e.HostProcessID,
		HostThreadID: e.HostThreadID, HostParentProcessID: e.HostParentProcessID, UserID: e.UserID, MountNS: e.MountNS,
		PIDNS: e.PIDNS, ProcessName: e.ProcessName, HostName: e.HostName, ContainerID: e.ContainerID,
		ContainerImage: e.ContainerImage, ContainerName: e.ContainerName, PodName: e.PodName, PodNamespace: e.PodNamespace,
		PodUID: e.PodUID, EventID: e.EventID, EventName: e.EventName, ArgsNum: e.ArgsNum(), ReturnValue: e.ReturnValue,
		StackAddresses: e.StackAddresses, ContextFlags: e.ContextFlags, Args: []plainArgument{},
		ThreadEntityID: e.ThreadEntityID, ProcessEntityID: e.ProcessEntityID, ParentEntityID: e.ParentEntityID,
		ContainerDigest: e.ContainerImageDigest, ContainerRuntime: e.ContainerRuntime,
		Rung: e.Rung.String(), Compat: e.Compat, Via: e.Via, Errno: e.Errno, StackSymbols: e.StackSymbols, MatchedPolicies: e.MatchedPolicies,
	}
	if e.Executable != "" {
		p.Executable = &plainFile{e.Executable}
	}
	for a := range e.All() {
		value := a.Value()
		if a.Type().Kind == Document {
			value = json.RawMessage(a.Raw())
		}
		p.Args = append(p.Args, plainArgument{a.Name(), a.TypeName(), value})
		if a.Truncated() {
			p.Truncated = append(p.Truncated, a.Name())
		}
	}
	p.Bytes = plainBytes(e)
	return p
}

// plainBytes is what the texts of JSON do not say.
func plainBytes(e *Event) json.RawMessage {
	var entries []string
	add := func(name string, raw []byte) {
		entries = append(entries, string(asRaw(name))+":"+string(asRaw(raw)))
	}
	names := []string{"processName", "hostName", "containerId", "containerImage", "containerName", "podName", "podNamespace", "podUID", "eventName",
		"containerImageDigest", "containerRuntime", "via", "executable"}
	for i, text := range []string{
		e.ProcessName, e.HostName, e.ContainerID, e.ContainerImage, e.ContainerName, e.PodName, e.PodNamespace, e.PodUID, e.EventName,
		e.ContainerImageDigest, e.ContainerRuntime, e.Via, e.Executable,
	} {
		if !utf8.ValidString(text) {
			add(names[i], []byte(text))
		}
	}
	for a := range e.All() {
		lost, raw := false, a.Raw()
		switch a.Type().Kind {
		case String, Strings:
			lost = !utf8.Valid(raw)
		case Sockaddr:
			s := a.Sockaddr()
			if lost = !utf8.ValidString(s.Path); lost && raw[2] != 0 {
				raw = raw[:2+len(s.Path)]
			}
			lost = lost || len(raw) > 2 && strings.Trim(string(raw[2:]), "\x00") != "" &&
				(s.Family == familyUnix && raw[2] == 0 || s.Family != familyUnix && s.Family != familyInet && s.Family != familyInet6)
		}
		if lost {
			add("args."+a.Name(), raw)
		}
	}
	if entries == nil {
		return nil
	}
	return json.RawMessage("{" + strings.Join(entries, ",") + "}")
}

func asRaw(v any) []byte {
	b, err := json.Marshal(v)
	must(err)
	return b
}

// escaped is what encoding/json wrote, with the control characters that it leaves alone.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r >= 0x7f && r <= 0x9f {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

var (
	typeInt     = &Type{Name: "int", Kind: Int32}
	typeFlags   = &Type{Name: "int", Kind: Int32, Text: func(v uint64) string { return fmt.Sprintf("O_<%d>", v) }}
	typeSyscall = &Type{Name: "int", Kind: Int32, KeepName: true, Text: func(v uint64) string { return fmt.Sprintf("sys%d", v) }}
	typePath    = &Type{Name: "const char*", Kind: String}
	typeMode    = &Type{Name: "mode_t", Kind: Uint32}

	openat = &Schema{ID: 257, Name: "openat", Fields: []Field{
		{Name: "dirfd", Type: typeInt}, {Name: "pathname", Type: typePath}, {Name: "flags", Type: typeFlags}, {Name: "mode", Type: typeMode},
	}}

	// everything has every kind.
	everything = &Schema{ID: 9999, Name: "everything", Fields: []Field{
		{Name: "bool", Type: &Type{Name: "bool", Kind: Bool}},
		{Name: "int", Type: typeInt},
		{Name: "long", Type: &Type{Name: "long", Kind: Int64}},
		{Name: "u8", Type: &Type{Name: "u8", Kind: Uint8}},
		{Name: "umode", Type: &Type{Name: "umode_t", Kind: Uint16}},
		{Name: "mode", Type: typeMode},
		{Name: "offset", Type: &Type{Name: "loff_t", Kind: Uint64}},
		{Name: "ratio", Type: &Type{Name: "float64", Kind: Float64}},
		{Name: "address", Type: &Type{Name: "struct timespec*", Kind: Pointer}},
		{Name: "fds", Type: &Type{Name: "int[2]", Kind: IntPair}},
		{Name: "path", Type: typePath},
		{Name: "argv", Type: &Type{Name: "const char*const*", Kind: Strings}},
		{Name: "remote_addr", Type: &Type{Name: "struct sockaddr*", Kind: Sockaddr}},
		{Name: "bytes", Type: &Type{Name: "bytes", Kind: Bytes}},
		{Name: "cred", Type: &Type{Name: "slim_cred_t", Kind: Cred}},
		{Name: "meta", Type: &Type{Name: "trace.PktMeta", Kind: Document}},
		{Name: "hooked", Type: &Type{Name: "[]trace.HookedSymbolData", Kind: Document}},
		{Name: "seq", Type: &Type{Name: "map[string]trace.HookedSymbolData", Kind: Document}},
		{Name: "questions", Type: &Type{Name: "[]trace.DnsQueryData", Kind: Document}},
		{Name: "answers", Type: &Type{Name: "[]trace.DnsResponseData", Kind: Document}},
		{Name: "addresses", Type: &Type{Name: "unsigned long[]", Kind: Document}},
		{Name: "packetmetadata", Type: &Type{Name: "trace.PacketMetadata", Kind: Document}},
		{Name: "protoipv4", Type: &Type{Name: "trace.ProtoIPv4", Kind: Document}},
		{Name: "protoipv6", Type: &Type{Name: "trace.ProtoIPv6", Kind: Document}},
		{Name: "prototcp", Type: &Type{Name: "trace.ProtoTCP", Kind: Document}},
		{Name: "protoudp", Type: &Type{Name: "trace.ProtoUDP", Kind: Document}},
		{Name: "protoicmp", Type: &Type{Name: "trace.ProtoICMP", Kind: Document}},
		{Name: "protoicmpv6", Type: &Type{Name: "trace.ProtoICMPv6", Kind: Document}},
		{Name: "protodns", Type: &Type{Name: "trace.ProtoDNS", Kind: Document}},
		{Name: "protohttp", Type: &Type{Name: "trace.ProtoHTTP", Kind: Document}},
		{Name: "protohttprequest", Type: &Type{Name: "trace.ProtoHTTPRequest", Kind: Document}},
		{Name: "protohttpresponse", Type: &Type{Name: "trace.ProtoHTTPResponse", Kind: Document}},
		{Name: "flags", Type: typeFlags},
		{Name: "syscall", Type: typeSyscall},
		{Name: "odd <name>", Type: &Type{Name: "odd\n\"type\"", Kind: Document}},
	}}
)

func catalogue(name string) *Schema {
	for _, s := range []*Schema{openat, everything} {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// typicalEvent is the openat of the documentation of v0.8.
func typicalEvent() *Event {
	e := &Event{
		Timestamp: 1657290245020855990, ThreadStartTime: 615325807626168, ProcessorID: 22, ProcessID: 1664936, CgroupID: 1,
		ThreadID: 1664936, ParentProcessID: 3795408, HostProcessID: 1664936, HostThreadID: 1664936, HostParentProcessID: 3795408,
		UserID: 1000, MountNS: 4026531840, PIDNS: 4026531836, ProcessName: "exa", HostName: "fujitsu", ReturnValue: 3,
	}
	var b Builder
	b.Reset(openat)
	dirfd := -100
	b.Slot(0, uint64(dirfd))
	b.Text(1, "/etc/ld.so.cache")
	b.Slot(2, 524288)
	b.Slot(3, 0)
	b.Finish(e)
	return e
}

// largeEvent is an execve in a container: 1.4 KB of JSON.
func largeEvent() *Event {
	e := typicalEvent()
	e.ContainerID = strings.Repeat("0123456789abcdef", 4)
	e.ContainerImage, e.ContainerName = "docker.io/library/debian:bookworm-slim", "happy_hopper"
	e.PodName, e.PodNamespace, e.PodUID = "web-6f7c9d-x2x5z", "default", "4a1b7c1e-8a43-4c9c-9d28-2f3f1b7b9a10"
	e.ContextFlags.ContainerStarted = true
	var b Builder
	b.Reset(everything)
	b.Text(10, "/usr/lib/x86_64-linux-gnu/very/long/path/to/some/program")
	b.Strings(11, []string{"program", "--option=value", "-v", "--output", "/var/log/program/output.log", "<input>"})
	must(b.Set(12, map[string]string{"sa_family": "AF_INET", "sin_addr": "10.1.2.3", "sin_port": "443"}))
	b.Slot(1, 3)
	b.Slot(6, 123456789)
	b.Slot(5, 0o644)
	b.Finish(e)
	return e
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func drawText(t *rapid.T, label string) string {
	pieces := []string{"a", "/usr/bin/", "<&>", `"\`, "\n\r\t\b\f", "\x00\x1b\x7f", "\u0085\u009b", "\xff\xc0", "é€😀", "\u2028\u2029", "\ufffd", "\xed\xa0\x80", "\xe2\x80"}
	return strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(pieces), rapid.String()), 0, 5).Draw(t, label), "")
}

func drawSockaddr(t *rapid.T) []byte {
	return rapid.OneOf(
		rapid.SliceOfN(rapid.Byte(), 0, 40),
		rapid.Custom(func(t *rapid.T) []byte {
			return append([]byte{2, 0}, rapid.SliceOfN(rapid.Byte(), 14, 14).Draw(t, "in")...)
		}),
		rapid.Custom(func(t *rapid.T) []byte {
			return append([]byte{10, 0}, rapid.SliceOfN(rapid.Byte(), 20, 28).Draw(t, "in6")...)
		}),
		rapid.Custom(func(t *rapid.T) []byte { return append([]byte{1, 0}, drawText(t, "un")...) }),
	).Draw(t, "sockaddr")
}

// drawDNS is a message with every kind of record.
func drawDNS(text func() string) ProtoDNS {
	return ProtoDNS{
		ID: 1, QR: 1, OpCode: "query", Questions: []ProtoDNSQuestion{{Name: text(), Type: "A"}},
		Answers: []ProtoDNSResourceRecord{
			{Name: text(), TTL: 5, IP: "1.2.3.4", OPT: []ProtoDNSOPT{}},
			{TXTs: []string{text(), ""}, TXT: text(), OPT: []ProtoDNSOPT{{Code: "x", Data: text()}}},
		},
		Authorities: []ProtoDNSResourceRecord{{SOA: ProtoDNSSOA{MName: text(), Serial: 4}, SRV: ProtoDNSSRV{Port: 1}, OPT: []ProtoDNSOPT{}}},
		Additionals: []ProtoDNSResourceRecord{},
	}
}

func drawDocument(t *rapid.T, typeName string) []byte {
	text := func() string { return drawText(t, "document") }
	hooked := HookedSymbolData{SymbolName: text(), ModuleOwner: text()}
	query := DnsQueryData{Query: text(), QueryType: "A"}
	values := map[string]any{
		"trace.PktMeta":                     PktMeta{SrcIP: text(), DstPort: 80, Protocol: rapid.Uint8().Draw(t, "protocol")},
		"[]trace.HookedSymbolData":          []HookedSymbolData{hooked, {}},
		"map[string]trace.HookedSymbolData": map[string]HookedSymbolData{text(): hooked, "b": {}},
		"[]trace.DnsQueryData":              []DnsQueryData{query},
		"[]trace.DnsResponseData":           []DnsResponseData{{QueryData: query, DnsAnswer: []DnsAnswer{{Answer: text(), TTL: 1}}}},
		"trace.PacketMetadata":              PacketMetadata{Direction: PacketEgress},
		"trace.ProtoIPv4":                   ProtoIPv4{Version: 4, ID: rapid.Uint16().Draw(t, "id"), Protocol: "TCP", SrcIP: text()},
		"trace.ProtoIPv6":                   ProtoIPv6{FlowLabel: 1 << 19, HopLimit: 1, DstIP: text()},
		"trace.ProtoTCP":                    ProtoTCP{SrcPort: rapid.Uint16().Draw(t, "port"), Seq: 1 << 31, SYN: 1},
		"trace.ProtoUDP":                    ProtoUDP{DstPort: 53, Length: 8},
		"trace.ProtoICMP":                   ProtoICMP{TypeCode: "EchoRequest", ID: 7},
		"trace.ProtoICMPv6":                 ProtoICMPv6{TypeCode: text()},
		"trace.ProtoDNS":                    drawDNS(text),
		"trace.ProtoHTTP":                   ProtoHTTP{Host: text(), StatusCode: 200, Headers: map[string][]string{"A": {text(), ""}, "B": {"1"}}},
		"trace.ProtoHTTPRequest":            ProtoHTTPRequest{URIPath: text(), Headers: map[string][]string{}, ContentLength: -1},
		"trace.ProtoHTTPResponse":           ProtoHTTPResponse{Status: "200 OK", Headers: map[string][]string{text(): {"x"}}},
		"unsigned long[]":                   rapid.SliceOfN(rapid.Uint64(), 0, 3).Draw(t, "longs"),
	}
	v, ok := values[typeName]
	if !ok {
		v = map[string]any{text(): []any{text(), nil, true, 1e30, map[string]any{}}}
	}
	b, err := json.Marshal(v)
	must(err)
	return b
}

// drawArgs gives the event random arguments of every kind.
func drawArgs(t *rapid.T, e *Event) {
	var b Builder
	b.Reset(everything)
	for i, f := range everything.Fields {
		if rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
			continue
		}
		switch f.Type.Kind {
		case String:
			b.Text(i, drawText(t, f.Name))
		case Strings:
			b.Strings(i, rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return drawText(t, "element") }), 0, 4).Draw(t, f.Name))
		case Sockaddr:
			b.Tail(i, drawSockaddr(t))
		case Bytes:
			b.Tail(i, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, f.Name))
		case Cred:
			b.Tail(i, rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, f.Name))
		case Document:
			b.Tail(i, drawDocument(t, f.Type.Name))
		case Float64:
			must(b.Set(i, rapid.Float64().Draw(t, f.Name)))
		case Bool:
			b.Slot(i, rapid.Uint64Range(0, 1).Draw(t, f.Name))
		default:
			b.Slot(i, rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 1000)).Draw(t, f.Name))
		}
		if rapid.IntRange(0, 9).Draw(t, "truncated") == 0 {
			b.Truncate(i)
		}
	}
	b.Finish(e)
}

// drawEntity draws an id of a thread or process, which an event need not have.
func drawEntity(t *rapid.T, label string) uint64 {
	return rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64()).Draw(t, label)
}

func drawEvent(t *rapid.T) *Event {
	number := func(label string) int { return rapid.Int().Draw(t, label) }
	e := &Event{
		Timestamp: number("timestamp"), ThreadStartTime: number("start"), ProcessorID: number("cpu"), ProcessID: number("pid"),
		CgroupID: rapid.Uint().Draw(t, "cgroup"), ThreadID: number("tid"), ParentProcessID: number("ppid"),
		HostProcessID: number("host pid"), HostThreadID: number("host tid"), HostParentProcessID: number("host ppid"),
		UserID: number("uid"), MountNS: number("mnt"), PIDNS: number("pidns"),
		ProcessName: drawText(t, "comm"), HostName: drawText(t, "uts"), ContainerID: drawText(t, "container"),
		ContainerImage: drawText(t, "image"), ContainerName: drawText(t, "name"), PodName: drawText(t, "pod"),
		PodNamespace: drawText(t, "pod namespace"), PodUID: drawText(t, "pod uid"), ReturnValue: number("ret"),
		ContextFlags:   ContextFlags{ContainerStarted: rapid.Bool().Draw(t, "started")},
		ThreadEntityID: drawEntity(t, "thread"), ProcessEntityID: drawEntity(t, "process"), ParentEntityID: drawEntity(t, "parent"),
		ContainerImageDigest: drawText(t, "digest"), ContainerRuntime: drawText(t, "runtime"),
		Executable: drawText(t, "executable"),
		Rung:       Rung(rapid.IntRange(0, 5).Draw(t, "rung")), Compat: rapid.Bool().Draw(t, "compat"),
		Via:            rapid.SampledFrom([]string{"", ViaIOUring}).Draw(t, "via"),
		Errno:          rapid.SampledFrom([]string{"", "ENOENT"}).Draw(t, "errno"),
		ParseArguments: rapid.Bool().Draw(t, "parse"),
	}
	if rapid.Bool().Draw(t, "leader") {
		e.ThreadEntityID = e.ProcessEntityID
	}
	if rapid.Bool().Draw(t, "has stack") {
		e.StackAddresses = rapid.SliceOfN(rapid.Uint64(), 0, 3).Draw(t, "stack")
	}
	if rapid.Bool().Draw(t, "has symbols") {
		e.StackSymbols = rapid.SliceOfN(rapid.SampledFrom([]string{"", "/usr/lib/libc.so.6+0x1f", "[anon]+0x0", "/tmp/<é>+0x1"}), 1, 3).Draw(t, "symbols")
	}
	if rapid.Bool().Draw(t, "has policies") {
		e.MatchedPolicies = rapid.SliceOfN(rapid.SampledFrom([]string{"shells", "web é"}), 1, 3).Draw(t, "policies")
	}
	drawArgs(t, e)
	return e
}
