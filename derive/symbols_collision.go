package derive

import (
	"container/list"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/library"
	"github.com/tracee-go/tracee/types/trace"
)

var _ = derived(events.SymbolsCollision, collideSymbols)

// What is remembered of processes and libraries.
const (
	maxEach       = 1 << 10 // libraries of a process
	maxLoaded     = 1 << 16 // of all processes
	maxComparison = 1 << 16 // of two libraries
	maxCompared   = 8 << 20 // bytes of their names
)

// linkerNames are those that linkers define in every library.
var linkerNames = map[string]bool{
	"_init": true, "_fini": true, "_edata": true, "edata": true, "_end": true, "end": true, "_etext": true, "etext": true,
	"__bss_start": true, "__bss_start__": true, "__bss_end__": true, "_bss_end__": true, "__end__": true,
	"_DYNAMIC": true, "_GLOBAL_OFFSET_TABLE_": true, "_start": true, "__data_start": true, "data_start": true,
}

// cLibrary are the parts of the C library, with the dynamic linker. They define some symbols twice, for each other.
var cLibrary = []string{
	"ld", "libanl", "libc", "libc_malloc_debug", "libdl", "libm", "libmvec", "libnsl", "libpthread", "libresolv", "librt",
	"libthread_db", "libutil",
}

// collider compares every library that a process loads with those that it has.
type collider struct {
	admits    func(string) bool // nil: no flag is about symbols
	libraries *library.Store

	processes map[int]*list.Element // of *process, by host pid
	latest    *list.List            // the process that was heard of last comes first
	loaded    int                   // libraries of all processes

	compared      map[pair]nameList // clear of what does not count
	comparedBytes int
}

type process struct {
	pid       int
	libraries []library.Mapping // shared with processes that it forks: never changed, only appended to
}

type pair struct{ loaded, earlier library.Key }

func collideSymbols(s *settings) maker {
	c := &collider{
		admits:    s.filter.Elements(events.SymbolsCollision, "symbols"),
		libraries: s.libraries,
		processes: map[int]*list.Element{}, latest: list.New(), compared: map[pair]nameList{},
	}
	return func(source *trace.Event, emit emitter) error {
		switch source.EventID {
		case events.SharedObjectLoaded.ID:
			return c.load(source, emit)
		case events.SchedProcessFork.ID:
			return c.fork(source)
		case events.SchedProcessExec.ID:
			c.set(source.HostProcessID, nil)
		case events.SchedProcessExit.ID:
			if last, ok := source.Lookup("process_group_exit"); ok && last.Uint() != 0 {
				c.set(source.HostProcessID, nil)
			}
		}
		return nil
	}
}

// set replaces what is known of a process.
func (c *collider) set(pid int, libraries []library.Mapping) {
	if known := c.processes[pid]; known != nil {
		c.loaded -= len(known.Value.(*process).libraries)
		c.latest.Remove(known)
		delete(c.processes, pid)
	}
	if len(libraries) > 0 {
		c.processes[pid] = c.latest.PushFront(&process{pid, slices.Clip(libraries)})
		c.loaded += len(libraries)
	}
}

func (c *collider) of(pid int) []library.Mapping {
	if known := c.processes[pid]; known != nil {
		return known.Value.(*process).libraries
	}
	return nil
}

// fork gives a new process the libraries of its parent.
func (c *collider) fork(source *trace.Event) error {
	parent, known := source.Lookup("parent_pid")
	child, ok := source.Lookup("child_pid")
	if !ok || !known {
		return wrong(source, "parent_pid or child_pid")
	}
	if child.Int() != parent.Int() {
		c.set(int(child.Int()), c.of(int(parent.Int())))
	}
	return c.forget()
}

// load compares a library with those before it, and adds it to them.
func (c *collider) load(source *trace.Event, emit emitter) error {
	loaded, err := mappingOf(source)
	if err != nil {
		return err
	}
	pid := source.HostProcessID
	earlier := c.of(pid)
	if slices.ContainsFunc(earlier, func(m library.Mapping) bool { return m.Key == loaded.Key }) {
		return nil // another part of it, or the same again
	}
	if len(earlier) >= maxEach {
		return fmt.Errorf("process %d has loaded more than %d libraries", pid, maxEach)
	}
	file, err := c.libraries.Lookup(loaded)
	if err != nil {
		return fmt.Errorf("symbols of %s: %w", loaded.Path, err)
	}
	if file == nil {
		return nil
	}
	err = c.compareAll(loaded, file, earlier, emit)
	c.set(pid, append(earlier, loaded))
	return errors.Join(err, c.forget())
}

// compareAll emits an event for each library with symbols in common. The stream waits, so it gives up when it takes long.
func (c *collider) compareAll(loaded library.Mapping, file *library.Library, earlier []library.Mapping, emit emitter) error {
	limit := time.Now().Add(library.Patience)
	var failed error
	for i, other := range earlier {
		if c.admits == nil && isCLibrary(loaded.Path) && isCLibrary(other.Path) {
			continue
		}
		names, known := c.compared[pair{loaded.Key, other.Key}]
		if !known {
			if !time.Now().Before(limit) {
				return fmt.Errorf("%s was compared with %d of %d libraries within %s", loaded.Path, i, len(earlier), library.Patience)
			}
			other.Task, other.MountNamespace = loaded.Task, loaded.MountNamespace
			against, err := c.libraries.Lookup(other)
			if err != nil {
				failed = fmt.Errorf("symbols of %s: %w", other.Path, err)
				continue
			}
			names = c.compare(pair{loaded.Key, other.Key}, file, against)
		}
		wanted := len(names.names) == 0 || emit(func(b *trace.Builder) {
			b.Text(0, loaded.Path)
			b.Text(1, other.Path)
			names.put(b, 2)
		})
		if !wanted {
			return nil
		}
	}
	return failed
}

// compare lists what counts of the symbols that both libraries define, and remembers it: programs load the same ones
// again and again.
func (c *collider) compare(of pair, a, b *library.Library) nameList {
	var names []string
	for one, other := range library.Common(a, b) {
		if c.counts(one, other) {
			names = append(names, one.Name)
		}
	}
	common := newNameList(names)
	if len(c.compared) >= maxComparison || c.comparedBytes > maxCompared {
		clear(c.compared)
		c.comparedBytes = 0
	}
	c.compared[of] = common
	c.comparedBytes += common.bytes
	return common
}

// counts says whether a symbol in common is worth an event. That one of both is weak does not matter: the C library's own
// are, and the linker takes the first that it meets.
func (c *collider) counts(a, b library.Symbol) bool {
	if c.admits != nil {
		return c.admits(a.Name)
	}
	return !linkerNames[a.Name] && !(a.Weak && b.Weak && strings.HasPrefix(a.Name, "_Z"))
}

func isCLibrary(path string) bool {
	return slices.ContainsFunc(cLibrary, func(name string) bool { return library.Matches(name, path) })
}

// forget drops the processes that nothing was heard of for longest when there are too many libraries.
func (c *collider) forget() error {
	forgotten := 0
	for c.loaded > maxLoaded && c.latest.Len() > 1 {
		c.set(c.latest.Back().Value.(*process).pid, nil)
		forgotten++
	}
	if forgotten > 0 {
		return fmt.Errorf("too many libraries in use: those of %d processes were forgotten", forgotten)
	}
	return nil
}
