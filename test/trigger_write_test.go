package test

import (
	"strings"

	"golang.org/x/sys/unix"
)

// wantWrite asks for the event of a write that put bytes at the beginning of a file.
func (a *actor) wantWrite(fd int, path string, bytes string, written int) {
	if written < 0 {
		a.fail(unix.Errno(-written))
	}
	var st unix.Stat_t
	a.check(unix.Fstat(fd, &st))
	a.want("magic_write", arguments{
		"pathname": path, "bytes": []byte(bytes), "dev": kernelDev(st.Dev), "inode": st.Ino,
	}).Return = written
}

// create opens a new file.
func (a *actor) create(name string, flags uintptr) (fd uintptr, path string) {
	path = a.path(name)
	return uintptr(a.must(unix.SYS_OPENAT, atCwd, cString(path), unix.O_CREAT|unix.O_RDWR|flags, 0o644)), path
}

// vector is an array of buffers for writev.
func vector(texts ...string) (address, count uintptr) {
	var list []unix.Iovec
	for _, text := range texts {
		v := unix.Iovec{}
		if text != "" {
			b := []byte(text)
			keep(&b)
			v.Base = &b[0]
			v.SetLen(len(b))
		}
		list = append(list, v)
	}
	keep(&list)
	return keep(&list[0]), uintptr(len(list))
}

func writeByEachCall(a *actor) {
	fd, path := a.create("write", 0)
	a.wantWrite(int(fd), path, "\x7fELF\x02", raw(unix.SYS_WRITE, fd, cString("\x7fELF\x02"), 5))
	raw(unix.SYS_WRITE, fd, cString("more"), 4)
	a.wantWrite(int(fd), path, "head", raw(unix.SYS_PWRITE64, fd, cString("head"), 4, 0))
	raw(unix.SYS_PWRITE64, fd, cString("later"), 5, 2)
	a.must(unix.SYS_LSEEK, fd, 0, 0)
	address, count := vector("first", "second")
	a.wantWrite(int(fd), path, "first", raw(unix.SYS_WRITEV, fd, address, count))
	a.wantWrite(int(fd), path, "first", raw(unix.SYS_PWRITEV, fd, address, count, 0, 0))
	raw(unix.SYS_PWRITEV, fd, address, count, 3, 0)
	a.must(unix.SYS_LSEEK, fd, 0, 0)
	a.wantWrite(int(fd), path, "first", raw(unix.SYS_PWRITEV2, fd, address, count, ^uintptr(0), ^uintptr(0), 0))
	raw(unix.SYS_PWRITEV2, fd, address, count, ^uintptr(0), ^uintptr(0), 0)

	fd, path = a.create("append", unix.O_APPEND)
	a.wantWrite(int(fd), path, "a", raw(unix.SYS_WRITE, fd, cString("a"), 1))
	raw(unix.SYS_WRITE, fd, cString("b"), 1)
}

func writeSizes(a *actor) {
	long := strings.Repeat("0123456789", 1000)
	fd, path := a.create("long", 0)
	a.wantWrite(int(fd), path, long[:32], raw(unix.SYS_WRITE, fd, cString(long), uintptr(len(long))))
	fd, path = a.create("one byte", 0)
	a.wantWrite(int(fd), path, "\x00", raw(unix.SYS_WRITE, fd, cString(""), 1))
}

func writeElsewhere(a *actor) {
	pipe := new([2]int32)
	a.must(unix.SYS_PIPE2, keep(pipe), 0)
	raw(unix.SYS_WRITE, uintptr(pipe[1]), cString("x"), 1)
	null := a.must(unix.SYS_OPENAT, atCwd, cString("/dev/null"), unix.O_WRONLY, 0)
	raw(unix.SYS_WRITE, uintptr(null), cString("x"), 1)
	fd, _ := a.create("file", 0)
	raw(unix.SYS_WRITE, fd, cString("x"), 0)
	raw(unix.SYS_WRITE, fd, 8, 5) // an address that is not there
	raw(unix.SYS_WRITE, 0x7000001, cString("x"), 1)
}
