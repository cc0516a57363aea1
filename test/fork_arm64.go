package test

// syscallFork makes a syscall of the native ABI that makes a process, which ends at once.
//
//go:noescape
func syscallFork(nr uintptr, args *[6]uintptr) uintptr
