// Package lineage knows the processes of a stream of events and who made whom.
//
// Start from Table: Learn takes each event of the stream, Of answers with a process and its ancestors. What is known
// comes from the events themselves: the context of any event names a process and its parent, sched_process_exec says what
// it runs, sched_process_fork who made it. Seed adds those that were there before. The table is bounded: processes that
// ended are forgotten first, and what was forgotten of the living is counted. A table is used by one goroutine.
package lineage

import (
	"slices"
	"strings"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

const (
	// known bounds the processes that are known, those that ended included.
	known = 1 << 15
	// ended bounds those of them that ended.
	ended = known / 4
	// texts bounds the names and paths that are shared.
	texts = 1 << 12
	// Depth bounds how many ancestors are told.
	Depth = 32
	// argumentBytes bounds what is kept of the arguments of one process.
	argumentBytes = 1024
)

// Key tells processes apart: by entity id, and in streams without those by the number on the host.
type Key uint64

// Table is the processes of a stream.
type Table struct {
	processes map[Key]*process
	seeds     map[int]*process // by pid: those of whom no event was seen yet
	ended     []Key            // oldest first
	last      *process
	lastKey   Key
	forgotten uint64
	texts     map[string]string
}

// process is a detect.Process in little room, as there are many that run the same: what they run is a text of all who do.
type process struct {
	entityID             uint64
	parent               Key
	device, inode        uint64
	startTime            int
	name, executable     string // see Table.text
	arguments            string // each ends with a NUL, but for the last
	pid, parentPID, user int32
}

// text returns a text that those who have the same share.
func (t *Table) text(s string) string {
	if shared, ok := t.texts[s]; ok {
		return shared
	}
	if len(t.texts) >= texts {
		clear(t.texts)
	}
	shared := strings.Clone(s)
	t.texts[shared] = shared
	return shared
}

// told is the process as others know it.
func (p *process) told() detect.Process {
	told := detect.Process{
		EntityID: p.entityID, PID: int(p.pid), Name: p.name, Executable: p.executable, User: int(uint32(p.user)),
		StartTime: p.startTime, Device: p.device, Inode: p.inode,
	}
	if p.arguments != "" {
		told.Arguments = strings.Split(p.arguments, "\x00")
	}
	return told
}

// New returns an empty table.
func New() *Table {
	return &Table{processes: map[Key]*process{}, seeds: map[int]*process{}, texts: map[string]string{}}
}

// Forgotten is how many processes were given up while they lived.
func (t *Table) Forgotten() uint64 { return t.forgotten }

// KeyOf is the key of the process that an event is about.
func KeyOf(e *trace.Event) Key { return keyOf(e.ProcessEntityID, e.HostProcessID) }

func keyOf(entity uint64, pid int) Key {
	if entity != 0 {
		return Key(entity)
	}
	return Key(uint32(pid))
}

// Learn notes what an event says of its process.
func (t *Table) Learn(e *trace.Event) {
	if e.HostProcessID == 0 && e.ProcessEntityID == 0 {
		return // about no process
	}
	p := t.of(e)
	if e.HostThreadID == e.HostProcessID && p.name != e.ProcessName {
		p.name = t.text(e.ProcessName) // threads have names of their own
	}
	if e.Executable != "" && p.executable != e.Executable {
		p.executable = t.text(e.Executable)
		p.device, p.inode, p.arguments = 0, 0, "" // those were of another program, whose end was not seen
	}
	p.user = int32(e.UserID)
	if parent := keyOf(e.ParentEntityID, e.HostParentProcessID); parent != 0 && p.parent != parent {
		p.parent, p.parentPID = parent, int32(e.HostParentProcessID)
	}
	if !Needs(e.EventName) {
		return
	}
	switch e.EventName {
	case "sched_process_exec":
		t.executed(p, e)
	case "sched_process_fork":
		t.forked(p, e)
	case "sched_process_exit":
		t.exited(e)
	}
}

// Needs reports whether Learn looks at the arguments of events of this name.
func Needs(eventName string) bool { return strings.HasPrefix(eventName, "sched_process_") }

// of finds or makes the process of an event.
func (t *Table) of(e *trace.Event) *process {
	key := KeyOf(e)
	if key == t.lastKey && t.last != nil {
		return t.last
	}
	p, ok := t.processes[key]
	if !ok {
		p = t.adopt(key, e)
	}
	t.last, t.lastKey = p, key
	return p
}

// adopt makes the process of an event, of what was known by its number.
func (t *Table) adopt(key Key, e *trace.Event) *process {
	p, ok := t.seeds[e.HostProcessID]
	if ok {
		delete(t.seeds, e.HostProcessID)
	} else {
		p = &process{pid: int32(e.HostProcessID), name: t.text(e.ProcessName)}
	}
	p.entityID = e.ProcessEntityID
	if e.HostThreadID == e.HostProcessID {
		p.startTime = e.ThreadStartTime
	}
	t.add(key, p)
	return p
}

func (t *Table) add(key Key, p *process) {
	if len(t.processes) >= known {
		t.makeRoom()
	}
	t.processes[key] = p
}

// makeRoom forgets processes that ended, or else any.
func (t *Table) makeRoom() {
	room := known / 16
	for _, key := range t.ended[:min(room, len(t.ended))] {
		delete(t.processes, key)
	}
	t.ended = slices.Delete(t.ended, 0, min(room, len(t.ended)))
	for key := range t.processes {
		if len(t.processes) <= known-room {
			break
		}
		delete(t.processes, key)
		t.forgotten++
	}
	t.last, t.lastKey = nil, 0
}

func (t *Table) executed(p *process, e *trace.Event) {
	p.name = t.text(e.ProcessName)
	if path, ok := e.Lookup("pathname"); ok && path.HasText() && !path.Truncated() {
		p.executable = t.text(path.Text())
	}
	if argv, ok := e.Lookup("argv"); ok && argv.Type().Kind == trace.Strings {
		p.arguments = cut(argv.Raw())
	}
	p.device, p.inode = whole(e, "dev"), whole(e, "inode")
}

// cut keeps the first of a list of arguments that end with a NUL each.
func cut(raw []byte) string {
	kept := strings.TrimSuffix(string(raw[:min(len(raw), argumentBytes)]), "\x00")
	if kept != "" && len(raw) > argumentBytes {
		kept += "…"
	}
	return kept
}

func whole(e *trace.Event, name string) uint64 {
	a, ok := e.Lookup(name)
	if !ok || !a.Type().Kind.InSlot() {
		return 0
	}
	return a.Uint()
}

func (t *Table) forked(parent *process, e *trace.Event) {
	pid, tid := whole(e, "child_pid"), whole(e, "child_tid")
	if pid == 0 || pid != tid {
		return // a thread
	}
	child := *parent
	child.parent, child.parentPID = KeyOf(e), int32(e.HostProcessID)
	child.pid, child.entityID = int32(pid), whole(e, "child_process_entity_id")
	child.startTime = int(whole(e, "start_time"))
	delete(t.seeds, int(pid))
	t.add(keyOf(child.entityID, int(pid)), &child)
}

// exited notes the end of a process. It stays known for a while, as an ancestor.
func (t *Table) exited(e *trace.Event) {
	if a, ok := e.Lookup("process_group_exit"); ok && a.Type().Kind.InSlot() {
		if a.Uint() == 0 {
			return
		}
	} else if e.HostThreadID != e.HostProcessID {
		return
	}
	t.ended = append(t.ended, KeyOf(e))
	if len(t.ended) > ended {
		t.makeRoom()
	}
}

// Of returns the process that an event is about, then its parent and so on.
func (t *Table) Of(e *trace.Event) []detect.Process {
	var line []detect.Process
	t.walk(KeyOf(e), e.HostProcessID, func(_ Key, p *process) bool {
		line = append(line, p.told())
		return true
	})
	if len(line) == 0 && e.HostProcessID != 0 {
		line = append(line, detect.Process{
			EntityID: e.ProcessEntityID, PID: e.HostProcessID, Name: e.ProcessName, Executable: e.Executable, User: e.UserID,
		})
	}
	return line
}

// Keys calls yield with the key of the process that an event is about, then with those of its ancestors, up to one of whom
// nothing else may be known.
func (t *Table) Keys(e *trace.Event, yield func(key Key, pid int) bool) {
	key, pid := KeyOf(e), e.HostProcessID
	parent, parentPID := keyOf(e.ParentEntityID, e.HostParentProcessID), e.HostParentProcessID
	for range 2 * Depth {
		if !yield(key, pid) || pid == 1 {
			return
		}
		p, ok := t.processes[key]
		if !ok {
			p, ok = t.seeds[pid]
		}
		if ok {
			parent, parentPID = p.parent, int(p.parentPID)
		}
		if parent == 0 || parent == key {
			return
		}
		key, pid, parent = parent, parentPID, 0
	}
}

func (t *Table) walk(key Key, pid int, yield func(Key, *process) bool) {
	for range Depth {
		p, ok := t.processes[key]
		if !ok {
			if p, ok = t.seeds[pid]; !ok {
				return
			}
		}
		if !yield(key, p) || p.pid == 1 || p.parent == 0 || p.parent == key {
			return
		}
		key, pid = p.parent, int(p.parentPID)
	}
}
