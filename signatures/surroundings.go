package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

// surroundings are what signatures know together: which programs processes run, who started whom, and what is mounted
// where. Whoever needs that
// calls see with each event first; to see an event twice changes nothing.
type surroundings struct {
	processes *memory[uint64, process]
	watchmen  *memory[int, uint64] // by their numbers on the host
	index     *fileIndex
	mounts    mounts
	seen      occasion
	sifted    []uint64 // the last answer of Sift
	command   command
}

// process is what is remembered of one.
type process struct {
	program  string // the path of its executable
	previous string // of what it ran before its last exec
	parent   uint64
	pid      int
	born     int // when it was forked, 0 if that was not seen
	file     programFile
	again    bool   // its last exec was of the file that it ran already
	forked   bool   // it runs what its parent ran, and has executed nothing itself
	script   string // what a shell or an interpreter was given to run
	inline   bool   // it is a shell or an interpreter without such a script, and without a module
	applet   string // which program of a collection it is
}

// programFile is a program, whatever its path: the zero value if it is not known.
type programFile struct{ device, inode int }

func programFileOf(e *trace.Event) (f programFile) {
	f.device, _ = whole(e, "dev")
	f.inode, _ = whole(e, "inode")
	return f
}

// processesRemembered bounds the processes that are remembered.
const processesRemembered = 1 << 14

// watchmenRemembered bounds the programs that watch the machine and are remembered.
const watchmenRemembered = 64

// generations bounds how far back ancestors are looked for.
const generations = 16

func newSurroundings() *surroundings {
	return &surroundings{
		processes: newMemory[uint64, process](processesRemembered), index: newFileIndex(), mounts: newMounts(),
		watchmen: newMemory[int, uint64](watchmenRemembered),
	}
}

// occasion tells events apart, as far as is needed to see them once.
type occasion struct {
	event     string
	timestamp int
	thread    int
	process   uint64
}

// entity names a process for good. Streams of v0.8 have no entity ids: there the number on the host must do.
func entity(e *trace.Event) uint64 {
	if e.ProcessEntityID != 0 {
		return e.ProcessEntityID
	}
	return uint64(e.HostProcessID)
}

func parentEntity(e *trace.Event) uint64 {
	if e.ParentEntityID != 0 {
		return e.ParentEntityID
	}
	return uint64(e.HostParentProcessID)
}

// lifecycle are the events that surroundings learn from.
var lifecycle = []string{"sched_process_exec", "sched_process_fork", "existing_process"}

func (s *surroundings) see(e *trace.Event) {
	now := occasion{e.EventName, e.Timestamp, e.HostThreadID, entity(e)}
	if now == s.seen {
		return
	}
	s.seen = now
	switch e.EventName {
	case "sched_process_exec":
		s.command = readCommand(e)
		s.runs(e, s.command.path, &s.command)
	case "existing_process":
		s.runs(e, strings.Clone(text(e, "pathname")), &command{})
	case "sched_process_fork":
		s.born(e)
	case "open_tree", "open_tree_attr":
		s.mounts.learn(e)
	case "security_sb_umount":
		if e.ReturnValue >= 0 {
			s.index.unmounted(text(e, "mountpoint"), e.MountNS)
		}
	case "security_sb_mount", "move_mount":
		if m, ok := s.mounts.of(e); ok && m.bind {
			s.index.mounted(m, e.MountNS)
		}
	}
}

// runs remembers which program a process runs.
func (s *surroundings) runs(e *trace.Event, program string, c *command) {
	before, _ := s.processes.get(entity(e))
	program = s.index.behindIn(e.MountNS, program)
	file := programFileOf(e)
	p := process{
		program: program, previous: before.program, parent: parentEntity(e), pid: e.HostProcessID, born: before.born,
		file: file, again: file.inode != 0 && file == before.file, script: c.script, inline: c.script == "" && !c.has("-m"),
	}
	if collections.name(base(program)) {
		p.applet = c.name
	}
	s.processes.set(entity(e), p)
	if watchmen.name(base(program)) {
		s.watchmen.set(e.HostProcessID, entity(e))
	}
}

// born remembers that a child runs the program of its parent, until it executes another.
func (s *surroundings) born(e *trace.Event) {
	pid, ok := whole(e, "child_pid")
	if tid, _ := whole(e, "child_tid"); !ok || pid != tid {
		return // a thread
	}
	child := uint64(pid)
	if a, ok := e.Lookup("child_process_entity_id"); ok && a.Uint() != 0 {
		child = a.Uint()
	}
	maker, _ := s.processes.get(entity(e))
	s.processes.set(child, process{program: s.program(e), parent: entity(e), pid: pid, born: e.Timestamp, file: maker.file, forked: true})
}

// family are the parent of a process and, where that is a copy of a shell that executed nothing, whose copy it is.
func (s *surroundings) family(e *trace.Event) []uint64 {
	const most = 3
	ids := append(make([]uint64, 0, most), parentEntity(e))
	for range most - 1 {
		p, known := s.processes.get(ids[len(ids)-1])
		if !known || !p.forked {
			break
		}
		ids = append(ids, p.parent)
	}
	return ids
}

// inline reports whether it was in its arguments, or by its standard input, that the process was told what to do.
func (s *surroundings) inline(e *trace.Event) bool {
	p, known := s.processes.get(entity(e))
	return known && p.inline
}

// runsScript reports whether it is the script that a shell or an interpreter was given that it opens.
func (s *surroundings) runsScript(e *trace.Event, path string) bool {
	p, _ := s.processes.lru.Peek(entity(e))
	if p.script == "" {
		return false
	}
	byDescriptor := strings.HasPrefix(p.script, "/proc/") || strings.HasPrefix(p.script, "/dev/fd/")
	return (byDescriptor || base(p.script) == base(path)) && opensForReading(text(e, "flags"))
}

// program returns the path of what the process of an event runs, "" if it is not known. Where something is mounted over a
// program, it is what that was before.
func (s *surroundings) program(e *trace.Event) string {
	if e.Executable != "" {
		return s.index.behindIn(e.MountNS, e.Executable)
	}
	known, _ := s.processes.get(entity(e))
	return known.program
}

// applet returns the name of the program that a process runs: of one in a collection, that of the program within.
func (s *surroundings) applet(e *trace.Event) string {
	name := base(s.program(e))
	if collections.name(name) {
		if p, _ := s.processes.get(entity(e)); p.applet != "" {
			return p.applet
		}
	}
	return name
}

// ancestor finds the nearest ancestor of the process whose program is one of a group, and its path.
func (s *surroundings) ancestor(e *trace.Event, of programs) (string, bool) {
	id := parentEntity(e)
	for range generations {
		p, ok := s.processes.get(id)
		if !ok {
			return "", false
		}
		if of.path(p.program) {
			return p.program, true
		}
		if p.parent == id {
			return "", false
		}
		id = p.parent
	}
	return "", false
}

// parent returns the program of the process's parent, "" if it is not known.
func (s *surroundings) parent(e *trace.Event) string {
	p, _ := s.processes.get(parentEntity(e))
	return p.program
}

// startedBy reports whether the process or one of its ancestors runs one of these programs.
func (s *surroundings) startedBy(e *trace.Event, of programs) bool {
	if s.is(e, of) {
		return true
	}
	_, found := s.ancestor(e, of)
	return found
}

// previous returns the program that the process ran before its last exec, "" if it is not known.
func (s *surroundings) previous(e *trace.Event) string {
	p, _ := s.processes.get(entity(e))
	return p.previous
}

// executedItself reports whether the last exec of the process was of the file that it ran already, and that it ran by the
// path of one of these programs.
func (s *surroundings) executedItself(e *trace.Event, of programs) bool {
	p, _ := s.processes.get(entity(e))
	return p.again && of.path(p.previous)
}

// is reports whether the process runs one of these programs, from a directory of the system. Where the program is not
// known, as in streams that do not say, the name of the process must do.
func (s *surroundings) is(e *trace.Event, of programs) bool {
	if program := s.program(e); program != "" {
		return of.path(program)
	}
	return of.comm(e.ProcessName)
}
