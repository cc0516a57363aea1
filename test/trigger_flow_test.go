package test

import (
	"crypto/tls"
	"net"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

func init() {
	triggers = append(
		triggers,
		trigger{"net_flow_tcp_begin", "both ends", beginFlows},
		trigger{"net_flow_tcp_end", "reset and closed", endFlows},
		trigger{"net_packet_http", "messages", speakHTTP},
		trigger{"net_packet_http_request", "accepted by another", requestOfAnother},
		trigger{"net_packet_http_response", "cut head", respondCut},
		trigger{"net_packet_http_response", "sent by another", responseOfAnother},
		trigger{"net_packet_tls", "greeting", greetByTLS},
	)
}

func (a *actor) wantFlow(event, direction, text string, from, to int32) {
	a.want(event, arguments{
		"conn_direction": direction, "src": text, "dst": text, "src_port": uint16(from), "dst_port": uint16(to),
		"src_dns": []string{}, "dst_dns": []string{},
	})
}

func beginFlows(a *actor) {
	a.network()
	for _, e := range families() {
		text, _ := e.address()
		client, server := a.established(e)
		from, to := port(a.local(client)), port(a.local(server))
		a.wantFlow("net_flow_tcp_begin", "outgoing", text, from, to)
		a.wantFlow("net_flow_tcp_begin", "incoming", text, from, to)
	}
	closed := a.bound(inet("127.0.0.1", 0), unix.SOCK_STREAM)
	a.connect(a.socket(unix.AF_INET, unix.SOCK_STREAM), a.local(closed)) // is refused
}

func endFlows(a *actor) {
	a.network()
	for _, e := range families() {
		text, _ := e.address()
		client, server := a.established(e)
		from, to := port(a.local(client)), port(a.local(server))
		a.reset(client)
		a.wantFlow("net_flow_tcp_end", "outgoing", text, from, to)
		a.wantFlow("net_flow_tcp_end", "incoming", text, from, to)

		client, server = a.established(e)
		from, to = port(a.local(client)), port(a.local(server))
		a.must(unix.SYS_CLOSE, uintptr(server))
		a.must(unix.SYS_CLOSE, uintptr(client)) // its FIN is the second one, and ends the other's wait
		a.wantFlow("net_flow_tcp_end", "incoming", text, from, to)
		a.wantFlow("net_flow_tcp_end", "outgoing", text, from, to)
	}
}

func (a *actor) write(fd int, text string) {
	data := []byte(text)
	a.must(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)))
}

func (a *actor) wantHTTP(from, to int32, message trace.ProtoHTTP) {
	for i := range 2 {
		a.want("net_packet_http", arguments{
			"src": "127.0.0.1", "dst": "127.0.0.1", "src_port": uint16(from), "dst_port": uint16(to), "metadata": way(i),
			"proto_http": message,
		})
	}
}

func speakHTTP(a *actor) {
	a.network()
	client, server := a.established(inet("127.0.0.1", 0))
	from, to := port(a.local(client)), port(a.local(server))
	a.write(client, "GETTING nothing\r\n\r\n")
	a.write(client, "POST /path?query HTTP/1.1\r\nHost: example.test\r\nX-One: 1\r\nX-One: 2\r\nContent-Length: 4\r\n\r\nbody")
	a.receive(server, 1000)
	a.write(server, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	a.receive(client, 1000)
	a.wantHTTP(from, to, trace.ProtoHTTP{
		Direction: "request", Method: "POST", Protocol: "HTTP/1.1", Host: "example.test", URIPath: "/path",
		Headers: map[string][]string{"X-One": {"1", "2"}, "Content-Length": {"4"}}, ContentLength: 4,
	})
	a.wantHTTP(to, from, trace.ProtoHTTP{
		Direction: "response", Protocol: "HTTP/1.1", Status: "404 Not Found", StatusCode: 404,
		Headers: map[string][]string{"Content-Length": {"0"}},
	})
}

// httpMeta is the metadata of a packet of a TCP connection over IPv4.
func httpMeta(from, to int32, text string) trace.PktMeta {
	return trace.PktMeta{
		SrcIP: "127.0.0.1", DstIP: "127.0.0.1", SrcPort: uint16(from), DstPort: uint16(to), Protocol: unix.IPPROTO_TCP,
		PacketLen: uint32(20 + 32 + len(text)), Iface: "lo",
	}
}

// requestOfAnother lets a forked process accept the connection: it is that one's from then on.
func requestOfAnother(a *actor) {
	a.network()
	listener := a.listening(inet("127.0.0.1", 0))
	client := a.bound(inet("127.0.0.1", 0), unix.SOCK_STREAM)
	if r := a.connect(client, a.local(listener)); r < 0 {
		a.fail(unix.Errno(-r))
	}
	from, to := port(a.local(client)), port(a.local(listener))
	const request = "GET / HTTP/1.0\r\n\r\n"
	var pipe [2]int32
	a.must(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&pipe)), 0)
	buffer := make([]byte, 100)
	at := uintptr(unsafe.Pointer(&buffer[0]))
	pid := a.must(unix.SYS_CLONE, uintptr(unix.SIGCHLD))
	if pid == 0 { // nothing of Go's runtime works here, where functions may look for other work to do
		fd, _, _ := syscall.RawSyscall(unix.SYS_ACCEPT, uintptr(listener), 0, 0)
		syscall.RawSyscall(unix.SYS_WRITE, uintptr(pipe[1]), at, 1)
		syscall.RawSyscall(unix.SYS_READ, fd, at, 100)
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	a.must(unix.SYS_READ, uintptr(pipe[0]), at, 1)
	a.write(client, request)
	a.must(unix.SYS_WAIT4, uintptr(pid), 0, 0, 0)
	for i := range 2 {
		w := a.want("net_packet_http_request", arguments{
			"metadata":     httpMeta(from, to, request),
			"http_request": trace.ProtoHTTPRequest{Method: "GET", Protocol: "HTTP/1.0", URIPath: "/", Headers: map[string][]string{}},
		})
		w.Pid = []int{0, pid}[i]
	}
}

// responseOfAnother lets a forked process send on a connection that it did not accept.
func responseOfAnother(a *actor) {
	a.network()
	client, server := a.established(inet("127.0.0.1", 0))
	from, to := port(a.local(client)), port(a.local(server))
	const response = "HTTP/1.0 204 No Content\r\n\r\n"
	text := cString(response)
	length := uintptr(len(response))
	pid := a.must(unix.SYS_CLONE, uintptr(unix.SIGCHLD))
	if pid == 0 { // nothing of Go's runtime works here, where functions may look for other work to do
		syscall.RawSyscall(unix.SYS_WRITE, uintptr(server), text, length)
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	a.must(unix.SYS_WAIT4, uintptr(pid), 0, 0, 0)
	for i := range 2 {
		w := a.want("net_packet_http_response", arguments{
			"metadata": httpMeta(to, from, response),
			"http_response": trace.ProtoHTTPResponse{
				Status: "204 No Content", StatusCode: 204, Protocol: "HTTP/1.0", Headers: map[string][]string{},
			},
		})
		w.Pid = []int{pid, 0}[i]
	}
}

func respondCut(a *actor) {
	a.network()
	client, server := a.established(inet("127.0.0.1", 0))
	from, to := port(a.local(client)), port(a.local(server))
	const begin = "HTTP/1.1 200 OK\r\nServer: test\r\nX-Lo"
	response := begin + strings.Repeat("o", 5000) + "ng: 1\r\n\r\n"
	for _, text := range []string{begin, response} {
		a.write(server, text)
		for range 2 {
			a.want("net_packet_http_response", arguments{
				"metadata": httpMeta(to, from, text),
				"http_response": trace.ProtoHTTPResponse{
					Status: "200 OK", StatusCode: 200, Protocol: "HTTP/1.1", Headers: map[string][]string{"Server": {"test"}},
					ContentLength: -1,
				},
			}).Truncated = []string{"http_response"}
		}
	}
}

// greeting is the first thing that a client of Go's says.
func greeting(config *tls.Config) string {
	here, there := net.Pipe()
	defer here.Close()
	go func() { _ = tls.Client(there, config).Handshake() }()
	buffer := make([]byte, 4096)
	_ = here.SetReadDeadline(time.Now().Add(patience))
	n, _ := here.Read(buffer)
	return string(buffer[:n])
}

func greetByTLS(a *actor) {
	a.network()
	client, server := a.established(inet6("::1", 0))
	from, to := port(a.local(client)), port(a.local(server))
	for _, name := range []string{"secret.example.test", ""} {
		a.write(client, greeting(&tls.Config{
			ServerName: name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		}))
		for i := range 2 {
			w := a.want("net_packet_tls", arguments{
				"src": "::1", "dst": "::1", "src_port": uint16(from), "dst_port": uint16(to), "metadata": way(i),
				"protocols": []string{"h2", "http/1.1"}, "versions": []string{"1.3", "1.2"},
			})
			if name != "" {
				w.Arguments["server_name"] = name
			}
		}
	}
}
