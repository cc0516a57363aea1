package library

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/library/librarytest"
)

// write makes a file, and the mapping that this process would have of it.
func write(t *testing.T, path string, content []byte) Mapping {
	t.Helper()
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return mappingOf(t, path)
}

func mappingOf(t *testing.T, path string) Mapping {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return Mapping{Path: path, Task: os.Getpid(), Key: Key{
		Dev: KernelDevice(uint64(st.Dev)), Inode: st.Ino, Ctime: uint64(st.Ctim.Nano()),
	}}
}

// mapFile maps a file as long as the test runs.
func mapFile(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	memory, err := unix.Mmap(int(file.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(memory) })
}

func directory(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func objectWith(names ...string) []byte {
	return librarytest.Object(librarytest.Shape{}, librarytest.Globals(names...))
}

// gone is a task that can not be.
const gone = 1 << 30

func TestALibraryIsFoundByItsPath(t *testing.T) {
	m := write(t, directory(t)+"/x.so", objectWith("f"))
	l, err := NewStore().Lookup(m)
	if err != nil || !slices.Equal(namesOf(l), []string{"f"}) {
		t.Errorf("got %v, %v", namesOf(l), err)
	}
	m.Task = gone // its process may be, but the path is ours too
	if l, err = NewStore().Lookup(m); err != nil || l.Len() != 1 {
		t.Errorf("of a process that is gone: got %v, %v", namesOf(l), err)
	}
}

func TestALibraryIsFoundThroughAnotherTaskOfItsNamespace(t *testing.T) {
	dir := directory(t)
	m := write(t, dir+"/x.so", objectWith("f"))
	other := write(t, dir+"/y.so", objectWith("g"))
	s := NewStore()
	if _, err := s.Lookup(other); err != nil {
		t.Fatal(err)
	}
	if known := s.tasks[m.MountNamespace]; !slices.Equal(known, []int{os.Getpid()}) {
		t.Errorf("tasks of the namespace: %v", known)
	}
	m.Task = gone
	file, exact, err := m.Open(s.tasks[m.MountNamespace])
	if err != nil || !exact {
		t.Fatalf("exact %v, %v", exact, err)
	}
	file.Close()
}

func TestALibraryWithoutANameIsFoundByItsMapping(t *testing.T) {
	path := directory(t) + "/x.so"
	m := write(t, path, objectWith("f"))
	mapFile(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s := NewStore()
	l, err := s.Lookup(m)
	if errors.Is(err, unix.EPERM) {
		t.Skip("map_files needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE: ", err)
	}
	if err != nil || l.Len() != 1 {
		t.Fatalf("got %v, %v", namesOf(l), err)
	}
	if len(s.entries) != 0 {
		t.Error("what changed since it was mapped was remembered under its old time")
	}
}

func TestAnotherFileIsNotTakenForTheLibrary(t *testing.T) {
	dir := directory(t)
	path := dir + "/x.so"
	m := write(t, path, objectWith("f"))
	harmless := write(t, dir+"/y.so", objectWith("g"))
	for _, test := range []struct {
		name   string
		change func(*Mapping)
	}{
		{"another inode", func(m *Mapping) { m.Inode = harmless.Inode }},
		{"another device", func(m *Mapping) { m.Dev++ }},
		{"changed since", func(m *Mapping) { m.Ctime-- }},
		{"no path", func(m *Mapping) { m.Path = "memfd:x" }},
	} {
		changed := m
		test.change(&changed)
		if l, err := NewStore().Lookup(changed); err == nil {
			t.Errorf("%s: got %v", test.name, namesOf(l))
		}
	}
	if err := os.Rename(path, dir+"/z.so"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("z.so", path); err != nil {
		t.Fatal(err)
	}
	if l, err := NewStore().Lookup(m); err == nil {
		t.Errorf("a link: got %v", namesOf(l))
	}
}

// TestSpecialFilesAreNotOpened would wait for ever for somebody to write, if it opened the pipe.
func TestSpecialFilesAreNotOpened(t *testing.T) {
	path := directory(t) + "/pipe"
	if err := unix.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := NewStore().Lookup(mappingOf(t, path))
	if err == nil || errors.Is(err, errPatience) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoLibraryIsRemembered(t *testing.T) {
	dir := directory(t)
	s := NewStore()
	script := write(t, dir+"/script", []byte("#!/bin/sh"))
	broken := objectWith("f")
	dynamic(broken, 10, 1<<60)
	malformed := write(t, dir+"/malformed", broken)
	for range 2 {
		if l, err := s.Lookup(script); l != nil || err != nil {
			t.Errorf("script: got %v, %v", l, err)
		}
		if _, err := s.Lookup(malformed); err == nil {
			t.Error("malformed: got no error")
		}
	}
	if len(s.entries) != 2 {
		t.Errorf("%d entries, want 2", len(s.entries))
	}
}

func TestAStoreIsBounded(t *testing.T) {
	dir := directory(t)
	one := objectWith(strings.Repeat("n", 1000))
	for _, test := range []struct {
		name  string
		limit func(*Store)
	}{
		{"entries", func(s *Store) { s.maxLibraries = 3 }},
		{"bytes", func(s *Store) { s.maxBytes = 3500 }},
	} {
		s := NewStore()
		test.limit(s)
		var mappings []Mapping
		for i := range 5 {
			m := write(t, filepath.Join(dir, test.name+string(rune('a'+i))), one)
			mappings = append(mappings, m)
			if _, err := s.Lookup(m); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Lookup(mappings[0]); err != nil { // used, so it stays
				t.Fatal(err)
			}
		}
		var kept []int
		for i, m := range mappings {
			if s.entries[m.Key] != nil {
				kept = append(kept, i)
			}
		}
		if want := []int{0, 3, 4}; !slices.Equal(kept, want) {
			t.Errorf("%s: kept %v, want %v", test.name, kept, want)
		}
		if len(s.entries) != s.recent.Len() || s.bytes > 3500 {
			t.Errorf("%s: %d entries, %d in order, %d bytes", test.name, len(s.entries), s.recent.Len(), s.bytes)
		}
	}
}

func TestNobodyWaitsForLong(t *testing.T) {
	m := write(t, directory(t)+"/x.so", objectWith("f"))
	s := NewStore()
	s.patience = time.Nanosecond
	late := 0
	for range 100 {
		if _, err := s.Lookup(m); errors.Is(err, errPatience) {
			late++
		}
		clear(s.entries)
	}
	if late == 0 {
		t.Error("no reader was too late, with no time to read")
	}
	for range maxWaiting {
		s.waiting <- struct{}{}
	}
	if _, err := s.Lookup(m); !errors.Is(err, errWaiting) {
		t.Errorf("with all readers stuck: got %v, want %v", err, errWaiting)
	}
}

func TestTheDeviceOfAFileSystemIsFound(t *testing.T) {
	path := directory(t) + "/x"
	m := write(t, path, nil)
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	got, err := superblock(int(file.Fd()), "/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	if got != m.Dev {
		t.Skipf("this file system makes up devices: %#x for stat, %#x for the kernel", m.Dev, got)
	}
}
