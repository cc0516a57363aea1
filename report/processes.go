package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/rules/lineage"
	"github.com/tracee-go/tracee/types/trace"
)

// process is one that is shown.
type process struct {
	key, parent lineage.Key
	pid, user   int
	name        string
	executable  string
	arguments   string // its command line
	where       string // the container
	first       int    // when it was first seen
	exit        string // how it ended, if that was seen
	events      uint64
	findings    []*finding
	descended   bool // from one with findings, or one itself
}

// processes are those with findings, their ancestors, and what they started. Without findings it is all, as far as there is
// room.
type processes struct {
	byKey map[lineage.Key]*process
	byPID map[int]*process // those whose entity id is not known
	all   bool
}

func newProcesses() processes {
	return processes{byKey: map[lineage.Key]*process{}, byPID: map[int]*process{}}
}

// lineOf is the process of a finding and its ancestors.
func (r *recording) lineOf(e *trace.Event, f *recordedFinding) []*process {
	var recorded []recordedProcess
	if f.Process != nil {
		recorded = append(recorded, *f.Process)
	}
	recorded = append(recorded, f.Ancestors[:min(len(f.Ancestors), lineage.Depth)]...)
	if len(recorded) == 0 && lineage.KeyOf(e) != 0 {
		recorded = []recordedProcess{{
			EntityID: e.ProcessEntityID, PID: e.HostProcessID, Name: e.ProcessName, Executable: e.Executable, User: e.UserID,
		}}
	}
	var line []*process
	for _, p := range recorded {
		made := &process{
			key: keyOf(p.EntityID, p.PID), pid: p.PID, user: p.User, name: cut(p.Name, 60), executable: cut(p.Executable, textShown),
			arguments: commandLine(p.Arguments),
		}
		if len(line) > 0 {
			line[len(line)-1].parent = made.key
		}
		line = append(line, made)
	}
	if len(line) > 0 {
		line[0].where, line[0].first, line[0].descended = containerOf(e), e.Timestamp, true
		if line[0].parent == 0 {
			line[0].parent = keyOf(e.ParentEntityID, e.HostParentProcessID)
		}
	}
	for i := range line { // those that are known already are the same, with what was learnt last
		line[i] = r.processes.merge(line[i])
	}
	return line
}

func keyOf(entity uint64, pid int) lineage.Key {
	e := trace.Event{ProcessEntityID: entity, HostProcessID: pid}
	return lineage.KeyOf(&e)
}

// commandLine joins arguments so that their borders are seen.
func commandLine(arguments []string) string {
	var b strings.Builder
	for i, a := range arguments {
		if b.Len() > argumentsShown {
			b.WriteString(" …")
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		shown := cut(a, textShown)
		if shown == "" || strings.ContainsAny(shown, " '\"") {
			shown = "'" + strings.ReplaceAll(shown, "'", `'\''`) + "'"
		}
		b.WriteString(shown)
	}
	return b.String()
}

func containerOf(e *trace.Event) string {
	name := cmp.Or(e.ContainerName, e.ContainerImage)
	if e.PodName != "" {
		name = e.PodNamespace + "/" + e.PodName + " " + name
	}
	id := e.ContainerID[:min(len(e.ContainerID), 12)]
	return cut(strings.TrimSpace(name+" "+id), textShown)
}

// merge makes one of two that are the same process.
func (ps *processes) merge(p *process) *process {
	known, ok := ps.byKey[p.key]
	if !ok {
		ps.byKey[p.key] = p
		return p
	}
	known.executable = cmp.Or(p.executable, known.executable)
	known.arguments = cmp.Or(p.arguments, known.arguments)
	known.where = cmp.Or(known.where, p.where)
	known.name = cmp.Or(p.name, known.name)
	if known.parent == 0 {
		known.parent = p.parent
	}
	known.descended = known.descended || p.descended
	return known
}

// involve is called between the readings for processes of findings that are shown.
func (ps *processes) involve(p *process) {
	if uint64(p.key) == uint64(uint32(p.pid)) { // no entity id
		ps.byPID[p.pid] = p
	}
}

// see finds the process of an event, and learns about it; nil if it is not followed.
func (ps *processes) see(e *trace.Event) *process {
	key := lineage.KeyOf(e)
	p, ok := ps.byKey[key]
	if !ok {
		if p = ps.byPID[e.HostProcessID]; p != nil && e.ProcessEntityID != 0 {
			delete(ps.byPID, e.HostProcessID)
			ps.rename(p, key)
		} else if p = ps.adopt(key, e); p == nil {
			return nil
		}
	}
	if parent := keyOf(e.ParentEntityID, e.HostParentProcessID); p.parent == 0 && parent != key {
		p.parent = parent
	}
	if p.first == 0 || e.Timestamp < p.first {
		p.first = e.Timestamp
	}
	if p.where == "" && e.ContainerID != "" {
		p.where = containerOf(e)
	}
	if p.executable == "" && e.Executable != "" {
		p.executable = cut(e.Executable, textShown)
	}
	p.learn(e)
	return p
}

// rename gives a process its entity id, of which its children know.
func (ps *processes) rename(p *process, key lineage.Key) {
	old := p.key
	delete(ps.byKey, old)
	p.key = key
	ps.byKey[key] = p
	for _, child := range ps.byKey {
		if child.parent == old {
			child.parent = key
		}
	}
}

// adopt begins to follow the process of an event, if it was started by one with findings.
func (ps *processes) adopt(key lineage.Key, e *trace.Event) *process {
	if key == 0 || len(ps.byKey) >= maxProcesses {
		return nil
	}
	parent := ps.byKey[keyOf(e.ParentEntityID, e.HostParentProcessID)]
	if !ps.all && (parent == nil || !parent.descended) {
		return nil
	}
	p := &process{key: key, pid: e.HostProcessID, user: e.UserID, name: cut(e.ProcessName, 60), descended: true}
	ps.byKey[key] = p
	return p
}

func (p *process) learn(e *trace.Event) {
	switch e.EventName {
	case "sched_process_exec":
		p.name = cut(e.ProcessName, 60)
		if path, ok := e.Lookup("pathname"); ok && path.HasText() {
			p.executable = cut(path.Text(), textShown)
		}
		if argv, ok := e.Lookup("argv"); ok {
			p.arguments = argumentText(argv)
			if argv.Type().Kind != trace.Strings {
				p.arguments = cut(p.arguments, argumentsShown)
			}
		}
	case "sched_process_exit":
		if code, ok := e.Lookup("exit_code"); ok && code.Type().Kind.InSlot() && e.HostThreadID == e.HostProcessID {
			p.exit = howEnded(code.Int())
		}
	}
}

// howEnded says in words what the kernel's code says: status << 8, or the signal, with 128 for a memory dump. It is empty if all went well.
func howEnded(code int64) string {
	if signal := unix.Signal(code & 0x7f); signal != 0 {
		return "killed by " + cmp.Or(unix.SignalName(signal), fmt.Sprintf("signal %d", int(signal)))
	}
	if status := code >> 8 & 0xff; status != 0 {
		return fmt.Sprintf("exit %d", status)
	}
	return ""
}

// tree arranges processes, oldest first. Who has no parent that is known is a root.
func (ps *processes) tree() (roots []*process, children map[lineage.Key][]*process) {
	children = map[lineage.Key][]*process{}
	for _, p := range ps.byKey {
		if parent := ps.byKey[p.parent]; parent == nil || parent == p || ps.below(parent, p) {
			roots = append(roots, p)
		} else {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	older := func(a, b *process) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.pid, b.pid), cmp.Compare(a.key, b.key))
	}
	slices.SortFunc(roots, older)
	for _, list := range children {
		slices.SortFunc(list, older)
	}
	return roots, children
}

// below reports whether p is below the ancestor: numbers that were used again, or a forged recording, can make circles.
func (ps *processes) below(p, ancestor *process) bool {
	for range 2 * lineage.Depth {
		if p == nil {
			return false
		}
		if p == ancestor {
			return true
		}
		p = ps.byKey[p.parent]
	}
	return true // so deep is nothing that is true
}
