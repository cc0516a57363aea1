package test

import (
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

func packetActions() map[string]func(*actor) {
	return map[string]func(*actor){
		"packets/older sockets": useOlderSockets,
		"packets/mixed":         sendMixed,
		"packets/echo":          func(a *actor) { a.network(); a.echo(unix.AF_INET, 99) },
	}
}

// startPackets is start for tests that need the cgroup rung.
func startPackets(t *testing.T, each func(*trace.Event), names []string, flags ...string) *session {
	t.Helper()
	var config tracer.Config
	for _, name := range names {
		config.Events = append(config.Events, lookup(name))
	}
	config.Required = config.Events
	return startWith(t, config, each, flags...)
}

// useOlderSockets stops itself between making sockets and using them.
func useOlderSockets(a *actor) {
	a.network()
	receiver := a.bound(inet("127.0.0.1", 0), unix.SOCK_DGRAM)
	sender := a.bound(inet("127.0.0.1", 0), unix.SOCK_DGRAM)
	a.connect(sender, a.local(receiver))
	client, server := a.established(inet6("::1", 0))
	a.check(os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0))
	ping := a.must(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP)
	a.must(unix.SYS_KILL, uintptr(os.Getpid()), uintptr(unix.SIGSTOP))
	a.write(sender, "data")
	a.receive(receiver, 10)
	from, to := port(a.local(sender)), port(a.local(receiver))
	for i := range 2 {
		a.want("net_packet_udp", arguments{
			"src": "127.0.0.1", "dst": "127.0.0.1", "src_port": uint16(from), "dst_port": uint16(to), "metadata": way(i),
			"proto_udp": except{trace.ProtoUDP{SrcPort: uint16(from), DstPort: uint16(to), Length: 12}, "Checksum"},
		})
	}
	from, to = port(a.local(client)), port(a.local(server))
	a.reset(client)
	for i := range 2 {
		a.wantTCP(i, "::1", from, to, trace.ProtoTCP{RST: 1, ACK: 1})
	}
	a.sendTo(ping, inet("127.0.0.1", 0), []byte{8, 0, 0, 0, 0, 0, 0, 7})
	a.receive(ping, 100)
	for i, name := range []string{"EchoRequest", "EchoReply"} {
		a.want("net_packet_icmp", arguments{
			"src": "127.0.0.1", "dst": "127.0.0.1", "metadata": way(i),
			"proto_icmp": except{trace.ProtoICMP{TypeCode: name, Seq: 7}, "ID Checksum"},
		})
	}
}

// awaitStop waits until the child has stopped itself.
func (c *child) awaitStop() {
	c.t.Helper()
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		text, err := os.ReadFile("/proc/" + itoa(c.pid) + "/stat")
		if err != nil {
			c.t.Fatal(err)
		}
		if _, rest, _ := strings.Cut(string(text), ") "); strings.HasPrefix(rest, "T") {
			return
		}
	}
	c.t.Fatal("the child did not stop")
}

func TestPacketsOfOlderSocketsHaveTheirOwner(t *testing.T) {
	c := spawn(t, "packets/older sockets")
	c.release(0, nil)
	c.awaitStop()
	names := []string{"net_packet_udp", "net_packet_tcp", "net_packet_icmp"}
	s := startPackets(t, nil, names)
	if err := unix.Kill(c.pid, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	found := c.finish()
	s.await(t, "end of the child", func(seen []*trace.Event) bool { return hasEvent(seen, "sched_process_exit", c.pid) })
	s.mu.Lock()
	defer s.mu.Unlock()
	c.compareAll(found.Wants, of(s.events, []int{c.pid}, names...))
}

// sendMixed sends packets of several kinds.
func sendMixed(a *actor) {
	a.network()
	a.datagram(inet("127.0.0.1", 0), make([]byte, 1000), true)
	a.lookUp(false)
	client, server := a.established(inet("127.0.0.1", 0))
	a.write(client, "GET / HTTP/1.1\r\n\r\n"+strings.Repeat("x", 1000))
	a.receive(server, 2000)
	a.write(client, strings.Repeat("y", 1000))
	a.receive(server, 2000)
	a.reset(client)
}

// records are the base records of a child that sends packets of several kinds, while some events are traced.
func records(t *testing.T, names []string, flags ...string) []*trace.Event {
	t.Helper()
	var mu sync.Mutex
	var kept []*trace.Event
	s := startPackets(t, func(e *trace.Event) {
		if e.EventID == events.NetPacketBase.ID {
			mu.Lock()
			kept = append(kept, e.Clone())
			mu.Unlock()
		}
	}, names, flags...)
	pid := 0
	s.try(t, func(t testing.TB) {
		c := spawn(t, "packets/mixed")
		s.run(c, 0)
		pid = c.pid
	})
	mu.Lock()
	defer mu.Unlock()
	return slices.DeleteFunc(slices.Clone(kept), func(e *trace.Event) bool { return e.HostProcessID != pid })
}

func TestOnlyPacketsThatAreNeededLeaveTheKernel(t *testing.T) {
	tests := []struct {
		event   string
		records int // -1: not known, because of acknowledgements
		bytes   int // of each at most
	}{
		{"net_packet_udp", 2 + 4, 20 + 8},
		{"net_packet_icmp", 0, 0},
		{"net_packet_ipv6", 0, 0},
		{"net_packet_dns", 4, 200},
		{"net_packet_dns_request", 4, 200},
		{"net_tcp_connect", 2, 200}, // needs answers only
		{"net_packet_http", 2, 1100},
		{"net_packet_tls", 0, 0},
		{"net_packet_tcp", -1, 20 + 40},
		{"net_packet", -1, 20 + 40},
	}
	for _, test := range tests {
		t.Run(test.event, func(t *testing.T) {
			kept := records(t, []string{test.event})
			if test.records >= 0 && len(kept) != test.records || test.records < 0 && len(kept) < 6 {
				t.Errorf("%d records, want %d", len(kept), test.records)
			}
			for _, e := range kept {
				if data, _ := e.Lookup("data"); len(data.Raw()) > test.bytes {
					t.Errorf("%d bytes, want at most %d", len(data.Raw()), test.bytes)
				}
			}
		})
	}
}

func TestPacketsOfOtherInterfacesStayInTheKernel(t *testing.T) {
	t.Run("lo", func(t *testing.T) {
		if n := len(records(t, []string{"net_packet_udp"}, "net=lo")); n != 6 {
			t.Errorf("%d records through lo, want 6", n)
		}
	})
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	other := slices.IndexFunc(all, func(i net.Interface) bool { return i.Name != "lo" })
	if other < 0 {
		t.Skip("the machine has no interface but lo")
	}
	t.Run("another", func(t *testing.T) {
		if kept := records(t, []string{"net_packet_udp"}, "net="+all[other].Name); len(kept) > 0 {
			t.Errorf("%d records, want none: nothing went through %s", len(kept), all[other].Name)
		}
	})
}

// The kernel answers an echo by a socket of its own, while the one who asked is running: it is not his packet.
func TestPacketsOfTheKernelBelongToNobody(t *testing.T) {
	running, err := tracer.New(tracer.Config{Events: []*events.Event{events.NetPacketICMP}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { running.Close() })
	c := spawn(t, "packets/echo")
	c.release(0, nil)
	c.finish()
	answered, asked := false, false
	limit := time.Now().Add(patience)
	for e := range running.Events(t.Context()) {
		data, ok := e.Lookup("data")
		if time.Now().After(limit) {
			t.Fatal("not seen")
		}
		if !ok || len(data.Raw()) < 28 || data.Raw()[24+1] != 99 {
			continue
		}
		outgoing, _ := e.Lookup("outgoing")
		switch kind := data.Raw()[20]; {
		case outgoing.Uint() == 1 && kind == 8:
			asked = true
			if e.HostProcessID != c.pid {
				t.Errorf("question: got pid %d, want %d", e.HostProcessID, c.pid)
			}
		case outgoing.Uint() == 1 && kind == 0:
			answered = true
			if e.HostProcessID != 0 || e.ProcessName != "" {
				t.Errorf("answer: got %s[%d], want nobody", e.ProcessName, e.HostProcessID)
			}
		case kind == 0:
			if !asked || !answered {
				t.Errorf("question seen: %v, answer seen: %v", asked, answered)
			}
			if e.HostProcessID != c.pid {
				t.Errorf("answer: got pid %d, want %d", e.HostProcessID, c.pid)
			}
			return
		}
	}
}
