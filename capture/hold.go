package capture

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/tracee-go/tracee/internal/library"
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
		f, e := library.OpenRegular(way)
		if e != nil {
			if err == os.ErrNotExist {
				err = e
			}
			continue
		}
		if isFile(f, key, way) {
			return f, nil
		}
		f.Close()
		err = fmt.Errorf("there is another file now")
	}
	return nil, bare(err)
}

// isFile says whether a file, which was opened by one of the ways, is the one that the kernel side saw. Some file systems
// (overlayfs, btrfs) tell stat other numbers than they have; then the kernel's own are in fdinfo and mountinfo, of whoever
// shares the mount: ourselves, or the process by which the way leads. If neither is there to be asked, the number of a file
// that was not found by a name is enough.
func isFile(f *os.File, key fileKey, way string) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if ok && stat.Ino == key.inode && library.KernelDevice(stat.Dev) == key.device {
		return true
	}
	inode, mount := fdinfo(int(f.Fd()))
	if inode != key.inode || inode == 0 {
		return false
	}
	for _, process := range []string{"/proc/self", processOf(way)} {
		if device, err := library.MountDevice(mount, process); err == nil {
			return device == key.device
		}
	}
	return strings.Contains(way, "/fd/") || strings.HasSuffix(way, "/exe")
}

// processOf is the beginning of a way that leads by a process; other ways lead by none.
func processOf(way string) string {
	pid, _, found := strings.Cut(strings.TrimPrefix(way, "/proc/"), "/")
	if !found || !strings.HasPrefix(way, "/proc/") {
		return "/proc/self"
	}
	return "/proc/" + pid
}

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
