package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tracee-go/tracee/internal/library"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// Bounds of what is kept of one process.
const (
	evidenceFiles = 256 // open files
	evidenceMaps  = 256 // mappings
)

// Evidence keeps what a process is at the moment in which a signature recognised something: those parts that are asked
// for. Once for each program of a process and each signature.
// It may be called from any goroutine; it takes hold of the program at once, and leaves the rest to the keeper.
func (c *Capturer) Evidence(e *trace.Event, signature string, parts detect.Evidence) {
	seen, _ := c.evidenced.ContainsOrAdd(evidenceKey{e.ProcessEntityID, e.Executable, signature}, true)
	if seen && e.ProcessEntityID != 0 {
		return
	}
	n := &notice{context: contextOf(e), pid: e.HostProcessID, parent: e.HostParentProcessID, fd: -1, name: signature}
	if parts&detect.EvidenceExecutable != 0 {
		n.own, n.holdErr = openImage(n)
	}
	if c.config.Quota.Packets == 0 {
		parts &^= detect.EvidencePackets
	}
	if parts&detect.EvidencePackets != 0 && c.recent != nil {
		n.packets, _ = c.recent.since(e.ProcessEntityID, 0, time.Now())
	}
	c.keeper.take(n, func(k *keeper, n *notice) { k.evidence(n, parts) })
}

// evidenceKey is what evidence is kept of once: a program that a process runs, and a signature.
type evidenceKey struct {
	process               uint64
	executable, signature string
}

const evidencedMax = 4096

// openImage opens the program that a process runs, and notes which file that is.
func openImage(n *notice) (*os.File, error) {
	link := procPath(n.pid, "exe")
	name, err := os.Readlink(link)
	if err != nil {
		return nil, bare(err)
	}
	f, err := library.OpenRegular(link)
	if err != nil {
		return nil, err
	}
	n.path = strings.TrimSuffix(name, " (deleted)")
	n.key = keyOf(f)
	return f, nil
}

// keyOf is what stat says of an open file.
func keyOf(f *os.File) (key fileKey) {
	info, err := f.Stat()
	if err != nil {
		return key
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		key.device, key.inode = library.KernelDevice(stat.Dev), stat.Ino
	}
	return key
}

// asked begins a record of something that a signature asked for.
func (n *notice) asked(kind string) Record {
	r := n.record(kind)
	r.Finding = n.name
	return r
}

func (k *keeper) evidence(n *notice, parts detect.Evidence) {
	if parts&detect.EvidenceExecutable != 0 {
		k.evidenceImage(n)
	}
	if parts&detect.EvidenceMemory != 0 {
		k.evidenceMemory(n)
	}
	if parts&detect.EvidenceFiles != 0 {
		k.evidenceFiles(n)
	}
	if parts&detect.EvidencePackets != 0 {
		k.evidencePackets(n)
	}
}

func (k *keeper) evidenceImage(n *notice) {
	if n.own == nil {
		k.missed(&n.context, n.asked("exec"), n.gone())
		return
	}
	k.keepFile(n, n.asked("exec"), n.own, fmt.Sprintf("exec.%d.%s", n.context.Timestamp, safeName(path.Base(n.path))))
}

// keepFile makes an artifact of an open file, which it closes.
func (k *keeper) keepFile(n *notice, r Record, f *os.File, name string) {
	defer f.Close()
	a, err := k.store.create(r, name)
	if err != nil {
		k.warn(name, err)
		return
	}
	a.record.Source = "file"
	a.copyFrom(f)
	r, err = a.finish("")
	k.warn(name, err)
	k.told(&n.context, r)
}

// mapping is a line of /proc/PID/maps.
type mapping struct {
	start, end uint64
	access     string
	name       string
}

// suspect says that code lies there which is in no file.
func (m mapping) suspect() bool {
	if !strings.Contains(m.access, "x") {
		return false
	}
	switch {
	case m.name == "[vdso]", m.name == "[vsyscall]", m.name == "[uprobes]":
		return false
	case m.name == "", strings.HasPrefix(m.name, "["), strings.HasPrefix(m.name, "/memfd:"), strings.HasPrefix(m.name, "/dev/zero"):
		return true
	}
	return strings.HasSuffix(m.name, " (deleted)")
}

// parseMapping reads "start-end access offset device inode name".
func parseMapping(line string) (m mapping, ok bool) {
	fields := strings.SplitN(line, " ", 6)
	if len(fields) < 5 {
		return m, false
	}
	start, end, _ := strings.Cut(fields[0], "-")
	from, err1 := strconv.ParseUint(start, 16, 64)
	to, err2 := strconv.ParseUint(end, 16, 64)
	m = mapping{start: from, end: to, access: fields[1]}
	if len(fields) == 6 {
		m.name = strings.TrimSpace(fields[5])
	}
	return m, err1 == nil && err2 == nil && from < to
}

// evidenceMemory keeps memory that is executable, and of no file.
func (k *keeper) evidenceMemory(n *notice) {
	maps, err := os.Open(procPath(n.pid, "maps"))
	if err != nil {
		k.missed(&n.context, n.asked("mem"), fmt.Errorf("gone before it could be looked at: %w", bare(err)))
		return
	}
	defer maps.Close()
	memory, err := os.Open(procPath(n.pid, "mem"))
	if err != nil {
		k.missed(&n.context, n.asked("mem"), err)
		return
	}
	defer memory.Close()
	kept := 0
	for lines := bufio.NewScanner(maps); lines.Scan() && kept < evidenceMaps; {
		m, ok := parseMapping(lines.Text())
		if !ok || !m.suspect() {
			continue
		}
		kept++
		k.keepMemory(n, m, memory)
	}
}

func (k *keeper) keepMemory(n *notice, m mapping, memory *os.File) {
	r := n.asked("mem")
	r.Pathname, r.Device, r.Inode, r.Address = m.name, 0, 0, m.start
	a, err := k.store.create(r, fmt.Sprintf("bin.%d.%x-%x", n.context.Timestamp, m.start, m.end))
	if err != nil {
		k.warn("memory", err)
		return
	}
	a.record.Source = "memory"
	p := &piecewise{context: n.context, artifact: a}
	p.fetch(&notice{pid: n.pid, address: m.start}, 0, int64(m.end-m.start))
	k.finishPieces(p)
}

// evidenceFiles keeps the regular files that the process has open, and records what else it has open.
func (k *keeper) evidenceFiles(n *notice) {
	dir := procPath(n.pid, "fd")
	descriptors, err := readDescriptors(dir)
	if err != nil {
		k.missed(&n.context, n.asked("open"), fmt.Errorf("gone before it could be looked at: %w", bare(err)))
		return
	}
	kept := map[fileKey]bool{}
	for i, descriptor := range descriptors {
		if i == evidenceFiles {
			k.missed(&n.context, n.asked("open"), fmt.Errorf("%d more files are open", len(descriptors)-i))
			return
		}
		k.keepOpen(n, path.Join(dir, descriptor.Name()), descriptor, kept)
	}
}

func readDescriptors(dir string) ([]fs.DirEntry, error) {
	const listed = 1 << 16
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	descriptors, err := f.ReadDir(listed)
	if errors.Is(err, io.EOF) { // none
		err = nil
	}
	return descriptors, err
}

func (k *keeper) keepOpen(n *notice, way string, descriptor fs.DirEntry, kept map[fileKey]bool) {
	name, err := os.Readlink(way)
	if err != nil {
		return // closed meanwhile
	}
	r := n.asked("open")
	r.Pathname, r.Device, r.Inode = name, 0, 0
	info, err := os.Stat(way)
	if err != nil || !info.Mode().IsRegular() {
		r.Reason = "no regular file"
		k.store.note(r)
		return
	}
	f, err := library.OpenRegular(way)
	if err != nil {
		k.missed(&n.context, r, err)
		return
	}
	key := keyOf(f)
	if kept[key] {
		f.Close()
		return
	}
	kept[key] = true
	r.Device, r.Inode = key.device, key.inode
	k.keepFile(n, r, f, fmt.Sprintf("open.%d.fd-%s.%s", n.context.Timestamp, descriptor.Name(), safeName(path.Base(name))))
}
