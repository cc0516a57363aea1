package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A loop is one operation, done over and over by the worker. It makes its system calls without the Go scheduler.
type loop struct {
	name     string
	children bool // the operation starts processes, whose time counts too
	begin    func() (operation func() error, end func(), err error)
}

var loops = []loop{
	{name: "getpid", begin: beginGetpid},
	{name: "open+close", begin: beginOpenClose},
	{name: "read+write", begin: beginReadWrite},
	{name: "vfork+exec+wait", children: true, begin: beginExec},
	{name: "fork+wait", children: true, begin: beginFork},
	{name: "socket+connect+close", begin: beginConnect},
}

func lookupLoop(name string) (loop, bool) {
	for _, l := range loops {
		if l.name == name {
			return l, true
		}
	}
	return loop{}, false
}

func nothing() {}

func beginGetpid() (func() error, func(), error) {
	return func() error {
		syscall.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
		return nil
	}, nothing, nil
}

func beginOpenClose() (func() error, func(), error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("tracee-bench-%d", os.Getpid()))
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return nil, nil, err
	}
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return nil, nil, err
	}
	return func() error {
		at := unix.AT_FDCWD
		fd, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(at), uintptr(unsafe.Pointer(name)), unix.O_RDONLY, 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return closeRaw(fd)
	}, func() { os.Remove(path) }, nil
}

func closeRaw(fd uintptr) error {
	if _, _, errno := syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func beginReadWrite() (func() error, func(), error) {
	from, err := os.Open("/dev/zero")
	if err != nil {
		return nil, nil, err
	}
	to, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	buffer := new(byte)
	fdFrom, fdTo := from.Fd(), to.Fd()
	return func() error {
		for _, call := range [2][2]uintptr{{unix.SYS_READ, fdFrom}, {unix.SYS_WRITE, fdTo}} {
			if _, _, errno := syscall.RawSyscall(call[0], call[1], uintptr(unsafe.Pointer(buffer)), 1); errno != 0 {
				return errno
			}
		}
		return nil
	}, func() { from.Close(); to.Close() }, nil
}

func beginExec() (func() error, func(), error) {
	return func() error {
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{})
		if err != nil {
			return err
		}
		return wait(pid)
	}, nothing, nil
}

func wait(pid int) error {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && status.ExitStatus() != 0 {
			return fmt.Errorf("the child ended with %d", status.ExitStatus())
		}
		return err
	}
}

func beginFork() (func() error, func(), error) {
	return func() error {
		pid, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		if errno != 0 {
			return errno
		}
		if pid == 0 {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		return wait(int(pid))
	}, nothing, nil
}

func beginConnect() (func() error, func(), error) {
	address := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{127, 0, 0, 1}}
	port := (*[2]byte)(unsafe.Pointer(&address.Port))
	port[1] = 53
	return func() error {
		fd, _, errno := syscall.RawSyscall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_DGRAM, 0)
		if errno != 0 {
			return errno
		}
		_, _, errno = syscall.RawSyscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&address)), unsafe.Sizeof(address))
		if errno != 0 {
			return errno
		}
		return closeRaw(fd)
	}, nothing, nil
}
