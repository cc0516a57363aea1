package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// sends sends requests of HTTP and questions of DNS with a word in each.
type sends struct {
	t    *testing.T
	port int // where somebody listens
}

func (s sends) http(word string) {
	s.t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET /%s HTTP/1.1\r\nHost: here\r\n\r\n", word); err != nil {
		s.t.Fatal(err)
	}
}

func (s sends) dns(word string) {
	s.t.Helper()
	question := []byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, byte(len(word))}
	question = append(append(question, word...), 0)
	question = binary.BigEndian.AppendUint16(question, 1) // A
	question = binary.BigEndian.AppendUint16(question, 1) // of the Internet
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.WriteTo(question, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53}); err != nil {
		s.t.Fatal(err)
	}
}

// awaitLine reads until a line has a text.
func (p *process) awaitLine(text string) {
	p.t.Helper()
	for !strings.Contains(p.line(), text) {
	}
}

// TestCapturedPacketsFollowTheEventsOfAReload captures the packets that events tell of, which are others after a reload.
func TestCapturedPacketsFollowTheEventsOfAReload(t *testing.T) {
	needRoot(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s := sends{t, listener.Addr().(*net.TCPAddr).Port}
	dir := t.TempDir()
	policy := filepath.Join(dir, "p.yaml")
	watch := func(event string) { rename(t, policy, "name: n\nrules:\n- event: "+event+"\n") }
	watch("net_packet_dns_request")
	p := start(t, "tracee", "--config", os.DevNull, "--policy", policy, "--output", "json", "--capture", "net=lo",
		"--capture", "pcap-options:filtered", "--capture", "dir:"+dir)
	p.awaitStderr(ready)
	s.http("early-request")
	s.dns("early-question")
	p.awaitLine("early-question")
	watch("net_packet_http_request")
	p.awaitReloads(1)
	s.dns("late-question")
	s.http("late-request")
	p.awaitLine("late-request")
	watch("sched_process_exec")
	p.awaitStderr("was not reloaded, what was in force stays: pcap-options:filtered")
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	p.exit(0, patience)
	captured, err := os.ReadFile(filepath.Join(dir, "out", "host", "capture.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]bool{"early-request": false, "early-question": true, "late-question": false, "late-request": true} {
		if got := strings.Contains(string(captured), word); got != want {
			t.Errorf("%s is captured: %t, want %t", word, got, want)
		}
	}
}
