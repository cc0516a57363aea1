package events

import (
	"cmp"
	"runtime"

	"golang.org/x/sys/unix"
)

// kernelLargeFile is the kernel's O_LARGEFILE; the constant of x/sys is that of libc, which is 0 on 64-bit machines.
// Arm differs from the rest.
var kernelLargeFile = cmp.Or(map[string]uint64{"arm64": 0x20000}[runtime.GOARCH], 0x8000)

// kernelOpenFlags are bits that the kernel keeps in f_flags for itself: __FMODE_EXEC, and __FMODE_NONOTIFY (≤ 6.13).
// No open flags have these bits, so they are not shown.
const kernelOpenFlags = 0x20 | 0x4000000

// openFlagsText names the access mode first. Unlike v0.8.1 it does so when no flag is set: 0 is O_RDONLY.
func openFlagsText(value uint64) string {
	value = uint64(uint32(value)) &^ kernelOpenFlags
	switch {
	case value&unix.O_WRONLY != 0:
		return flagsText("O_WRONLY", value&^unix.O_WRONLY, openFlags)
	case value&unix.O_RDWR != 0:
		return flagsText("O_RDWR", value&^unix.O_RDWR, openFlags)
	default:
		return flagsText("O_RDONLY", value, openFlags)
	}
}

func fileTypeText(value uint64) string { return nameText(value&unix.S_IFMT, fileTypes) }

// inodeModeText shows the file type, if there is one, and the permissions.
func inodeModeText(value uint64) string {
	name, ok := fileTypes[int64(value&unix.S_IFMT)]
	if ok {
		value &^= unix.S_IFMT
	}
	return flagsText(name, value, permissions)
}
