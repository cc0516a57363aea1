package test

import (
	"strings"

	"golang.org/x/sys/unix"
)

// droppedProgram is what looks like one, and is longer than what events tell of it.
const droppedProgram = "\x7fELF\x02\x01\x01 what the kernel copies is in nobody's memory, and in two files"

// copyWriter writes to files without a buffer of its own.
type copyWriter struct {
	*actor
	source uintptr
	pipe   [2]uintptr
}

func newCopyWriter(a *actor) *copyWriter {
	w := &copyWriter{actor: a}
	source, path := a.create("source", 0)
	a.wantWrite(int(source), path, droppedProgram[:32], raw(unix.SYS_WRITE, source, cString(droppedProgram), uintptr(len(droppedProgram))))
	ends := new([2]int32)
	a.must(unix.SYS_PIPE2, keep(ends), 0)
	w.source, w.pipe = source, [2]uintptr{uintptr(ends[0]), uintptr(ends[1])}
	return w
}

// drop makes a new file by a call that is to write to its beginning.
func (w *copyWriter) drop(name, bytes string, write func(fd uintptr) int) {
	fd, path := w.create(name, 0)
	w.wantWrite(int(fd), path, bytes, write(fd))
}

// offset is the address of one.
func offset(n int64) uintptr { return keep(&n) }

// fill puts a text into the pipe.
func (w *copyWriter) fill(text string) uintptr {
	w.must(unix.SYS_WRITE, w.pipe[1], cString(text), uintptr(len(text)))
	return uintptr(len(text))
}

func dropByEachCall(a *actor) {
	w := newCopyWriter(a)
	all := uintptr(len(droppedProgram))
	w.drop("sendfile", droppedProgram[:32], func(fd uintptr) int {
		return raw(unix.SYS_SENDFILE, fd, w.source, offset(0), all)
	})
	w.drop("sendfile part", droppedProgram[1:6], func(fd uintptr) int {
		return raw(unix.SYS_SENDFILE, fd, w.source, offset(1), 5)
	})
	w.drop("copy", droppedProgram[:32], func(fd uintptr) int {
		return raw(unix.SYS_COPY_FILE_RANGE, w.source, offset(0), fd, offset(0), all, 0)
	})
	w.drop("copy to position", droppedProgram[7:39], func(fd uintptr) int {
		a.must(unix.SYS_LSEEK, w.source, 7, 0)
		r := raw(unix.SYS_COPY_FILE_RANGE, w.source, 0, fd, 0, all, 0)
		raw(unix.SYS_COPY_FILE_RANGE, w.source, 0, fd, 0, all, 0) // the end of the source
		return r
	})
	w.drop("splice", "#!/bin/sh", func(fd uintptr) int {
		return raw(unix.SYS_SPLICE, w.pipe[0], 0, fd, 0, w.fill("#!/bin/sh"), 0)
	})
	w.drop("splice to offset", "#!", func(fd uintptr) int {
		return raw(unix.SYS_SPLICE, w.pipe[0], 0, fd, offset(0), w.fill("#!"), 0)
	})
	w.drop("vmsplice", "of memory", func(fd uintptr) int {
		address, count := vector("of memory")
		a.must(unix.SYS_VMSPLICE, w.pipe[1], address, count, 0)
		return raw(unix.SYS_SPLICE, w.pipe[0], 0, fd, 0, 100, 0)
	})
}

// dropByClone needs a file system that shares blocks between files.
func dropByClone(a *actor) {
	fd, path := a.create("source", 0)
	whole := droppedProgram + strings.Repeat(".", 8192-len(droppedProgram))
	a.wantWrite(int(fd), path, whole[:32], raw(unix.SYS_WRITE, fd, cString(whole), uintptr(len(whole))))
	clone, path := a.create("clone", 0)
	r := raw(unix.SYS_IOCTL, clone, unix.FICLONE, fd)
	if r == -int(unix.EOPNOTSUPP) || r == -int(unix.ENOTTY) || r == -int(unix.EINVAL) {
		a.skip("the file system shares no blocks between files: " + unix.Errno(-r).Error())
	}
	a.wantWrite(int(clone), path, whole[:32], r)
	a.Wants[len(a.Wants)-1].Return = len(whole)
	clone, path = a.create("range", 0)
	raw(unix.SYS_IOCTL, clone, unix.FICLONERANGE, keep(&unix.FileCloneRange{Src_fd: int64(fd), Src_length: 4096, Dest_offset: 4096}))
	a.wantWrite(int(clone), path, whole[:32], raw(unix.SYS_IOCTL, clone, unix.FICLONERANGE,
		keep(&unix.FileCloneRange{Src_fd: int64(fd), Src_length: 4096})))
	a.Wants[len(a.Wants)-1].Return = 4096
}

func dropNothing(a *actor) {
	w := newCopyWriter(a)
	fd, _ := a.create("file", 0)
	raw(unix.SYS_COPY_FILE_RANGE, w.source, offset(0), fd, offset(9), 5, 0)
	raw(unix.SYS_COPY_FILE_RANGE, w.source, offset(1000), fd, offset(0), 5, 0)
	a.must(unix.SYS_LSEEK, fd, 3, 0)
	raw(unix.SYS_SENDFILE, fd, w.source, offset(0), 5)
	raw(unix.SYS_SENDFILE, w.pipe[1], w.source, offset(0), 5)
	raw(unix.SYS_SPLICE, w.pipe[0], 0, fd, 0, 2, 0) // behind them
	raw(unix.SYS_SPLICE, w.pipe[0], 0, fd, offset(2), 3, 0)
	raw(unix.SYS_SPLICE, w.source, offset(0), w.pipe[1], 0, 5, 0)
	null := a.must(unix.SYS_OPENAT, atCwd, cString("/dev/null"), unix.O_WRONLY, 0)
	raw(unix.SYS_SPLICE, w.pipe[0], 0, uintptr(null), 0, 5, 0)
	raw(unix.SYS_IOCTL, fd, unix.TIOCINQ, keep(new(int32)))
	raw(unix.SYS_IOCTL, fd, unix.FICLONE, 0x7000001)
}

// dropAndClose leaves the file, and ends: it is found by a descriptor or by its path, whatever is there yet.
func dropAndClose(a *actor) {
	w := newCopyWriter(a)
	w.drop("closed", droppedProgram[:32], func(fd uintptr) int {
		return raw(unix.SYS_SENDFILE, fd, w.source, offset(0), uintptr(len(droppedProgram)))
	})
	a.send()
	raw(unix.SYS_CLOSE_RANGE, w.source, ^uintptr(0)>>32, 0)
}

// dropThrough drops files by calls of another ABI, which may have more than one sendfile.
func (a *actor) dropThrough(m *memory, call func(name string, args ...uintptr) int, sendfiles ...string) {
	w := newCopyWriter(a)
	zero := func() uintptr { return m.bytes(make([]byte, 8)) }
	for _, name := range sendfiles {
		w.drop(name, droppedProgram[:4], func(fd uintptr) int { return call(name, fd, w.source, zero(), 4) })
	}
	w.drop("copy", droppedProgram[:5], func(fd uintptr) int {
		return call("copy_file_range", w.source, zero(), fd, zero(), 5, 0)
	})
	w.drop("splice", "#!/bin", func(fd uintptr) int {
		return call("splice", w.pipe[0], 0, fd, zero(), w.fill("#!/bin"), 0)
	})
}
