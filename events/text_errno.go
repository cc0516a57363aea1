package events

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// maxErrno is the kernel's MAX_ERRNO: return values below are addresses or numbers.
const maxErrno = 4095

// internalErrors are those that the kernel keeps to itself: it makes the call again, or turns them into others.
var internalErrors = map[int]string{
	512: "ERESTARTSYS", 513: "ERESTARTNOINTR", 514: "ERESTARTNOHAND", 515: "ENOIOCTLCMD", 516: "ERESTART_RESTARTBLOCK",
	524: "ENOTSUPP",
}

// ErrnoName names the error that a return value stands for, "" if that is none.
func ErrnoName(value int) string {
	if value >= 0 || value < -maxErrno {
		return ""
	}
	if name, ok := internalErrors[-value]; ok {
		return name
	}
	return unix.ErrnoName(syscall.Errno(-value))
}
