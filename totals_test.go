package tracee

import (
	"testing"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
)

func TestTotalsOfTheNetworkAndOfCapturesAreKeptApart(t *testing.T) {
	var s Summary
	for _, e := range []*events.Event{events.NetPacketUDP, events.SecurityFileOpen, events.NetPacketDNS, events.LostEvents} {
		s.count(e.ID)
	}
	s.count(-1)
	s.count(1 << 40)
	if s.Seen != 6 || s.NetSeen != 2 {
		t.Errorf("got %d events, %d of the network", s.Seen, s.NetSeen)
	}
	s.Stats.Lost = []tracer.Loss{
		{Event: "net_packet_base", Count: 1}, {Event: "net_tcp_connect", Count: 2}, {Event: "capture_pcap", Count: 4},
		{Event: "capture_file_write", Count: 8}, {Event: "capture_mem", Count: 16}, {Event: "openat", Count: 32}, {Event: "a program", Count: 64},
	}
	if network, writes, all := s.LostNetwork(), s.LostWrites(), s.LostTotal(); network != 7 || writes != 24 || all != 127 {
		t.Errorf("lost: got %d of the network, %d captured, %d in all", network, writes, all)
	}
}
