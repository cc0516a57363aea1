package process

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tracee-go/tracee/internal/library"
)

// Bounds on what the names of functions may cost.
const (
	// namePatience is how long the stream waits for a file; what takes longer is there for a later event.
	namePatience = 250 * time.Millisecond
	namedFiles   = 1024
	maxNameBytes = 64 << 20 // of memory
	namesAtOnce  = 4
)

// fileFunctions are the functions of the files that processes have mapped. A file is read once, as long as it does not
// change, by a few goroutines: one on a file system that does not answer delays the stream once, and then goes without.
type fileFunctions struct {
	mu      sync.Mutex
	files   *lru.Cache[library.Key, *library.Functions]
	bytes   int
	reading map[mappedFile]*search
	slow    library.SlowDevices

	patience time.Duration // namePatience, less in tests
	maxBytes int
}

// mappedFile is a file as the memory map of a process tells it.
type mappedFile struct {
	dev   uint32
	inode uint64
	path  string
}

// search is a file that is being looked for. The rest is valid when it is done.
type search struct {
	done  chan struct{}
	key   library.Key
	found bool
}

func newFileFunctions() *fileFunctions {
	f := &fileFunctions{reading: map[mappedFile]*search{}, patience: namePatience, maxBytes: maxNameBytes}
	files, err := lru.NewWithEvict(namedFiles, func(_ library.Key, gone *library.Functions) { f.bytes -= gone.Bytes() })
	if err != nil {
		panic(err) // the size is a constant
	}
	f.files = files
	return f
}

// begin starts to look for a file, nil if too many are being looked for.
func (f *fileFunctions) begin(file mappedFile, task int) *search {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.reading[file]; s != nil {
		return s
	}
	if len(f.reading) == namesAtOnce {
		return nil
	}
	s := &search{done: make(chan struct{})}
	f.reading[file] = s
	go func() {
		defer func() {
			if recover() != nil { // a flaw of ours must not let a file end all tracing
				s.found = false
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			delete(f.reading, file)
			close(s.done)
		}()
		// A file that can not be read has no names: the addresses are told all the same.
		s.key, s.found = f.read(file, task)
	}()
	return s
}

// wait reports whether a search is done, or gets done in time.
func (f *fileFunctions) wait(s *search, dev uint32) bool {
	select {
	case <-s.done:
		return true
	default:
	}
	if f.slow.Has(dev) {
		return false
	}
	timer := time.NewTimer(f.patience)
	defer timer.Stop()
	select {
	case <-s.done:
		return true
	case <-timer.C:
		f.slow.Add(dev)
		return false
	}
}

// read finds a file, and reads it if it is not known yet.
func (f *fileFunctions) read(file mappedFile, task int) (key library.Key, found bool) {
	m := library.Mapping{Key: library.Key{Dev: file.dev, Inode: file.inode}, Path: file.path, Task: task, FromMaps: true}
	opened, _, err := m.Open(nil)
	if err != nil {
		return key, false
	}
	defer opened.Close()
	info, err := opened.Stat()
	if err != nil {
		return key, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return key, false
	}
	m.Ctime = uint64(stat.Ctim.Nano())
	if f.lookup(m.Key) != nil {
		return m.Key, true
	}
	functions, err := library.ReadFunctions(opened)
	if err != nil {
		functions = &library.Functions{} // it has none that can be read, and need not be read again
	}
	if !m.Unchanged(opened) {
		return key, false
	}
	f.add(m.Key, functions)
	return m.Key, true
}

func (f *fileFunctions) lookup(key library.Key) *library.Functions {
	f.mu.Lock()
	defer f.mu.Unlock()
	functions, _ := f.files.Get(key)
	return functions
}

func (f *fileFunctions) add(key library.Key, functions *library.Functions) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files.Remove(key)
	f.bytes += functions.Bytes()
	f.files.Add(key, functions)
	for f.bytes > f.maxBytes && f.files.Len() > 1 {
		f.files.RemoveOldest()
	}
}

// describe says which function lies at an offset of a file, as function+0xoffset.
func describe(functions *library.Functions, offset uint64) (text string, ok bool) {
	name, into, ok := functions.At(offset)
	if !ok {
		return "", false
	}
	return fmt.Sprintf("%s+0x%x", validText(name), into), true
}
