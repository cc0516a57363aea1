package main

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestALeakIsToldFromNoise(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, tc := range []struct {
		name    string
		perLook float64
		flat    bool
	}{{"noise alone", 0, true}, {"a leak of 300 kB per look", 300 << 10, false}, {"shrinking", -300 << 10, true}} {
		f := figures()[0]
		for i := range 60 {
			f.values = append(f.values, 80<<20+random.NormFloat64()*(4<<20)+float64(i)*tc.perLook)
		}
		if row, flat := f.row(); flat != tc.flat {
			t.Errorf("%s: got flat %t, want %t: %s", tc.name, flat, tc.flat, row)
		}
	}
}

func TestTheBooksNoticeWhatIsMissingAndWhatComesTwice(t *testing.T) {
	call := func(n string) string {
		return `{"eventName":"getpriority","eventId":"140","args":[{"name":"which","type":"int","value":20646},{"name":"who","type":"int","value":` + n + `}]}`
	}
	lost := `{"eventName":"lost_events","args":[{"name":"event","type":"const char*","value":"getpriority"},{"name":"lost","type":"u64","value":2},{"name":"reason","type":"const char*","value":"ring_full"}]}`
	for _, tc := range []struct {
		name   string
		made   int64
		lines  []string
		faults int
	}{
		{"all came", 2, []string{call("0"), call("1")}, 0},
		{"told as lost", 4, []string{call("0"), lost, call("3")}, 0},
		{"lost in silence", 3, []string{call("0"), call("2")}, 1},
		{"twice", 2, []string{call("0"), call("0")}, 1},
		{"no event", 1, []string{call("0"), "{"}, 1},
	} {
		var l ledger
		l.made.Store(tc.made)
		l.read(strings.NewReader(strings.Join(tc.lines, "\n")))
		if faults := l.faults(); len(faults) != tc.faults {
			t.Errorf("%s: got %v, want %d faults", tc.name, faults, tc.faults)
		}
	}
}
