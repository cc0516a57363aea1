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

	// substitutes reports whether what a program wrote, whose command line is given, may have become an argument of another. Nil: never.
	substitutes func(source string, c *command) bool
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
		if reader, ok := before(p.readers, family, this, pipeOutlives); ok && p.together(e, reader) {
			return map[string]any{"from": this.line, "run by": reader.line}, true
		}
		p.set(p.sources, family, this)
	case readsProgram(c):
		if source, ok := before(p.sources, family, this, pipeOutlives); ok && p.together(e, source) {
			return map[string]any{"from": source.line, "run by": this.line}, true
		}
		p.set(p.readers, family, this)
	case p.substitutes != nil && runsText(c) && shells.name(base(p.around.parent(e))):
		if source, ok := before(p.sources, family, this, substitutionTakes); ok && source.ended != 0 && p.substitutes(source.line, c) {
			return map[string]any{"from": source.line, "run by": this.line}, true
		}
	}
	return nil, false
}

// together reports whether a process was there before another had ended, as in a pipe: a shell that does one after the other may
// give the second a text by a pipe, too.
func (p *pipeline) together(e *trace.Event, other started) bool {
	this, _ := p.around.processes.get(entity(e))
	return this.born == 0 || other.ended == 0 || this.born <= other.ended
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
			for _, id := range family {
				if same, _ := others.get(id); same.process == other.process {
					others.drop(id)
				}
			}
			return other, true
		}
	}
	return started{}, false
}

// runsText reports whether a shell or an interpreter is given its program as an argument: by "$(...)", it may be what another
// program wrote. At the end of a pipe, that is what it works on.
func runsText(c *command) bool {
	return c.stdin != "S_IFIFO" && (c.runs(shells) || c.runs(interpreters)) && c.has("-c", "-e", "-r", "-lc", "-ic", "-ec", "-xc", "-E")
}

// downloadedText reports whether what was downloaded is the program that is given as an argument. A script that asks a server for
// something often starts a command next; what is worth to be downloaded has several lines.
func downloadedText(source string, c *command) bool {
	return strings.Contains(c.line, "\n") && !keepsOutput(source)
}

// decodedText reports whether what was decoded may be the program that is given as an argument. What unpacks and what exchanges
// letters is part of too many scripts.
func decodedText(source string, _ *command) bool {
	program, _, _ := strings.Cut(source, " ")
	return textDecoders.name(base(program)) && !keepsOutput(source)
}

var textDecoders = named("base64 base32 basenc xxd openssl uudecode rev")

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
	if c.stdin != "S_IFIFO" || !c.runs(shells) && !c.runsAny("python", "perl", "ruby", "php", "node") {
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
	online *memory[uint64, bool] // interpreters without a script that have connected to somewhere
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
		if _, ok := connectedTo(e); ok && d.around.inline(e) && interpreters.name(base(d.around.program(e))) {
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
// where everybody may. Scripts that lie in files are left out: pip and its like do just that.
func (d *downloads) writes(e *trace.Event, path string) bool {
	if strings.HasPrefix(path, "/dev/") && !strings.HasPrefix(path, "/dev/shm/") {
		return false
	}
	if d.by.name(d.around.applet(e)) {
		return true
	}
	_, connected := d.online.lru.Peek(entity(e))
	content := raw(e, "bytes")
	return connected && inOpenDirectory(path) && (isELF(content) || strings.HasPrefix(string(content), "#!"))
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
