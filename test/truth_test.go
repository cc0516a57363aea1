package test

import (
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// flips keeps a text in memory that another process changes all the time, between two that differ in one byte: whoever
// reads it twice is lied to. It changes until stop is called.
func (a *actor) flips(first, second string) (text uintptr, stop func()) {
	shared, err := unix.Mmap(-1, 0, os.Getpagesize(), readWrite, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	a.check(err)
	copy(shared, first)
	at := 0
	for first[at] == second[at] {
		at++
	}
	pid := a.must(unix.SYS_CLONE, uintptr(unix.SIGCHLD))
	if pid == 0 {
		// A copy of this thread alone: it may do nothing that needs the runtime. Should nobody end it, it ends.
		syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0)
		for range 1 << 33 {
			shared[at] = second[at]
			shared[at] = first[at]
		}
		for {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	return uintptr(unsafe.Pointer(&shared[0])), func() {
		a.must(unix.SYS_KILL, uintptr(pid), uintptr(unix.SIGKILL))
		_, err := unix.Wait4(pid, nil, 0, nil)
		a.check(err)
	}
}

// often repeats an attempt, which says which of two things came of it, until both have come a few times.
func (a *actor) often(limit int, attempt func() string) {
	const enough = 5
	counts := map[string]int{}
	for range limit {
		if outcome := attempt(); outcome != "" {
			counts[outcome]++
		}
		rare := limit
		for _, n := range counts {
			rare = min(rare, n)
		}
		if len(counts) == 2 && rare >= enough {
			return
		}
	}
	if len(counts) != 2 {
		a.fail(errors.New("nobody was lied to: what was given never changed in time"))
	}
}

// opened is the path of an open file, as the kernel says itself.
func (a *actor) opened(fd int) string {
	path, err := os.Readlink("/proc/self/fd/" + itoa(fd))
	a.check(err)
	return path
}

// openFlipped asks for what was opened, whatever the text is before and after.
func openFlipped(a *actor) {
	benign, decoy := a.quietly("file-a"), a.quietly("file-b")
	text, stop := a.flips(benign+"\x00", decoy+"\x00")
	defer stop()
	a.often(20000, func() string {
		fd := a.must(unix.SYS_OPENAT, atCwd, text, unix.O_CLOEXEC, 0)
		path := a.opened(fd)
		a.wantOpen("openat", fd, path, largeFile, "", 0)
		a.Wants[len(a.Wants)-1].Arguments["syscall_pathname"] = anything{}
		a.check(unix.Close(fd))
		return path
	})
}

// openThrough opens a file that exists, by another name.
func (a *actor) openThrough(given, path string, truncated bool) {
	fd := raw(unix.SYS_OPENAT, atCwd, cString(given), 0, 0)
	a.wantOpen("openat", fd, path, largeFile, given, 0)
	if truncated {
		a.Wants[len(a.Wants)-1].Truncated = []string{"pathname"}
	}
}

// privateMounts gives the process mounts of its own.
func (a *actor) privateMounts() {
	a.check(unix.Unshare(unix.CLONE_NEWNS))
	a.check(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
}

func (a *actor) directory(name string) string {
	a.check(os.MkdirAll(a.path(name), 0o755))
	return a.path(name)
}

func openThroughRoots(a *actor) {
	a.privateMounts()
	jail := a.directory("jail")
	file := a.quietly("jail/file")
	a.openThrough("/proc/self/root"+file, file, false)
	a.openThrough("/proc/thread-self/root/proc/self/root"+file, file, false)
	a.check(unix.Chdir(jail))
	a.openThrough("/proc/self/cwd/file", file, false)
	a.openThrough("/proc/self/cwd/../jail/./file", file, false)

	a.check(unix.Mount("/proc", a.directory("jail/proc"), "", unix.MS_BIND|unix.MS_REC, ""))
	a.check(unix.Chroot(jail))
	a.openThrough("/proc/self/root/file", file, false)
	a.openThrough("file", file, false)
	a.openThrough("../../../../../file", file, false)
}

// openBelowMounts hides a directory below thirty others, and below ten mounts, each in the one before.
func openBelowMounts(a *actor) {
	a.privateMounts()
	source := a.directory("source/inner")
	a.quietly("source/inner/file")
	deep := a.Dir
	for i := range 30 {
		deep += "/d" + itoa(i)
	}
	a.check(os.MkdirAll(deep, 0o755))
	a.check(unix.Mount(source, deep, "", unix.MS_BIND, ""))
	a.openThrough(deep+"/file", deep+"/file", false)
	a.check(unix.Mount(a.path("source"), deep, "", unix.MS_BIND, ""))
	a.openThrough(deep+"/inner/file", deep+"/inner/file", false)

	nested := a.directory("nested")
	for range 10 {
		a.check(unix.Mount(a.path("source"), nested, "", unix.MS_BIND, ""))
		nested += "/inner"
	}
	a.openThrough(nested+"/file", nested+"/file", false)
}

// openDeleted opens files that no name leads to any more; another one has the name of the first.
func openDeleted(a *actor) {
	file := a.quietly("file")
	fd := a.must(unix.SYS_OPENAT, atCwd, cString(file), unix.O_PATH, 0)
	self := "/proc/self/fd/" + itoa(fd)
	a.check(os.Rename(file, a.path("moved")))
	a.openThrough(self, a.path("moved"), false)
	a.check(os.Remove(a.path("moved")))
	a.quietly("moved")
	a.openThrough(self, a.path("moved"), true)
	a.openThrough(a.path("moved"), a.path("moved"), false)

	dir := a.must(unix.SYS_OPENAT, atCwd, cString(a.directory("dir")), unix.O_PATH|unix.O_DIRECTORY, 0)
	a.check(os.Remove(a.path("dir")))
	a.openThrough("/proc/self/fd/"+itoa(dir), a.path("dir"), true)
}

// openNameless opens what has no path at all.
func openNameless(a *actor) {
	a.openThrough("/proc/self/ns/net", "", true)
	var pipe [2]int
	a.check(unix.Pipe2(pipe[:], unix.O_CLOEXEC))
	fd := raw(unix.SYS_OPENAT, atCwd, cString("/proc/self/fd/"+itoa(pipe[0])), unix.O_NONBLOCK, 0)
	a.wantOpen("openat", fd, "", largeFile|unix.O_NONBLOCK, "/proc/self/fd/"+itoa(pipe[0]), 0)
	null := "/proc/self/fd/" + itoa(a.must(unix.SYS_OPENAT, atCwd, cString("/dev/null"), unix.O_PATH, 0))
	a.openThrough(null, "/dev/null", false)
}

// openInOtherNamespaces opens files by mounts that are not this task's.
func openInOtherNamespaces(a *actor) {
	a.privateMounts()
	file := a.quietly("file")
	before := a.must(unix.SYS_OPENAT, atCwd, cString(a.Dir), unix.O_PATH|unix.O_DIRECTORY, 0)
	pid, reap := a.fork(unix.CLONE_NEWNS, 0)
	defer reap()
	_, reapOther := a.fork(0, 0) // keeps the mounts of this process when it leaves them
	defer reapOther()
	a.openThrough("/proc/"+itoa(pid)+"/root"+file, file, true)

	mount := a.directory("mount")
	if err := unix.Mount("test", mount, "tmpfs", 0, ""); err != nil {
		a.skip("no tmpfs: " + err.Error())
	}
	a.quietly("mount/file")
	a.check(unix.Chdir(mount))
	a.openThrough("file", mount+"/file", false)
	a.check(unix.Unmount(mount, unix.MNT_DETACH))
	a.openThrough("file", "/file", true) // nothing leads there any more

	a.check(unix.Chdir(a.Dir))
	a.check(unix.Unshare(unix.CLONE_NEWNS))
	a.openThrough("file", file, false) // the directory goes along
	a.openThrough("/proc/self/fd/"+itoa(before)+"/file", file, true)
}

// overlay mounts one directory on another, and returns where.
func (a *actor) overlay() string {
	a.privateMounts()
	options := "lowerdir=" + a.directory("lower") + ",upperdir=" + a.directory("upper") + ",workdir=" + a.directory("work")
	a.quietly("lower/file")
	merged := a.directory("merged")
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		a.skip("no overlayfs here: " + err.Error())
	}
	return merged
}

// openOnOverlay opens files of both layers.
func openOnOverlay(a *actor) {
	if a.attempted("security_file_open") {
		a.skip("a hook also sees what overlayfs opens itself: has its own test")
	}
	a.openLayers()
}

func (a *actor) openLayers() {
	merged := a.overlay()
	a.openThrough(merged+"/file", merged+"/file", false)
	file := merged + "/file"
	fd := raw(unix.SYS_OPENAT, atCwd, cString(file), unix.O_RDWR, 0) // is copied up
	a.wantOpen("openat", fd, file, largeFile|unix.O_RDWR, file, 0)
	a.openThrough(file, file, false)
	for i := range 2 { // until it is asked for, overlayfs keeps the time of the lower file
		a.Wants[len(a.Wants)-1-i].Arguments["ctime"] = anything{}
	}
	a.openThrough(a.path("upper/file"), a.path("upper/file"), false)
	a.check(os.Remove(file))
	a.openThrough("/proc/self/fd/"+itoa(fd), file, true)
}

// TestPathsOnOverlayAreTrueOrMarked looks at what overlayfs opens itself, too: the file in a layer, by a mount that nobody
// else has, and directories when it is mounted.
func TestPathsOnOverlayAreTrueOrMarked(t *testing.T) {
	opened := lookup("security_file_open")
	s := start(t, tracer.Config{Events: []*events.Event{opened}})
	detail, skip := "overlay, all that is opened", ""
	defer func() { report(t, opened.Name, s.rungs()[opened.Name], detail) }()
	s.try(t, func(t testing.TB) { skip = s.tryOverlay(t) })
	if skip != "" {
		detail += ": " + skip
		t.Skip(skip)
	}
}

// tryOverlay returns why it could not be tried, if so.
func (s *session) tryOverlay(t testing.TB) (skip string) {
	c := spawn(t, "truth/overlay")
	found, seen := s.run(c, 0)
	missing := map[string]bool{}
	for _, w := range found.Wants {
		missing[w.Arguments["pathname"].(string)] = true
	}
	known := maps.Clone(missing)
	for _, e := range of(seen, []int{c.pid}, "security_file_open") {
		path, _ := e.Lookup("pathname")
		name := path.Value().(string)
		delete(missing, name)
		if !known[name] && !path.Truncated() && !leadsTo(name, e) {
			t.Errorf("neither true nor marked: %s", show(e))
		}
	}
	if len(missing) > 0 {
		t.Errorf("not seen: %v", slices.Collect(maps.Keys(missing)))
	}
	return found.Skip
}

// leadsTo says that a path leads to the file that the event is about.
func leadsTo(path string, e *trace.Event) bool {
	inode, _ := e.Lookup("inode")
	dev, _ := e.Lookup("dev")
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && matches(inode.Value(), st.Ino) == nil && matches(dev.Value(), kernelDev(st.Dev)) == nil
}

func truthActions() map[string]func(*actor) {
	return map[string]func(*actor){"truth/overlay": (*actor).openLayers}
}

// tinyProgram is an executable of this architecture that ends with a status.
func tinyProgram(status byte) []byte {
	const headers, start, page = 64 + 56, 0x400000, 0x10000
	machine, code := uint16(62), []byte{0xbf, status, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 5}
	if runtime.GOARCH == "arm64" {
		machine, code = 183, nil
		for _, word := range []uint32{0xd2800000 | uint32(status)<<5, 0xd2800000 | 94<<5 | 8, 0xd4000001} {
			code = binary.LittleEndian.AppendUint32(code, word)
		}
	}
	b := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	little := binary.LittleEndian
	b = little.AppendUint16(little.AppendUint16(b, 2), machine)
	b = little.AppendUint32(b, 1)
	for _, word := range []uint64{start + headers, 64, 0} { // entry, program headers, no sections
		b = little.AppendUint64(b, word)
	}
	b = little.AppendUint32(b, 0)
	for _, half := range []uint16{64, 56, 1, 64, 0, 0} {
		b = little.AppendUint16(b, half)
	}
	b = little.AppendUint32(little.AppendUint32(b, 1), 5) // loaded, to be read and executed
	size := uint64(headers + len(code))
	for _, word := range []uint64{0, start, start, size, size, page} {
		b = little.AppendUint64(b, word)
	}
	return append(b, code...)
}

// runChild runs a program in a child, and returns its process and how it ended.
func (a *actor) runChild(path uintptr) (pid int, end unix.WaitStatus) {
	argv, env := list("program"), list("E=5")
	pid = a.must(unix.SYS_CLONE, uintptr(unix.SIGCHLD))
	if pid == 0 {
		syscall.RawSyscall(unix.SYS_EXECVE, path, argv, env)
		for {
			syscall.RawSyscall(unix.SYS_EXIT_GROUP, 255, 0, 0)
		}
	}
	_, err := unix.Wait4(pid, &end, 0, nil)
	a.check(err)
	return pid, end
}

// runFlipped executes one of two programs, which say themselves which it was.
func (a *actor) runFlipped(wanted func(file string) *want) {
	files := map[int]string{40: a.path("program-a"), 41: a.path("program-b")}
	for status, file := range files {
		a.check(os.WriteFile(file, tinyProgram(byte(status)), 0o755))
	}
	text, stop := a.flips(files[40]+"\x00", files[41]+"\x00")
	defer stop()
	a.often(2000, func() string {
		pid, end := a.runChild(text)
		file, ok := files[end.ExitStatus()]
		if !ok {
			a.fail(errors.New("the program ended otherwise than it should"))
		}
		wanted(file).Pid = pid
		return file
	})
}

func execFlipped(a *actor) {
	a.runFlipped(func(file string) *want { return a.wantExec(file, file, file, []string{"program"}, []string{"E=5"}) })
}

func checkFlipped(a *actor) { a.runFlipped(a.wantCheck) }

// execByOtherNames executes one file by many names. What the program is, is in pathname, whatever the name.
func execByOtherNames(a *actor) {
	a.privateMounts()
	dir := a.directory("dir/sub")
	file := filepath.Join(dir, "program")
	a.check(os.WriteFile(file, tinyProgram(7), 0o755))
	a.check(os.Symlink("dir", a.path("link")))
	a.check(unix.Mount(dir, a.directory("bind"), "", unix.MS_BIND, ""))
	run := func(given, path string) *want {
		w := a.wantExec(given, given, given, []string{"program"}, []string{"E=5"})
		w.Arguments["pathname"] = path
		pid, end := a.runChild(cString(given))
		if w.Pid = pid; end.ExitStatus() != 7 {
			a.fail(errors.New(given + " was not executed"))
		}
		return w
	}
	run(a.path("link/sub/../sub//program"), file)
	run("/proc/self/root"+file, file)
	run(a.path("bind/program"), a.path("bind/program"))
	a.check(os.Link(file, a.path("hard")))
	run(a.path("hard"), a.path("hard"))
	other, reap := a.fork(unix.CLONE_NEWNS, 0)
	defer reap()
	run("/proc/"+itoa(other)+"/root"+file, file).Truncated = []string{"pathname"}

	fd := a.must(unix.SYS_OPENAT, atCwd, cString(file), unix.O_PATH, 0)
	a.check(os.Remove(file))
	run("/proc/self/fd/"+itoa(fd), file).Truncated = []string{"pathname"}

	a.check(unix.Mount("/proc", a.directory("dir/proc"), "", unix.MS_BIND|unix.MS_REC, ""))
	a.check(os.Rename(a.path("hard"), a.path("dir/hard")))
	a.check(unix.Chroot(a.path("dir")))
	run("/hard", a.path("dir/hard"))
}

func execOnOverlay(a *actor) {
	a.directory("lower")
	a.check(os.WriteFile(a.path("lower/program"), tinyProgram(0), 0o755))
	file := a.overlay() + "/program"
	w := a.wantExec(file, file, file, []string{"program"}, []string{"E=5"})
	w.Pid, _ = a.runChild(cString(file))
}

// flippedAddress is an address of which the last byte changes all the time.
func (a *actor) flippedAddress(port int) (address, length uintptr, stop func()) {
	first, second := inet("127.0.0.1", port).bytes, inet("127.0.0.2", port).bytes
	address, stop = a.flips(string(first), string(second))
	return address, uintptr(len(first)), stop
}

func connectFlipped(a *actor) {
	const port = 9
	address, length, stop := a.flippedAddress(port)
	defer stop()
	fd := a.socket(unix.AF_INET, unix.SOCK_DGRAM)
	a.often(20000, func() string {
		a.must(unix.SYS_CONNECT, uintptr(fd), address, length)
		peer, err := unix.Getpeername(fd)
		a.check(err)
		a.wantSocket("security_socket_connect", fd, "remote_addr", inet(ipOf(peer), port), 0)
		return ipOf(peer)
	})
}

func bindFlipped(a *actor) {
	address, length, stop := a.flippedAddress(0)
	defer stop()
	a.often(20000, func() string {
		fd := a.socket(unix.AF_INET, unix.SOCK_DGRAM)
		a.must(unix.SYS_BIND, uintptr(fd), address, length)
		local := a.local(fd)
		ip := local.shown["sin_addr"]
		a.wantSocket("security_socket_bind", fd, "local_addr", a.asked("security_socket_bind", inet(ip, 0), local), 0)
		a.check(unix.Close(fd))
		return ip
	})
}

func ipOf(address unix.Sockaddr) string {
	b := address.(*unix.SockaddrInet4).Addr
	parts := make([]string, len(b))
	for i, n := range b {
		parts[i] = itoa(int(n))
	}
	return strings.Join(parts, ".")
}
