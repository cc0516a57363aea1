package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

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
// It may be called from any goroutine; it takes hold of the process and its program at once, and leaves the rest to the keeper.
func (c *Capturer) Evidence(f detect.Finding, parts detect.Evidence) {
	e, ok := f.Event.Payload.(*trace.Event)
	if !ok || e.HostProcessID == 0 {
		return
	}
	signature := f.SigMetadata.ID
	seen, _ := c.evidenced.ContainsOrAdd(evidenceKey{e.ProcessEntityID, e.Executable, signature}, true)
	if seen && e.ProcessEntityID != 0 {
		return
	}
	q := &request{
		notice:  &notice{context: contextOf(e), pid: e.HostProcessID, parent: e.HostParentProcessID, fd: -1, name: signature},
		process: subjectOf(f, e), parts: parts,
	}
	if parts&detect.EvidenceExecutable != 0 {
		q.own, q.note, q.holdErr = q.process.openImage(q.notice)
	}
	if recent := c.recent.Load(); parts&detect.EvidencePackets != 0 && recent != nil {
		q.packets, _ = recent.since(e.ProcessEntityID, 0, time.Now())
	}
	if !c.keeper.take(q.notice, func(k *keeper, _ *notice) { k.evidence(q) }) {
		q.process.close()
	}
}

// request is evidence that is to be kept of a process.
type request struct {
	*notice
	process subject
	parts   detect.Evidence
	note    string // about the program
}

// evidenceKey is what evidence is kept of once: a program that a process runs, and a signature.
type evidenceKey struct {
	process               uint64
	executable, signature string
}

const evidencedMax = 4096

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
	r := recordOf(&n.context, kind)
	r.Finding = n.name
	return r
}

func (k *keeper) evidence(q *request) {
	defer q.process.close()
	if q.parts&detect.EvidenceExecutable != 0 {
		k.evidenceImage(q)
	}
	for _, each := range []struct {
		part detect.Evidence
		kind string
		keep func(*keeper, *request)
	}{{detect.EvidenceMemory, "mem", (*keeper).evidenceMemory}, {detect.EvidenceFiles, "open", (*keeper).evidenceFiles}} {
		if q.parts&each.part == 0 {
			continue
		}
		if err := q.process.gone(); err != nil {
			k.missed(&q.context, q.asked(each.kind), err)
			continue
		}
		each.keep(k, q)
	}
	if q.parts&detect.EvidencePackets != 0 && k.capturer.config.Quota.Packets > 0 {
		k.evidencePackets(q.notice)
	}
}

func (k *keeper) evidenceImage(q *request) {
	r := q.asked("exec")
	r.Pathname, r.Device, r.Inode = q.path, q.key.device, q.key.inode
	if q.own == nil {
		k.missed(&q.context, r, q.holdErr)
		return
	}
	name := fmt.Sprintf("exec.%d.%s", q.context.Timestamp, safeName(path.Base(q.path)))
	k.keepFile(q.notice, r, opened{q.own, name}, q.note)
}

// keepFile makes an artifact of an open file, which it closes. note is about one that is whole.
func (k *keeper) keepFile(n *notice, r Record, f opened, note string) {
	if err := k.evidenceRoom(); err != nil {
		f.Close()
		k.missed(&n.context, r, err)
		return
	}
	k.warn(f.name, k.copyFile(r, f, func(a *artifact) { k.finishEvidence(n, a, note) }))
}

// evidenceRoom says why a copy can not be begun, if there are too many already.
func (k *keeper) evidenceRoom() error {
	if k.evidenceCopied < evidenceCopies {
		return nil
	}
	return fmt.Errorf("%d other files of findings were being copied", evidenceCopies)
}

func (k *keeper) finishEvidence(n *notice, a *artifact, note string) {
	r, err := a.finish(note)
	k.warn(r.Kind, err)
	k.told(&n.context, r)
}

// mapping is a line of /proc/PID/maps.
type mapping struct {
	start, end uint64
	access     string
	offset     uint64 // in what is mapped,
	of         string // which is this device and inode
	name       string
}

// shared says that it is memory which other mappings can share, of no file with a name.
func (m mapping) shared() bool {
	return strings.HasSuffix(m.access, "s") && slices.ContainsFunc([]string{"/memfd:", "/dev/zero", "/SYSV"}, func(kind string) bool {
		return strings.HasPrefix(m.name, kind)
	})
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
	offset, err3 := strconv.ParseUint(fields[2], 16, 64)
	m = mapping{start: from, end: to, access: fields[1], offset: offset, of: fields[3] + " " + fields[4]}
	if len(fields) == 6 {
		m.name = strings.TrimSpace(fields[5])
	}
	return m, err1 == nil && err2 == nil && err3 == nil && from < to
}

// evidenceMemory keeps memory that is executable, and of no file.
func (k *keeper) evidenceMemory(q *request) {
	memory, err := openMemory(&q.process)
	if err != nil {
		k.missed(&q.context, q.asked("mem"), err)
		return
	}
	defer memory.release()
	kept := 0
	for _, m := range memory.mappings {
		if !m.suspect() {
			continue
		}
		if kept++; kept > evidenceMaps {
			break
		}
		k.keepMemory(q.notice, m, memory)
	}
	switch {
	case memory.cut != nil:
		k.missed(&q.context, q.asked("mem"), memory.cut)
	case kept > evidenceMaps:
		k.missed(&q.context, q.asked("mem"), fmt.Errorf("more than %d pieces of memory are executable and of no file", evidenceMaps))
	case kept == 0:
		k.noted(q, "mem", "no memory is executable and of no file")
	}
}

// noted records that there is nothing of a kind, unless the process has ended meanwhile, and nobody knows.
func (k *keeper) noted(q *request, kind, reason string) {
	r := q.asked(kind)
	if err := q.process.gone(); err != nil {
		k.missed(&q.context, r, err)
		return
	}
	r.Reason = reason
	k.store.note(r)
}

// memory is that of a process, which several copies read.
type memory struct {
	*os.File
	pagemap  *os.File
	mappings []mapping
	cut      error // why there are more
	users    int
}

// mappingsMax bounds what is looked through: the kernel allows 65530 by default.
const mappingsMax = 1 << 17

func openMemory(process *subject) (*memory, error) {
	maps, err := os.Open(process.path("maps"))
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	m := &memory{users: 1}
	lines := bufio.NewScanner(maps)
	for lines.Scan() && len(m.mappings) < mappingsMax {
		if each, ok := parseMapping(lines.Text()); ok && (each.suspect() || each.shared()) {
			m.mappings = append(m.mappings, each)
		}
	}
	m.cut = lines.Err()
	if m.File, err = os.Open(process.path("mem")); err != nil {
		return nil, err
	}
	if m.pagemap, err = os.Open(process.path("pagemap")); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *memory) release() {
	if m.users--; m.users == 0 {
		m.Close()
		m.pagemap.Close()
	}
}

// touched reads a mapping that is shared.
func (m *memory) touched(of mapping) *touched {
	t := &touched{memory: m, pagemap: m.pagemap, mapping: of}
	for _, other := range m.mappings {
		if other.of == of.of && other.shared() {
			t.aliases = append(t.aliases, other)
		}
	}
	return t
}

func (k *keeper) keepMemory(n *notice, m mapping, memory *memory) {
	r := n.asked("mem")
	r.Pathname, r.Address = m.name, m.start
	if err := k.evidenceRoom(); err != nil {
		k.missed(&n.context, r, err)
		return
	}
	a, err := k.store.create(r, fmt.Sprintf("bin.%d.%x-%x", n.context.Timestamp, m.start, m.end))
	if err != nil {
		k.warn("memory", err)
		return
	}
	a.record.Source = "memory"
	memory.users++
	length := int64(m.end - m.start)
	var from io.ReaderAt = memory
	var shared *touched
	if m.shared() {
		shared = memory.touched(m)
		from = shared
	}
	k.copy(&copying{artifact: a, from: io.NewSectionReader(from, int64(m.start), length), evidence: true, done: func(k *keeper) {
		memory.release()
		if a.size < length { // it ends where the process does
			a.spoil("memory of the process could not be read")
		}
		k.finishEvidence(n, a, shared.note())
	}})
}

// evidenceFiles keeps the regular files that the process has open, and records what else it has open.
func (k *keeper) evidenceFiles(q *request) {
	descriptors, err := readDescriptors(q.process.path("fd"))
	if err != nil {
		k.missed(&q.context, q.asked("open"), err)
		return
	}
	kept := map[fileKey]bool{}
	for i, descriptor := range descriptors {
		if i == evidenceFiles {
			k.missed(&q.context, q.asked("open"), fmt.Errorf("%d more files are open", len(descriptors)-i))
			return
		}
		k.keepOpen(q.notice, q.process.path("fd/"+descriptor.Name()), descriptor, kept)
	}
	if len(descriptors) == 0 {
		k.noted(q, "open", "no file is open")
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
	r.Pathname = name
	var st unix.Stat_t // of an eventfd and its like, it has no type at all, which package os takes for a regular file
	if err := unix.Stat(way, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
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
	k.keepFile(n, r, opened{f, fmt.Sprintf("open.%d.fd-%s.%s", n.context.Timestamp, descriptor.Name(), safeName(path.Base(name)))}, "")
}
