package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

// theNetwork is two network namespaces that a pair of virtual interfaces connects: servers in the first, clients in the
// second, which asks a server of the first for names.
type theNetwork struct {
	t               *testing.T
	servers, client string
	dir             string
}

const (
	server4, client4 = "10.211.8.1", "10.211.8.2"
	server6, client6 = "fd00:211:8::1", "fd00:211:8::2"
)

func layNetwork(t *testing.T) *theNetwork {
	t.Helper()
	needs(t, "ip", "dnsmasq", "nginx", "curl", "unshare", "busybox")
	n := &theNetwork{t: t, servers: "tracee-a" + itoa(os.Getpid()), client: "tracee-b" + itoa(os.Getpid()), dir: shortDir(t)}
	settings := "/etc/netns/" + n.client
	t.Cleanup(func() {
		for _, space := range []string{n.servers, n.client} {
			_ = exec.Command("ip", "netns", "del", space).Run()
		}
		_ = os.RemoveAll(settings)
		_ = os.Remove("/etc/netns") // if nobody else has something there
	})
	for _, space := range []string{n.servers, n.client} {
		if output, err := exec.Command("ip", "netns", "add", space).CombinedOutput(); err != nil {
			t.Skipf("no network namespaces: %v: %s", err, output)
		}
		must(t, "ip", "-n", space, "link", "set", "lo", "up")
	}
	if output, err := exec.Command("ip", "-n", n.servers, "link", "add", "t0", "type", "veth", "peer", "name", "t1", "netns", n.client).
		CombinedOutput(); err != nil {
		t.Skipf("no virtual interfaces: %v: %s", err, output)
	}
	for _, end := range []struct{ space, device, four, six string }{
		{n.servers, "t0", server4, server6}, {n.client, "t1", client4, client6},
	} {
		must(t, "ip", "-n", end.space, "addr", "add", end.four+"/24", "dev", end.device)
		must(t, "ip", "-n", end.space, "addr", "add", end.six+"/64", "dev", end.device, "nodad")
		must(t, "ip", "-n", end.space, "link", "set", end.device, "up")
		must(t, "ip", "netns", "exec", end.space, "sh", "-c", "echo 3 > /proc/sys/net/ipv4/tcp_fastopen")
	}
	if err := os.MkdirAll(settings, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(settings+"/resolv.conf", []byte("nameserver "+server4+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return n
}

// inSpace is a program in a network namespace, on a host of the name that sessions look at.
func inSpace(space string, args []string) *exec.Cmd {
	named := []string{"netns", "exec", space, "unshare", "--uts", "sh", "-c", "hostname " + hostName() + ` && exec "$@"`, "sh"}
	return exec.Command("ip", append(named, args...)...)
}

// serve starts a server, and ends it with the test.
func (n *theNetwork) serve(args ...string) {
	n.t.Helper()
	var said bytes.Buffer
	daemon := inSpace(n.servers, args)
	daemon.Stdout, daemon.Stderr = &said, &said
	if err := daemon.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
		if n.t.Failed() {
			n.t.Logf("%s said: %s", args[0], &said)
		}
	})
}

// ask runs a client until it succeeds: servers take a while to start.
func (n *theNetwork) ask(args ...string) {
	n.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		output, err := inSpace(n.client, args).CombinedOutput()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			n.t.Fatalf("%v: %v: %s", args, err, output)
		}
	}
}

func (n *theNetwork) serveNames() {
	n.serve("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root", "--pid-file=",
		"--listen-address="+server4, "--bind-interfaces", "--address=/four.test/"+server4, "--address=/six.test/"+server6)
}

func (n *theNetwork) serveWeb() {
	config := filepath.Join(n.dir, "nginx.conf")
	text := fmt.Sprintf("daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/log; user root; events {}\n"+
		"http { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; "+
		"scgi_temp_path %[1]s/s; server { listen %[2]s:80 fastopen=16; listen [%[3]s]:80; location / { return 200 hello; } } }\n",
		n.dir, server4, server6)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	n.serve("nginx", "-p", n.dir, "-c", config)
}

// networkEvent says whether there is an event of a program whose text has all the words.
func networkEvent(seen []*trace.Event, name, command string, words ...string) bool {
	return slices.ContainsFunc(seen, func(e *trace.Event) bool {
		if e.EventName != name || e.ProcessName != command {
			return false
		}
		text := string(e.AppendJSON(nil))
		return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
	})
}

// fastOpened is how many connections the client opened with data in the first packet.
func (n *theNetwork) fastOpened() int {
	n.t.Helper()
	var names []string
	for line := range strings.Lines(must(n.t, "ip", "netns", "exec", n.client, "cat", "/proc/net/netstat")) {
		words := strings.Fields(line)
		at := slices.Index(names, "TCPFastOpenActive")
		if len(words) == len(names) && at >= 0 {
			count, err := strconv.Atoi(words[at])
			if err != nil {
				n.t.Fatal(err)
			}
			return count
		}
		names = words
	}
	n.t.Fatal("/proc/net/netstat does not tell of TCPFastOpenActive")
	return 0
}

// TestTrafficOfRealProgramsIsUnderstood has curl ask dnsmasq for names and nginx for pages, by both versions of IP, and
// send its question with the first packet. The servers listen before tracing begins.
func TestTrafficOfRealProgramsIsUnderstood(t *testing.T) {
	n := layNetwork(t)
	n.serveNames()
	n.serveWeb()
	n.ask("curl", "-sf", "http://four.test/before")
	n.ask("curl", "-sf", "-6", "http://six.test/before")
	s := startPackets(t, nil, []string{
		"net_packet_dns_request", "net_packet_dns_response", "net_packet_http_request", "net_packet_http_response",
		"net_flow_tcp_begin", "net_flow_tcp_end", "net_tcp_connect", "net_packet_icmp", "net_packet_icmpv6", "net_packet_udp",
	})
	for _, args := range [][]string{
		{"curl", "-sf", "-4", "http://four.test/page"},
		{"curl", "-sf", "-6", "http://six.test/page"},
		{"curl", "-sf", "--tcp-fastopen", "http://" + server4 + "/cookie"},
		{"curl", "-sf", "--tcp-fastopen", "http://" + server4 + "/fast"},
		{"busybox", "ping", "-c", "1", server4},
		{"busybox", "ping6", "-c", "1", server6},
	} {
		n.ask(args...)
	}
	if n.fastOpened() == 0 {
		t.Error("no connection was opened with data in the first packet: that was not tried")
	}
	wanted := []struct {
		event, command string
		words          []string
	}{
		{"net_packet_dns_request", "curl", []string{"four.test"}},
		{"net_packet_dns_request", "dnsmasq", []string{"four.test"}},
		{"net_packet_dns_response", "dnsmasq", []string{"four.test", server4}},
		{"net_packet_dns_response", "curl", []string{"six.test", server6}},
		{"net_packet_udp", "curl", []string{client4, server4, `"value":53`}},
		{"net_tcp_connect", "curl", []string{server4, "four.test"}},
		{"net_tcp_connect", "curl", []string{server6, "six.test"}},
		{"net_flow_tcp_begin", "curl", []string{client4, server4, "outgoing"}},
		{"net_flow_tcp_begin", "nginx", []string{client4, server4, "incoming"}},
		{"net_flow_tcp_begin", "nginx", []string{client6, server6, "incoming"}},
		{"net_flow_tcp_end", "curl", []string{client6, server6}},
		{"net_packet_http_request", "curl", []string{"four.test", "/page"}},
		{"net_packet_http_request", "nginx", []string{"/page"}},
		{"net_packet_http_request", "curl", []string{"/fast"}},
		{"net_packet_http_request", "nginx", []string{"/fast"}},
		{"net_packet_http_response", "nginx", []string{"200"}},
		{"net_packet_http_response", "curl", []string{"200"}},
		{"net_packet_icmp", "busybox", []string{server4}},
		{"net_packet_icmpv6", "busybox", []string{server6}},
	}
	missing := func(seen []*trace.Event) (names []string) {
		for _, w := range wanted {
			if !networkEvent(seen, w.event, w.command, w.words...) {
				names = append(names, fmt.Sprintf("%s of %s with %q", w.event, w.command, w.words))
			}
		}
		return names
	}
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		s.mu.Lock()
		left := missing(s.events)
		s.mu.Unlock()
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not seen:\n%s", strings.Join(left, "\n"))
		}
	}
}
