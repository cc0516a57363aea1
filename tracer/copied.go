package tracer

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/library"
)

// Bounds on what it may cost to look into files.
const (
	// copyPatience is how long the reader waits for the beginning of a file; the event goes on without.
	copyPatience = 250 * time.Millisecond
	// copyImpatience is how long it waits if the file system was too slow lately.
	copyImpatience = 5 * time.Millisecond
	// copiesAtOnce are looked into on file systems of one kind: those that never answer hold up no others.
	copiesAtOnce = 4
)

// copies finds the bytes of magic_write that no program on the kernel side can read, because the kernel moved them by itself:
// in the file, as soon as the record comes, so that the event keeps its place in the stream. What the file has then is told;
// if it has changed since, or is shorter, the bytes are marked as not whole. Where they can not be had, there are none.
type copies struct {
	slow  library.SlowDevices
	tasks library.Tasks // of the reader's goroutine

	mu      sync.Mutex
	reading map[uint64]int // by kind of file system

	unreadable atomic.Uint64
	patience   time.Duration // copyPatience, less in tests
}

func newCopies() *copies {
	return &copies{tasks: library.Tasks{}, reading: map[uint64]int{}, patience: copyPatience}
}

// beginning is what was found in a file.
type beginning struct {
	bytes []byte
	exact bool
}

// copiedFile is struct copied_file of events/file.bpf.h.
type copiedFile struct {
	Ctime      uint64
	Magic      uint64
	Generation uint32
	Descriptor int32
	_          uint64
}

const magicBytes = int(unsafe.Sizeof(copiedFile{}))

var (
	magicPath  = events.MagicWrite.Schema().Index("pathname")
	magicSlot  = events.MagicWrite.Schema().Index("bytes")
	magicDev   = events.MagicWrite.Schema().Index("dev")
	magicInode = events.MagicWrite.Schema().Index("inode")
)

// fill puts the bytes where a record says in which file they are.
func (c *copies) fill(record []byte) {
	h := headerOf(record)
	if h.Flags&events.RecordCopied == 0 || int(h.Event) != events.MagicWrite.Index {
		return
	}
	body := record[headerSize:]
	room := bytesAt(body, magicSlot)
	if len(room) != magicBytes {
		return
	}
	w, kind := copiedTo(h, body, room)
	others := append([]int{int(h.HostPid)}, c.tasks[w.MountNamespace]...)
	c.tasks.Remember(w.MountNamespace, w.Task)
	found := c.read(w, kind, int(min(int64(magicBytes), max(0, h.Retval))), others)
	if len(found.bytes) == 0 {
		c.unreadable.Add(1)
		return
	}
	n := copy(room, found.bytes)
	binary.LittleEndian.PutUint32(body[magicSlot*8+4:], uint32(n))
	h.Present |= 1 << magicSlot
	if !found.exact {
		h.Truncated |= 1 << magicSlot
	}
}

// copiedTo says which file a record is about, and on what kind of file system it is.
func copiedTo(h *bpf.TraceeEventHeader, body, room []byte) (w library.Written, kind uint64) {
	var file copiedFile
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&file)), magicBytes), room)
	w = library.Written{
		Mapping: library.Mapping{
			Key: library.Key{
				Dev: binary.LittleEndian.Uint32(body[magicDev*8:]), Inode: binary.LittleEndian.Uint64(body[magicInode*8:]),
				Ctime: file.Ctime,
			},
			Task: int(h.HostTid), MountNamespace: int(h.MntNs),
		},
		Descriptor: int(file.Descriptor), Parent: int(h.HostPpid), Generation: file.Generation,
	}
	if h.Present>>magicPath&1 != 0 {
		w.Path = string(bytesAt(body, magicPath))
	}
	return w, file.Magic
}

// bytesAt are those that a slot refers to.
func bytesAt(body []byte, slot int) []byte {
	if len(body) < (slot+1)*8 {
		return nil
	}
	start, length := binary.LittleEndian.Uint32(body[slot*8:]), binary.LittleEndian.Uint32(body[slot*8+4:])
	if uint64(start)+uint64(length) > uint64(len(body)) {
		return nil
	}
	return body[start : start+length]
}

// read looks into a file on a goroutine of its own, which stays behind if the file system does not answer.
func (c *copies) read(w library.Written, kind uint64, length int, others []int) beginning {
	if !c.begin(kind) {
		return beginning{}
	}
	patience := c.patience
	if c.slow.Has(w.Dev) {
		patience = copyImpatience
	}
	done := make(chan beginning, 1)
	go func() {
		defer c.end(kind)
		buffer := make([]byte, length)
		n, exact, err := w.Beginning(buffer, others)
		if err != nil {
			n = 0
		}
		done <- beginning{buffer[:n], exact}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case found := <-done:
		return found
	case <-timer.C:
		c.slow.Add(w.Dev)
		return beginning{}
	}
}

func (c *copies) begin(kind uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading[kind] >= copiesAtOnce {
		return false
	}
	c.reading[kind]++
	return true
}

func (c *copies) end(kind uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading[kind]--; c.reading[kind] == 0 {
		delete(c.reading, kind)
	}
}
