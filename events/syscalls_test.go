package events

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tracee-go/tracee/types/trace"
)

// v08Event is an event of v0.8, as the specification has it.
type v08Event struct {
	ID      *int            `json:"id"` // nil for syscalls that only 32-bit ABIs have
	Name    string          `json:"name"`
	Syscall bool            `json:"syscall"`
	Sets    []Set           `json:"sets"`
	Args    []trace.ArgMeta `json:"args"`
}

func readV08Events(t *testing.T) []v08Event {
	t.Helper()
	raw, err := os.ReadFile("testdata/events-v0.8.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []v08Event
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestSyscallsAreThoseOfV08(t *testing.T) {
	next32Bit := 3000
	for _, want := range readV08Events(t) {
		if !want.Syscall {
			continue
		}
		if want.ID == nil {
			want.ID = new(next32Bit)
			next32Bit++
		}
		e, ok := Lookup(want.Name)
		if !ok {
			t.Errorf("%s is not declared", want.Name)
			continue
		}
		_, more := e.Pointed()
		args := argMetas(e)[:len(e.Args)-len(more)]
		got := v08Event{ID: &e.ID, Name: e.Name, Syscall: e.Syscall, Sets: e.Sets, Args: args}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Name, diff)
		}
	}
}

// Events other than syscalls may not be declared yet, and may have more arguments than in v0.8.
func TestOtherEventsAreThoseOfV08(t *testing.T) {
	for _, want := range readV08Events(t) {
		e, ok := Lookup(want.Name)
		if !ok || want.Syscall {
			continue
		}
		slices.Sort(want.Sets)
		sorted := slices.Sorted(slices.Values(e.Sets))
		metas := argMetas(e)
		metas = metas[:min(len(metas), len(want.Args))]
		for i := range want.Args {
			// The specification has the name of a Go constant here.
			want.Args[i].Name = strings.Replace(want.Args[i].Name, "trigger.ContextArgName", "caller_context_id", 1)
		}
		got := v08Event{ID: &e.ID, Name: e.Name, Syscall: e.Syscall, Sets: sorted, Args: metas}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Name, diff)
		}
	}
}

func argMetas(e *Event) []trace.ArgMeta {
	metas := []trace.ArgMeta{}
	for _, a := range e.Args {
		metas = append(metas, trace.ArgMeta{Name: a.Name, Type: a.Type.Name})
	}
	return metas
}

func TestSyscallTableIsSortedByID(t *testing.T) {
	byID := func(a, b syscallRow) int { return a.id - b.id }
	if !slices.IsSortedFunc(syscalls, byID) {
		t.Error("rows are not in the order of their ids")
	}
}

// readNumbers reads the names and numbers that x/sys has for an ABI.
func readNumbers(t *testing.T, abi string) map[int]string {
	t.Helper()
	raw, err := os.ReadFile("testdata/syscalls-" + abi + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	names := map[int]string{}
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var number int
		var name string
		if _, err := fmt.Sscan(lines.Text(), &number, &name); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		names[number] = name
	}
	return names
}

func eventsByNumber(t *testing.T, abi ABI) map[int]*Event {
	t.Helper()
	found := map[int]*Event{}
	for _, e := range All() {
		if !e.Syscall || e.Numbers[abi] == none {
			continue
		}
		if other := found[e.Numbers[abi]]; other != nil {
			t.Errorf("%s and %s have number %d", e.Name, other.Name, e.Numbers[abi])
		}
		found[e.Numbers[abi]] = e
	}
	return found
}

// eventNames are the names under which v0.8 knows syscalls of 64-bit ABIs that x/sys calls otherwise.
var eventNames = map[string]string{"_sysctl": "sysctl", "afs_syscall": "afs"}

func TestNumbersOf64BitABIsAreThoseOfTheKernel(t *testing.T) {
	for abi, file := range map[ABI]string{AMD64: "amd64", ARM64: "arm64"} {
		got, want := map[int]string{}, readNumbers(t, file)
		for number, e := range eventsByNumber(t, abi) {
			got[number] = e.Name
		}
		for number, name := range want {
			if renamed, ok := eventNames[name]; ok {
				want[number] = renamed
			}
		}
		if abi == ARM64 {
			delete(want, 244) // arch_specific_syscall: the start of a range that arm64 does not use
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestIDsOfNativeSyscallsAreTheirAMD64Numbers(t *testing.T) {
	for _, e := range All() {
		if want := e.Numbers[AMD64]; e.Syscall && want != none && e.ID != want {
			t.Errorf("%s: id %d, want %d", e.Name, e.ID, want)
		}
	}
}

func TestEveryI386NumberHasOneEvent(t *testing.T) {
	got, want := map[int]string{}, readNumbers(t, "i386")
	for number, e := range eventsByNumber(t, I386) {
		got[number] = e.Name
	}
	for number, name := range want {
		want[number] = i386Event(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// i386Names are the names of events for syscalls of i386 that no rule explains.
var i386Names = map[string]string{
	"_llseek":    "llseek",
	"_newselect": "select",
	"_sysctl":    "sysctl",
	"fstatat64":  "newfstatat",
	"getrlimit":  "old_getrlimit",
	"select":     "old_select",
	"ugetrlimit": "getrlimit",
}

// i386Event names the event of a syscall of i386. When i386 has an old and a new form, the event without suffix is the
// new one, which is like the syscall of 64-bit ABIs.
func i386Event(name string) string {
	if renamed, ok := i386Names[name]; ok {
		return renamed
	}
	for _, suffix := range []string{"16", "32", "_time32"} {
		if _, ok := Lookup(name + suffix); ok {
			return name + suffix
		}
	}
	if _, ok := Lookup(name); ok {
		return name
	}
	for _, suffix := range []string{"_time64", "64", "32"} {
		if stem, ok := strings.CutSuffix(name, suffix); ok {
			return stem
		}
	}
	return name
}

func TestI386NumbersOfLookalikes(t *testing.T) {
	tests := map[int]string{
		13: "time", 16: "lchown16", 22: "umount", 23: "setuid16", 24: "getuid16", 52: "umount2", 55: "fcntl",
		59: "oldolduname", 76: "old_getrlimit", 82: "old_select", 90: "mmap", 92: "truncate", 95: "fchown16",
		106: "stat", 109: "olduname", 122: "uname", 137: "afs_syscall", 140: "llseek", 142: "select", 149: "sysctl",
		161: "sched_rr_get_interval_time32", 177: "rt_sigtimedwait_time32", 182: "chown16", 187: "sendfile32",
		191: "getrlimit", 192: "mmap2", 193: "truncate64", 195: "stat64", 199: "getuid", 212: "chown", 213: "setuid",
		221: "fcntl64", 239: "sendfile", 240: "futex_time32", 250: "fadvise64", 265: "clock_gettime32",
		272: "fadvise64_64", 300: "newfstatat", 320: "utimensat_time32", 343: "clock_adjtime", 403: "clock_gettime",
		405: "clock_adjtime64", 407: "clock_nanosleep", 420: "semtimedop", 422: "futex",
	}
	events := eventsByNumber(t, I386)
	for number, want := range tests {
		if got := events[number]; got == nil || got.Name != want {
			t.Errorf("%d: got %+v, want %s", number, got, want)
		}
	}
}
