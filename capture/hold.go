package capture

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// fileKey is a file of the kernel: its inode, whatever its name.
type fileKey struct {
	device     uint32 // as the kernel numbers it internally: major << 20 | minor
	inode      uint64
	generation uint32 // 0: not known
}

// hold opens a file for reading, by the first of several ways that leads to it: what is found there must be the file.
// A descriptor of our own keeps the contents, whatever becomes of the name and of the process.
func hold(key fileKey, ways ...string) (*os.File, error) {
	err := error(os.ErrNotExist)
	for _, way := range ways {
		f, e := openWay(way)
		if e != nil {
			if err == os.ErrNotExist {
				err = e
			}
			continue
		}
		if isFile(f, key, strings.Contains(way, "/fd/") || strings.HasSuffix(way, "/exe")) {
			return f, nil
		}
		f.Close()
		err = fmt.Errorf("there is another file now")
	}
	return nil, bare(err)
}

// openWay opens a regular file without waiting: what is found there may be something else, made for us to hang on.
func openWay(way string) (*os.File, error) {
	fd, err := unix.Open(way, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, fmt.Errorf("it is no regular file")
	}
	return os.NewFile(uintptr(fd), way), nil
}

// isFile says whether an open file is the one that the kernel side saw. Some file systems (overlayfs, btrfs) tell stat
// other numbers than they have; then the kernel's own are in fdinfo and mountinfo. The device of a mount in another
// namespace is not to be found there; direct says that the file was not found by a name, so that its number is enough.
func isFile(f *os.File, key fileKey, direct bool) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && stat.Ino == key.inode && kernelDevice(stat.Dev) == key.device {
		return true
	}
	inode, mount := fdinfo(int(f.Fd()))
	if inode != key.inode || inode == 0 {
		return false
	}
	device := mountDevice(mount)
	return device == key.device || device == 0 && direct
}

// kernelDevice turns a device number of user space into the one that the kernel has.
func kernelDevice(dev uint64) uint32 { return unix.Major(dev)<<20 | unix.Minor(dev) }

// fdinfo reads which inode an open file has (Linux 5.14), and through which mount it was opened.
func fdinfo(fd int) (inode uint64, mount string) {
	text, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, ""
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); name {
		case "ino":
			inode, _ = strconv.ParseUint(value, 10, 64)
		case "mnt_id":
			mount = value
		}
	}
	return inode, mount
}

// mountDevice finds the device of a mount. That of another mount namespace is not in our list: then it is not known.
func mountDevice(id string) uint32 {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || fields[0] != id {
			continue
		}
		major, minor, _ := strings.Cut(fields[2], ":")
		a, _ := strconv.ParseUint(major, 10, 12)
		b, _ := strconv.ParseUint(minor, 10, 20)
		return uint32(a)<<20 | uint32(b)
	}
	return 0
}

func procPath(pid int, rest string) string { return "/proc/" + strconv.Itoa(pid) + "/" + rest }

// waysTo are the ways to a file that a process has, or had: by its descriptor, and by its path in the process's mount
// namespace, which others may share.
func waysTo(n *notice) []string {
	var ways []string
	if n.fd >= 0 {
		ways = append(ways, procPath(n.pid, "fd/"+strconv.Itoa(n.fd)))
	}
	if strings.HasPrefix(n.path, "/") {
		ways = append(ways, procPath(n.pid, "root"+n.path))
		if n.parent > 0 {
			ways = append(ways, procPath(n.parent, "root"+n.path))
		}
		ways = append(ways, n.path)
	}
	return ways
}

// processLives says whether a process has not ended.
func processLives(pid int) bool {
	_, err := os.Stat(procPath(pid, "exe"))
	return err == nil || !os.IsNotExist(err)
}

// descriptorsMax bounds how many descriptors of a process are looked through.
const descriptorsMax = 1024

// holdByParent looks for a file among the descriptors of a process: who executes a file that has no name, or none any
// more, has it open as a rule, and often lives longer than the program.
func holdByParent(key fileKey, parent int) *os.File {
	dir, err := os.Open(procPath(parent, "fd"))
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(descriptorsMax)
	for _, name := range names {
		way := procPath(parent, "fd/"+name)
		info, err := os.Stat(way) // most are other files, and need not be opened
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Ino != key.inode {
			continue
		}
		if f, err := hold(key, way); err == nil {
			return f
		}
	}
	return nil
}
