package events

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWideArgumentsTakeTwoRegistersOnI386(t *testing.T) {
	want := map[string][]Register{
		"fadvise64":       {{0, 0}, {1, 2}, {3, 0}, {4, 0}},
		"fadvise64_64":    {{0, 0}, {1, 2}, {3, 4}, {5, 0}},
		"fallocate":       {{0, 0}, {1, 0}, {2, 3}, {4, 5}},
		"fanotify_mark":   {{0, 0}, {1, 0}, {2, 3}, {4, 0}, {5, 0}},
		"ftruncate64":     {{0, 0}, {1, 2}},
		"lookup_dcookie":  {{0, 1}, {2, 0}, {3, 0}},
		"pread64":         {{0, 0}, {1, 0}, {2, 0}, {3, 4}},
		"pwrite64":        {{0, 0}, {1, 0}, {2, 0}, {3, 4}},
		"readahead":       {{0, 0}, {1, 2}, {3, 0}},
		"sync_file_range": {{0, 0}, {1, 2}, {3, 4}, {5, 0}},
		"truncate64":      {{0, 0}, {1, 2}},
	}
	got := map[string][]Register{}
	for _, e := range All() {
		if !e.Syscall || e.Numbers[I386] == none {
			continue
		}
		registers := e.Registers(I386)
		for _, r := range registers {
			if r.Low > 5 || r.High > 5 {
				t.Errorf("%s needs more than six registers", e.Name)
			}
			if r.High != 0 {
				got[e.Name] = registers
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOneRegisterPerArgumentOn64BitABIs(t *testing.T) {
	for _, e := range All() {
		if !e.Syscall || e.Name == "clone" {
			continue
		}
		for _, abi := range []ABI{AMD64, ARM64} {
			for i, r := range e.Registers(abi) {
				if r != (Register{Low: i}) || i > 5 {
					t.Errorf("%s: argument %d is in %v", e.Name, i, r)
				}
			}
		}
	}
}

func TestCloneTakesItsLastArgumentsInTheOrderOfTheABI(t *testing.T) {
	clone, _ := Lookup("clone")
	swapped := []Register{{0, 0}, {1, 0}, {2, 0}, {4, 0}, {3, 0}}
	for abi, want := range map[ABI][]Register{
		AMD64: {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}},
		I386:  swapped,
		ARM64: swapped,
	} {
		if diff := cmp.Diff(want, clone.Registers(abi)); diff != "" {
			t.Errorf("ABI %d (-want +got):\n%s", abi, diff)
		}
	}
}

func TestSockaddrLengthFollowsTheAddress(t *testing.T) {
	type answer struct {
		Address, Length int
		ByPointer       bool
	}
	want := map[string]answer{
		"accept":      {1, 2, true},
		"accept4":     {1, 2, true},
		"bind":        {1, 2, false},
		"connect":     {1, 2, false},
		"getpeername": {1, 2, true},
		"getsockname": {1, 2, true},
		"recvfrom":    {4, 5, true},
		"sendto":      {4, 5, false},
	}
	got := map[string]answer{}
	for _, e := range All() {
		if address, length, byPointer := SockaddrLength(e); address >= 0 {
			got[e.Name] = answer{address, length, byPointer}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
