package test

// int80 makes a syscall of the 32-bit ABI.
//
//go:noescape
func int80(nr uintptr, args *[6]uintptr) uintptr

// int80Fork is int80 for calls that make a process, which ends at once.
//
//go:noescape
func int80Fork(nr uintptr, args *[6]uintptr) uintptr

// syscallFork makes a syscall of the native ABI that makes a process, which ends at once.
//
//go:noescape
func syscallFork(nr uintptr, args *[6]uintptr) uintptr
