package library

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Written is a file that a task has just written to. Key says what the kernel knew of it then; it may have been changed since,
// by the same task as a rule, which goes on writing.
type Written struct {
	Mapping
	Descriptor int // of the task; negative: it has none
	Parent     int // the process that made it, which often lives longer
	Generation uint32
}

// Beginning reads the first bytes of the file, wherever it can still be reached. exact says that it is as it was when the
// kernel told of it. What is read is that file's, or nothing.
func (w *Written) Beginning(buffer []byte, others []int) (n int, exact bool, err error) {
	file, exact, err := w.find(others)
	if err != nil {
		return 0, false, err
	}
	defer file.Close()
	n, err = file.ReadAt(buffer, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, false, fmt.Errorf("read its beginning: %w", err)
	}
	return n, exact && n == len(buffer) && w.Unchanged(file), nil
}

// find opens the file by a descriptor of the task; by its path where the task, its parent, and others of the same mount namespace
// are, we, and the first process; or by another mount of its file system, which a container that has ended leaves for a moment.
func (w *Written) find(others []int) (*os.File, bool, error) {
	proc := procOf(w.Task)
	if w.Descriptor >= 0 {
		if file, exact, err := w.openLink(proc, proc+"/fd/"+strconv.Itoa(w.Descriptor)); err == nil {
			return file, exact, nil
		}
	}
	if !strings.HasPrefix(w.Path, "/") {
		return nil, false, fmt.Errorf("%q is no path", w.Path)
	}
	file, exact, err := w.openBelow(proc, w.Path)
	if err == nil {
		return file, exact, nil
	}
	err = fmt.Errorf("by its path: %w", err)
	for _, task := range append([]int{w.Parent}, others...) {
		if file, exact, err := w.openBelow(procOf(task), w.Path); err == nil {
			return file, exact, nil
		}
	}
	for _, proc := range []string{"/proc/self", "/proc/1"} { // which differ where we are in a container
		if file, exact, err := w.openBelow(proc, w.Path); err == nil {
			return file, exact, nil
		}
		for _, point := range mountPoints(proc, w.Dev) {
			if file, exact, err := w.openBelow(proc, point+w.Path); err == nil {
				return file, exact, nil
			}
		}
	}
	return nil, false, err
}

func procOf(task int) string { return "/proc/" + strconv.Itoa(task) }

// openLink opens what a link of the kernel in /proc leads to.
func (w *Written) openLink(proc, link string) (*os.File, bool, error) {
	found, err := unix.Open(link, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false, fmt.Errorf("open %s: %w", link, err)
	}
	defer unix.Close(found)
	return w.open(found, proc, true)
}

// openBelow opens a path under the root of a task.
func (w *Written) openBelow(proc, path string) (*os.File, bool, error) {
	found, err := findIn(proc, path)
	if err != nil {
		return nil, false, err
	}
	defer unix.Close(found)
	return w.open(found, proc, false)
}

// open opens for reading what was found, if it is the file.
func (w *Written) open(found int, proc string, byDescriptor bool) (*os.File, bool, error) {
	exact, err := w.is(found, proc)
	if err != nil {
		return nil, false, err
	}
	if !exact && !w.existed(found, byDescriptor) {
		return nil, false, errReplaced
	}
	file, err := reopen(found)
	if err != nil {
		return nil, false, err
	}
	// Where the file system tells the generation, it tells files apart that have had the same inode.
	generation, err := unix.IoctlGetInt(int(file.Fd()), getGeneration)
	if err == nil && uint32(generation) != w.Generation {
		return nil, false, errors.Join(errReplaced, file.Close())
	}
	return file, exact, nil
}

// getGeneration is FS_IOC_GETVERSION.
const getGeneration = 0x80087601

// existed says that a file which has changed since is not one made since, whose inode has the same number. A descriptor is
// believed where the file system does not tell when files were made.
func (w *Written) existed(found int, byDescriptor bool) bool {
	var st unix.Statx_t
	err := unix.Statx(found, "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st)
	if err != nil || st.Mask&unix.STATX_BTIME == 0 {
		return byDescriptor
	}
	return uint64(st.Btime.Sec)*1e9+uint64(st.Btime.Nsec) <= w.Ctime
}

const (
	mountPointsMax = 8
	mountsMax      = 1 << 20 // bytes of mountinfo
)

// mountPoints are where a task sees the whole of a file system.
func mountPoints(proc string, device uint32) []string {
	mounts, err := os.Open(proc + "/mountinfo")
	if err != nil {
		return nil
	}
	defer mounts.Close()
	wanted := fmt.Sprintf("%d:%d", device>>20, device&(1<<20-1))
	var points []string
	for scanner := bufio.NewScanner(io.LimitReader(mounts, mountsMax)); scanner.Scan() && len(points) < mountPointsMax; {
		fields := strings.Fields(scanner.Text())
		if len(fields) > 4 && fields[2] == wanted && fields[3] == "/" && fields[4] != "/" {
			points = append(points, unescaped.Replace(fields[4]))
		}
	}
	return points
}

// unescaped undoes what mountinfo does to paths.
var unescaped = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
