package test

import "golang.org/x/sys/unix"

// Calls that newer architectures do not have.
const (
	oldCalls = true
	sysOpen  = unix.SYS_OPEN
	sysCreat = unix.SYS_CREAT
	sysDup2  = unix.SYS_DUP2

	sysUtime     = unix.SYS_UTIME
	sysUtimes    = unix.SYS_UTIMES
	sysFutimesat = unix.SYS_FUTIMESAT
)

const map32Bit = unix.MAP_32BIT // below 4 GiB

const largeFile = 0o100000 // O_LARGEFILE: open sets it for every 64-bit process
