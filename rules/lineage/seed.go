package lineage

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tracee-go/tracee/internal/library"
)

const (
	// largest is how much is read of what a process says of itself: the kernel takes no longer arguments, but may be told of some.
	largest = 128 << 10
	// startField is where the time of the start stands, among the fields of stat that follow the name.
	startField = 19
	// tick is the unit of times in stat, on every architecture that there are programs for.
	tick = 10 * time.Millisecond
)

// Seed adds the processes that a proc file system shows. It is for the time before the first event: who is known already
// is not asked about. What can not be read is left out.
func (t *Table) Seed(proc string) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || len(t.seeds) >= known {
			continue
		}
		if p, ok := readProcess(filepath.Join(proc, entry.Name()), pid); ok {
			t.seeds[pid] = p
		}
	}
}

func readProcess(dir string, pid int) (*process, bool) {
	stat, err := library.ReadAtMost(filepath.Join(dir, "stat"), largest)
	if err != nil {
		return nil, false
	}
	// The name is in parentheses and may hold others; state and parent follow the last.
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return nil, false
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) <= startField {
		return nil, false
	}
	parent, noParent := strconv.ParseInt(fields[1], 10, 32)
	start, noStart := strconv.Atoi(fields[startField])
	if noParent != nil || noStart != nil {
		return nil, false
	}
	p := &process{
		pid: int32(pid), parentPID: int32(parent), parent: keyOf(0, int(parent)), name: string(stat[open+1 : end]),
		startTime: start * int(tick),
	}
	if path, err := os.Readlink(filepath.Join(dir, "exe")); err == nil {
		p.executable = asInEvents(path)
	}
	if raw, err := library.ReadAtMost(filepath.Join(dir, "cmdline"), largest); err == nil && len(raw) > 0 {
		p.arguments = cut(raw)
	}
	var info syscall.Stat_t
	if syscall.Stat(filepath.Join(dir, "exe"), &info) == nil {
		// As the kernel numbers devices: 12 bits of the major above 20 of the minor.
		p.device, p.inode = KernelDevice(info.Dev), info.Ino
	}
	if syscall.Stat(dir, &info) == nil {
		p.user = int32(info.Uid)
	}
	return p, true
}

// asInEvents turns the path of an executable in /proc into the one in events, where memory has a name without a directory.
func asInEvents(path string) string {
	path = strings.TrimSuffix(path, " (deleted)")
	if strings.HasPrefix(path, "/memfd:") {
		return path[1:]
	}
	return path
}

// KernelDevice turns the number that stat gives into the one in events.
func KernelDevice(dev uint64) uint64 {
	major := dev>>8&0xfff | dev>>32&^0xfff
	minor := dev&0xff | dev>>12&^0xff
	return major<<20 | minor&0xfffff
}
