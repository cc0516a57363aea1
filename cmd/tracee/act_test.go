package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// actions are what a process can do in front of tracee, which never watches itself. Their arguments are strings.
var actions = map[string]func(args []string) error{
	"stir":        func([]string) error { return openFiles() },
	"read":        func(args []string) error { _, err := os.ReadFile(args[0]); return err },
	"ptrace":      func([]string) error { return askToBeTraced() },
	"connect":     func(args []string) error { _, err := connect(args[0]); return err },
	"connect-dup": func(args []string) error { return connectStdin(args[0]) },
	"write-code": func([]string) error {
		return protect(unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.PROT_READ|unix.PROT_EXEC)
	},
	"map-code":             func([]string) error { return protect(unix.PROT_READ|unix.PROT_WRITE, unix.PROT_READ|unix.PROT_EXEC) },
	"write-ld.so.preload":  func([]string) error { return withPrivateEtc(writePreload) },
	"rename-ld.so.preload": func([]string) error { return withPrivateEtc(renamePreload) },
	"read-ld.so.preload":   func([]string) error { return withPrivateEtc(readPreload) },
}

// act is a command: "act <action> <arguments>".
func act() {
	if err := actions[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "act:", err)
		os.Exit(1)
	}
}

// perform runs an action in a process of its own, and returns the id of the process.
func perform(t *testing.T, args ...string) (pid int) {
	t.Helper()
	command := exec.Command("act", args...)
	command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return execute(t, command)
}

func execute(t *testing.T, command *exec.Cmd) (pid int) {
	t.Helper()
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", command, err, output)
	}
	return command.Process.Pid
}

// stir sees to it that there are events until the test ends.
func stir(t *testing.T) {
	t.Helper()
	command := exec.Command("act", "stir")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
}

func openFiles() error {
	for ; ; time.Sleep(time.Millisecond) {
		file, err := os.Open("/dev/null")
		if err != nil {
			return err
		}
		file.Close()
	}
}

// askToBeTraced is a trick against debuggers. Signals are kept from the thread: one would stop it for ever, and the
// runtime of Go sends some, to preempt.
func askToBeTraced() error {
	runtime.LockOSThread()
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &all, nil); err != nil {
		return err
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0); errno != 0 {
		return fmt.Errorf("ptrace: %w", errno)
	}
	return nil
}

func connect(address string) (fd int, err error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return 0, err
	}
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); err != nil {
		return 0, err
	}
	return fd, unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
}

func connectStdin(address string) error {
	fd, err := connect(address)
	if err != nil {
		return err
	}
	return unix.Dup3(fd, 0, 0)
}

// protect maps memory one way and then changes it to another.
func protect(first, then int) error {
	memory, err := unix.Mmap(-1, 0, os.Getpagesize(), first, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	memory[0] = 0xc3
	return unix.Mprotect(memory, then)
}

const preloadPath = "/etc/ld.so.preload"

// withPrivateEtc acts on an /etc of its own: the machine's would be ruined.
func withPrivateEtc(action func() error) error {
	mine, errMine := os.Readlink("/proc/self/ns/mnt")
	parents, errParents := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", os.Getppid()))
	if mine == parents {
		return errors.Join(errors.New("not in a mount namespace of its own"), errMine, errParents)
	}
	if err := unix.Mount("private", "/etc", "tmpfs", 0, ""); err != nil {
		return err
	}
	return action()
}

func writePreload() error { return os.WriteFile(preloadPath, nil, 0o644) }

func renamePreload() error {
	const other = "/etc/other"
	return errors.Join(os.WriteFile(other, nil, 0o644), os.Rename(other, preloadPath))
}

// readPreload makes the file without opening it for writing.
func readPreload() error {
	if err := syscall.Mknod(preloadPath, syscall.S_IFREG|0o644, 0); err != nil {
		return err
	}
	_, err := os.ReadFile(preloadPath)
	return err
}

// copyOfTrue puts /bin/true somewhere else.
func copyOfTrue(t *testing.T, path string) {
	t.Helper()
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(path, "/proc/") {
		t.Cleanup(func() { os.Remove(path) })
	}
}

// memfdOfTrue puts /bin/true into memory. The file is not writable, since nothing that is can be executed.
func memfdOfTrue(t *testing.T) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("harmless", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	copyOfTrue(t, path)
	readable, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { readable.Close() })
	return readable
}
