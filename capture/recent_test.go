package capture

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// sequenceOf tells the packets that are remembered of a process.
func sequenceOf(m *recent, process uint64, now time.Time) string {
	var b strings.Builder
	packets, seen := m.since(process, 0, now)
	for _, p := range packets {
		fmt.Fprintf(&b, "%s ", p.data[:2])
	}
	fmt.Fprintf(&b, "of %d", seen)
	return b.String()
}

func TestLastPacketsAreRememberedWithinBounds(t *testing.T) {
	bounds := Quota{Packets: 5 * (100 + recentCost), PacketsEach: 3, PacketsAge: time.Minute}
	m, err := newRecent(bounds)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	add := func(process uint64, name string, after time.Duration) {
		m.add(process, packet{data: []byte(name + strings.Repeat("x", 98))}, start.Add(after))
	}
	for i := range 5 {
		add(1, fmt.Sprint("a", i), time.Duration(i))
	}
	add(2, "b0", 10*time.Second)
	for _, want := range []struct {
		process uint64
		text    string
	}{{1, "a2 a3 a4 of 5"}, {2, "b0 of 1"}, {3, "of 0"}} {
		if got := sequenceOf(m, want.process, start.Add(time.Second)); got != want.text {
			t.Errorf("process %d: got %q, want %q", want.process, got, want.text)
		}
	}
	for i := range 3 { // of the others there is no room any more for all
		add(3, fmt.Sprint("c", i), 20*time.Second)
	}
	if got := sequenceOf(m, 1, start.Add(20*time.Second)) + ", " + sequenceOf(m, 2, start.Add(20*time.Second)); got != "a4 of 5, b0 of 1" {
		t.Errorf("the oldest gave not way: %s", got)
	}
	if got := sequenceOf(m, 1, start.Add(61*time.Second)); got != "of 5" {
		t.Errorf("after a minute: %s", got)
	}
	if got := sequenceOf(m, 3, start.Add(time.Hour)); got != "of 3" || m.bytes != 0 || m.packets.Len() != 0 {
		t.Errorf("after an hour: %s, %d bytes, %d packets", got, m.bytes, m.packets.Len())
	}
}

func TestPacketsOfManyProcessesAreBounded(t *testing.T) {
	m, err := newRecent(Quota{Packets: 1 << 30, PacketsEach: 3, PacketsAge: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range 2 * recentProcesses {
		m.add(uint64(i+1), packet{data: []byte("xx")}, now)
	}
	if n := m.packets.Len(); n != recentProcesses || m.bytes != int64(n)*(2+recentCost) {
		t.Errorf("%d packets of %d bytes are left, want those of %d processes", n, m.bytes, recentProcesses)
	}
	if got := sequenceOf(m, 1, now); got != "of 0" {
		t.Errorf("got %s", got)
	}
}
