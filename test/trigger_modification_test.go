package test

import (
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	triggers = append(triggers,
		trigger{"file_modification", "closed", modifyAndClose},
		trigger{"file_modification", "closed by the end of a process", modifyAndEnd},
		trigger{"file_modification", "closed by an exec", modifyAndExec},
		trigger{"file_modification", "nothing", modifyNothing},
	)
}

// coarse is longer than a tick of the clock that file systems look at.
const coarse = 30 * time.Millisecond

// aged returns a file whose last change is so long ago that the next one has another time.
func (a *actor) aged(name string) string {
	path := a.quietly(name)
	time.Sleep(coarse)
	return path
}

// wantModified asks for the event of a file whose last change before was that of st.
func (a *actor) wantModified(path string, st unix.Stat_t) *want {
	now := a.stat(path)
	if ctime(now) == ctime(st) {
		a.skip("the clock of the file system does not advance")
	}
	return a.want("file_modification", arguments{
		"file_path": path, "dev": kernelDev(st.Dev), "inode": st.Ino, "old_ctime": ctime(st), "new_ctime": ctime(now),
	})
}

func (a *actor) openFile(path string, flags uintptr) uintptr {
	return uintptr(a.must(unix.SYS_OPENAT, atCwd, cString(path), flags, 0o644))
}

func modifyAndClose(a *actor) {
	path := a.aged("file")
	st := a.stat(path)
	fd := a.openFile(path, unix.O_WRONLY)
	a.must(unix.SYS_WRITE, fd, cString("x"), 1)
	again := a.must(unix.SYS_DUP, fd)
	a.must(unix.SYS_CLOSE, fd) // not for the last time
	time.Sleep(coarse)
	a.must(unix.SYS_WRITE, uintptr(again), cString("y"), 1)
	a.must(unix.SYS_CLOSE, uintptr(again))
	a.wantModified(path, st)

	time.Sleep(coarse)
	st = a.stat(path)
	fd = a.openFile(path, unix.O_RDWR|unix.O_TRUNC) // whose time before nobody knows
	a.must(unix.SYS_CLOSE, fd)
	delete(a.wantModified(path, st).Arguments, "old_ctime")

	time.Sleep(coarse)
	st = a.stat(path)
	fd, other := a.openFile(path, unix.O_RDWR), a.openFile("/dev/null", unix.O_RDONLY)
	a.must(unix.SYS_FCHMOD, fd, 0o600)
	a.must(unix.SYS_DUP3, other, fd, 0)
	a.wantModified(path, st)

	time.Sleep(coarse)
	st = a.stat(path)
	fd = a.openFile(path, unix.O_RDWR)
	a.must(unix.SYS_FTRUNCATE, fd, 8192)
	if r := raw(unix.SYS_CLOSE_RANGE, fd, fd, 0); r < 0 {
		a.fail(unix.Errno(-r))
	}
	a.wantModified(path, st)
}

// modifyAndEnd has two processes end, each with two descriptors of a changed file: for the first file they are not the last,
// for the second they are.
func modifyAndEnd(a *actor) {
	path := a.aged("file")
	st := a.stat(path)
	fd := a.openFile(path, unix.O_WRONLY|unix.O_APPEND)
	a.must(unix.SYS_WRITE, fd, cString("x"), 1)
	a.inherit(fd, func() {})
	a.must(unix.SYS_CLOSE, fd)
	a.wantModified(path, st)

	time.Sleep(coarse)
	st = a.stat(path)
	fd = a.openFile(path, unix.O_WRONLY|unix.O_APPEND)
	pid := a.inherit(fd, func() {
		a.must(unix.SYS_WRITE, fd, cString("x"), 1)
		a.must(unix.SYS_CLOSE, fd)
	})
	a.wantModified(path, st).Pid = pid
	a.Wants[len(a.Wants)-1].Comm = "sh"
}

// inherit starts a process that gets a file twice, and ends when something has been done.
func (a *actor) inherit(fd uintptr, do func()) (pid int) {
	twice := []*os.File{os.NewFile(uintptr(a.must(unix.SYS_DUP, fd)), ""), os.NewFile(uintptr(a.must(unix.SYS_DUP, fd)), "")}
	input, hold, err := os.Pipe()
	a.check(err)
	heir := exec.Command("/bin/sh", "-c", "read line")
	heir.Stdin, heir.ExtraFiles = input, twice
	a.check(heir.Start())
	for _, file := range twice {
		a.check(file.Close())
	}
	do()
	a.check(hold.Close())
	_ = heir.Wait() // there was no line to read
	return heir.Process.Pid
}

func modifyAndExec(a *actor) {
	path := a.aged("file")
	st := a.stat(path)
	fd := a.openFile(path, unix.O_WRONLY|unix.O_CLOEXEC)
	a.must(unix.SYS_WRITE, fd, cString("x"), 1)
	a.wantModified(path, st)
	a.exec("/bin/true", []string{"true"}, nil)
}

func modifyNothing(a *actor) {
	path := a.aged("file")
	a.must(unix.SYS_CLOSE, a.openFile(path, unix.O_RDWR))
	reader := a.openFile(path, unix.O_RDONLY)
	a.check(os.Chmod(path, 0o600))
	a.must(unix.SYS_CLOSE, reader)
	raw(unix.SYS_CLOSE, 0x7000001)
}
