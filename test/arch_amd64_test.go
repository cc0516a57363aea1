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

// Machine code. socketCall is socket(1, 1, 0): mov eax, 41; mov edi, 1; mov esi, 1; xor edx, edx; syscall. falseStack
// moves the stack to 0x800 behind its own end: mov rbx, rsp; lea rsp, [rip+0x800]; trueStack undoes it: mov rsp, rbx.
const (
	socketCall = "\xb8\x29\x00\x00\x00\xbf\x01\x00\x00\x00\xbe\x01\x00\x00\x00\x31\xd2\x0f\x05"
	falseStack = "\x48\x89\xe3\x48\x8d\x25\x00\x08\x00\x00"
	trueStack  = "\x48\x89\xdc"
	ret        = "\xc3"
)

const map32Bit = unix.MAP_32BIT // below 4 GiB

const largeFile = 0o100000 // O_LARGEFILE: open sets it for every 64-bit process
