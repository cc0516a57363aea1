package test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// kernelDev is a device number as the kernel keeps it: 12 bits of major, 20 of minor.
func kernelDev(dev uint64) uint32 { return unix.Major(dev)<<20 | unix.Minor(dev) }

func ctime(st unix.Stat_t) uint64 { return uint64(st.Ctim.Nano()) }

func (a *actor) stat(path string) (st unix.Stat_t) {
	a.check(unix.Stat(path, &st))
	return st
}

// cString keeps the bytes of a string for a raw syscall.
func cString(s string) uintptr {
	b, err := unix.BytePtrFromString(s)
	if err != nil {
		panic(err)
	}
	kept = append(kept, b)
	return uintptr(unsafe.Pointer(b))
}

// kept holds what raw syscalls refer to by number alone. The heap of Go does not move, and a child lives shortly.
var kept []any

// keep returns the address of a value for a raw syscall.
func keep[T any](value *T) uintptr {
	kept = append(kept, value)
	return uintptr(unsafe.Pointer(value))
}

const atCwd = ^uintptr(99) // AT_FDCWD

// wantOpen asks for the event of a call that returned a descriptor. ctime is that of before the call: the LSM hook
// runs before a file is truncated; zero if that makes no difference.
func (a *actor) wantOpen(call string, fd int, path string, flags int32, given string, earlier uint64) {
	if fd < 0 {
		a.fail(unix.Errno(-fd))
	}
	var st unix.Stat_t
	a.check(unix.Fstat(fd, &st))
	changed := ctime(st)
	if earlier != 0 && a.Rungs["security_file_open"] != trace.Tracepoint {
		changed = earlier
	}
	a.want("security_file_open", arguments{
		"pathname": path, "flags": flags, "dev": kernelDev(st.Dev), "inode": st.Ino, "ctime": changed,
		"syscall_pathname": given, "syscall": int32(lookup(call).ID),
	})
}

// quietly makes files without an open of its own: mknod does.
func (a *actor) quietly(name string) string {
	a.check(unix.Mknod(a.path(name), unix.S_IFREG|0o644, 0))
	return a.path(name)
}

func openByEachCall(a *actor) {
	file := a.quietly("file")
	created := a.path("created")
	if oldCalls {
		open := raw(sysOpen, cString(file), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		a.wantOpen("open", open, file, largeFile, file, 0)
		creat := raw(sysCreat, cString(created), 0o600)
		a.wantOpen("creat", creat, created, largeFile|unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, "", 0)
	}

	openat := raw(unix.SYS_OPENAT, atCwd, cString(file), unix.O_RDWR|unix.O_APPEND|unix.O_NONBLOCK, 0)
	a.wantOpen("openat", openat, file, largeFile|unix.O_RDWR|unix.O_APPEND|unix.O_NONBLOCK, file, 0)

	how := unix.OpenHow{Flags: unix.O_WRONLY | unix.O_NOFOLLOW}
	openat2 := raw(unix.SYS_OPENAT2, atCwd, cString(file), keep(&how), unsafe.Sizeof(how))
	a.wantOpen("openat2", openat2, file, largeFile|unix.O_WRONLY|unix.O_NOFOLLOW, file, 0)

	dir := raw(unix.SYS_OPENAT, atCwd, cString(a.Dir), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	a.wantOpen("openat", dir, a.Dir, largeFile|unix.O_DIRECTORY, a.Dir, 0)
	byDir := raw(unix.SYS_OPENAT, uintptr(dir), cString("./file"), unix.O_WRONLY, 0)
	a.wantOpen("openat", byDir, file, largeFile|unix.O_WRONLY, "./file", 0)
}

func openWithFlags(a *actor) {
	for _, flags := range []uintptr{
		unix.O_CREAT | unix.O_WRONLY, unix.O_CREAT | unix.O_EXCL | unix.O_RDWR, unix.O_CREAT | unix.O_TRUNC | unix.O_RDWR,
		unix.O_CREAT | unix.O_NOCTTY,
	} {
		path := a.path("new-" + itoa(int(flags)))
		fd := raw(unix.SYS_OPENAT, atCwd, cString(path), flags, 0o644)
		a.wantOpen("openat", fd, path, int32(largeFile|flags), path, 0)
		how := unix.OpenHow{Flags: uint64(flags), Mode: 0o600}
		path += "-2"
		fd = raw(unix.SYS_OPENAT2, atCwd, cString(path), keep(&how), unsafe.Sizeof(how))
		a.wantOpen("openat2", fd, path, int32(largeFile|flags), path, 0)
	}
	full := a.quietly("full")
	a.check(unix.Truncate(full, 10))
	earlier := ctime(a.stat(full))
	fd := raw(unix.SYS_OPENAT, atCwd, cString(full), unix.O_WRONLY|unix.O_TRUNC, 0)
	a.wantOpen("openat", fd, full, largeFile|unix.O_WRONLY|unix.O_TRUNC, full, earlier)

	dir := cString(a.Dir)
	fd = raw(unix.SYS_OPENAT, atCwd, dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	if fd >= 0 { // its name is its inode number
		a.wantOpen("openat", fd, "", largeFile|unix.O_TMPFILE|unix.O_RDWR, a.Dir, 0)
		link, err := os.Readlink("/proc/self/fd/" + itoa(fd))
		a.check(err)
		w := &a.Wants[len(a.Wants)-1]
		w.Arguments["pathname"] = strings.TrimSuffix(link, " (deleted)")
		w.Truncated = []string{"pathname"} // nobody finds it there
	}
}

func openByOtherNames(a *actor) {
	file := a.quietly("file")
	read := func(given string, path string) {
		fd := raw(unix.SYS_OPENAT, atCwd, cString(given), 0, 0)
		a.wantOpen("openat", fd, path, largeFile, given, 0)
	}
	a.check(os.Symlink("file", a.path("link")))
	read(a.path("link"), file)
	a.check(os.Mkdir(a.path("sub"), 0o755))
	read(a.path("sub/..//./link"), file)
	a.check(unix.Chdir(a.path("sub")))
	read("../file", file)
	read(".", a.path("sub"))
	a.check(unix.Chdir("/"))
	read(".", "/")
	a.check(os.Link(file, a.path("hard")))
	read(a.path("hard"), a.path("hard"))

	fd := a.must(unix.SYS_OPENAT, atCwd, cString(file), unix.O_PATH, 0)
	a.check(os.Rename(file, a.path("moved")))
	read("/proc/self/fd/"+itoa(fd), a.path("moved"))

	memory, err := unix.MemfdCreate("secret", 0)
	a.check(err)
	read("/proc/self/fd/"+itoa(memory), "memfd:secret")
	read("/proc/self/stat", "/proc/"+itoa(os.Getpid())+"/stat")
}

func openByHandle(a *actor) {
	file := a.quietly("file")
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, file, 0)
	if err != nil {
		a.skip("no file handles in " + a.Dir + ": " + err.Error())
	}
	mount := a.must(unix.SYS_OPENAT, atCwd, cString(a.Dir), unix.O_DIRECTORY, 0)
	a.wantOpen("openat", mount, a.Dir, largeFile|unix.O_DIRECTORY, a.Dir, 0)
	fd, err := unix.OpenByHandleAt(mount, handle, unix.O_RDWR)
	a.check(err)
	a.wantOpen("open_by_handle_at", fd, file, largeFile|unix.O_RDWR, "", 0)
}

// openDeep walks down to where a path is longer than one that can be given to open, but not than one that is kept, and
// then to where it is longer than that.
func openDeep(a *actor) {
	component := strings.Repeat("d", 250)
	path := a.Dir
	a.check(unix.Chdir(a.Dir))
	for len(path)+251+5 < 4096 {
		a.check(unix.Mkdir(component, 0o755))
		a.check(unix.Chdir(component))
		path += "/" + component
	}
	open := func() {
		fd := raw(unix.SYS_OPENAT, atCwd, cString("file"), unix.O_CREAT, 0o600)
		a.wantOpen("openat", fd, path+"/file", largeFile|unix.O_CREAT, "file", 0)
	}
	open()
	for range 2 {
		a.check(unix.Mkdir(component, 0o755))
		a.check(unix.Chdir(component))
		path += "/" + component
	}
	open()
	w := &a.Wants[len(a.Wants)-1]
	w.Truncated = []string{"pathname"}
	w.Arguments["pathname"] = endOf{path + "/file"}
	a.check(unix.Chdir("/"))
}

// openElsewhere shows that neither a chroot nor a mount changes what a path means: it leads to the root of the mount
// namespace.
func openElsewhere(a *actor) {
	a.check(unix.Unshare(unix.CLONE_NEWNS))
	a.check(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	a.check(unix.Mkdir(a.path("mount"), 0o755))
	a.check(unix.Mkdir(a.path("bind"), 0o755))
	if err := unix.Mount("test", a.path("mount"), "tmpfs", 0, ""); err != nil {
		a.skip("no tmpfs: " + err.Error())
	}
	a.check(unix.Mkdir(a.path("mount/sub"), 0o755))
	a.check(unix.Mknod(a.path("mount/sub/file"), unix.S_IFREG|0o644, 0))
	a.check(unix.Mount(a.path("mount/sub"), a.path("bind"), "", unix.MS_BIND, ""))
	for _, path := range []string{a.path("mount/sub/file"), a.path("bind/file"), a.path("mount"), a.path("bind")} {
		fd := raw(unix.SYS_OPENAT, atCwd, cString(path), 0, 0)
		a.wantOpen("openat", fd, path, largeFile, path, 0)
	}
	a.check(unix.Chroot(a.path("mount")))
	fd := raw(unix.SYS_OPENAT, atCwd, cString("/sub/file"), 0, 0)
	a.wantOpen("openat", fd, a.path("mount/sub/file"), largeFile, "/sub/file", 0)
}

func openNothing(a *actor) {
	file := a.quietly("file")
	raw(unix.SYS_OPENAT, atCwd, cString(a.path("missing")), 0, 0)
	raw(unix.SYS_OPENAT, atCwd, cString(file), unix.O_PATH, 0)
	raw(unix.SYS_OPENAT, atCwd, cString(file), unix.O_CREAT|unix.O_EXCL, 0)
	raw(unix.SYS_OPENAT, atCwd, cString(file+"/x"), 0, 0)
	raw(unix.SYS_PIPE2, keep(new([2]int32)), 0)
	raw(unix.SYS_DUP, 0)
}

// wantCheck asks for the check of a program that is to be executed.
func (a *actor) wantCheck(file string) *want {
	st := a.stat(file)
	return a.want("security_bprm_check", arguments{"pathname": file, "dev": kernelDev(st.Dev), "inode": st.Ino})
}

func checkProgram(a *actor) {
	a.wantCheck(program(a))
	a.exec("/bin/true", []string{"true"}, nil)
}

func checkScript(a *actor) {
	shell, err := filepath.EvalSymlinks("/bin/sh")
	a.check(err)
	script := a.path("script")
	a.check(os.WriteFile(script, []byte("#!/bin/sh\n:\n"), 0o755))
	if a.Rungs["security_bprm_check"] != trace.Tracepoint {
		a.wantCheck(script)
	}
	a.wantCheck(shell)
	a.exec(script, []string{"script"}, nil)
}

// checkNothing tries to execute what can not be. Only the LSM hook is reached before the kernel finds out about a file
// that has no known format.
func checkNothing(a *actor) {
	argv := []uintptr{cString("x"), 0}
	raw(unix.SYS_EXECVE, cString(a.path("missing")), keep(&argv[0]), 0)
	raw(unix.SYS_EXECVE, cString(a.quietly("not executable")), keep(&argv[0]), 0)
	garbage := a.path("garbage")
	a.check(os.WriteFile(garbage, []byte("garbage, and no program"), 0o755))
	if a.Rungs["security_bprm_check"] != trace.Tracepoint {
		a.wantCheck(garbage)
	}
	raw(unix.SYS_EXECVE, cString(garbage), keep(&argv[0]), 0)
	runtime.KeepAlive(argv)
}
