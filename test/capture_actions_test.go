package test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const goneText = "this file is gone before anybody could look at it"

// codeBytes are bytes that are not all the same.
func codeBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> (i & 7))
	}
	return b
}

// bpfProgram is r0 = 0; exit.
var bpfProgram = []byte{0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}

// writeWays are ways to write a file.
var writeWays = []struct {
	name  string
	write func(a *actor, to *os.File)
}{
	{"write", func(a *actor, to *os.File) {
		for i := range 300 {
			_, err := to.Write(codeBytes(i * 100))
			a.check(err)
		}
	}},
	{"large", func(a *actor, to *os.File) {
		for range 40 {
			_, err := to.Write(codeBytes(1 << 20))
			a.check(err)
		}
	}},
	{"pwrite", func(a *actor, to *os.File) {
		for _, at := range []int64{70000, 0, 5, 200000} {
			_, err := to.WriteAt(codeBytes(12345), at)
			a.check(err)
		}
	}},
	{"writev", func(a *actor, to *os.File) {
		_, err := unix.Writev(int(to.Fd()), [][]byte{codeBytes(10), codeBytes(200000), nil, codeBytes(3)})
		a.check(err)
		_, err = unix.Pwritev(int(to.Fd()), [][]byte{codeBytes(7), codeBytes(9)}, 100)
		a.check(err)
	}},
	{"append", func(a *actor, to *os.File) {
		more, err := os.OpenFile(to.Name(), os.O_APPEND|os.O_WRONLY, 0)
		a.check(err)
		for range 3 {
			_, err := more.Write(codeBytes(5000))
			a.check(err)
			time.Sleep(100 * time.Millisecond)
		}
		a.check(more.Close())
	}},
	{"sendfile", func(a *actor, to *os.File) {
		from := a.source(1 << 20)
		for moved := 0; moved < 1<<20; {
			n, err := unix.Sendfile(int(to.Fd()), int(from.Fd()), nil, 1<<20)
			a.check(err)
			moved += n
		}
	}},
	{"copy_file_range", func(a *actor, to *os.File) {
		_, err := unix.CopyFileRange(int(a.source(1<<20).Fd()), nil, int(to.Fd()), nil, 1<<20, 0)
		a.check(err)
	}},
	{"splice", func(a *actor, to *os.File) {
		read, write, err := os.Pipe()
		a.check(err)
		_, err = unix.Splice(int(a.source(50000).Fd()), nil, int(write.Fd()), nil, 50000, 0)
		a.check(err)
		_, err = unix.Splice(int(read.Fd()), nil, int(to.Fd()), nil, 50000, 0)
		a.check(err)
	}},
	{"mmap", func(a *actor, to *os.File) {
		a.check(to.Truncate(300000))
		memory, err := unix.Mmap(int(to.Fd()), 0, 300000, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		a.check(err)
		a.check(to.Close())
		time.Sleep(400 * time.Millisecond)
		copy(memory, codeBytes(300000))
		a.check(unix.Munmap(memory))
	}},
}

// source makes a file to copy from.
func (a *actor) source(size int) *os.File {
	f, err := os.CreateTemp(a.Dir, "source")
	a.check(err)
	_, err = f.Write(codeBytes(size))
	a.check(err)
	_, err = f.Seek(0, io.SeekStart)
	a.check(err)
	return f
}

func captureActions() map[string]func(*actor) {
	actions := map[string]func(*actor){
		"capture/gone": func(a *actor) {
			path := filepath.Join(a.Dir, "file")
			a.check(os.WriteFile(path, []byte(goneText), 0o600))
			a.check(os.Remove(path))
		},
		"capture/sorts":   captureSorts,
		"capture/exec":    captureExec,
		"capture/code":    captureCode,
		"capture/packets": capturePackets,
	}
	for _, way := range writeWays {
		actions["capture/"+way.name] = func(a *actor) {
			to, err := os.OpenFile(filepath.Join(a.Dir, "file"), os.O_CREATE|os.O_RDWR, 0o600)
			a.check(err)
			way.write(a, to)
			to.Close() // it may be closed already
		}
	}
	return actions
}

// captureSorts writes and reads files of different types.
func captureSorts(a *actor) {
	a.check(os.WriteFile(filepath.Join(a.Dir, "text"), []byte("to a file"), 0o600))
	a.check(os.WriteFile(filepath.Join(a.Dir, "program"), []byte("\x7fELF"), 0o600))
	_, err := os.ReadFile(filepath.Join(a.Dir, "text"))
	a.check(err)
	read, write, err := os.Pipe()
	a.check(err)
	_, err = write.Write([]byte("to a pipe"))
	a.check(err)
	_, err = read.Read(make([]byte, 100))
	a.check(err)
	f, err := os.Create("/dev/shm/" + filepath.Base(a.Dir))
	a.check(err)
	a.check(os.Remove(f.Name()))
	a.check(unix.Dup3(int(f.Fd()), 1, 0))
	_, err = unix.Write(1, []byte("to stdout"))
	a.check(err)
}

// captureExec executes this program as a file, three times; as one that is deleted before; and as one in memory.
func captureExec(a *actor) {
	self, err := os.ReadFile("/proc/self/exe")
	a.check(err)
	file := func(name string) string {
		path := filepath.Join(a.Dir, name)
		a.check(os.WriteFile(path, self, 0o700))
		return path
	}
	start := func(path string) {
		command := exec.Command(path)
		command.Env = append(os.Environ(), actionVariable+"="+endAction)
		a.check(command.Run())
	}
	path := file("copy")
	for range 3 {
		start(path)
		time.Sleep(200 * time.Millisecond)
	}
	gone, err := os.Open(file("gone"))
	a.check(err)
	a.check(os.Remove(gone.Name()))
	start(fmt.Sprintf("/proc/self/fd/%d", mustDup(a, gone)))
	memory, err := unix.MemfdCreate("secret", 0)
	a.check(err)
	_, err = unix.Write(memory, self)
	a.check(err)
	start(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), memory))
	time.Sleep(300 * time.Millisecond) // whoever has the descriptor outlives the program
}

// mustDup is a descriptor of the file that programs inherit.
func mustDup(a *actor, f *os.File) int {
	fd, err := unix.Dup(int(f.Fd()))
	a.check(err)
	return fd
}

// captureCode does what brings code into memory: a kernel that takes no modules is asked in vain.
func captureCode(a *actor) {
	memory, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
	a.check(err)
	copy(memory, codeBytes(1<<20))
	a.check(unix.Mprotect(memory, unix.PROT_EXEC))

	_ = unix.InitModule(codeBytes(300000), "")
	path := filepath.Join(a.Dir, "module.ko")
	a.check(os.WriteFile(path, codeBytes(5000), 0o600))
	f, err := os.Open(path)
	a.check(err)
	_ = unix.FinitModule(int(f.Fd()), "", 0)
	time.Sleep(300 * time.Millisecond)
	a.check(f.Close())

	license := []byte("GPL\x00")
	attr := struct {
		kind, count    uint32
		insns, license uint64
		_              [6]uint32
		name           [16]byte
	}{kind: 1, count: 2, insns: addressOf(bpfProgram), license: addressOf(license)}
	copy(attr.name[:], "artifact")
	fd, _, errno := unix.Syscall(unix.SYS_BPF, 5, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		a.check(errno)
	}
	a.check(unix.Close(int(fd)))
}

func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

// capturePackets sends a datagram to itself.
func capturePackets(a *actor) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	a.check(err)
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	a.check(unix.Bind(fd, to))
	bound, err := unix.Getsockname(fd)
	a.check(err)
	a.check(unix.Sendto(fd, bytes.Repeat([]byte("artifact"), 500), 0, bound))
	_, _, err = unix.Recvfrom(fd, make([]byte, 5000), 0)
	a.check(err)
}
