package confine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// confinedChild is set for the copy of this test that confines itself.
const confinedChild = "TRACEE_TEST_CONFINED"

func TestMain(m *testing.M) {
	if os.Getenv(confinedChild) == "" {
		os.Exit(m.Run())
	}
	if err := live(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// live confines this process and does what a sensor does, and what it does not.
func live() error {
	dir := os.Getenv(confinedChild)
	started := make(chan bool)
	go func() { <-started }() // a thread from before
	if err := Calls(); err != nil {
		return err
	}
	close(started)
	for _, err := range forbidden() {
		if !errors.Is(err.error, syscall.EPERM) {
			return fmt.Errorf("%s: got %v, want %w", err.what, err.error, syscall.EPERM)
		}
	}
	threads, err := filepath.Glob("/proc/self/task/*/status")
	for _, status := range threads {
		text, err := os.ReadFile(status)
		if err != nil {
			return err
		}
		for _, want := range []string{"NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
			if !strings.Contains(string(text), want) {
				return fmt.Errorf("%s lacks %q", status, want)
			}
		}
	}
	useThreads()
	return errors.Join(err, useFiles(dir), useNetwork())
}

// useThreads needs more threads than there are, which the C library makes if the program has one.
func useThreads() {
	var all sync.WaitGroup
	begin := make(chan bool)
	for range 20 {
		all.Go(func() {
			runtime.LockOSThread()
			<-begin
		})
	}
	close(begin)
	all.Wait()
}

type attempt struct {
	what string
	error
}

func forbidden() []attempt {
	_, forked := syscall.ForkExec("/bin/true", nil, nil)
	_, _, traced := syscall.RawSyscall(syscall.SYS_PTRACE, syscall.PTRACE_ATTACH, uintptr(os.Getppid()), 0)
	return []attempt{
		{"execute", syscall.Exec("/bin/true", []string{"true"}, nil)},
		{"make a process", forked},
		{"attach to a process", traced},
		{"kill a process", unix.Kill(os.Getppid(), 0)},
		{"mount", unix.Mount("none", "/nowhere", "tmpfs", 0, "")},
		{"leave a namespace", unix.Unshare(unix.CLONE_NEWNS)},
		{"become somebody", syscall.Setuid(65534)},
	}
}

func useFiles(dir string) error {
	name := filepath.Join(dir, "file")
	if err := os.WriteFile(name, []byte("text"), 0o600); err != nil {
		return err
	}
	if _, err := os.ReadFile(name); err != nil {
		return err
	}
	if _, err := os.ReadDir(dir); err != nil {
		return err
	}
	return errors.Join(os.Rename(name, name+"2"), os.Remove(name+"2"), os.MkdirAll(filepath.Join(dir, "a/b"), 0o700))
}

func useNetwork() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	_, err = net.LookupHost("localhost")
	return errors.Join(err, connection.Close())
}

func TestConfinedProcessWorksAndCanDoNothingElse(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("what is forbidden is forbidden to others than root anyway")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self)
	command.Env = append(os.Environ(), confinedChild+"="+t.TempDir())
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}

func TestEveryAllowedCallExistsOnOneArchitecture(t *testing.T) {
	for _, group := range allowed {
		if !slices.IsSorted(group.calls) {
			t.Errorf("%s: not sorted", group.doc)
		}
		for _, name := range group.calls {
			_, amd64 := arch.X86_64.SyscallNames[name]
			_, arm64 := arch.AARCH64.SyscallNames[name]
			if !amd64 && !arm64 {
				t.Errorf("%s is no call", name)
			}
		}
	}
	for _, c := range conditional() {
		if _, ok := arch.AARCH64.SyscallNames[c.Name]; !ok {
			t.Errorf("%s is no call of arm64", c.Name)
		}
	}
}
