package test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// endpoint is the address of a socket, as bytes and as an argument shows it.
type endpoint struct {
	bytes []byte
	shown map[string]string
}

func inet(address string, port int) endpoint {
	shown := map[string]string{"sa_family": "AF_INET", "sin_addr": address, "sin_port": itoa(port)}
	return encode(shown)
}

func inet6(address string, port int) endpoint {
	return encode(map[string]string{
		"sa_family": "AF_INET6", "sin6_addr": address, "sin6_port": itoa(port), "sin6_flowinfo": "0", "sin6_scopeid": "0",
	})
}

func unixSocket(path string) endpoint {
	return encode(map[string]string{"sa_family": "AF_UNIX", "sun_path": path})
}

func abstract(name string) endpoint {
	bytes := append([]byte{unix.AF_UNIX, 0, 0}, name...)
	return endpoint{bytes, map[string]string{"sa_family": "AF_UNIX", "sun_path": name}}
}

func encode(shown map[string]string) endpoint {
	bytes, err := trace.EncodeSockaddr(shown)
	if err != nil {
		panic(err)
	}
	return endpoint{bytes, shown}
}

func (e endpoint) family() uintptr { return uintptr(binary.NativeEndian.Uint16(e.bytes)) }

// given is the address as two arguments of a syscall.
func (e endpoint) given() (address, length uintptr) {
	return keep(&e.bytes[0]), uintptr(len(e.bytes))
}

// local asks the kernel for the address that a socket is bound to.
func (a *actor) local(fd int) endpoint {
	buffer := make([]byte, 128)
	length := int32(len(buffer))
	a.must(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&buffer[0])), uintptr(unsafe.Pointer(&length)))
	return decode(buffer[:length])
}

func decode(bytes []byte) endpoint {
	port := 0
	if len(bytes) >= 4 {
		port = int(binary.BigEndian.Uint16(bytes[2:]))
	}
	switch binary.NativeEndian.Uint16(bytes) {
	case unix.AF_INET:
		return inet(netip.AddrFrom4([4]byte(bytes[4:8])).String(), port)
	case unix.AF_INET6:
		return inet6(netip.AddrFrom16([16]byte(bytes[8:24])).String(), port)
	}
	path, _, _ := strings.Cut(strings.TrimLeft(string(bytes[2:]), "\x00"), "\x00")
	return endpoint{bytes, map[string]string{"sa_family": "AF_UNIX", "sun_path": path}}
}

// endpoints are addresses to bind to, one of each sort.
func (a *actor) endpoints() []endpoint {
	return []endpoint{
		inet("127.0.0.1", 0), inet6("::1", 0), unixSocket(a.path("socket")), abstract("tracee-" + itoa(os.Getpid())),
	}
}

func (a *actor) socket(family, kind uintptr) int { return a.must(unix.SYS_SOCKET, family, kind, 0) }

// bound returns a socket of the address's family that is bound to it.
func (a *actor) bound(e endpoint, kind uintptr) int {
	fd := a.socket(e.family(), kind)
	address, length := e.given()
	a.must(unix.SYS_BIND, uintptr(fd), address, length)
	return fd
}

func (a *actor) listening(e endpoint) int {
	fd := a.bound(e, unix.SOCK_STREAM)
	a.must(unix.SYS_LISTEN, uintptr(fd), 5)
	return fd
}

func createSockets(a *actor) {
	for _, s := range []struct{ domain, kind, protocol uintptr }{
		{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_CLOEXEC, 0},
		{unix.AF_INET, unix.SOCK_DGRAM | unix.SOCK_NONBLOCK, unix.IPPROTO_UDP},
		{unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_TCP},
		{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP},
		{unix.AF_UNIX, unix.SOCK_SEQPACKET, 0},
		{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE},
	} {
		a.must(unix.SYS_SOCKET, s.domain, s.kind, s.protocol)
		a.want("security_socket_create", arguments{
			"family": int32(s.domain), "type": int32(s.kind & 0xf), "protocol": int32(s.protocol), "kern": int32(0),
		})
	}
	a.must(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_DGRAM, 0, keep(new([2]int32)))
	for i := range 2 {
		if i == 0 || a.attempted("security_socket_create") {
			a.want("security_socket_create", arguments{
				"family": int32(unix.AF_UNIX), "type": int32(unix.SOCK_DGRAM), "protocol": int32(0), "kern": int32(0),
			})
		}
	}
	raw(unix.SYS_SOCKET, 77, unix.SOCK_STREAM, 0)
	raw(unix.SYS_SOCKETPAIR, unix.AF_UNIX, unix.SOCK_DGRAM, 0, 8)
}

// attempted tells whether an event is seen on a hook, which knows what the caller asks for but not what comes of it.
func (a *actor) attempted(event string) bool { return a.Rungs[event] != trace.Tracepoint }

// asked picks between an address as the caller gave it and what the kernel made of it.
func (a *actor) asked(event string, given, made endpoint) endpoint {
	if a.attempted(event) {
		return given
	}
	return made
}

func (a *actor) wantSocket(event string, fd int, argument string, e endpoint, ret int) *want {
	w := a.want(event, arguments{"sockfd": int32(fd), argument: e.shown})
	w.Return = ret
	if a.attempted(event) {
		w.Return = 0
	}
	return w
}

// wantGiven is wantSocket for an address that after the call only the caller knows, which is marked then.
func (a *actor) wantGiven(event string, fd int, argument string, e endpoint, ret int) {
	w := a.wantSocket(event, fd, argument, e, ret)
	if !a.attempted(event) {
		w.Truncated = []string{argument}
	}
}

func bindSockets(a *actor) {
	var taken endpoint
	for _, e := range a.endpoints() {
		fd := a.bound(e, unix.SOCK_STREAM)
		if e.family() == unix.AF_INET {
			taken = a.local(fd)
			a.must(unix.SYS_LISTEN, uintptr(fd), 1)
		}
		a.wantSocket("security_socket_bind", fd, "local_addr", a.asked("security_socket_bind", e, a.local(fd)), 0)
	}
	bind := func(e endpoint) {
		fd := a.socket(e.family(), unix.SOCK_STREAM)
		address, length := e.given()
		a.wantGiven("security_socket_bind", fd, "local_addr", e, raw(unix.SYS_BIND, uintptr(fd), address, length))
	}
	bind(taken)                        // -EADDRINUSE
	bind(inet("192.0.2.1", 77))        // -EADDRNOTAVAIL
	bind(unixSocket(a.path("socket"))) // -EADDRINUSE
	bind(unixSocket(a.path("no/dir"))) // -ENOENT
	address, length := inet("127.0.0.1", 0).given()
	raw(unix.SYS_BIND, 0x7000001, address, length)
	raw(unix.SYS_BIND, uintptr(a.socket(unix.AF_INET, unix.SOCK_STREAM)), 8, length)
}

func listenOnSockets(a *actor) {
	for i, e := range a.endpoints() {
		fd := a.bound(e, unix.SOCK_STREAM)
		a.must(unix.SYS_LISTEN, uintptr(fd), uintptr(i+1))
		a.wantSocket("security_socket_listen", fd, "local_addr", a.local(fd), 0).Arguments["backlog"] = int32(i + 1)
	}
	unbound := a.socket(unix.AF_INET, unix.SOCK_STREAM)
	a.must(unix.SYS_LISTEN, uintptr(unbound), 0)
	a.wantSocket("security_socket_listen", unbound, "local_addr",
		a.asked("security_socket_listen", inet("0.0.0.0", 0), a.local(unbound)), 0).Arguments["backlog"] = int32(0)
	datagram := a.socket(unix.AF_INET, unix.SOCK_DGRAM)
	w := a.wantSocket("security_socket_listen", datagram, "local_addr", inet("0.0.0.0", 0), 0)
	if r := raw(unix.SYS_LISTEN, uintptr(datagram), 3); !a.attempted("security_socket_listen") {
		w.Return = r
	}
	w.Arguments["backlog"] = int32(3)
	raw(unix.SYS_LISTEN, 0x7000001, 1)
}

func (a *actor) connect(fd int, e endpoint) int {
	address, length := e.given()
	return raw(unix.SYS_CONNECT, uintptr(fd), address, length)
}

func connectSockets(a *actor) {
	for _, e := range a.endpoints() {
		peer := a.local(a.listening(e))
		fd := a.socket(e.family(), unix.SOCK_STREAM)
		a.wantSocket("security_socket_connect", fd, "remote_addr", peer, a.connect(fd, peer))
	}
	for _, e := range []endpoint{inet("127.0.0.2", 9), inet6("::1", 9)} {
		fd := a.socket(e.family(), unix.SOCK_DGRAM)
		a.wantSocket("security_socket_connect", fd, "remote_addr", e, a.connect(fd, e))
	}
	address, length := inet("127.0.0.1", 9).given()
	raw(unix.SYS_CONNECT, 0x7000001, address, length)
	raw(unix.SYS_CONNECT, uintptr(a.socket(unix.AF_INET, unix.SOCK_STREAM)), 8, length)
	runtime.KeepAlive(address)
}

// connectRefused has no peer to ask the socket for: only the caller knows who was meant.
func connectRefused(a *actor) {
	closed := a.local(a.bound(inet("127.0.0.1", 0), unix.SOCK_STREAM)) // bound, but not listening
	closed6 := a.local(a.bound(inet6("::1", 0), unix.SOCK_STREAM))
	for _, e := range []endpoint{closed, closed6, unixSocket(a.path("missing")), abstract("nobody is here")} {
		fd := a.socket(e.family(), unix.SOCK_STREAM)
		a.wantGiven("security_socket_connect", fd, "remote_addr", e, a.connect(fd, e))
	}
	// A second attempt, elsewhere, must not show the first one's peer.
	fd := a.socket(unix.AF_INET, unix.SOCK_STREAM)
	a.wantGiven("security_socket_connect", fd, "remote_addr", closed, a.connect(fd, closed))
	open := a.local(a.listening(inet("127.0.0.1", 0)))
	a.wantSocket("security_socket_connect", fd, "remote_addr", open, a.connect(fd, open))
	a.wantGiven("security_socket_connect", fd, "remote_addr", open, a.connect(fd, open)) // -EISCONN
}

func acceptOnSockets(a *actor) {
	for i, e := range a.endpoints() {
		listener := a.listening(e)
		peer := a.local(listener)
		a.connect(a.socket(e.family(), unix.SOCK_STREAM), peer)
		a.connect(a.socket(e.family(), unix.SOCK_STREAM), peer)
		fd := a.must(unix.SYS_ACCEPT, uintptr(listener), 0, 0)
		a.wantSocket("security_socket_accept", listener, "local_addr", peer, fd)
		fd = a.must(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_CLOEXEC)
		a.wantSocket("security_socket_accept", listener, "local_addr", peer, fd)
		if i == 0 {
			a.must(unix.SYS_FCNTL, uintptr(listener), unix.F_SETFL, unix.O_NONBLOCK)
			r := raw(unix.SYS_ACCEPT, uintptr(listener), 0, 0) // -EAGAIN
			a.wantSocket("security_socket_accept", listener, "local_addr", peer, r)
		}
	}
	raw(unix.SYS_ACCEPT, 0x7000001, 0, 0)
}

func (a *actor) wantDuplicate(old, duplicate int, peer map[string]string) {
	if duplicate < 0 {
		a.fail(unix.Errno(-duplicate))
	}
	args := arguments{"oldfd": int32(old), "newfd": int32(duplicate)}
	if peer != nil {
		args["remote_addr"] = peer
	}
	a.want("socket_dup", args).Return = duplicate
}

func duplicateSockets(a *actor) {
	for _, e := range a.endpoints() {
		peer := a.local(a.listening(e))
		fd := a.socket(e.family(), unix.SOCK_STREAM)
		if r := a.connect(fd, peer); r < 0 {
			a.fail(unix.Errno(-r))
		}
		s := uintptr(fd)
		a.wantDuplicate(fd, raw(unix.SYS_DUP, s), peer.shown)
		if oldCalls {
			a.wantDuplicate(fd, raw(sysDup2, s, 200), peer.shown)
		}
		a.wantDuplicate(fd, raw(unix.SYS_DUP3, s, 201, unix.O_CLOEXEC), peer.shown)
		a.wantDuplicate(fd, raw(unix.SYS_FCNTL, s, unix.F_DUPFD, 202), peer.shown)
		a.wantDuplicate(fd, raw(unix.SYS_FCNTL, s, unix.F_DUPFD_CLOEXEC, 300), peer.shown)
	}
	alone := a.socket(unix.AF_INET6, unix.SOCK_STREAM)
	a.wantDuplicate(alone, raw(unix.SYS_DUP, uintptr(alone)), nil)
}

func duplicateOthers(a *actor) {
	raw(unix.SYS_DUP, 0)
	raw(sysDup2, 0, 210)
	raw(unix.SYS_DUP, uintptr(a.socket(unix.AF_NETLINK, unix.SOCK_RAW)))
	// The flags of a descriptor are small numbers, and so are descriptors: this one is both.
	s := a.socket(unix.AF_INET, unix.SOCK_STREAM)
	a.must(unix.SYS_FCNTL, uintptr(s), unix.F_GETFL)
	a.must(unix.SYS_FCNTL, uintptr(s), unix.F_GETFD)
	raw(unix.SYS_DUP, 0x7000001)
}
