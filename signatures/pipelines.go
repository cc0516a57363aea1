package signatures

import (
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

// pipeline recognises a shell that reads from a pipe what a sibling writes: both are started by the same process, one
// right after the other, in either order.
type pipeline struct {
	around  *surroundings
	source  func(*command) bool
	sources *memory[uint64, started] // by the parent
	readers *memory[uint64, started]
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
)

func newPipeline(s *surroundings, source func(*command) bool) *pipeline {
	return &pipeline{s, source, newMemory[uint64, started](pipesRemembered), newMemory[uint64, started](pipesRemembered)}
}

func (p *pipeline) forgotten() uint64 { return p.sources.forgotten() + p.readers.forgotten() }

func (p *pipeline) match(e *trace.Event) (map[string]any, bool) {
	p.around.see(e)
	switch e.EventName {
	case "sched_process_exit":
		ended(p.sources, e)
		ended(p.readers, e)
		return nil, false
	case "sched_process_exec":
	default:
		return nil, false
	}
	c, parent := &p.around.command, parentEntity(e)
	this := started{process: entity(e), at: e.Timestamp, line: c.line}
	switch {
	case p.source(c):
		p.sources.set(parent, this)
		if reader, ok := before(p.readers, parent, this); ok {
			return map[string]any{"from": this.line, "run by": reader.line}, true
		}
	case readsProgram(c):
		p.readers.set(parent, this)
		if source, ok := before(p.sources, parent, this); ok {
			return map[string]any{"from": source.line, "run by": this.line}, true
		}
	}
	return nil, false
}

// ended notes that a program is over.
func ended(of *memory[uint64, started], e *trace.Event) {
	if s, ok := of.get(parentEntity(e)); ok && s.process == entity(e) && s.ended == 0 {
		s.ended = e.Timestamp
		of.set(parentEntity(e), s)
	}
}

// before takes what the parent started just before this.
func before(others *memory[uint64, started], parent uint64, this started) (started, bool) {
	other, ok := others.get(parent)
	late := other.ended != 0 && time.Duration(this.at-other.ended) > pipeOutlives
	if !ok || late || time.Duration(this.at-other.at) > pipeStarts {
		return started{}, false
	}
	others.drop(parent)
	return other, true
}

// readsProgram reports whether a shell or an interpreter takes its program from a pipe: it has no file of it.
func readsProgram(c *command) bool {
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

// downloads remembers the files that were just downloaded, to notice when one is executed.
type downloads struct {
	around *surroundings
	files  *memory[string, int] // path → when
}

const (
	downloadsRemembered = 1 << 10
	downloadIsNew       = 10 * time.Minute
)

func newDownloads(s *surroundings) *downloads {
	return &downloads{s, newMemory[string, int](downloadsRemembered)}
}

func (d *downloads) forgotten() uint64 { return d.files.forgotten() }

func (d *downloads) match(e *trace.Event) (map[string]any, bool) {
	d.around.see(e)
	switch e.EventName {
	case "magic_write":
		program := base(d.around.program(e))
		if downloaders.name(program) && !strings.HasPrefix(text(e, "pathname"), "/dev/") {
			d.files.set(strings.Clone(text(e, "pathname")), e.Timestamp)
		}
	case "security_inode_rename":
		if at, known := d.files.get(text(e, "old_path")); known {
			d.files.drop(text(e, "old_path"))
			d.files.set(strings.Clone(text(e, "new_path")), at)
		}
	case "sched_process_exec":
		return d.executed(e)
	}
	return nil, false
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
		if known && time.Duration(e.Timestamp-at) < downloadIsNew {
			d.files.drop(path)
			data := c.shown()
			data["downloaded"] = path
			return data, true
		}
	}
	return nil, false
}
