package library

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Key is what the kernel said of a file when it was mapped.
type Key struct {
	Dev   uint32 // as the kernel numbers devices: major << 20 | minor
	Inode uint64
	Ctime uint64 // last change of the inode, ns since the epoch
}

// A Mapping is where to look for a file: a task that mapped it, and the path by which the kernel knows it there.
type Mapping struct {
	Key
	Path           string
	Task           int // the thread that made the mapping
	MountNamespace int
	// FromMaps: the file is known by a line of /proc/PID/maps, which does not tell when it was changed, and until Linux 6.8
	// tells device and inode of the file below, where file systems are stacked.
	FromMaps bool
}

var (
	// errReplaced is another file under the same name.
	errReplaced   = errors.New("another file has taken its place")
	errNotRegular = errors.New("not a regular file")
)

// Open finds the file, wherever it can still be reached: by its path where the task is, through the mapping itself, by
// its path where another task of the same mount namespace is, or by its path where we are. What is opened is the file
// that was mapped, or nothing; it is a regular one. others are tasks of the same mount namespace, see Tasks. exact says that it has not changed since.
func (m *Mapping) Open(others []int) (file *os.File, exact bool, err error) {
	proc := "/proc/" + strconv.Itoa(m.Task)
	if file, err = m.openIn(proc); err == nil {
		return file, true, nil
	}
	err = fmt.Errorf("by its path: %w", err)
	// What a task runs can be opened without the capability that its mappings ask for.
	if file, exact, err := m.openFound(proc+"/exe", proc); err == nil {
		return file, exact, nil
	}
	file, exact, mapErr := m.openMapping(proc)
	if mapErr == nil {
		return file, exact, nil
	}
	err = errors.Join(err, fmt.Errorf("by the mapping: %w", mapErr))
	for _, task := range others {
		if file, err := m.openIn("/proc/" + strconv.Itoa(task)); err == nil {
			return file, true, nil
		}
	}
	if file, err := m.openIn("/proc/self"); err == nil {
		return file, true, nil
	}
	return nil, false, err
}

// openIn opens the path under the root of a task. The kernel's path has no links, so none is followed: a task can not
// lead us anywhere else.
func (m *Mapping) openIn(proc string) (*os.File, error) {
	if !strings.HasPrefix(m.Path, "/") {
		return nil, fmt.Errorf("%q is no path", m.Path)
	}
	found, err := findIn(proc, m.Path)
	if err != nil {
		return nil, err
	}
	defer unix.Close(found)
	exact, err := m.is(found, proc)
	switch {
	case err != nil:
		return nil, err
	case !exact:
		return nil, errReplaced // the inode may be another file's by now
	default:
		return reopen(found)
	}
}

// findIn finds a path under the root of a task, and opens nothing.
func findIn(proc, path string) (int, error) {
	root, err := unix.Open(proc+"/root", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s/root: %w", proc, err)
	}
	defer unix.Close(root)
	return unix.Openat2(root, path, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
	})
}

// reopen opens for reading what was only found. What is not known to be a regular file must never get here: to open a
// device can do harm, to open a pipe can take forever.
func reopen(found int) (*os.File, error) {
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(found),
		unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open for reading: %w", err)
	}
	return os.NewFile(uintptr(fd), "library"), nil
}

// most of the mappings of a task that are looked through; the kernel allows 65530 by default.
const maxMappings = 1 << 17

// openMapping opens what a task has mapped, which works for files without a name too. As long as it is mapped, its inode
// is no other file's, so a change of the inode does not matter here.
func (m *Mapping) openMapping(proc string) (*os.File, bool, error) {
	maps, err := os.Open(proc + "/maps")
	if err != nil {
		return nil, false, err
	}
	defer maps.Close()
	lines := bufio.NewReader(maps)
	last := fmt.Errorf("not in %s/maps", proc)
	for range maxMappings {
		line, err := lines.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) { // a long path
			_, err = lines.ReadSlice('\n')
		}
		if err != nil {
			break
		}
		name, ok := m.in(line)
		if !ok {
			continue
		}
		file, exact, err := m.openFound(proc+"/map_files/"+name, proc)
		if err == nil {
			return file, exact, nil
		}
		last = err
	}
	return nil, false, last
}

// in says that a line of maps is about the file, and names the mapping in map_files:
// 7f1c-7f2d r-xp 00001000 fe:00 1234 /usr/lib/x.so. On stacked file systems, it tells the numbers of the file below.
func (m *Mapping) in(line []byte) (name string, ok bool) {
	fields := bytes.Fields(line)
	if len(fields) < 6 {
		return "", false
	}
	inode, err := strconv.ParseUint(string(fields[4]), 10, 64)
	if err != nil || inode == 0 {
		return "", false
	}
	from, to, ok := strings.Cut(string(fields[0]), "-")
	if !ok || inode != m.Inode && string(fields[5]) != m.Path {
		return "", false
	}
	// maps pads addresses with zeros, map_files does not.
	return strings.TrimLeft(from, "0") + "-" + strings.TrimLeft(to, "0"), true
}

// OpenRegular opens a file for reading if it is a regular one, and only then: it is looked at before it is opened, so that
// a device or a pipe that somebody put in its place does no harm. Links are followed.
func OpenRegular(path string) (*os.File, error) {
	found, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(found)
	return reopenRegular(found)
}

// OpenPlain is OpenRegular for a path that others made up: it follows no link, on no part of the way. What the kernel
// calls the path of a file has none.
func OpenPlain(path string) (*os.File, error) {
	found, err := unix.Openat2(unix.AT_FDCWD, path, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, err
	}
	defer unix.Close(found)
	return reopenRegular(found)
}

func reopenRegular(found int) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(found, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errNotRegular
	}
	return reopen(found)
}

// ReadAtMost reads a file of /proc, and no more of it than a limit: what lies in some, a process decides.
func ReadAtMost(path string, limit int64) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit))
}

// openFound opens what a link of the kernel in /proc leads to, if it is the file.
func (m *Mapping) openFound(link, proc string) (*os.File, bool, error) {
	found, err := unix.Open(link, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false, fmt.Errorf("open %s: %w", link, err)
	}
	defer unix.Close(found)
	exact, err := m.is(found, proc)
	if err != nil {
		return nil, false, err
	}
	file, err := reopen(found)
	return file, exact, err
}

// is compares an open file with what the kernel said.
func (m *Mapping) is(fd int, proc string) (exact bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false, errNotRegular
	}
	if st.Ino != m.Inode {
		return false, errReplaced
	}
	if KernelDevice(uint64(st.Dev)) != m.Dev {
		// btrfs and overlayfs make up devices for stat.
		if dev, err := superblock(fd, proc); (err != nil || dev != m.Dev) && !(m.FromMaps && isStacked(fd)) {
			return false, errReplaced
		}
	}
	return m.FromMaps || uint64(st.Ctim.Nano()) == m.Ctime, nil
}

func isStacked(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC
}

// Unchanged reports whether the inode of an open file is as it was when it was mapped: for after reading.
func (m *Mapping) Unchanged(file *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(file.Fd()), &st) == nil && uint64(st.Ctim.Nano()) == m.Ctime
}

// KernelDevice turns a device as stat tells it into the kernel's own number, major << 20 | minor.
func KernelDevice(dev uint64) uint32 { return unix.Major(dev)<<20 | unix.Minor(dev) }

// superblock is the device of the file system as the kernel numbers it, by the mount that the file was opened on.
func superblock(fd int, proc string) (uint32, error) {
	text, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, err
	}
	_, id, ok := strings.Cut(string(text), "mnt_id:")
	if !ok {
		return 0, errors.New("fdinfo without mnt_id")
	}
	id, _, _ = strings.Cut(strings.TrimSpace(id), "\n")
	return MountDevice(id, proc)
}

// MountDevice is the device, as the kernel numbers it, of the file system on a mount: one that the task of a directory in
// /proc sees, by its id as fdinfo tells it.
func MountDevice(id, proc string) (uint32, error) {
	mounts, err := os.Open(proc + "/mountinfo")
	if err != nil {
		return 0, err
	}
	defer mounts.Close()
	scanner := bufio.NewScanner(io.LimitReader(mounts, maxTable))
	for scanner.Scan() {
		fields := strings.Fields(scanner.Text())
		if len(fields) < 3 || fields[0] != id {
			continue
		}
		var major, minor uint32
		if _, err := fmt.Sscanf(fields[2], "%d:%d", &major, &minor); err != nil {
			return 0, err
		}
		return major<<20 | minor, nil
	}
	return 0, errors.New("mount not listed")
}
