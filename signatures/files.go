package signatures

import (
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

// access is what is done to a file, a set of bits.
type access uint8

const (
	reads    access = 1 << iota
	writes          // its content, or what its name leads to
	removes         // its name, or its content by cutting it off
	replaces        // its name, which leads to another file from then on
	edits           // its content where there is some: it is neither cut off nor only added to
)

// fileRule recognises that somebody does something to certain files, whatever syscall, thread, ABI or io_uring he uses:
// it looks at the path that the kernel resolved, and knows bind mounts.
type fileRule struct {
	does   access
	paths  []string                                   // patterns
	unless []string                                   // patterns of what does not count
	except programs                                   // who may do it
	within programs                                   // whose descendants may do it
	when   func(s *surroundings, e *trace.Event) bool // what else must be so

	number int // in the index of all rules
}

// fileRules are the rules that have been declared, in the order of their numbers.
var fileRules []*fileRule

// events says which events show what the rule is about.
func (r *fileRule) events() []string {
	r.number = len(fileRules)
	fileRules = append(fileRules, r)
	list := append([]string{"security_file_open"}, mountEvents...)
	if r.does&(writes|removes|replaces) != 0 {
		list = append(list, "security_inode_rename", "do_truncate")
	}
	if r.does&writes != 0 {
		list = append(list, "security_inode_symlink")
	}
	if r.does&removes != 0 {
		list = append(list, "security_inode_unlink")
	}
	return append(list, lifecycle...)
}

func (r *fileRule) newMatcher(s *surroundings) matcher {
	return &fileMatcher{fileRule: r, unless: compile(r.unless), around: s, told: newRetold()}
}

const (
	// deedsRemembered bounds the findings that are remembered in order not to repeat them.
	deedsRemembered = 256
	// repeats is how long the same process doing something to the same file is not told of again: an open that cuts a
	// file off is two events.
	repeats = time.Second
)

// deed is that somebody did something to a file.
type deed struct {
	process uint64
	path    string
}

// retold remembers which deeds were told of, and when.
type retold struct{ *memory[deed, int] }

func newRetold() retold { return retold{newMemory[deed, int](deedsRemembered)} }

// again reports whether it was told a moment ago that the process of an event did something to a file, and notes it if not.
// Who goes on is told of again and again, for the engine to count.
func (r retold) again(e *trace.Event, path string) bool {
	last, known := r.get(deed{entity(e), path})
	if known && time.Duration(e.Timestamp-last) < repeats {
		return true
	}
	r.set(deed{entity(e), strings.Clone(path)}, e.Timestamp)
	return false
}

type fileMatcher struct {
	*fileRule
	unless *patterns
	around *surroundings
	told   retold
}

func (m *fileMatcher) forgotten() uint64 { return m.told.forgotten() }

func (m *fileMatcher) match(e *trace.Event) (map[string]any, bool) {
	switch e.EventName {
	case "security_file_open":
		return m.opened(e)
	case "security_inode_rename":
		if data, found := m.touched(e, writes|replaces, text(e, "new_path")); found {
			return data, true
		}
		return m.touched(e, removes, text(e, "old_path"))
	case "security_inode_symlink":
		return m.touched(e, writes, text(e, "linkpath"))
	case "security_inode_unlink":
		return m.touched(e, removes, text(e, "pathname"))
	case "do_truncate":
		return m.touched(e, writes|removes, text(e, "pathname"))
	default:
		m.around.see(e)
		return nil, false
	}
}

func (m *fileMatcher) opened(e *trace.Event) (map[string]any, bool) {
	path := text(e, "pathname")
	if wanted, _ := m.wants(e, path); !wanted {
		return nil, false
	}
	flags := text(e, "flags")
	var done access
	if opensForReading(flags) {
		done |= reads
	}
	if opensForWriting(flags) {
		done |= writes
		if !containsAny(flags, "O_APPEND", "O_TRUNC", "O_EXCL") {
			done |= edits
		}
	}
	if strings.Contains(flags, "O_TRUNC") {
		done |= removes
	}
	if strings.Contains(flags, "O_PATH") || strings.Contains(flags, "O_DIRECTORY") {
		return nil, false
	}
	return m.touched(e, done, path)
}

// wants reports whether a path is of interest, and whether only because it seems to be the host's, mounted into a container. Who
// is allowed to change a system's files is so on his own system. What is only read there is told by patterns for any place.
func (m *fileMatcher) wants(e *trace.Event, path string) (wanted, ofHost bool) {
	if m.around.index.has(path, m.number) {
		return true, false
	}
	ofHost = e.ContainerID != "" && m.does&reads == 0 && m.around.index.hasElsewhere(path, m.number)
	return ofHost, ofHost
}

// touched decides about a file for which the event has a path.
func (m *fileMatcher) touched(e *trace.Event, done access, path string) (map[string]any, bool) {
	wanted, ofHost := m.wants(e, path)
	if m.does&done == 0 || !wanted || m.unless.match(path) || !ofHost && m.allowed(e) {
		return nil, false
	}
	if m.when != nil && !m.when(m.around, e) {
		return nil, false
	}
	if m.told.again(e, path) {
		return nil, false
	}
	return m.around.about(e, strings.Clone(path)), true
}

func (m *fileMatcher) allowed(e *trace.Event) bool {
	if m.around.is(e, m.except) {
		return true
	}
	if len(m.within) == 0 {
		return false
	}
	_, inside := m.around.ancestor(e, m.within)
	return inside || m.around.is(e, m.within)
}

// about is the data of a finding about a file: its path, where that leads if it is in a bind mount, and who did it.
func (s *surroundings) about(e *trace.Event, path string) map[string]any {
	data := map[string]any{"path": path}
	if real := s.index.behind(path); real != path {
		data["mounted from"] = real
	}
	if program := s.program(e); program != "" {
		data["program"] = program
	}
	if e.Via != "" {
		data["via"] = e.Via
	}
	return data
}
