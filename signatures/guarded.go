package signatures

import (
	"strconv"
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

// guarded recognises that a file is opened for reading, by its path or, once it was seen under that, by the file itself: a
// hard link, a bind mount or a file handle is another name for the same device and inode.
type guarded struct {
	paths  *patterns
	except programs
	around *surroundings
	files  *memory[identity, guardedFile]
	told   retold
}

// identity is what a file is, whatever it is called.
type identity struct{ device, inode uint64 }

// guardedFile is what is remembered of a file: the path that it was seen under, and when it was changed last. Numbers of
// inodes are not unique within an overlay; a file of the same number that is older is another one, for a new name makes a
// file newer.
type guardedFile struct {
	path  string
	ctime uint64
}

// filesGuarded bounds the files that are known by their identity.
const filesGuarded = 1 << 10

func newGuarded(s *surroundings, paths []string, except programs) *guarded {
	return &guarded{
		paths: compile(paths), except: except, around: s,
		files: newMemory[identity, guardedFile](filesGuarded), told: newRetold(),
	}
}

func (g *guarded) forgotten() uint64 { return g.files.forgotten() + g.told.forgotten() }

func (g *guarded) match(e *trace.Event) (map[string]any, bool) {
	switch e.EventName {
	case "security_file_open":
		return g.opened(e)
	case "security_inode_rename":
		g.replaced(text(e, "new_path"))
	case "security_inode_unlink":
		g.replaced(text(e, "pathname"))
	default:
		g.around.see(e)
	}
	return nil, false
}

// replaced forgets a file whose name leads to another one from now on: its inode may be used for anything.
func (g *guarded) replaced(path string) {
	if !g.paths.match(path) {
		return
	}
	for _, id := range g.files.lru.Keys() {
		if known, _ := g.files.lru.Peek(id); known.path == path {
			g.files.drop(id)
		}
	}
}

func (g *guarded) opened(e *trace.Event) (map[string]any, bool) {
	path := text(e, "pathname")
	id, ctime := identified(e)
	file, found := g.files.lru.Peek(id)
	known := file.path
	switch real := g.around.index.behind(path); {
	case g.paths.match(path):
		if id != (identity{}) && (!found || ctime > file.ctime) {
			g.files.set(id, guardedFile{strings.Clone(path), ctime})
		}
		known = path
	case g.paths.match(real):
		known = real
	case !found || ctime < file.ctime:
		return nil, false
	}
	if !opensForReading(text(e, "flags")) || g.allowed(e) {
		return nil, false
	}
	if g.told.again(e, path) {
		return nil, false
	}
	data := g.around.about(e, strings.Clone(path))
	if known != path {
		data["file"] = strings.Clone(known)
	}
	return data, true
}

func (g *guarded) allowed(e *trace.Event) bool {
	if g.around.is(e, g.except) {
		return true
	}
	_, inside := g.around.ancestor(e, packageManagers)
	return inside
}

func identified(e *trace.Event) (id identity, ctime uint64) {
	device, known := e.Lookup("dev")
	inode, ok := e.Lookup("inode")
	if !ok || !known || inode.Uint() == 0 {
		return identity{}, 0
	}
	if changed, ok := e.Lookup("ctime"); ok {
		ctime = changed.Uint()
	}
	return identity{device.Uint(), inode.Uint()}, ctime
}

// secondName looks at whoever makes a new name for one of the files.
func secondName(of *patterns) observation {
	return func(e *trace.Event) (map[string]any, bool) {
		var file, path string
		switch e.EventName {
		case "link", "linkat":
			if e.ReturnValue < 0 {
				return nil, false
			}
			file, path = text(e, "oldpath"), text(e, "newpath")
		case "security_inode_symlink":
			file, path = text(e, "target"), text(e, "linkpath")
		case "security_inode_rename":
			file, path = text(e, "old_path"), text(e, "new_path")
			if base(path) == base(file) || strings.HasPrefix(path, directory(file)) {
				return nil, false // it is saved, or put elsewhere as a whole
			}
		default:
			flags, _ := whole(e, "flags")
			if flags&bindMount == 0 {
				return nil, false
			}
			file, path = text(e, "dev_name"), text(e, "path")
		}
		if !of.match(file) || of.match(path) {
			return nil, false
		}
		return map[string]any{"file": strings.Clone(file), "path": strings.Clone(path)}, true
	}
}

// directory returns a path up to its last slash.
func directory(path string) string { return path[:strings.LastIndexByte(path, '/')+1] }

// ofAnother reports whether a file in /proc/PID is not of the process that opens it.
func ofAnother(_ *surroundings, e *trace.Event) bool {
	pid := strings.TrimPrefix(text(e, "pathname"), "/proc/")
	pid, _, _ = strings.Cut(pid, "/")
	return isProcess(pid) && pid != "self" && pid != "thread-self" && pid != strconv.Itoa(e.HostProcessID) && pid != strconv.Itoa(e.ProcessID)
}

// unusually reports whether a file is opened by other means than the program's own syscalls.
func unusually(_ *surroundings, e *trace.Event) bool { return e.Compat || e.Via == trace.ViaIOUring }
