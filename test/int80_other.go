//go:build !amd64

package test

import "golang.org/x/sys/unix"

func int80(uintptr, *[6]uintptr) uintptr { return missing() }

func int80Fork(uintptr, *[6]uintptr) uintptr { return missing() }

// missing is what the kernel returns for a call that it does not have.
func missing() uintptr {
	enosys := int(unix.ENOSYS)
	return uintptr(-enosys)
}
