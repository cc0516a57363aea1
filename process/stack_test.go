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

	"github.com/tracee-go/tracee/internal/library"
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
		HostProcessID: os.Getpid(), HostThreadID: os.Getpid(), ThreadStartTime: ticks * int(library.StartTick), ProcessEntityID: 5,
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
	s, now := NewStacks(), time.Now()
	s.now = func() time.Time { return now }
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
		got := ""
		if r := m.find(address); r != nil {
			got = r.locate(address)
		}
		if got != want {
			t.Errorf("%x: got %q, want %q", address, got, want)
		}
	}
}

func TestStacksAreNamedByFunctions(t *testing.T) {
	here := uint64(reflect.ValueOf(TestStacksAreNamedByFunctions).Pointer())
	next := uint64(reflect.ValueOf(ownEvent).Pointer())
	e := ownEvent(t, here+4, here+9, next)
	s := NewStacks()
	s.functions.patience = time.Minute // the test, not the machine
	s.Locate(e)
	const name = " (github.com/tracee-go/tracee/process.TestStacksAreNamedByFunctions+0x"
	if len(e.StackSymbols) != 3 || !strings.HasSuffix(e.StackSymbols[0], name+"4)") || !strings.HasSuffix(e.StackSymbols[1], name+"8)") {
		t.Fatalf("got %q", e.StackSymbols)
	}
	// Where a call would return to that is the last instruction of its function.
	if strings.Contains(e.StackSymbols[2], "ownEvent") {
		t.Errorf("got %q", e.StackSymbols[2])
	}
	if s.functions.files.Len() != 1 {
		t.Errorf("%d files were read", s.functions.files.Len())
	}
}

func TestSlowFilesDelayTheStreamOnce(t *testing.T) {
	f := newFileFunctions()
	f.patience = time.Millisecond
	stuck := &search{done: make(chan struct{})}
	file := mappedFile{dev: 1, inode: 2, path: "/x"}
	f.reading[file] = stuck
	if f.begin(file, os.Getpid()) != stuck || f.wait(stuck, file.dev) || !f.slow.Has(file.dev) {
		t.Error("a second search has begun, or the first one is done")
	}
	f.patience = time.Hour
	if f.wait(stuck, file.dev) {
		t.Error("the first one is done")
	}
	close(stuck.done)
	if !f.wait(stuck, file.dev) {
		t.Error("what is there is not taken")
	}
	for i := range namesAtOnce - 1 {
		f.reading[mappedFile{inode: uint64(i)}] = stuck
	}
	if f.begin(mappedFile{inode: 99}, os.Getpid()) != nil {
		t.Error("there is no end of searches")
	}
}

func TestFunctionsOfFilesAreBounded(t *testing.T) {
	f := newFileFunctions()
	one := &library.Functions{}
	f.maxBytes = 3 * one.Bytes()
	for i := range 10 {
		f.add(library.Key{Inode: uint64(i)}, one)
		f.add(library.Key{Inode: uint64(i)}, one) // by two processes at once
	}
	if f.files.Len() != 3 || f.bytes != 3*one.Bytes() || f.lookup(library.Key{Inode: 9}) == nil || f.lookup(library.Key{}) != nil {
		t.Errorf("%d files, %d bytes", f.files.Len(), f.bytes)
	}
}

func TestTheVDSOIsNamed(t *testing.T) {
	functions, size := ownVDSO()
	if functions == nil {
		t.Skip("this kernel maps none")
	}
	if functions.Len() == 0 {
		t.Error("it has no functions")
	}
	r := &region{name: vdsoName, start: narrowEnd, end: narrowEnd + size}
	if vdsoFunctions(r) != functions {
		t.Error("it is not the one of this process")
	}
	for name, r := range map[string]*region{
		"another name": {name: "[vvar]", start: narrowEnd, end: narrowEnd + size}, "another size": {name: vdsoName, start: narrowEnd, end: narrowEnd + size + 1},
		"of 32 bits": {name: vdsoName, start: narrowEnd - size, end: narrowEnd},
	} {
		if vdsoFunctions(r) != nil {
			t.Errorf("%s: it is taken for the one of this process", name)
		}
	}
}
