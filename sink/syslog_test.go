package sink

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mountSmall mounts a small disk.
func mountSmall(t *testing.T, dir, options string) (unmount func()) {
	t.Helper()
	if err := syscall.Mount("tracee-test", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mount: %v", err)
	}
	return func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }
}

// header is that of RFC 5424: PRI, version, time, host, program, process, kind and no structured data.
var header = regexp.MustCompile(`^<(\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z machine tracee \d+ (event|finding) - (\{.*\})$`)

// tell sends a finding and an event, whose messages are read by next.
func tell(t *testing.T, url string, next func() string) {
	t.Helper()
	s := open(t, url+"&select=all")
	s.Finding(findingOf(event("/x", 1), 3))
	s.Event(event("/x", 2))
	for _, want := range []struct{ priority, kind string }{{"131", "finding"}, {"134", "event"}} { // local0, error and informational
		message := next()
		m := header.FindStringSubmatch(message)
		if m == nil || m[1] != want.priority || m[2] != want.kind {
			t.Errorf("got %q, want %v", message, want)
		}
	}
	s.Close()
	if stats := s.Stats()[0]; stats.Sent != 2 || stats.Dropped() != 0 {
		t.Errorf("%+v", stats)
	}
}

func datagrams(t *testing.T, c net.PacketConn) func() string {
	return func() string {
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		b := make([]byte, 1<<16)
		n, _, err := c.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestSyslogByDatagrams(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	local, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	tell(t, "syslog+unix://"+path+"?facility=local0", datagrams(t, local))
	remote, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	tell(t, "syslog+udp://"+remote.LocalAddr().String()+"?facility=local0", datagrams(t, remote))
}

func TestSyslogByLinesOfALocalSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	caller := accepted(t, listener)
	tell(t, "syslog+unix://"+path+"?facility=local0", func() string {
		line, err := caller().ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(line, "\n")
	})
}

// accepted returns what the first caller sends, whom it waits for when it is asked first.
func accepted(t *testing.T, listener net.Listener) func() *bufio.Reader {
	return sync.OnceValue(func() *bufio.Reader {
		c, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return bufio.NewReader(c)
	})
}

// counted reads messages that begin with their length (RFC 6587).
func counted(t *testing.T, listener net.Listener) func() string {
	caller := accepted(t, listener)
	return func() string {
		r := caller()
		digits, err := r.ReadString(' ')
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(digits))
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

func TestSyslogByTCPAndTLS(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tell(t, "syslog+tcp://"+listener.Addr().String()+"?facility=local0", counted(t, listener))

	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	secure, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: certified.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	defer secure.Close()
	tell(t, "syslog+tls://"+secure.Addr().String()+"?facility=local0&ca="+ca, counted(t, secure))
}

func TestSyslogComesBack(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { listener.Close() }()
	address := listener.Addr().String()
	s := open(t, "syslog+tcp://"+address+"?select=events&batch=1")
	s.Event(event("/x", 1))
	first, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	wait(t, "the first", func() bool { return s.Stats()[0].Sent == 1 })
	first.Close()
	listener.Close()
	time.Sleep(50 * time.Millisecond)
	s.Event(event("/x", 2))
	wait(t, "to notice", func() bool { return s.Stats()[0].Retried > 0 })
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	if message := counted(t, listener)(); !strings.Contains(message, `"timestamp":2,`) {
		t.Errorf("got %q", message)
	}
}

func TestDatagramThatIsTooLargeIsRefused(t *testing.T) {
	remote, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	s := open(t, "syslog+udp://"+remote.LocalAddr().String()+"?select=events")
	s.Event(event("/"+strings.Repeat("x", 70000), 1))
	s.Event(event("/x", 2))
	if message := datagrams(t, remote)(); !strings.Contains(message, `"timestamp":2,`) {
		t.Errorf("got %.200q", message)
	}
	s.Close()
	if stats := s.Stats()[0]; stats.Sent != 1 || stats.Refused != 1 {
		t.Errorf("%+v", stats)
	}
}
