package capture

import (
	"fmt"
	"math/rand/v2"
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

// length counts the packets of all processes, in both directions.
func length(m *recent) (n int) {
	last := m.newest
	for p := m.oldest; p != nil; p = p.next {
		n++
		if p.next == nil && p != last || p.before == nil && p != m.oldest {
			return -1
		}
	}
	return n
}

// TestForgottenPacketsLeaveNothing compares what is remembered with a plain list, for any order of processes and lengths.
func TestForgottenPacketsLeaveNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	m, err := newRecent(Quota{Packets: 20 * (50 + recentCost), PacketsEach: 5, PacketsAge: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	now, text := time.Now(), make([]byte, 200)
	want := map[uint64][]string{}
	for i := range 20000 {
		process := uint64(random.IntN(7) + 1)
		content := fmt.Sprintf("%05d", i) + strings.Repeat("x", random.IntN(150))
		copy(text, content)
		m.add(process, frame{data: text[:len(content)]}, 100, now) // the memory is used again
		want[process] = append(want[process], content[:min(len(content), 100)])
		total, bytes := 0, int64(0)
		for process, contents := range want {
			got, seen := m.since(process, 0, now)
			if int(seen) != len(contents) || len(got) > 5 {
				t.Fatalf("%d of %d packets, %d were sent", len(got), seen, len(contents))
			}
			for n, p := range got {
				if want := contents[len(contents)-len(got)+n]; string(p.data) != want {
					t.Fatalf("got %q, want %q", p.data, want)
				}
				bytes += int64(len(p.data)) + recentCost
			}
			total += len(got)
		}
		if total != length(m) || bytes != m.bytes || bytes > m.bounds.Packets {
			t.Fatalf("%d packets of %d bytes; %d and %d are counted", total, bytes, length(m), m.bytes)
		}
	}
}

func TestLastPacketsAreRememberedWithinBounds(t *testing.T) {
	bounds := Quota{Packets: 5 * (100 + recentCost), PacketsEach: 3, PacketsAge: time.Minute}
	m, err := newRecent(bounds)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	add := func(process uint64, name string, after time.Duration) {
		m.add(process, frame{data: []byte(name + strings.Repeat("x", 98))}, 100, start.Add(after))
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
	if got := sequenceOf(m, 3, start.Add(time.Hour)); got != "of 3" || m.bytes != 0 || m.oldest != nil {
		t.Errorf("after an hour: %s, %d bytes, %d packets", got, m.bytes, length(m))
	}
}

func TestPacketsOfManyProcessesAreBounded(t *testing.T) {
	m, err := newRecent(Quota{Packets: 1 << 30, PacketsEach: 3, PacketsAge: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range 2 * recentProcesses {
		m.add(uint64(i+1), frame{data: []byte("xx")}, 100, now)
	}
	if n := length(m); n != recentProcesses || m.bytes != int64(n)*(2+recentCost) {
		t.Errorf("%d packets of %d bytes are left, want those of %d processes", n, m.bytes, recentProcesses)
	}
	if got := sequenceOf(m, 1, now); got != "of 0" {
		t.Errorf("got %s", got)
	}
}
