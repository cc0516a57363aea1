package kallsyms

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const list = `ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 T sys_one
ffffffff81000200 t sys_two
ffffffff82000000 T _etext
ffffffff82100000 D sys_call_table
ffffffff82100040 D other_table
ffffffffc0200000 t hook	[rootkit]
ffffffffc0200080 t hook_end	[rootkit]
ffffffffc0300000 t kprobe_insn_page	[__builtin__kprobes]
ffffffffc0100000 t sys_one	[other]
`

func parse(t *testing.T, text string) *Table {
	t.Helper()
	table, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestSymbolsAreFoundByAddress(t *testing.T) {
	table := parse(t, list)
	for _, test := range []struct {
		what        string
		address     uint64
		name, owner string
		offset      uint64
	}{
		{"the first of two names", 0xffffffff81000000, "_stext", System, 0},
		{"within a function", 0xffffffff81000108, "sys_one", System, 8},
		{"before the kernel", 0xffffffff80000000, "", Hidden, 0},
		{"behind the kernel", 0xffffffffa0000000, "", Hidden, 0},
		{"function of a module", 0xffffffffc0200000, "hook", "rootkit", 0},
		{"within a module, or in a hidden one", 0xffffffffc0200090, "", Hidden, 0},
		{"page of the kernel's own", 0xffffffffc0300123, "kprobe_insn_page", "__builtin__kprobes", 0x123},
		{"behind that page", 0xffffffffc0301000, "", Hidden, 0},
	} {
		t.Run(test.what, func(t *testing.T) {
			got, offset := table.At(test.address)
			if got.Name != test.name || got.Owner != test.owner || offset != test.offset {
				t.Errorf("got %+v+%#x, want %s of %s +%#x", got, offset, test.name, test.owner, test.offset)
			}
		})
	}
}

func TestAddressesAreFoundByName(t *testing.T) {
	table := parse(t, list)
	if got, ok := table.Address("sys_call_table"); !ok || got != 0xffffffff82100000 {
		t.Errorf("sys_call_table: got %#x, %t", got, ok)
	}
	if got, want := table.Next(0xffffffff82100000), uint64(0xffffffff82100040); got != want {
		t.Errorf("end of sys_call_table: got %#x, want %#x", got, want)
	}
	if got, ok := table.Address("hook"); ok {
		t.Errorf("a module's function was taken for the kernel's: %#x", got)
	}
	got := table.Find("sys_two", "nothing", "sys_one")
	for i, want := range []uint64{0xffffffff81000200, 0, 0xffffffff81000100} {
		if got[i] != want {
			t.Errorf("symbol %d: got %#x, want %#x", i, got[i], want)
		}
	}
}

func TestTextEndsWhereTheKernelSays(t *testing.T) {
	table := parse(t, list)
	for address, want := range map[uint64]bool{
		0xffffffff81000000: true, 0xffffffff81ffffff: true, 0xffffffff82000000: false, 0xffffffff80ffffff: false,
	} {
		if got := table.InText(address); got != want {
			t.Errorf("%#x: got %t, want %t", address, got, want)
		}
	}
}

func TestHiddenAddressesAreAnError(t *testing.T) {
	const hidden = "0000000000000000 T _stext\n0000000000000000 T _etext\n"
	if _, err := Parse(hidden); !errors.Is(err, ErrNoAddresses) {
		t.Errorf("got %v, want %v", err, ErrNoAddresses)
	}
	if _, err := Parse("nonsense\n"); err == nil {
		t.Error("a malformed list is no error")
	}
}

func TestDamagedListsAreErrors(t *testing.T) {
	for _, test := range []struct{ what, list string }{
		{"nothing", ""},
		{"cut before the end of the code", list[:strings.Index(list, "ffffffff82000000")]},
		{"cut in the middle of a line", list[:strings.Index(list, "82100040")]},
		{"without the beginning of the code", strings.ReplaceAll(list, "_stext", "stext")},
		{"code that ends before it begins", strings.ReplaceAll(list, "ffffffff82000000 T _etext", "ffffffff80000000 T _etext")},
		{"addresses that are none", strings.ReplaceAll(list, "ffffffff8", "fffffffg8")},
		{"zeroed", regexp.MustCompile(`(?m)^[0-9a-f]{16}`).ReplaceAllString(list, "0000000000000000")},
		{"bytes", "\x00\xff\n\n\n"},
	} {
		t.Run(test.what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kallsyms")
			if err := os.WriteFile(path, []byte(test.list), 0o600); err != nil {
				t.Fatal(err)
			}
			if table, err := readFile(path); err == nil {
				t.Errorf("got a table of %d symbols", len(table.symbols))
			}
		})
	}
	if _, err := readFile(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such file: got %v", err)
	}
}

// withoutSyslog runs a function on a thread that has not the capability which kernel.kptr_restrict asks for.
func withoutSyslog(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var all, less [2]unix.CapUserData
	if err := unix.Capget(&header, &all[0]); err != nil {
		t.Fatal(err)
	}
	less = all
	less[unix.CAP_SYSLOG/32].Effective &^= 1 << (unix.CAP_SYSLOG % 32)
	if less == all {
		t.Skip("CAP_SYSLOG, which is to be taken away, is not there")
	}
	if err := unix.Capset(&header, &less[0]); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Capset(&header, &all[0]); err != nil {
			t.Error(err)
		}
	}()
	f()
}

func TestTextIsRememberedAndThatItIsHiddenIsNot(t *testing.T) {
	knownText.Store(nil)
	withoutSyslog(t, func() {
		_, _, err := Text()
		if err == nil {
			t.Skip("this kernel shows its addresses to everybody (kernel.kptr_restrict, kernel.perf_event_paranoid)")
		}
		if !errors.Is(err, ErrNoAddresses) {
			t.Errorf("hidden: got %v, want %v", err, ErrNoAddresses)
		}
	})
	start, end, err := Text()
	if err != nil {
		t.Fatalf("not hidden any more: %v", err)
	}
	table, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	if wantStart, wantEnd := table.Text(); start != wantStart || end != wantEnd {
		t.Errorf("got %#x to %#x, the list says %#x to %#x", start, end, wantStart, wantEnd)
	}
	withoutSyslog(t, func() {
		if again, to, err := Text(); again != start || to != end || err != nil {
			t.Errorf("once known: got %#x to %#x, %v", again, to, err)
		}
	})
}
