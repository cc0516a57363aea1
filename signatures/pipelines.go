package signatures

import (
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

// pipeline recognises a shell that reads from a pipe what a sibling writes, or that is given as an argument what a sibling
// wrote just before: both are started by the same process, one right after the other.
type pipeline struct {
	around  *surroundings
	source  func(*command) bool
	sources *memory[uint64, started] // by the parent
	readers *memory[uint64, started]

	substitutes bool // what the source wrote may also become an argument
}

// started is a program that somebody started.
type started struct {
	process uint64
	at      int
	ended   int // 0: it runs
	line    string
}

const (
	// pipesRemembered bounds the processes whose children are remembered.
	pipesRemembered = 1 << 10
	// pipeStarts is the time within which all programs of a pipe are started.
	pipeStarts = 2 * time.Second
	// pipeOutlives is how long ago the other program may have ended: it may have had little to say.
	pipeOutlives = 500 * time.Millisecond
	// substitutionTakes is the time that a shell needs to make a command of what a program wrote.
	substitutionTakes = 100 * time.Millisecond
)

func newPipeline(s *surroundings, source func(*command) bool) *pipeline {
	return &pipeline{around: s, source: source, sources: newMemory[uint64, started](pipesRemembered), readers: newMemory[uint64, started](pipesRemembered)}
}

func (p *pipeline) forgotten() uint64 { return p.sources.forgotten() + p.readers.forgotten() }

func (p *pipeline) match(e *trace.Event) (map[string]any, bool) {
	p.around.see(e)
	switch e.EventName {
	case "sched_process_exit":
		p.ended(p.sources, e)
		p.ended(p.readers, e)
		return nil, false
	case "sched_process_exec":
	default:
		return nil, false
	}
	c, family := &p.around.command, p.around.family(e)
	this := started{process: entity(e), at: e.Timestamp, line: c.line}
	switch {
	case p.source(c):
		p.set(p.sources, family, this)
		if reader, ok := before(p.readers, family, this, pipeOutlives); ok {
			return map[string]any{"from": this.line, "run by": reader.line}, true
		}
	case readsProgram(c):
		p.set(p.readers, family, this)
		if source, ok := before(p.sources, family, this, pipeOutlives); ok {
			return map[string]any{"from": source.line, "run by": this.line}, true
		}
	case p.substitutes && runsText(c) && shells.name(base(p.around.parent(e))):
		if source, ok := before(p.sources, family, this, substitutionTakes); ok && source.ended != 0 && !keepsOutput(source.line) {
			return map[string]any{"from": source.line, "run by": this.line}, true
		}
	}
	return nil, false
}

func (p *pipeline) set(of *memory[uint64, started], family []uint64, this started) {
	for _, id := range family {
		of.set(id, this)
	}
}

// ended notes that a program is over.
func (p *pipeline) ended(of *memory[uint64, started], e *trace.Event) {
	for _, id := range p.around.family(e) {
		if s, ok := of.get(id); ok && s.process == entity(e) && s.ended == 0 {
			s.ended = e.Timestamp
			of.set(id, s)
		}
	}
}

// before takes what one of a family started just before this, and that ended no longer ago than some time.
func before(others *memory[uint64, started], family []uint64, this started, ago time.Duration) (started, bool) {
	for _, id := range family {
		other, ok := others.get(id)
		late := other.ended != 0 && time.Duration(this.at-other.ended) > ago
		if ok && !late && time.Duration(this.at-other.at) <= pipeStarts {
			others.drop(id)
			return other, true
		}
	}
	return started{}, false
}

// runsText reports whether a shell or an interpreter is given its program as an argument: by "$(...)", it may be what another
// program wrote.
func runsText(c *command) bool {
	return (c.runs(shells) || c.runs(interpreters)) && c.has("-c", "-e", "-r", "-lc", "-ic", "-ec", "-xc", "-E")
}

// keepsOutput reports whether a program was told to write into a file.
func keepsOutput(line string) bool {
	return containsAny(line, " -o ", " -O ", " --output", " -out ", " --remote-name", " -sO ", " -LO ", " -fsSLO", " -sSLO", " -fsSLo ", " -sSLo ", " -Lo ", " -sLo ", " -so ")
}

// readsProgram reports whether a shell or an interpreter takes its program from a pipe: it has no file of it, or the file is
// a descriptor.
func readsProgram(c *command) bool {
	if strings.HasPrefix(c.script, "/dev/fd/") || strings.HasPrefix(c.script, "/proc/self/fd/") {
		return true
	}
	if c.stdin != "S_IFIFO" || !c.runs(shells) && !c.runs(named("python perl ruby php node")) {
		return false
	}
	for _, a := range c.argv[min(1, len(c.argv)):] {
		switch {
		case a == "-s", a == "-", strings.HasPrefix(a, "/dev/stdin"), a == "--":
			return true
		case a == "-c", a == "-e", a == "-r", !strings.HasPrefix(a, "-"):
			return false
		}
	}
	return true
}

// downloads remembers the files that were just written by certain programs, to notice when one is executed.
type downloads struct {
	around *surroundings
	by     programs
	files  *memory[string, int]  // path → when
	online *memory[uint64, bool] // interpreters that have connected to somewhere
}

const (
	downloadsRemembered = 1 << 10
	downloadIsNew       = 10 * time.Minute
)

func newDownloads(s *surroundings, by programs) *downloads {
	return &downloads{s, by, newMemory[string, int](downloadsRemembered), newMemory[uint64, bool](downloadsRemembered)}
}

func (d *downloads) forgotten() uint64 { return d.files.forgotten() }

func (d *downloads) match(e *trace.Event) (map[string]any, bool) {
	d.around.see(e)
	switch e.EventName {
	case "magic_write":
		if path := text(e, "pathname"); d.writes(e, path) {
			d.files.set(strings.Clone(path), e.Timestamp)
		}
	case "security_socket_connect":
		if _, ok := connectedTo(e); ok && interpreters.path(d.around.program(e)) {
			d.online.set(entity(e), true)
		}
	case "security_inode_rename":
		if at, known := d.files.get(text(e, "old_path")); known {
			d.files.drop(text(e, "old_path"))
			d.files.set(strings.Clone(text(e, "new_path")), at)
		}
	case "security_file_open":
		path := text(e, "pathname")
		if at, known := d.files.lru.Peek(path); known && d.isNew(e, at) && d.around.runsScript(e, path) {
			d.files.drop(path)
			return map[string]any{"downloaded": strings.Clone(path), "program": d.around.program(e)}, true
		}
	case "sched_process_exec":
		return d.executed(e)
	}
	return nil, false
}

// writes reports whether a file comes from one of the programs, or is a program that an interpreter got from elsewhere and put
// where everybody may. pip does the latter with what it is about to build.
func (d *downloads) writes(e *trace.Event, path string) bool {
	if strings.HasPrefix(path, "/dev/") && !strings.HasPrefix(path, "/dev/shm/") {
		return false
	}
	if d.by.name(d.around.applet(e)) {
		return true
	}
	_, connected := d.online.lru.Peek(entity(e))
	content := raw(e, "bytes")
	return connected && inOpenDirectory(path) && !strings.HasPrefix(path, "/tmp/pip-") && (isELF(content) || strings.HasPrefix(string(content), "#!"))
}

func (d *downloads) isNew(e *trace.Event, at int) bool {
	return time.Duration(e.Timestamp-at) < downloadIsNew
}

// executed looks at the program, and at the scripts that it is given.
func (d *downloads) executed(e *trace.Event) (map[string]any, bool) {
	c := &d.around.command
	candidates := []string{c.path}
	if c.runs(shells) || c.runs(interpreters) || isLinker(c.name) {
		candidates = append(candidates, c.argv[min(1, len(c.argv)):]...)
	}
	for _, path := range candidates {
		at, known := d.files.get(path)
		if known && d.isNew(e, at) {
			d.files.drop(path)
			data := c.shown()
			data["downloaded"] = path
			return data, true
		}
	}
	return nil, false
}
