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
	links  *memory[string, hardLink] // by the last name
	told   retold
}

// hardLink is a second name that was made for a file, as its maker wrote it: it may begin anywhere.
type hardLink struct{ path, file string }

// linksGuarded bounds the hard links that are remembered.
const linksGuarded = 64

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
		files: newMemory[identity, guardedFile](filesGuarded), links: newMemory[string, hardLink](linksGuarded), told: newRetold(),
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
	case "link", "linkat":
		g.linked(e)
	default:
		g.around.see(e)
	}
	return nil, false
}

// linked notes that a file has a second name. Where both names are written without the directory, the last one must do.
func (g *guarded) linked(e *trace.Event) {
	file, path := text(e, "oldpath"), strings.TrimPrefix(text(e, "newpath"), "./")
	if e.ReturnValue < 0 || path == "" {
		return
	}
	file = fromSomewhere(file)
	if g.paths.match(file) && !g.paths.match(path) {
		g.links.set(strings.Clone(base(path)), hardLink{strings.Clone(path), strings.Clone(file)})
	}
}

// fromSomewhere makes a whole path of one that a process wrote, which may begin in its directory: of one name, in /etc.
func fromSomewhere(path string) string {
	path = strings.TrimPrefix(path, "./")
	switch {
	case strings.HasPrefix(path, "/"):
		return path
	case strings.Contains(path, "/"):
		return "/" + path
	default:
		return "/etc/" + path
	}
}

// linkedTo returns the file that a path is a second name of, "" if none is known.
func (g *guarded) linkedTo(path string) string {
	link, known := g.links.lru.Peek(base(path))
	if known && (link.path == path || link.path[0] != '/') {
		return link.file
	}
	return ""
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
	case !found && g.linkedTo(path) != "":
		known = g.linkedTo(path)
	case !found || ctime < file.ctime:
		return nil, false
	}
	if !opensForReading(text(e, "flags")) || g.allowed(e, path) {
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

// allowed looks at who opens it. In a container, where all programs are the container's own, they may read its own files only.
func (g *guarded) allowed(e *trace.Event, path string) bool {
	if e.ContainerID != "" && !strings.HasPrefix(path, "/etc/") {
		return false
	}
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
func secondName(of *patterns) func(*surroundings, *trace.Event) (map[string]any, bool) {
	return func(s *surroundings, e *trace.Event) (map[string]any, bool) {
		var file, path string
		switch e.EventName {
		case "link", "linkat":
			if e.ReturnValue < 0 {
				return nil, false
			}
			file, path = fromSomewhere(text(e, "oldpath")), text(e, "newpath")
		case "security_inode_symlink":
			file, path = text(e, "target"), text(e, "linkpath")
		case "security_inode_rename":
			file, path = text(e, "old_path"), text(e, "new_path")
			if base(path) == base(file) || strings.HasPrefix(path, directory(file)) {
				return nil, false // it is saved, or put elsewhere as a whole
			}
		default:
			m, ok := s.mounts.of(e)
			if !ok || !m.bind {
				return nil, false
			}
			file, path = m.from, m.to
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
