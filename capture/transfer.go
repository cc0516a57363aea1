package capture

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// When transfers are finished.
const (
	whileUnknown = 150 * time.Millisecond // nobody knows yet whether the file is closed already
	whileOpen    = time.Second            // it is open; the kernel tells when it is closed
	afterClosing = 20 * time.Millisecond  // others may come, to be finished together
	whileQuiet   = time.Second            // no file that is closed: nothing more has come
	lingering    = 5 * time.Second        // a descriptor is kept, should somebody else go on
)

const (
	transfersMax = 512     // at once; each may have two descriptors
	resumedMax   = 8192    // finished ones that are gone on with, not made anew
	sendMax      = 1 << 20 // bytes that are sent of a file before it is only copied
	writersMax   = 16
)

// transfers are the files that are written and read.
type transfers struct {
	active   map[transferKey]*transfer
	finished *lru.Cache[transferKey, Record]
}

func (t *transfers) start() {
	t.active = map[transferKey]*transfer{}
	finished, err := lru.New[transferKey, Record](resumedMax)
	if err != nil { // only for a size below 1
		panic(err)
	}
	t.finished = finished
}

type transferKey struct {
	file      fileKey
	read      bool
	container string
	pid       int // only of /dev/null
}

// transfer is a file of which an artifact is made while it is written or read.
type transfer struct {
	key      transferKey
	context  trace.Event
	artifact *artifact
	own      *os.File // a descriptor of our own; nil: the file was gone, or is no regular one
	holdErr  error
	regular  bool
	mapped   bool            // or changed by the kernel: written without bytes that could be sent
	copied   bool            // the kernel side sends nothing more
	idle     bool            // it is finished, and lingers
	sent     int64           // bytes
	missing  int64           // bytes that were not sent
	extent   int64           // the end of what was transferred
	writers  map[[2]int]bool // process and descriptor
	deadline time.Time
	last     time.Time
	size     int64 // and time of the file when it was copied
	modified time.Time
}

// transfer takes what was written or read.
func (k *keeper) transfer(n *notice) {
	key := transferKey{file: n.key, read: n.event == events.CaptureFileRead.ID, container: n.context.ContainerID}
	if n.path == "/dev/null" {
		key.pid = n.pid
	}
	t := k.transfers.active[key]
	if t == nil || t.idle {
		if t = k.beginTransfer(key, t, n); t == nil {
			return
		}
	}
	if n.own != nil && t.own == nil {
		t.own = n.own
	} else if n.own != nil {
		n.own.Close()
	}
	t.last = time.Now()
	if len(t.writers) < writersMax && n.fd >= 0 {
		t.writers[[2]int{n.pid, n.fd}] = true
	}
	t.take(n)
	k.spare(t)
}

func (k *keeper) beginTransfer(key transferKey, idle *transfer, n *notice) *transfer {
	kind := "write"
	if key.read {
		kind = "read"
	}
	a, err := k.openTransfer(key, kind, n)
	if err != nil {
		if n.own != nil {
			n.own.Close()
			k.capturer.holding.Delete(n.key)
		}
		k.warn(n.path, err)
		return nil
	}
	t := &transfer{
		key: key, context: n.context, artifact: a, holdErr: n.holdErr, regular: n.regular(), writers: map[[2]int]bool{},
		deadline: time.Now().Add(whileUnknown),
	}
	if idle != nil {
		t.own = idle.own
	}
	if !t.regular {
		t.deadline = time.Now().Add(whileQuiet)
	}
	if len(k.transfers.active) >= transfersMax {
		k.finishOldest()
	}
	k.transfers.active[key] = t
	return t
}

// openTransfer goes on with the artifact of a file, or begins one.
func (k *keeper) openTransfer(key transferKey, kind string, n *notice) (*artifact, error) {
	if r, ok := k.transfers.finished.Get(key); ok {
		if a, err := k.store.resume(r); err == nil {
			return a, nil
		}
	}
	name := fmt.Sprintf("%s.dev-%d.inode-%d", kind, n.key.device, n.key.inode)
	if key.pid != 0 {
		name += ".pid-" + strconv.Itoa(key.pid)
	}
	a, err := k.store.createLive(n.record(kind), name)
	if err == nil && kind == "write" {
		k.warn(writtenFiles, k.store.appendLine(writtenFiles, a.record.Artifact+" "+oneLine(n.path)))
	}
	return a, err
}

// writtenFiles is v0.8's index of the files that were written.
const writtenFiles = "written_files"

func oneLine(path string) string { return strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(path) }

// take writes bytes to the artifact.
func (t *transfer) take(n *notice) {
	missing := n.size - int64(len(n.bytes))
	t.sent += int64(len(n.bytes))
	switch {
	case !t.regular:
		t.artifact.append(n.bytes)
		if missing > 0 {
			t.artifact.spoil("bytes are missing that could not be sent")
		}
	case n.pos < 0:
		t.mapped = true
	default:
		t.artifact.writeAt(n.bytes, n.pos)
		t.missing += missing
		t.extent = max(t.extent, n.pos+n.size)
		if t.key.read && missing > 0 {
			t.fetch(n, n.pos+int64(len(n.bytes)), missing)
		}
	}
}

// fetch reads from the file what was not sent of what somebody read there.
func (t *transfer) fetch(n *notice, at, length int64) {
	if t.own == nil {
		t.own, t.holdErr = hold(n.key, waysTo(n)...)
	}
	if t.own == nil {
		return
	}
	buffer := make([]byte, copyBytes)
	for length > 0 {
		got, err := t.own.ReadAt(buffer[:min(length, copyBytes)], at)
		t.artifact.writeAt(buffer[:got], at)
		t.missing -= int64(got)
		at, length = at+int64(got), length-int64(got)
		if err != nil {
			return
		}
	}
}

// spare watches a file that is held until it is closed, and spares the kernel side to send all of a long one.
func (k *keeper) spare(t *transfer) {
	if t.own == nil || t.key.read {
		return
	}
	if k.watch.by[t.key.file] == 0 {
		k.warn("watch", k.watch.add(t.key.file, t.own))
	}
	if t.copied || t.sent < sendMax && !t.mapped && t.missing == 0 {
		return
	}
	t.copied = k.tellCopied(t.key.file, true)
}

func (k *keeper) tellCopied(file fileKey, copied bool) bool {
	tell := k.capturer.config.Copied
	if tell == nil {
		return false
	}
	err := tell(file.device, file.inode, file.generation, copied)
	k.warn("tell the kernel side", err)
	return err == nil && copied
}

// closed notes that a file was closed that somebody could have written to.
func (t *transfers) closed(file fileKey) {
	for key, transfer := range t.active {
		if key.file == file && !key.read {
			transfer.deadline = time.Now().Add(afterClosing)
			if transfer.idle && !transfer.changed() {
				transfer.deadline = transfer.last.Add(lingering)
			}
		}
	}
}

// changed says whether a file is not what it was when it was copied.
func (t *transfer) changed() bool {
	if t.own == nil {
		return false
	}
	info, err := t.own.Stat()
	return err == nil && (t.mapped || info.Size() != t.size || !info.ModTime().Equal(t.modified))
}

// dueTransfers finishes what is over.
func (k *keeper) dueTransfers(ending bool) {
	now := time.Now()
	for _, t := range k.transfers.active {
		switch {
		case !ending && now.Before(t.deadline):
		case t.idle:
			if ending && t.changed() || !ending && now.Sub(t.last) < lingering && t.changed() {
				k.again(t)
			}
			k.drop(t)
		case ending:
			k.finishTransfer(t)
			k.drop(t)
		case t.regular && t.own != nil && !t.key.read && t.open():
			t.deadline = now.Add(whileOpen)
		case now.Sub(t.last) < whileQuiet && (!t.regular || t.key.read):
			t.deadline = t.last.Add(whileQuiet)
		default:
			k.finishTransfer(t)
			if t.own == nil || t.key.read {
				k.drop(t)
				continue
			}
			t.idle, t.last, t.deadline = true, now, now.Add(lingering)
		}
	}
}

// again copies a file that somebody changed whom the kernel side did not tell of: a child, through a mapping.
func (k *keeper) again(t *transfer) {
	r, ok := k.transfers.finished.Get(t.key)
	if !ok {
		return
	}
	a, err := k.store.resume(r)
	if err != nil {
		return
	}
	t.artifact = a
	k.finishTransfer(t)
}

// finishOldest makes room for another transfer.
func (k *keeper) finishOldest() {
	var oldest *transfer
	for _, t := range k.transfers.active {
		if oldest == nil || t.idle && !oldest.idle || t.idle == oldest.idle && t.last.Before(oldest.last) {
			oldest = t
		}
	}
	if !oldest.idle {
		k.finishTransfer(oldest)
	}
	k.drop(oldest)
}

// drop lets go of a transfer that is finished.
func (k *keeper) drop(t *transfer) {
	delete(k.transfers.active, t.key)
	if t.key.read {
		if t.own != nil {
			t.own.Close()
		}
		return
	}
	k.capturer.holding.Delete(t.key.file)
	k.watch.remove(t.key.file)
	if t.own != nil {
		t.own.Close()
	}
}

// open says whether one of the processes that wrote to the file has it open or mapped.
func (t *transfer) open() bool {
	own, err := t.own.Stat()
	if err != nil {
		return false
	}
	for writer := range t.writers {
		if info, err := os.Stat(procPath(writer[0], "fd/"+strconv.Itoa(writer[1]))); err == nil && os.SameFile(own, info) {
			return true
		}
		if !t.mapped {
			continue
		}
		maps, err := os.ReadFile(procPath(writer[0], "maps"))
		if err == nil && strings.Contains(string(maps), " "+strconv.FormatUint(t.key.file.inode, 10)+" ") {
			return true
		}
	}
	return false
}

// finishTransfer makes the artifact equal to the file, if there is one, and records it.
func (k *keeper) finishTransfer(t *transfer) {
	if t.copied { // from now on all is sent again: what comes while the file is copied is not missed
		t.copied = k.tellCopied(t.key.file, false)
	}
	a := t.artifact
	a.record.Source = "caller"
	note := ""
	switch {
	case !t.regular:
	case t.own == nil || t.key.read:
		if t.missing > 0 || t.mapped {
			a.spoil(fmt.Sprintf("not all could be sent, and the file was gone: %v", t.holdErr))
		}
	default:
		note = t.copy()
	}
	if !k.wantedType(t) {
		a.discard("it is no ELF file")
		return
	}
	r, err := a.finish(note)
	if err != nil {
		k.warn(r.Pathname, err)
	}
	if r.State == Captured {
		k.transfers.finished.Add(t.key, r)
	}
	k.told(&t.context, r)
}

// copy makes the artifact what the file is now; if that was cut in the meantime, it stays what was written.
func (t *transfer) copy() (note string) {
	info, err := t.own.Stat()
	if err != nil {
		t.artifact.spoil(bare(err).Error())
		return ""
	}
	t.size, t.modified = info.Size(), info.ModTime()
	if info.Size() < t.extent {
		if t.missing > 0 || t.mapped {
			t.artifact.spoil("not all could be sent, and the file was cut meanwhile")
		}
		return fmt.Sprintf("the file was cut to %d bytes; this is what was written", info.Size())
	}
	t.artifact.record.Source = "file"
	t.artifact.copyFrom(t.own)
	return ""
}

// wantedType decides about programs and libraries, which only their contents tell.
func (k *keeper) wantedType(t *transfer) bool {
	files := k.capturer.config.Write
	if t.key.read {
		files = k.capturer.config.Read
	}
	if files == nil || !t.regular || files.Types&ELF == 0 || files.Types&Regular != 0 {
		return true
	}
	var magic [4]byte
	n, _ := t.artifact.file.ReadAt(magic[:], 0)
	return string(magic[:n]) == "\x7fELF"
}
