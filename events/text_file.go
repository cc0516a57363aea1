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

var openFlags = []flag{
	{unix.O_CREAT, "O_CREAT"},
	{unix.O_EXCL, "O_EXCL"},
	{unix.O_NOCTTY, "O_NOCTTY"},
	{unix.O_TRUNC, "O_TRUNC"},
	{unix.O_APPEND, "O_APPEND"},
	{unix.O_NONBLOCK, "O_NONBLOCK"},
	{unix.O_SYNC, "O_SYNC"},
	{unix.O_DSYNC, "O_DSYNC"}, // v0.8 knows it as a part of O_SYNC only
	{unix.O_ASYNC, "FASYNC"},
	{kernelLargeFile, "O_LARGEFILE"},
	{unix.O_DIRECTORY, "O_DIRECTORY"},
	{unix.O_NOFOLLOW, "O_NOFOLLOW"},
	{unix.O_CLOEXEC, "O_CLOEXEC"},
	{unix.O_DIRECT, "O_DIRECT"},
	{unix.O_NOATIME, "O_NOATIME"},
	{unix.O_PATH, "O_PATH"},
	{unix.O_TMPFILE &^ unix.O_DIRECTORY, "O_TMPFILE"}, // O_DIRECTORY, which it includes, has been named
}

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

var accessModes = []flag{
	{unix.R_OK, "R_OK"},
	{unix.W_OK, "W_OK"},
	{unix.X_OK, "X_OK"},
}

// accessModeText calls 0 F_OK as v0.6 did; v0.8 has "" for it.
func accessModeText(value uint64) string {
	if value == unix.F_OK {
		return "F_OK"
	}
	return flagsText("", uint64(uint32(value)), accessModes)
}

var execveatFlags = []flag{
	{unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"},
	{unix.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"},
	{unix.AT_EACCESS, "AT_EACCESS|AT_REMOVEDIR"}, // one bit, two names: v0.8 shows both
	{unix.AT_NO_AUTOMOUNT, "AT_NO_AUTOMOUNT"},
	{unix.AT_STATX_FORCE_SYNC, "AT_STATX_FORCE_SYNC"},
	{unix.AT_STATX_DONT_SYNC, "AT_STATX_DONT_SYNC"},
	{unix.AT_RECURSIVE, "AT_RECURSIVE"},
	{0x10000, "AT_EXECVE_CHECK"}, // since Linux 6.14; x/sys lacks it
}

func execveatFlagsText(value uint64) string {
	return flagsText("", uint64(uint32(value)), execveatFlags)
}

var fileTypes = map[uint64]string{
	unix.S_IFSOCK: "S_IFSOCK",
	unix.S_IFLNK:  "S_IFLNK",
	unix.S_IFREG:  "S_IFREG",
	unix.S_IFBLK:  "S_IFBLK",
	unix.S_IFDIR:  "S_IFDIR",
	unix.S_IFCHR:  "S_IFCHR",
	unix.S_IFIFO:  "S_IFIFO",
}

func fileTypeText(value uint64) string { return nameText(value&unix.S_IFMT, fileTypes) }

// The last three are not in v0.8's text; they come last so that what v0.8 shows stays together.
var permissions = []flag{
	{unix.S_IRWXU, "S_IRWXU"},
	{unix.S_IRUSR, "S_IRUSR"},
	{unix.S_IWUSR, "S_IWUSR"},
	{unix.S_IXUSR, "S_IXUSR"},
	{unix.S_IRWXG, "S_IRWXG"},
	{unix.S_IRGRP, "S_IRGRP"},
	{unix.S_IWGRP, "S_IWGRP"},
	{unix.S_IXGRP, "S_IXGRP"},
	{unix.S_IRWXO, "S_IRWXO"},
	{unix.S_IROTH, "S_IROTH"},
	{unix.S_IWOTH, "S_IWOTH"},
	{unix.S_IXOTH, "S_IXOTH"},
	{unix.S_ISUID, "S_ISUID"},
	{unix.S_ISGID, "S_ISGID"},
	{unix.S_ISVTX, "S_ISVTX"},
}

// inodeModeText shows the file type, if there is one, and the permissions.
func inodeModeText(value uint64) string {
	name, ok := fileTypes[value&unix.S_IFMT]
	if ok {
		value &^= unix.S_IFMT
	}
	return flagsText(name, value, permissions)
}
