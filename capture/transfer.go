package capture

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/library"
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
	transfersMax = 512  // at once; each may have two descriptors
	resumedMax   = 8192 // finished ones that are gone on with, not made anew
	writersMax   = 16
	largestMaps  = 8 << 20 // of a writer
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

// written says that a file is open to be written.
func (t *transfers) written() bool {
	for key, transfer := range t.active {
		if !key.read && !transfer.idle && transfer.copy == nil {
			return true
		}
	}
	return false
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
	held     *held    // what the stream knows of the descriptor; nil: there is none
	holdErr  error
	regular  bool
	mapped   bool            // or changed by the kernel: written without bytes that could be sent
	unsent   bool            // the kernel side was told to send no more
	missing  int64           // bytes that were not sent
	unseen   bool            // somewhere before what was written lies something that was not
	extent   int64           // the end of what was transferred
	writers  map[[2]int]bool // process and descriptor
	deadline time.Time
	last     time.Time

	copy     *copying // it is being finished: the file is copied
	size     int64    // and time of the file when it was copied
	modified time.Time
	note     string
	idle     bool // it is finished, and lingers
	closings int  // since it was finished
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
		t.own, t.held = n.own, n.held
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
		t.own, t.held = idle.own, idle.held
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

// oneLine is a path as it can be shown: what could end the line, or tell a terminal something, is escaped as in Go.
func oneLine(path string) string {
	if quoted := strconv.Quote(path); strings.ContainsFunc(path, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return quoted[1 : len(quoted)-1]
	}
	return path
}

// take writes bytes to the artifact.
func (t *transfer) take(n *notice) {
	missing := n.size - int64(len(n.bytes))
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
		t.unseen = t.unseen || n.pos > t.extent
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

// spare watches a file that is held until it is closed.
func (k *keeper) spare(t *transfer) {
	if t.own == nil || t.key.read {
		return
	}
	if _, watched := k.watch.by[t.key.file]; !watched {
		k.warn("watch", k.watch.add(t.key.file, t.own))
	}
}

// closed notes that a file was closed that somebody could have written to.
func (t *transfers) closed(file fileKey) {
	for key, transfer := range t.active {
		if key.file == file && !key.read {
			transfer.deadline = time.Now().Add(afterClosing)
			transfer.closings++
			if transfer.idle && !transfer.mapped && !transfer.changed() {
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
	return err == nil && (info.Size() != t.size || !info.ModTime().Equal(t.modified))
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
		maps, err := library.ReadAtMost(procPath(writer[0], "maps"), largestMaps)
		if err == nil && strings.Contains(string(maps), " "+strconv.FormatUint(t.key.file.inode, 10)+" ") {
			return true
		}
	}
	return false
}
