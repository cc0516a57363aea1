package capture

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// sharedMemory is how much of it the test has, in bytes.
func sharedMemory(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "RssShmem:")
	kilobytes, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

// mapped maps memory that is shared.
func mapped(t *testing.T, fd, size, protection int) []byte {
	t.Helper()
	flags := unix.MAP_SHARED
	if fd < 0 {
		flags |= unix.MAP_ANON
	}
	memory, err := unix.Mmap(fd, 0, size, protection, flags)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(memory) })
	return memory
}

// TestSharedMemoryIsKeptWithoutMakingAny has memory that is executable, of which hardly anything was touched, some of it
// through another mapping.
func TestSharedMemoryIsKeptWithoutMakingAny(t *testing.T) {
	const size = 64 << 20
	fd, err := unix.MemfdCreate("code", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, size); err != nil {
		t.Fatal(err)
	}
	word := []byte("code that is executed")
	plain := mapped(t, -1, size, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC)
	written, executed := mapped(t, fd, size, unix.PROT_READ|unix.PROT_WRITE), mapped(t, fd, size, unix.PROT_READ|unix.PROT_EXEC)
	for _, memory := range [][]byte{plain, written} {
		copy(memory[5<<20+100:], word)
		copy(memory[size-50:], word)
	}
	want := make([]byte, size)
	copy(want[5<<20+100:], word)
	copy(want[size-50:], word)

	dir := t.TempDir()
	before := sharedMemory(t)
	c := capturingIn(t, dir, DefaultQuota)
	f := findingOf(os.Getpid(), detect.Process{})
	f.Event.Payload.(*trace.Event).ThreadStartTime = 0 // it began long ago
	c.Evidence(f, detect.EvidenceMemory)
	if _, err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if grown := sharedMemory(t) - before; grown > size/16 {
		t.Errorf("to look at memory made %d bytes of it", grown)
	}
	found := 0
	for name, r := range agree(t, dir) {
		if r.Address != address(plain) && r.Address != address(executed) {
			continue
		}
		found++
		content, err := os.ReadFile(filepath.Join(dir, outDir, name))
		if err != nil || !bytes.Equal(content, want) || !r.Complete || !strings.Contains(r.Reason, "left out") {
			t.Errorf("%d bytes, %v, %+v", len(content), err, r)
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 mappings were kept", found)
	}
}

func address(memory []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&memory[0]))) }
