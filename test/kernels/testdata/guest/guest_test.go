// Package guest checks the harness itself: that a kernel of its table is what the other tests rely on, and that a
// guest computes right.
//
//	go run ./test/kernels -packages ./test/kernels/testdata/guest
package guest

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestGuest(t *testing.T) {
	checks := []struct {
		name  string
		check func(dir string) error
	}{
		{"btf", func(string) error { _, err := os.Stat("/sys/kernel/btf/vmlinux"); return err }},
		{"bpf_lsm", func(string) error { return contains("/sys/kernel/security/lsm", "bpf") }},
		{"tracefs", func(string) error { return contains("/sys/kernel/tracing/available_events", "sched_process_exec") }},
		{"bpffs", func(string) error { return isMountOf("/sys/fs/bpf", unix.BPF_FS_MAGIC) }},
		{"cgroup2", func(string) error { return isMountOf("/sys/fs/cgroup", unix.CGROUP2_SUPER_MAGIC) }},
		{"loopback", func(string) error { return dial() }},
		{"testdata", func(string) error { return contains("testdata/hello.txt", "package directory") }},
		{"commands", func(string) error { return exec.Command("/bin/sh", "-c", "/bin/true && cat /dev/null").Run() }},
		{"ia32", runIA32},
		{"module", loadModule},
		{"arithmetic", func(string) error { return work() }},
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			verdict, detail := "pass", ""
			if c.name == "ia32" && runtime.GOARCH != "amd64" {
				t.Skip("there is no IA32 on " + runtime.GOARCH)
			}
			if err := c.check(t.TempDir()); err != nil {
				verdict, detail = "fail", err.Error()
				t.Error(err)
			}
			fmt.Printf("RESULT event=%s rung=guest result=%s detail=%s\n", c.name, verdict, detail)
		})
	}
}

func contains(path, want string) error {
	text, err := os.ReadFile(path)
	if err == nil && !strings.Contains(string(text), want) {
		return fmt.Errorf("no %q in %s: %.80q", want, path, text)
	}
	return err
}

func isMountOf(path string, magic int64) error {
	var stat unix.Statfs_t
	err := unix.Statfs(path, &stat)
	if err == nil && int64(stat.Type) != magic {
		return fmt.Errorf("%s has magic %#x, want %#x", path, stat.Type, magic)
	}
	return err
}

func dial() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	return conn.Close()
}

// runIA32 executes a 32-bit program: mov $1, %eax; mov $42, %ebx; int $0x80 is exit(42).
func runIA32(dir string) error {
	const base, start = 0x08048000, 52 + 32
	code := []byte{0xb8, 1, 0, 0, 0, 0xbb, 42, 0, 0, 0, 0xcd, 0x80}
	size := uint32(start + len(code))
	var file bytes.Buffer
	err := errors.Join(
		binary.Write(&file, binary.LittleEndian, elf.Header32{
			Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS32), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_386), Version: uint32(elf.EV_CURRENT),
			Entry: base + start, Phoff: 52, Ehsize: 52, Phentsize: 32, Phnum: 1,
		}),
		binary.Write(&file, binary.LittleEndian, elf.Prog32{
			Type: uint32(elf.PT_LOAD), Vaddr: base, Paddr: base, Filesz: size, Memsz: size,
			Flags: uint32(elf.PF_R | elf.PF_X), Align: 0x1000,
		}),
		binary.Write(&file, binary.LittleEndian, code),
	)
	path := filepath.Join(dir, "ia32")
	if err = errors.Join(err, os.WriteFile(path, file.Bytes(), 0o755)); err != nil {
		return err
	}
	var exit *exec.ExitError
	if err := exec.Command(path).Run(); !errors.As(err, &exit) || exit.ExitCode() != 42 {
		return fmt.Errorf("32-bit program: got %w, want exit status 42", err)
	}
	return nil
}

func loadModule(string) error {
	module, err := os.Open("/lib/modules/dummy.ko")
	if err != nil {
		return err
	}
	defer module.Close()
	if err := unix.FinitModule(int(module.Fd()), "numdummies=0", 0); err != nil {
		return err
	}
	return unix.DeleteModule("dummy", 0)
}

// work keeps both CPUs, the allocator and the garbage collector busy, and knows what must come out.
func work() error {
	const want = "1c637029725dff80"
	var group sync.WaitGroup
	var sums [8]string
	for i := range sums {
		group.Go(func() {
			block := make([]byte, 64)
			for range 5000 {
				sum := sha256.Sum256(block)
				block = append(make([]byte, 0, 64), sum[:]...)
			}
			sums[i] = fmt.Sprintf("%x", block[:8])
		})
	}
	group.Wait()
	for i, got := range sums {
		if got != want {
			return fmt.Errorf("hash %d: got %s, want %s", i, got, want)
		}
	}
	return nil
}
