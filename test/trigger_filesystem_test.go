package test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// filesystemTriggers are the rows of events about files and file systems.
var filesystemTriggers = []trigger{
	{"vfs_write", "calls", writeTransfers},
	{"vfs_writev", "calls", writeVectors},
	{"__kernel_write", "accounting", accountProcess},
	{"vfs_read", "calls", readTransfers},
	{"vfs_readv", "calls", readVectors},
	{"security_inode_unlink", "names", unlinkNames},
	{"security_inode_mknod", "types", makeNodes},
	{"security_inode_symlink", "calls", makeSymlinks},
	{"security_inode_rename", "calls", renameFiles},
	{"chmod_common", "calls", changeModes},
	{"do_truncate", "calls", truncateFiles},
	{"vfs_utimes", "calls", setFileTimes},
	{"security_sb_mount", "mounts", mountFilesystems},
	{"security_sb_umount", "mounts", unmountFilesystems},
	{"set_fs_pwd", "calls", changeDirectory},
	{"security_path_notify", "calls", watchPaths},
	{"inotify_watch", "call", watchByInotify},
	{"hidden_inodes", "served by fuse", func(a *actor) { listZeroed(a, "hidden_inodes", "hidden_process") }},
	{"zeroed_inodes", "served by fuse", func(a *actor) { listZeroed(a, "zeroed_inodes", "dirent_name") }},
}

func init() {
	triggers = append(triggers, filesystemTriggers...)
	untriggered["dirty_pipe_splice"] = "no supported kernel has the flaw"
}

// ofTestFiles drops transfers of other files than those in the directories of tests: a child also reads its
// instructions and writes its report.
func ofTestFiles(seen []*trace.Event) []*trace.Event {
	var kept []*trace.Event
	for _, e := range seen {
		path, ok := e.Lookup("pathname")
		transfer := strings.HasPrefix(e.EventName, "vfs_read") || strings.HasPrefix(e.EventName, "vfs_write")
		if !transfer || ok && strings.HasPrefix(path.Value().(string), os.TempDir()) {
			kept = append(kept, e)
		}
	}
	return kept
}

// blind says that an event is observed after the syscall, where the kernel has forgotten most paths.
func (a *actor) blind(event string) bool { return a.Rungs[event] == trace.Tracepoint }

// given is the path as the caller gives it on the blind rung, behind its working directory, and the true one elsewhere.
func (a *actor) given(event, caller, true string) string {
	if !a.blind(event) {
		return true
	}
	if filepath.IsAbs(caller) {
		return caller
	}
	directory, err := os.Getwd()
	a.check(err)
	return directory + "/" + caller
}

// unresolved wants paths to be marked, where they are those of the caller.
func (a *actor) unresolved(w *want, names ...string) *want {
	if a.blind(w.Event) {
		w.Truncated = names
	}
	return w
}

type transfer struct {
	fd     uintptr
	path   string
	amount uint64
	pos    uint64
	result int
}

func (a *actor) wantTransfer(event, amount string, t transfer) {
	var st unix.Stat_t
	a.check(unix.Fstat(int(t.fd), &st))
	args := arguments{
		"pathname": t.path, "dev": kernelDev(st.Dev), "inode": st.Ino, amount: t.amount, "pos": t.pos,
	}
	if strings.HasPrefix(event, "vfs_read") {
		args["returnValue"] = int64(t.result)
	}
	a.want(event, args).Return = t.result
}

func writeTransfers(a *actor) {
	fd, path := a.create("written", 0)
	wrote := func(fd uintptr, path string, count, pos uint64, result int) {
		a.wantTransfer("vfs_write", "count", transfer{fd, path, count, pos, result})
	}
	text := cString("12345")
	wrote(fd, path, 5, 0, raw(unix.SYS_WRITE, fd, text, 5))
	wrote(fd, path, 4, 5, raw(unix.SYS_WRITE, fd, text, 4))
	wrote(fd, path, 3, 2, raw(unix.SYS_PWRITE64, fd, text, 3, 2))
	wrote(fd, path, 5, 9, raw(unix.SYS_WRITE, fd, 8, 5)) // -EFAULT
	raw(unix.SYS_PWRITE64, fd, text, 3, ^uintptr(0))
	raw(unix.SYS_WRITE, 0x7000001, text, 1)

	fd, path = a.create("appended", unix.O_APPEND)
	wrote(fd, path, 5, 0, raw(unix.SYS_WRITE, fd, text, 5))
	wrote(fd, path, 2, 5, raw(unix.SYS_PWRITE64, fd, text, 2, 1))

	fd = uintptr(a.must(unix.SYS_OPENAT, atCwd, cString(path), unix.O_RDONLY, 0))
	wrote(fd, path, 1, 0, raw(unix.SYS_WRITE, fd, text, 1)) // -EBADF
	fd = uintptr(a.must(unix.SYS_OPENAT, atCwd, cString(path), unix.O_PATH, 0))
	raw(unix.SYS_WRITE, fd, text, 1)
}

func writeVectors(a *actor) {
	fd, path := a.create("written", 0)
	wrote := func(pos uint64, result int) {
		a.wantTransfer("vfs_writev", "vlen", transfer{fd, path, 2, pos, result})
	}
	address, count := vector("first", "second")
	wrote(0, raw(unix.SYS_WRITEV, fd, address, count))
	wrote(3, raw(unix.SYS_PWRITEV, fd, address, count, 3, 0))
	wrote(11, raw(unix.SYS_PWRITEV2, fd, address, count, ^uintptr(0), ^uintptr(0), 0))
	wrote(4, raw(unix.SYS_PWRITEV2, fd, address, count, 4, 0, 0))
	wrote(22, raw(unix.SYS_WRITEV, fd, 8, count)) // -EFAULT
}

func readTransfers(a *actor) {
	fd, path := a.create("read", 0)
	a.must(unix.SYS_WRITE, fd, cString("0123456789"), 10)
	a.must(unix.SYS_LSEEK, fd, 0, 0)
	read := func(count, pos uint64, result int) {
		a.wantTransfer("vfs_read", "count", transfer{fd, path, count, pos, result})
	}
	buffer := keep(new([64]byte))
	read(4, 0, raw(unix.SYS_READ, fd, buffer, 4))
	read(64, 4, raw(unix.SYS_READ, fd, buffer, 64))
	read(64, 10, raw(unix.SYS_READ, fd, buffer, 64))
	read(3, 7, raw(unix.SYS_PREAD64, fd, buffer, 3, 7))
}

func readVectors(a *actor) {
	fd, path := a.create("read", 0)
	a.must(unix.SYS_WRITE, fd, cString("0123456789"), 10)
	a.must(unix.SYS_LSEEK, fd, 0, 0)
	read := func(pos uint64, result int) {
		a.wantTransfer("vfs_readv", "vlen", transfer{fd, path, 2, pos, result})
	}
	address, count := vector("ab", "c")
	read(0, raw(unix.SYS_READV, fd, address, count))
	read(3, raw(unix.SYS_READV, fd, address, count))
	read(8, raw(unix.SYS_PREADV, fd, address, count, 8, 0))
	read(6, raw(unix.SYS_PREADV2, fd, address, count, ^uintptr(0), ^uintptr(0), 0))
	read(1, raw(unix.SYS_PREADV2, fd, address, count, 1, 0, 0))
}

// accountProcess makes the kernel write a record when a process ends.
func accountProcess(a *actor) {
	path := a.quietly("account")
	if r := raw(unix.SYS_ACCT, cString(path)); r < 0 {
		a.skip("no process accounting: " + unix.Errno(-r).Error())
	}
	st := a.stat(path)
	pid := a.must(unix.SYS_CLONE, uintptr(unix.SIGCHLD))
	if pid == 0 {
		// A copy of this thread alone: it may do nothing that needs the runtime, such as making room on the stack.
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	a.must(unix.SYS_WAIT4, uintptr(pid), 0, 0, 0)
	a.must(unix.SYS_ACCT, 0)
	const record = 64 // sizeof(struct acct_v3)
	w := a.want("__kernel_write", arguments{
		"pathname": path, "dev": kernelDev(st.Dev), "inode": st.Ino, "count": uint64(record), "pos": uint64(0),
	})
	w.Pid, w.Return = pid, record
}

func (a *actor) wantUnlink(caller, path string) {
	if a.blind("security_inode_unlink") {
		given := a.given("security_inode_unlink", caller, path)
		a.unresolved(a.want("security_inode_unlink", arguments{"pathname": given}), "pathname")
		return
	}
	st := a.stat(path)
	a.want("security_inode_unlink", arguments{
		"pathname": path, "inode": st.Ino, "device": kernelDev(st.Dev), "ctime": ctime(st),
	})
}

// privately moves the child to a mount namespace of its own, with a file system on the directory "mount".
func (a *actor) privately() string {
	a.check(unix.Unshare(unix.CLONE_NEWNS))
	a.check(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	a.check(unix.Mkdir(a.path("mount"), 0o755))
	if err := unix.Mount("test", a.path("mount"), "tmpfs", 0, ""); err != nil {
		a.skip("no tmpfs: " + err.Error())
	}
	return a.path("mount")
}

func unlinkNames(a *actor) {
	path := a.quietly("file")
	a.wantUnlink(path, path)
	a.check(unix.Unlink(path))
	a.check(unix.Chdir(a.Dir))
	path = a.quietly("relative")
	a.wantUnlink("./relative", path)
	a.check(unix.Unlinkat(unix.AT_FDCWD, "./relative", 0))
	a.check(unix.Mkdir(a.path("dir"), 0o755))
	a.check(unix.Rmdir(a.path("dir")))
	a.check(unix.Mkdir(a.path("dir"), 0o755))
	a.check(unix.Unlinkat(unix.AT_FDCWD, a.path("dir"), unix.AT_REMOVEDIR))
	_ = unix.Unlink(a.path("missing"))

	path = a.privately() + "/file"
	a.check(unix.Mknod(path, unix.S_IFREG|0o644, 0))
	a.wantUnlink(path, path)
	a.check(unix.Unlink(path))
}

func makeNodes(a *actor) {
	unix.Umask(0) // where there are ACLs, the hook sees the mode before the umask
	node := func(name string, mode, dev uint32) string {
		a.unresolved(a.want("security_inode_mknod", arguments{
			"file_name": a.path(name), "mode": uint16(mode), "dev": dev,
		}), "file_name")
		return a.path(name)
	}
	a.check(unix.Mknod(node("pipe", unix.S_IFIFO|0o666, 0), unix.S_IFIFO|0o666, 7))
	a.check(unix.Mknodat(unix.AT_FDCWD, node("socket", unix.S_IFSOCK|0o777, 0), unix.S_IFSOCK|0o777, 0))
	dev := unix.Mkdev(259, 70001)
	a.check(unix.Mknod(node("block", unix.S_IFBLK|0o600, kernelDev(dev)), unix.S_IFBLK|0o600, int(dev)))
	a.check(unix.Mknod(a.path("regular"), unix.S_IFREG|0o644, 0))
}

func makeSymlinks(a *actor) {
	link := func(target, caller, path string) {
		a.unresolved(a.want("security_inode_symlink", arguments{
			"linkpath": a.given("security_inode_symlink", caller, path), "target": target,
		}), "linkpath")
	}
	link("../somewhere", a.path("one"), a.path("one"))
	a.check(unix.Symlink("../somewhere", a.path("one")))
	a.check(unix.Chdir(a.Dir))
	link("/etc", "two", a.path("two"))
	a.check(unix.Symlinkat("/etc", unix.AT_FDCWD, "two"))
	_ = unix.Symlink("x", a.path("missing/x"))
}

func renameFiles(a *actor) {
	const event = "security_inode_rename"
	a.check(unix.Chdir(a.Dir))
	one, two := a.quietly("one"), a.path("two")
	wanted := func(from, to string) {
		a.unresolved(a.want(event, arguments{"old_path": from, "new_path": to}), "old_path", "new_path")
	}
	wanted(one, two)
	a.check(os.Rename(one, two))
	wanted(a.given(event, "two", two), a.given(event, "one", one))
	a.check(unix.Renameat(unix.AT_FDCWD, "two", unix.AT_FDCWD, "one"))
	a.quietly("two")
	if a.Rungs[event] == trace.LSM {
		wanted(two, one)
	}
	wanted(one, two)
	a.check(unix.Renameat2(unix.AT_FDCWD, one, unix.AT_FDCWD, two, unix.RENAME_EXCHANGE))
	_ = unix.Rename(a.path("missing"), one)
}

func changeModes(a *actor) {
	const event = "chmod_common"
	path := a.quietly("file")
	a.check(unix.Chdir(a.Dir))
	changed := func(path string, mode uint16) *want {
		return a.want(event, arguments{"pathname": path, "mode": mode, "returnValue": int64(0)})
	}
	a.unresolved(changed(path, 0o4711), "pathname")
	a.check(unix.Chmod(path, 0o4711))
	a.unresolved(changed(a.given(event, "file", path), 0o600), "pathname")
	a.check(unix.Fchmodat(unix.AT_FDCWD, "file", 0o600, 0))
	fd := a.must(unix.SYS_OPENAT, atCwd, cString(path), unix.O_RDWR, 0)
	changed(path, 0o777)
	a.check(unix.Fchmod(fd, 0o777))
	_ = unix.Chmod(a.path("missing"), 0o777)
}

func truncateFiles(a *actor) {
	path := a.quietly("file")
	a.check(unix.Chdir(a.Dir))
	st := a.stat(path)
	known := func(length uint64) {
		a.want("do_truncate", arguments{
			"pathname": path, "inode": st.Ino, "dev": kernelDev(st.Dev), "length": length,
		})
	}
	if a.blind("do_truncate") {
		given := a.given("do_truncate", "./file", path)
		a.unresolved(a.want("do_truncate", arguments{"pathname": given, "length": uint64(1 << 33)}), "pathname")
	} else {
		known(1 << 33)
	}
	a.check(unix.Truncate("./file", 1<<33))
	fd := a.must(unix.SYS_OPENAT, atCwd, cString(path), unix.O_RDWR, 0)
	known(7)
	a.check(unix.Ftruncate(fd, 7))
	known(0)
	a.must(unix.SYS_OPENAT, atCwd, cString(path), unix.O_WRONLY|unix.O_TRUNC, 0)
	a.must(unix.SYS_OPENAT, atCwd, cString(a.path("new")), unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC, 0o600)
	raw(unix.SYS_FTRUNCATE, uintptr(fd), ^uintptr(0))
	raw(unix.SYS_TRUNCATE, cString(a.path("missing")), 0)
}

func setFileTimes(a *actor) {
	path := a.quietly("file")
	st := a.stat(path)
	known := func(times arguments) {
		times["pathname"], times["inode"], times["dev"] = path, st.Ino, kernelDev(st.Dev)
		a.want("vfs_utimes", times)
	}
	byPath := func(times arguments) {
		if a.blind("vfs_utimes") {
			times["pathname"] = path
			a.unresolved(a.want("vfs_utimes", times), "pathname")
			return
		}
		known(times)
	}
	name := cString(path)
	byPath(arguments{"atime": uint64(1_000_000_002), "mtime": uint64(3_000_000_004)})
	pair := [2]unix.Timespec{{Sec: 1, Nsec: 2}, {Sec: 3, Nsec: 4}}
	a.must(unix.SYS_UTIMENSAT, atCwd, name, keep(&pair), 0)
	byPath(arguments{})
	a.must(unix.SYS_UTIMENSAT, atCwd, name, 0, 0)
	byPath(arguments{"mtime": uint64(5_000_000_000)})
	pair = [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: 5}}
	a.must(unix.SYS_UTIMENSAT, atCwd, name, keep(&pair), 0)
	fd := a.must(unix.SYS_OPENAT, atCwd, name, unix.O_RDWR, 0)
	known(arguments{"atime": uint64(7_000_000_000)})
	pair = [2]unix.Timespec{{Sec: 7}, {Nsec: unix.UTIME_NOW}}
	a.must(unix.SYS_UTIMENSAT, uintptr(fd), 0, keep(&pair), 0)
	raw(unix.SYS_UTIMENSAT, atCwd, cString(a.path("missing")), 0, 0)
	if !oldCalls {
		return
	}
	times := [2]unix.Timeval{{Sec: 1, Usec: 2}, {Sec: 3, Usec: 4}}
	byPath(arguments{"atime": uint64(1_000_002_000), "mtime": uint64(3_000_004_000)})
	a.must(sysUtimes, name, keep(&times))
	byPath(arguments{"atime": uint64(1_000_002_000), "mtime": uint64(3_000_004_000)})
	a.must(sysFutimesat, atCwd, name, keep(&times))
	byPath(arguments{"atime": uint64(8_000_000_000), "mtime": uint64(9_000_000_000)})
	a.must(sysUtime, name, keep(&[2]int64{8, 9}))
	raw(sysUtimes, cString(a.path("missing")), 0)
}

func mountFilesystems(a *actor) {
	const event = "security_sb_mount"
	a.check(unix.Unshare(unix.CLONE_NEWNS))
	a.unresolved(a.want(event, arguments{
		"dev_name": "none", "path": "/", "flags": uint64(unix.MS_REC | unix.MS_PRIVATE),
	}), "path")
	a.must(unix.SYS_MOUNT, cString("none"), cString("/"), 0, unix.MS_REC|unix.MS_PRIVATE, 0)
	a.check(unix.Mkdir(a.path("mount"), 0o755))
	a.check(unix.Chdir(a.Dir))
	a.unresolved(a.want(event, arguments{
		"dev_name": "test", "path": a.given(event, "./mount", a.path("mount")), "type": "tmpfs",
		"flags": uint64(unix.MS_NOEXEC),
	}), "path")
	const magic = 0xc0ed0000
	a.must(unix.SYS_MOUNT, cString("test"), cString("./mount"), cString("tmpfs"), unix.MS_NOEXEC|magic, 0)
	a.unresolved(a.want(event, arguments{
		"path": a.path("mount"), "flags": uint64(unix.MS_REMOUNT | unix.MS_RDONLY),
	}), "path")
	a.must(unix.SYS_MOUNT, 0, cString(a.path("mount")), 0, unix.MS_REMOUNT|unix.MS_RDONLY, 0)
	raw(unix.SYS_MOUNT, cString("x"), cString(a.path("missing")), cString("tmpfs"), 0, 0)
}

func unmountFilesystems(a *actor) {
	const event = "security_sb_umount"
	path := a.privately()
	a.check(unix.Mount("proc", path, "proc", 0, ""))
	wanted := func(kind, caller string, flags int32) {
		args := arguments{"mountpoint": a.given(event, caller, path), "flags": flags}
		if !a.blind(event) {
			args["type"] = kind
		}
		a.unresolved(a.want(event, args), "mountpoint")
	}
	wanted("proc", path, unix.MNT_DETACH)
	a.check(unix.Unmount(path, unix.MNT_DETACH))
	a.check(unix.Chdir(a.Dir))
	wanted("tmpfs", "mount", 0)
	a.check(unix.Unmount("mount", 0))
	raw(unix.SYS_UMOUNT2, cString(path), 0)
}

func changeDirectory(a *actor) {
	a.check(unix.Mkdir(a.path("dir"), 0o755))
	a.check(os.Symlink("dir", a.path("link")))
	wanted := func(given, path string) {
		a.want("set_fs_pwd", arguments{"unresolved_path": given, "resolved_path": path})
	}
	wanted(a.path("link"), a.path("dir"))
	a.check(unix.Chdir(a.path("link")))
	wanted("..", a.Dir)
	a.check(unix.Chdir(".."))
	fd := a.must(unix.SYS_OPENAT, atCwd, cString("dir"), unix.O_DIRECTORY, 0)
	a.want("set_fs_pwd", arguments{"resolved_path": a.path("dir")})
	a.check(unix.Fchdir(fd))
	raw(unix.SYS_CHDIR, cString("missing"))
}

// watched are the arguments that say what is watched.
func (a *actor) watched(event, caller, path string, more arguments) {
	args := arguments{"pathname": a.given(event, caller, path)}
	if !a.blind(event) {
		st := a.stat(path)
		args["inode"], args["dev"] = st.Ino, kernelDev(st.Dev)
	}
	for name, value := range more {
		args[name] = value
	}
	a.unresolved(a.want(event, args), "pathname")
}

func watchPaths(a *actor) {
	const event = "security_path_notify"
	a.check(unix.Chdir(a.Dir))
	path := a.quietly("file")
	fd, err := unix.InotifyInit1(0)
	a.check(err)
	a.watched(event, "file", path, arguments{"mask": uint64(unix.IN_OPEN | unix.IN_CLOSE_WRITE), "obj_type": uint32(0)})
	_, err = unix.InotifyAddWatch(fd, "file", unix.IN_OPEN|unix.IN_CLOSE_WRITE|unix.IN_ONESHOT)
	a.check(err)
	raw(unix.SYS_INOTIFY_ADD_WATCH, uintptr(fd), cString(a.path("missing")), unix.IN_OPEN)

	group, err := unix.FanotifyInit(0, 0)
	if err != nil {
		return // a kernel without
	}
	mount, fs := a.kernelValue("FSNOTIFY_OBJ_TYPE_VFSMOUNT"), a.kernelValue("FSNOTIFY_OBJ_TYPE_SB")
	mark := func(flags uint, mask uint64, kind uint32) {
		a.watched(event, "./file", path, arguments{"mask": mask, "obj_type": kind})
		a.check(unix.FanotifyMark(group, unix.FAN_MARK_ADD|flags, mask, unix.AT_FDCWD, "./file"))
	}
	mark(0, unix.FAN_OPEN, 0)
	mark(unix.FAN_MARK_MOUNT, unix.FAN_CLOSE_WRITE, mount)
	mark(unix.FAN_MARK_FILESYSTEM, unix.FAN_MODIFY, fs)
	a.check(unix.FanotifyMark(group, unix.FAN_MARK_FLUSH, 0, unix.AT_FDCWD, ""))
}

func watchByInotify(a *actor) {
	a.check(unix.Chdir(a.Dir))
	path := a.quietly("file")
	fd, err := unix.InotifyInit1(0)
	a.check(err)
	a.watched("inotify_watch", "file", path, nil)
	_, err = unix.InotifyAddWatch(fd, "file", unix.IN_OPEN)
	a.check(err)
	raw(unix.SYS_INOTIFY_ADD_WATCH, uintptr(fd), cString(a.path("missing")), unix.IN_OPEN)
}

// listZeroed lists a directory of a file system that serves an entry without an inode.
func listZeroed(a *actor, event, argument string) {
	server, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		a.skip("no FUSE: " + err.Error())
	}
	a.check(unix.Unshare(unix.CLONE_NEWNS))
	a.check(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	a.check(unix.Mkdir(a.path("fuse"), 0o755))
	options := "fd=" + itoa(server) + ",rootmode=40000,user_id=0,group_id=0"
	if err := unix.Mount("test", a.path("fuse"), "fuse", 0, options); err != nil {
		a.skip("no FUSE: " + err.Error())
	}
	go serveDirectory(server)
	fd, err := unix.Open(a.path("fuse"), unix.O_DIRECTORY, 0)
	a.check(err)
	a.want(event, arguments{argument: zeroedEntry})
	n, err := unix.Getdents(fd, make([]byte, 4096))
	a.check(err)
	if n == 0 {
		a.check(unix.ENOENT)
	}
}

const zeroedEntry = "without an inode"

// Operations of FUSE (include/uapi/linux/fuse.h).
const (
	fuseGetattr = 3
	fuseInit    = 26
	fuseReaddir = 28
)

// serveDirectory is a file system with one directory, as small as FUSE allows.
func serveDirectory(fd int) {
	request := make([]byte, 1<<17)
	for {
		n, err := unix.Read(fd, request)
		if err != nil || n < 40 {
			return
		}
		var body []byte
		switch binary.NativeEndian.Uint32(request[4:]) {
		case fuseInit:
			body = words(7, 31, 1<<16, 0, 1<<16, 1<<16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		case fuseGetattr:
			body = make([]byte, 104)
			binary.NativeEndian.PutUint64(body[16:], 1)
			binary.NativeEndian.PutUint32(body[76:], unix.S_IFDIR|0o755)
			binary.NativeEndian.PutUint32(body[80:], 2)
		case fuseReaddir:
			if binary.NativeEndian.Uint64(request[48:]) == 0 {
				body = append(directoryEntry(5, 1, "ordinary"), directoryEntry(0, 2, zeroedEntry)...)
			}
		default: // open and close, and nothing else that matters
			body = make([]byte, 16)
		}
		answer := append(words(uint32(16+len(body)), 0), request[8:16]...)
		if _, err := unix.Write(fd, append(answer, body...)); err != nil && err != unix.ENOENT && err != unix.EINVAL {
			return
		}
	}
}

func words(values ...uint32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

// directoryEntry is a struct fuse_dirent, padded to eight bytes.
func directoryEntry(inode, next uint64, name string) []byte {
	b := binary.NativeEndian.AppendUint64(nil, inode)
	b = binary.NativeEndian.AppendUint64(b, next)
	b = append(b, words(uint32(len(name)), 8)...)
	return append(append(b, name...), make([]byte, (8-len(name)%8)%8)...)
}
