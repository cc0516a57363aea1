package derive

import (
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/trace"
)

// captured is a packet as the capture of packets brings it.
func captured(t *testing.T, packet *trace.Event) *trace.Event {
	t.Helper()
	var b trace.Builder
	b.Reset(events.CapturePcap.Schema())
	for i, field := range events.CapturePcap.Args {
		a, ok := packet.Lookup(field.Name)
		if !ok {
			t.Fatalf("a packet has no %s", field.Name)
		}
		if err := b.Set(i, a.Value()); err != nil {
			t.Fatal(err)
		}
	}
	e := &trace.Event{HostProcessID: 1}
	b.Finish(e)
	return e
}

func TestPacketsAreCapturedOfWhichAWantedEventIsMade(t *testing.T) {
	dns := answer(t, "a.example", 1, 2, 3, 4)
	other := record(t, datagram(t, &layers.UDP{SrcPort: 5000, DstPort: 5001}, []byte("hello")))
	parse := func(flags ...string) *filter.Filter {
		f, err := filter.Parse(flags)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, test := range []struct {
		name       string
		selected   *events.Event
		filter     *filter.Filter
		dns, other bool
	}{
		{"messages of DNS", events.NetPacketDNS, nil, true, false},
		{"datagrams", events.NetPacketUDP, nil, true, true},
		{"datagrams from a port", events.NetPacketUDP, parse("net_packet_udp.src_port=5000"), false, true},
		{"segments of TCP", events.NetPacketTCP, nil, false, false},
	} {
		for name, c := range map[string]*Captured{
			"new": NewCaptured([]*events.Event{test.selected}, test.filter), "changed": changed(test.selected, test.filter),
		} {
			if got := [2]bool{c.Wants(captured(t, dns)), c.Wants(captured(t, other))}; got != [2]bool{test.dns, test.other} {
				t.Errorf("%s, %s: got %v, want %t %t", test.name, name, got, test.dns, test.other)
			}
		}
	}
	if OfPackets([]*events.Event{events.SchedProcessExec}) != nil {
		t.Error("an event that is not about packets chooses packets")
	}
}

// changed began with all packets of IP.
func changed(selected *events.Event, f *filter.Filter) *Captured {
	c := NewCaptured([]*events.Event{events.NetPacketIPv4}, nil)
	c.Change([]*events.Event{selected}, f)
	return c
}
