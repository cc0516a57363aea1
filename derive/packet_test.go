package derive

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// datagram is a packet of UDP or TCP over IPv4.
func datagram(t testing.TB, transport gopacket.SerializableLayer, payload []byte) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IPv4(10, 0, 0, 1), DstIP: net.IPv4(10, 0, 0, 2)}
	if _, ok := transport.(*layers.TCP); ok {
		ip.Protocol = layers.IPProtocolTCP
	}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true}
	if err := gopacket.SerializeLayers(buffer, options, ip, transport, gopacket.Payload(payload)); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func record(t testing.TB, data []byte) *trace.Event {
	t.Helper()
	var b trace.Builder
	b.Reset(events.NetPacketBase.Schema())
	for i, value := range []any{false, uint32(len(data)), "lo", data} {
		if err := b.Set(i, value); err != nil {
			t.Fatal(err)
		}
	}
	e := &trace.Event{HostProcessID: 1}
	b.Finish(e)
	return e
}

// made are the values of one argument in all events that are made of the records.
func made(t testing.TB, declared *events.Event, argument string, sources ...*trace.Event) (values []string, logged string) {
	t.Helper()
	var log strings.Builder
	d := New([]*events.Event{declared}, nil, slog.New(slog.NewTextHandler(&log, nil)))
	for e := range d.Stage(slices.Values(sources)) {
		if e.EventID != declared.ID {
			continue
		}
		a, ok := e.Lookup(argument)
		if !ok {
			t.Fatalf("%s has no %s", e.EventName, argument)
		}
		value := fmt.Sprint(a.Value())
		if a.Truncated() {
			value += " cut"
		}
		values = append(values, value)
	}
	return values, log.String()
}

func answer(t testing.TB, name string, address ...byte) *trace.Event {
	t.Helper()
	m := &layers.DNS{
		ID: 1, QR: true, QDCount: 1, ANCount: 1,
		Questions: []layers.DNSQuestion{{Name: []byte(name), Type: layers.DNSTypeA, Class: layers.DNSClassIN}},
		Answers:   []layers.DNSResourceRecord{{Name: []byte(name), Type: layers.DNSTypeA, Class: layers.DNSClassIN, IP: address}},
	}
	buffer := gopacket.NewSerializeBuffer()
	if err := m.SerializeTo(buffer, gopacket.SerializeOptions{FixLengths: true}); err != nil {
		t.Fatal(err)
	}
	return record(t, datagram(t, &layers.UDP{SrcPort: 53, DstPort: 4000}, buffer.Bytes()))
}

func TestAMessageWithAnUnreadableEndIsStillSeen(t *testing.T) {
	whole := answer(t, "evil.example", 1, 2, 3, 4)
	data, _ := whole.Lookup("data")
	cut := data.Raw()[:len(data.Raw())-6]
	got, logged := made(t, events.DNSResponse, "dns_response", whole, record(t, cut))
	want := []string{
		"[{{evil.example A IN} [{A 0 1.2.3.4}]}]",
		"[{{evil.example A IN} []}]",
	}
	if !slices.Equal(got, want) || logged != "" {
		t.Errorf("got %q, want %q; logged %s", got, want, logged)
	}
}

func TestWhatIsNoMessageIsLeftOut(t *testing.T) {
	for _, payload := range []string{"", "x", "no message of DNS at all", strings.Repeat("\xff", 100)} {
		packet := record(t, datagram(t, &layers.UDP{SrcPort: 53, DstPort: 4000}, []byte(payload)))
		if got, logged := made(t, events.NetPacketDNS, "proto_dns", packet); len(got) > 0 || logged != "" {
			t.Errorf("%q: got %q; logged %s", payload, got, logged)
		}
	}
}

func TestHeadsOfHTTPAreReadAsFarAsTheyGo(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"whole", "GET /a?b HTTP/1.1\r\nHost: h\r\nA: 1\r\n\r\nbody", "{request GET HTTP/1.1 h /a  0 map[A:[1]] 0}"},
		{"cut in a field", "GET / HTTP/1.1\r\nHost: h\r\nA: 1", "{request GET HTTP/1.1 h /  0 map[] 0} cut"},
		{"cut behind a field", "GET / HTTP/1.1\r\nHost: h\r\n", "{request GET HTTP/1.1 h /  0 map[] 0} cut"},
		{"cut in the first line", "GET / HTTP/1.1", ""},
		{"response", "HTTP/1.0 500 No\r\n\r\n", "{response  HTTP/1.0   500 No 500 map[] -1}"},
		{"something else", "GET lost\r\n\r\n", ""},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""},
	}
	for _, test := range tests {
		packet := record(t, datagram(t, &layers.TCP{SrcPort: 1, DstPort: 2, DataOffset: 5}, []byte(test.text)))
		got, logged := made(t, events.NetPacketHTTP, "proto_http", packet)
		if strings.Join(got, "") != test.want || logged != "" {
			t.Errorf("%s: got %q, want %q; logged %s", test.name, got, test.want, logged)
		}
	}
}

func TestHeadersAloneAreEnough(t *testing.T) {
	whole := datagram(t, &layers.UDP{SrcPort: 1, DstPort: 2}, make([]byte, 500))
	got, logged := made(t, events.NetPacketUDP, "proto_udp", record(t, whole[:28]))
	if want := "[{1 2 508 0}]"; fmt.Sprint(got) != want || logged != "" {
		t.Errorf("got %v, want %s; logged %s", got, want, logged)
	}
}

func TestNamesAreBounded(t *testing.T) {
	s := newNames(newPackets())
	for i := range 3 * maxNamed {
		s.add(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "name")
	}
	if n := s.known.Len(); n != maxNamed {
		t.Errorf("%d addresses are known, want %d", n, maxNamed)
	}
	address := netip.AddrFrom4([4]byte{10, 9, 9, 9})
	for i := range 2 * maxNames {
		s.add(address, fmt.Sprint("name", i))
		s.add(address, "again")
	}
	got := s.of(address)
	if len(got) != maxNames || got[0] != "again" || got[1] != fmt.Sprint("name", 2*maxNames-1) {
		t.Errorf("got %q", got)
	}
}

func TestConnectionsHaveTheNamesThatWereGivenBefore(t *testing.T) {
	connect := event(t, 1, events.NetTCPConnectBase, map[string]any{"dst": "1.2.3.4", "dst_port": int32(80)})
	got, logged := made(
		t, events.NetTCPConnect, "dst_dns",
		connect, answer(t, "one.example", 1, 2, 3, 4), answer(t, "two.example", 1, 2, 3, 4), answer(t, "other.example", 1, 2, 3, 5), connect,
	)
	if want := []string{"[]", "[two.example one.example]"}; !slices.Equal(got, want) || logged != "" {
		t.Errorf("got %q, want %q; logged %s", got, want, logged)
	}
}

// FuzzPackets shows that no packet stops the stream.
func FuzzPackets(f *testing.F) {
	f.Add(datagram(f, &layers.UDP{SrcPort: 53, DstPort: 1}, []byte("\x00\x01\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01")))
	f.Add(datagram(f, &layers.TCP{SrcPort: 53, DstPort: 1, DataOffset: 5}, []byte("GET / HTTP/1.1\r\n\r\n")))
	f.Add(datagram(f, &layers.TCP{SrcPort: 1, DstPort: 443, DataOffset: 5}, []byte("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")))
	f.Add([]byte{0x60, 0, 0, 0, 0, 8, 0, 0})
	var all []*events.Event
	for _, each := range derivations {
		if slices.Contains(each.event.Sources(), events.NetPacketBase) {
			all = append(all, each.event)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		for e := range New(all, nil, nil).Stage(slices.Values([]*trace.Event{record(t, data)})) {
			e.Args()
			n++
		}
		if n == 0 {
			t.Error("the source is gone")
		}
	})
}
