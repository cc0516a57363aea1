package test

import (
	"encoding/gob"
	"fmt"
	"reflect"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

func init() {
	triggers = append(
		triggers,
		trigger{"net_packet", "protocols", sendPackets},
		trigger{"net_packet_raw", "whole and cut", sendRaw},
		trigger{"net_packet_ipv4", "datagram", sendIPv4},
		trigger{"net_packet_ipv6", "datagram", sendIPv6},
		trigger{"net_packet_tcp", "handshake and reset", shakeHands},
		trigger{"net_packet_tcp", "refused", refuseConnection},
		trigger{"net_packet_udp", "datagrams", sendDatagrams},
		trigger{"net_packet_udp", "shared socket", sendShared},
		trigger{"net_packet_icmp", "echo", echoIPv4},
		trigger{"net_packet_icmpv6", "echo", echoIPv6},
	)
}

// except is a struct of which some fields are not known.
type except struct {
	Value   any
	Unknown string // names of fields, separated by spaces
}

func (m except) match(got any) error {
	if reflect.TypeOf(got) != reflect.TypeOf(m.Value) {
		return fmt.Errorf("got a %T, want a %T", got, m.Value)
	}
	g := reflect.New(reflect.TypeOf(got)).Elem()
	g.Set(reflect.ValueOf(got))
	w := reflect.ValueOf(m.Value)
	for _, name := range strings.Fields(m.Unknown) {
		g.FieldByName(name).Set(w.FieldByName(name))
	}
	if got := g.Interface(); !reflect.DeepEqual(got, m.Value) {
		return fmt.Errorf("got %+v, want %+v", got, m.Value)
	}
	return nil
}

// ending is bytes of which the end and the whole length are known.
type ending struct {
	Bytes  []byte
	Length int
}

func (m ending) match(got any) error {
	if b, ok := got.([]byte); !ok || len(b) != m.Length || !strings.HasSuffix(string(b), string(m.Bytes)) {
		return fmt.Errorf("got %d bytes %.100q, want %d that end in %.100q", len(b), b, m.Length, m.Bytes)
	}
	return nil
}

func init() {
	gob.Register(except{})
	gob.Register(dnsLike{})
	gob.Register(ending{})
}

// network gives the child a network of its own, where nobody else sends.
func (a *actor) network() {
	a.must(unix.SYS_UNSHARE, unix.CLONE_NEWNET)
	control := a.socket(unix.AF_INET, unix.SOCK_DGRAM)
	request, err := unix.NewIfreq("lo")
	a.check(err)
	request.SetUint16(unix.IFF_UP)
	a.must(unix.SYS_IOCTL, uintptr(control), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(request)))
	a.must(unix.SYS_CLOSE, uintptr(control))
}

// families are the addresses of the child itself.
func families() []endpoint { return []endpoint{inet("127.0.0.1", 0), inet6("::1", 0)} }

// address is the text of an IPv4 or IPv6 address, and the length of its packets' headers.
func (e endpoint) address() (text string, header int) {
	if e.family() == unix.AF_INET {
		return e.shown["sin_addr"], 20
	}
	return e.shown["sin6_addr"], 40
}

func (a *actor) sendTo(fd int, to endpoint, data []byte) {
	address, length := to.given()
	a.must(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)), 0, address, length)
}

func (a *actor) receive(fd, most int) []byte {
	data := make([]byte, most)
	n := a.must(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), uintptr(most), 0, 0, 0)
	return data[:n]
}

// datagram sends one from a socket to another, both of the child, and returns their ports. Once without connecting.
func (a *actor) datagram(e endpoint, data []byte, connected bool) (from, to int32) {
	receiver := a.bound(e, unix.SOCK_DGRAM)
	peer := a.local(receiver)
	sender := a.bound(e, unix.SOCK_DGRAM)
	if connected {
		a.connect(sender, peer)
		a.must(unix.SYS_WRITE, uintptr(sender), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)))
	} else {
		a.sendTo(sender, peer, data)
	}
	a.receive(receiver, len(data))
	return port(a.local(sender)), port(peer)
}

func sendPackets(a *actor) {
	a.network()
	for _, e := range families() {
		text, header := e.address()
		from, to := a.datagram(e, []byte("question"), false)
		for range 2 { // sent and received
			a.want("net_packet", arguments{"metadata": trace.PktMeta{
				SrcIP: text, DstIP: text, SrcPort: uint16(from), DstPort: uint16(to), Protocol: unix.IPPROTO_UDP,
				PacketLen: uint32(header + 8 + 8), Iface: "lo",
			}})
		}
	}
	a.echo(unix.AF_INET, 9)
	for range 2 {
		a.want("net_packet", arguments{"metadata": trace.PktMeta{
			SrcIP: "127.0.0.1", DstIP: "127.0.0.1", Protocol: unix.IPPROTO_ICMP, PacketLen: 20 + 8, Iface: "lo",
		}})
	}
}

const packetMax = 4096 // bytes that are kept at most

func sendRaw(a *actor) {
	a.network()
	for _, e := range families() {
		_, header := e.address()
		a.datagram(e, []byte("short"), true)
		for range 2 {
			a.want("net_packet_raw", arguments{"data": ending{[]byte("short"), header + 8 + 5}})
		}
		a.datagram(e, make([]byte, 5000), false)
		for range 2 {
			a.want("net_packet_raw", arguments{"data": ending{nil, packetMax}}).Truncated = []string{"data"}
		}
	}
}

// way is the metadata of the packets that are wanted in turn: one is sent and then received.
func way(i int) trace.PacketMetadata {
	return trace.PacketMetadata{Direction: []trace.PacketDirection{trace.PacketEgress, trace.PacketIngress}[i]}
}

func sendIPv4(a *actor) {
	a.network()
	a.datagram(inet6("::1", 0), []byte("other"), true)
	a.datagram(inet("127.0.0.1", 0), []byte("this"), true)
	for i := range 2 {
		a.want("net_packet_ipv4", arguments{
			"src": "127.0.0.1", "dst": "127.0.0.1", "metadata": way(i), "proto_ipv4": except{trace.ProtoIPv4{
				Version: 4, IHL: 5, Length: 20 + 8 + 4, Flags: 2, TTL: 64, Protocol: "UDP", SrcIP: "127.0.0.1", DstIP: "127.0.0.1",
			}, "ID Checksum"},
		})
	}
}

func sendIPv6(a *actor) {
	a.network()
	a.datagram(inet("127.0.0.1", 0), []byte("other"), true)
	a.datagram(inet6("::1", 0), []byte("this"), true)
	for i := range 2 {
		a.want("net_packet_ipv6", arguments{
			"src": "::1", "dst": "::1", "metadata": way(i), "proto_ipv6": except{trace.ProtoIPv6{
				Version: 6, Length: 8 + 4, NextHeader: "UDP", HopLimit: 64, SrcIP: "::1", DstIP: "::1",
			}, "FlowLabel"},
		})
	}
}

func sendDatagrams(a *actor) {
	a.network()
	for _, e := range families() {
		for _, connected := range []bool{false, true} {
			text, _ := e.address()
			from, to := a.datagram(e, []byte("data"), connected)
			for i := range 2 {
				a.want("net_packet_udp", arguments{
					"src": text, "dst": text, "src_port": uint16(from), "dst_port": uint16(to), "metadata": way(i),
					"proto_udp": except{trace.ProtoUDP{SrcPort: uint16(from), DstPort: uint16(to), Length: 12}, "Checksum"},
				})
			}
		}
	}
}

// wantTCP asks for a packet with the given flags, sent (0) or received (1).
func (a *actor) wantTCP(i int, text string, from, to int32, flags trace.ProtoTCP) {
	flags.SrcPort, flags.DstPort = uint16(from), uint16(to)
	a.want("net_packet_tcp", arguments{
		"src": text, "dst": text, "src_port": flags.SrcPort, "dst_port": flags.DstPort, "metadata": way(i),
		"proto_tcp": except{flags, "Seq Ack DataOffset Window Checksum"},
	})
}

// kernelBefore compares the release of the kernel.
func kernelBefore(major, minor int) bool {
	var name unix.Utsname
	var x, y int
	if unix.Uname(&name) != nil {
		return false
	}
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &x, &y); err != nil {
		return false
	}
	return x < major || x == major && y < minor
}

// established connects a socket to another, both of the child.
func (a *actor) established(e endpoint) (client, server int) {
	listener := a.listening(e)
	client = a.bound(e, unix.SOCK_STREAM)
	if r := a.connect(client, a.local(listener)); r < 0 {
		a.fail(unix.Errno(-r))
	}
	return client, a.must(unix.SYS_ACCEPT, uintptr(listener), 0, 0)
}

// reset closes a connection by a packet with RST, so that nothing more comes of it.
func (a *actor) reset(fd int) {
	linger := unix.Linger{Onoff: 1}
	a.must(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, keep(&linger), unsafe.Sizeof(linger))
	a.must(unix.SYS_CLOSE, uintptr(fd))
}

func shakeHands(a *actor) {
	a.network()
	for _, e := range families() {
		text, _ := e.address()
		client, server := a.established(e)
		from, to := port(a.local(client)), port(a.local(server))
		a.reset(client)
		a.wantTCP(0, text, from, to, trace.ProtoTCP{SYN: 1})
		a.wantTCP(1, text, from, to, trace.ProtoTCP{SYN: 1})
		// Before 6.6 the kernel shows it for IPv4 only: it takes its request of a connection for another socket.
		if e.family() == unix.AF_INET || !kernelBefore(6, 6) {
			a.wantTCP(0, text, to, from, trace.ProtoTCP{SYN: 1, ACK: 1})
		}
		a.wantTCP(1, text, to, from, trace.ProtoTCP{SYN: 1, ACK: 1})
		a.wantTCP(0, text, from, to, trace.ProtoTCP{ACK: 1})
		a.wantTCP(1, text, from, to, trace.ProtoTCP{ACK: 1})
		a.wantTCP(0, text, from, to, trace.ProtoTCP{RST: 1, ACK: 1})
		a.wantTCP(1, text, from, to, trace.ProtoTCP{RST: 1, ACK: 1})
	}
}

// refuseConnection gets its answer from the kernel, whose own packets belong to nobody and are out of scope.
func refuseConnection(a *actor) {
	a.network()
	for _, e := range families() {
		text, _ := e.address()
		closed := a.bound(e, unix.SOCK_STREAM)
		client := a.bound(e, unix.SOCK_STREAM)
		if r := a.connect(client, a.local(closed)); r != -int(unix.ECONNREFUSED) {
			a.fail(fmt.Errorf("connect: %d", r))
		}
		from, to := port(a.local(client)), port(a.local(closed))
		a.wantTCP(0, text, from, to, trace.ProtoTCP{SYN: 1})
		a.wantTCP(1, text, to, from, trace.ProtoTCP{RST: 1, ACK: 1})
	}
}

// sendShared sends on a connected socket, in a child first.
func sendShared(a *actor) {
	a.network()
	receiver := a.bound(inet("127.0.0.1", 0), unix.SOCK_DGRAM)
	sender := a.bound(inet("127.0.0.1", 0), unix.SOCK_DGRAM)
	a.connect(sender, a.local(receiver))
	text := []byte("by a child")
	pid := a.must(unix.SYS_CLONE, uintptr(unix.SIGCHLD))
	if pid == 0 {
		// A copy of this thread alone: it may do nothing that needs the runtime.
		syscall.RawSyscall(unix.SYS_WRITE, uintptr(sender), uintptr(unsafe.Pointer(&text[0])), uintptr(len(text)))
		for {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	_, err := unix.Wait4(pid, nil, 0, nil)
	a.check(err)
	a.write(sender, "by its maker")
	from, to := port(a.local(sender)), port(a.local(receiver))
	for _, length := range []uint16{8 + 10, 8 + 12} {
		a.receive(receiver, 100)
		for i := range 2 {
			w := a.want("net_packet_udp", arguments{
				"src": "127.0.0.1", "dst": "127.0.0.1", "src_port": uint16(from), "dst_port": uint16(to), "metadata": way(i),
				"proto_udp": except{trace.ProtoUDP{SrcPort: uint16(from), DstPort: uint16(to), Length: length}, "Checksum"},
			})
			if length == 8+10 && i == 0 {
				w.Pid = pid
			}
		}
	}
}

// echo asks the kernel for an echo. The socket wants to hear of answers only.
func (a *actor) echo(family uintptr, id uint16) {
	protocol, level, option := uintptr(unix.IPPROTO_ICMP), uintptr(unix.SOL_RAW), uintptr(1) // ICMP_FILTER
	message := []byte{8, 0, 0, 0, byte(id >> 8), byte(id), 0, 1}
	filter := make([]byte, 32)
	to := inet("127.0.0.1", 0)
	if family == unix.AF_INET6 {
		protocol, level, to = unix.IPPROTO_ICMPV6, unix.IPPROTO_ICMPV6, inet6("::1", 0)
		message[0] = 128
		filter[16] = 1 // 128 / 8
	} else {
		filter[1] = 1 // 1<<8: echo requests
		filter = filter[:4]
		sum := ^(uint16(8)<<8 + id + 1)
		message[2], message[3] = byte(sum>>8), byte(sum)
	}
	fd := uintptr(a.must(unix.SYS_SOCKET, family, unix.SOCK_RAW, protocol))
	a.must(unix.SYS_SETSOCKOPT, fd, level, option, uintptr(unsafe.Pointer(&filter[0])), uintptr(len(filter)))
	a.sendTo(int(fd), to, message)
	a.receive(int(fd), 100)
}

func echoIPv4(a *actor) {
	a.network()
	a.echo(unix.AF_INET, 77)
	for i, name := range []string{"EchoRequest", "EchoReply"} {
		a.want("net_packet_icmp", arguments{
			"src": "127.0.0.1", "dst": "127.0.0.1", "metadata": way(i),
			"proto_icmp": except{trace.ProtoICMP{TypeCode: name, ID: 77, Seq: 1}, "Checksum"},
		})
	}
}

func echoIPv6(a *actor) {
	a.network()
	a.echo(unix.AF_INET6, 77)
	for i, name := range []string{"EchoRequest", "EchoReply"} {
		a.want("net_packet_icmpv6", arguments{
			"src": "::1", "dst": "::1", "metadata": way(i),
			"proto_icmpv6": except{trace.ProtoICMPv6{TypeCode: name}, "Checksum"},
		})
	}
}
