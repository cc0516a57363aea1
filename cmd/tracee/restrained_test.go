package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// restraints are bad environments that a process of root's can put itself in.
var restraints = map[string]func() error{
	"nobody":           becomeNobody,
	"no-cap-bpf":       func() error { return cap.DropBound(cap.SYS_ADMIN, cap.BPF) },
	"no-cap-perfmon":   func() error { return cap.DropBound(cap.SYS_ADMIN, cap.PERFMON) },
	"two-capabilities": keepTwoCapabilities,
	"no-btf":           hideBTF,
	"no-bpf":           func() error { return refuse(unix.ENOSYS, anyBPF...) },
	"no-maps":          func() error { return refuse(unix.EPERM, bpfCommand(unix.BPF_MAP_CREATE)...) },
	"no-programs":      func() error { return refuse(unix.EPERM, bpfCommand(unix.BPF_PROG_LOAD)...) },
	"no-capset":        func() error { return refuse(unix.EPERM, call(unix.SYS_CAPSET)...) },
	"no-valid-program": func() error { return refuse(unix.EINVAL, bpfCommand(unix.BPF_PROG_LOAD)...) },
}

// restrained is a command for scripts: "restrained <restraint> <command> <arguments>" runs one of the commands of
// TestMain under a restraint.
func restrained() {
	restrain := restraints[os.Args[1]]
	runtime.LockOSThread() // some restraints are of a thread, and go with it to what it executes
	err := restrain()
	if err == nil {
		// The link works for those too who may not enter the directory of the binary.
		err = unix.Exec("/proc/self/exe", os.Args[2:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "restrained:", err)
	os.Exit(3)
}

func becomeNobody() error {
	const nobody = 65534
	return errors.Join(
		syscall.Setgroups(nil),
		syscall.Setresgid(nobody, nobody, nobody),
		syscall.Setresuid(nobody, nobody, nobody),
	)
}

// hideBTF makes the kernel look like one that was built without type information.
func hideBTF() error {
	return errors.Join(
		unix.Unshare(unix.CLONE_NEWNS),
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("none", "/sys/kernel/btf", "tmpfs", 0, ""),
	)
}

func keepTwoCapabilities() error {
	for c := range cap.MaxBits() {
		if c == cap.BPF || c == cap.PERFMON {
			continue
		}
		if err := cap.DropBound(c); err != nil {
			return err
		}
	}
	return nil
}

// Offsets in struct seccomp_data.
const (
	seccompNumber = 0
	seccompArg0   = 16
)

// call falls through when the call is this one, and else skips one statement.
func call(number uint32) []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: seccompNumber},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jf: 1},
	}
}

var anyBPF = call(unix.SYS_BPF)

// bpfCommand falls through when the call is this command of bpf, and else skips one statement.
func bpfCommand(command uint32) []unix.SockFilter {
	return []unix.SockFilter{
		anyBPF[0],
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_BPF, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: seccompArg0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: command, Jf: 1},
	}
}

// refuse makes the kernel answer calls with an error, as it does in containers with a strict seccomp profile.
func refuse(answer unix.Errno, calls ...unix.SockFilter) error {
	filter := append(calls,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(answer)},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	)
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}
