package process

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// ownEvent is an event of this process, with a stack.
func ownEvent(t *testing.T, addresses ...uint64) *trace.Event {
	t.Helper()
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	var ticks int
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if _, err := fmt.Sscan(fields[22-3], &ticks); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &trace.Event{
		HostProcessID: os.Getpid(), HostThreadID: os.Getpid(), ThreadStartTime: ticks * int(startTick), ProcessEntityID: 5,
		Executable: program, StackAddresses: addresses,
	}
}

func TestStacksAreLocatedInFiles(t *testing.T) {
	here := uint64(reflect.ValueOf(TestStacksAreLocatedInFiles).Pointer())
	e := ownEvent(t, here, 1, here+1)
	NewStacks().Locate(e)
	program, _ := os.Executable()
	if len(e.StackSymbols) != 3 || !strings.HasPrefix(e.StackSymbols[0], program+"+0x") || e.StackSymbols[1] != "" ||
		!strings.HasPrefix(e.StackSymbols[2], program+"+0x") || e.StackSymbols[0] == e.StackSymbols[2] {
		t.Errorf("got %q", e.StackSymbols)
	}
}

func TestNewMappingsAreLookedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a\nlib rary")
	if err := os.WriteFile(path, make([]byte, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	s := NewStacks()
	s.Locate(ownEvent(t, uint64(reflect.ValueOf(TestNewMappingsAreLookedFor).Pointer())))
	mapped, err := unix.Mmap(int(file.Fd()), 4096, 4096, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	e := ownEvent(t, uint64(reflect.ValueOf(mapped).Pointer())+0x10)
	if s.Locate(e); e.StackSymbols != nil {
		t.Errorf("got %q, so soon", e.StackSymbols)
	}
	now := s.now()
	s.now = func() time.Time { return now.Add(2 * mapsFresh) }
	s.Locate(e)
	if want := strings.ReplaceAll(path, "\n", `\012`) + "+0x1010"; len(e.StackSymbols) != 1 || e.StackSymbols[0] != want {
		t.Errorf("got %q, want %q", e.StackSymbols, want)
	}
}

func TestStacksOfOthersAreNotLocated(t *testing.T) {
	here := uint64(reflect.ValueOf(TestStacksOfOthersAreNotLocated).Pointer())
	for name, change := range map[string]func(*trace.Event){
		"another process with the number": func(e *trace.Event) { e.ThreadStartTime += 1e9 },
		"another program":                 func(e *trace.Event) { e.Executable = "/bin/true" },
		"a process that is gone":          func(e *trace.Event) { e.HostProcessID = 1 << 30 },
	} {
		e := ownEvent(t, here)
		change(e)
		if NewStacks().Locate(e); e.StackSymbols != nil {
			t.Errorf("%s: got %q", name, e.StackSymbols)
		}
	}
}

func TestMapsAreParsed(t *testing.T) {
	got := parseMaps([]byte("55d0-55d1 r-xp 00001000 fe:00 12                         /usr/bin/a b\n" +
		"7f00-7f01 rw-p 00000000 00:00 0 \nnonsense\n7ffe-7fff r-xp 00000000 00:00 0                  [vdso]\n" +
		"8000-8001 r--p 00000000 fe:00 13    /x\xff (deleted)\n"))
	m := memoryMap{regions: got}
	for address, want := range map[uint64]string{
		0x55d0: "/usr/bin/a b+0x1000", 0x55d1: "", 0x7f00: "[anon]+0x0", 0x7ffe: "[vdso]+0x0", 0x8000: `/x\xff (deleted)+0x0`, 0: "", 1 << 60: "",
	} {
		if got := m.locate(address); got != want {
			t.Errorf("%x: got %q, want %q", address, got, want)
		}
	}
}
