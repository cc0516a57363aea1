package process

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/library"
	"github.com/tracee-go/tracee/types/trace"
)

// Bounds on what hashes may cost.
const (
	// hashPatience is how long the stream waits for a hash; what takes longer is there for the next event.
	hashPatience = 500 * time.Millisecond
	hashedFiles  = 1024
	hashesAtOnce = 4
	largestFile  = 1 << 30
)

var (
	errTooLarge = fmt.Errorf("larger than %d bytes", largestFile)
	errTooSlow  = errors.New("its file system did not answer in time")
	errTooMany  = errors.New("too many files are being read")
	errChanged  = errors.New("it was written to meanwhile")
)

// Hasher adds the argument sha256 to executions: of the file that the kernel executed, which is found by its device, inode
// and time of change, wherever it can be reached, and never only by its name. A file that is as it was then is read once.
// One that has been deleted, or has no name, is read as long as a process runs it. Files are read by a few goroutines, so
// that one on a file system that does not answer delays the stream once, and then goes without. Nothing but regular files
// is opened.
type Hasher struct {
	log *slog.Logger

	mu      sync.Mutex
	digests *lru.Cache[library.Key, *digest]
	tasks   library.Tasks
	reading int
	slow    library.SlowDevices
}

// digest is the hash of a file, or of one that is being read.
type digest struct {
	done chan struct{}
	sum  string // valid when done
	err  error
}

// NewHasher makes a hasher that knows no file; nil discards what it has to log.
func NewHasher(log *slog.Logger) *Hasher {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	digests, err := lru.New[library.Key, *digest](hashedFiles)
	if err != nil {
		panic(err) // the size is a constant
	}
	return &Hasher{log: log, digests: digests, tasks: library.Tasks{}}
}

// Begin starts to read the file of an execution. It does not wait, and may be called by another goroutine than Add, as
// early as the execution is known: its process may end soon.
func (h *Hasher) Begin(e *trace.Event) {
	if m, ok := executed(e); ok {
		h.begin(m)
	}
}

var argSHA256 = events.SchedProcessExec.Schema().Index("sha256")

// Add gives an execution its argument. Other events stay as they are, and so do executions whose file can not be read.
func (h *Hasher) Add(e *trace.Event) {
	m, ok := executed(e)
	if !ok {
		return
	}
	sum, err := h.wait(m)
	if err != nil {
		h.log.Debug("no hash", "path", m.Path, "process", e.HostProcessID, "reason", err)
		return
	}
	e.SetText(argSHA256, sum)
}

// executed says which file an execution is about.
func executed(e *trace.Event) (library.Mapping, bool) {
	if e.EventID != events.SchedProcessExec.ID {
		return library.Mapping{}, false
	}
	number := func(name string) uint64 {
		if a, ok := e.Lookup(name); ok {
			return a.Uint()
		}
		return 0
	}
	m := library.Mapping{
		Key:  library.Key{Dev: uint32(number("dev")), Inode: number("inode"), Ctime: number("ctime")},
		Task: e.HostThreadID, MountNamespace: e.MountNS,
	}
	if path, ok := e.Lookup("pathname"); ok {
		m.Path = string([]byte(path.Text()))
	}
	return m, m.Inode != 0
}

func (h *Hasher) begin(m library.Mapping) (*digest, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.tasks.Remember(m.MountNamespace, m.Task)
	if d, ok := h.digests.Get(m.Key); ok {
		return d, nil
	}
	if h.reading == hashesAtOnce {
		return nil, errTooMany
	}
	h.reading++
	d := &digest{done: make(chan struct{})}
	h.digests.Add(m.Key, d)
	others := append([]int{}, h.tasks[m.MountNamespace]...)
	go h.read(m, others, d)
	return d, nil
}

// read hashes a file, and forgets the result if it holds for this moment only.
func (h *Hasher) read(m library.Mapping, others []int, d *digest) {
	exact := false
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.reading--
		if known, ok := h.digests.Peek(m.Key); ok && known == d && !exact {
			h.digests.Remove(m.Key)
		}
		close(d.done)
	}()
	file, exactly, err := m.Open(others)
	if err != nil {
		d.err = err
		return
	}
	defer file.Close()
	d.sum, d.err = hashOf(file)
	exact = exactly && d.err == nil && m.Unchanged(file)
}

func hashOf(file *os.File) (string, error) {
	before, err := file.Stat()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	n, err := io.Copy(hash, io.LimitReader(file, largestFile+1))
	if err != nil {
		return "", fmt.Errorf("read: %w", err)
	}
	if n > largestFile {
		return "", errTooLarge
	}
	after, err := file.Stat()
	if err != nil {
		return "", err
	}
	if changed(before, after) {
		return "", errChanged
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// wait returns the hash of a file, if it comes in time.
func (h *Hasher) wait(m library.Mapping) (string, error) {
	d, err := h.begin(m)
	if err != nil {
		return "", err
	}
	select {
	case <-d.done:
		return d.sum, d.err
	default:
	}
	if h.slow.Has(m.Dev) {
		return "", errTooSlow
	}
	timer := time.NewTimer(hashPatience)
	defer timer.Stop()
	select {
	case <-d.done:
		return d.sum, d.err
	case <-timer.C:
		h.slow.Add(m.Dev)
		return "", errTooSlow
	}
}

// changed reports whether the content may be another. To delete a file, or to give it a further name, does not count.
func changed(before, after os.FileInfo) bool {
	return before.Size() != after.Size() || !before.ModTime().Equal(after.ModTime())
}
