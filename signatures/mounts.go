package signatures

import (
	"strconv"
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

// mountEvents show that something is mounted: by mount, or, as newer tools do it, by open_tree or fsmount and move_mount.
var mountEvents = []string{"security_sb_mount", "open_tree", "open_tree_attr", "move_mount", "security_sb_umount"}

// mount is that something is at a path from now on.
type mount struct {
	from string // "" for a file system that was made by fsopen
	to   string
	bind bool // it is there a second time
}

// mounts understands both ways to mount. open_tree takes hold of what is there, and move_mount puts it in place.
type mounts struct {
	trees *memory[tree, string] // what descriptors of open_tree stand for
}

// tree is a descriptor of a process.
type tree struct {
	process uint64
	fd      int
}

// treesRemembered bounds the descriptors of open_tree that are remembered.
const treesRemembered = 256

func newMounts() mounts { return mounts{newMemory[tree, string](treesRemembered)} }

// learn remembers what a descriptor stands for.
func (m mounts) learn(e *trace.Event) {
	path := strings.Clone(text(e, "filename") + text(e, "pathname")) // of two texts, one is empty, and their sum is the other itself
	if e.ReturnValue >= 0 && path != "" {
		m.trees.set(tree{entity(e), e.ReturnValue}, path)
	}
}

// of returns what an event mounts. Its texts live as long as the event.
func (m mounts) of(e *trace.Event) (mount, bool) {
	switch e.EventName {
	case "security_sb_mount":
		flags, _ := whole(e, "flags")
		return mount{text(e, "dev_name"), text(e, "path"), flags&bindMount != 0}, true
	case "move_mount":
		if e.ReturnValue < 0 {
			return mount{}, false
		}
		from := text(e, "from_path")
		if from == "" {
			from, _ = m.trees.get(tree{entity(e), descriptor(e, "from_dfd")})
		}
		return mount{from, text(e, "to_path"), from != ""}, true
	}
	return mount{}, false
}

// descriptor returns an argument that is a descriptor, -1 if it is none.
func descriptor(e *trace.Event, name string) int {
	if n, ok := whole(e, name); ok {
		return n
	}
	if n, err := strconv.Atoi(strings.TrimSpace(text(e, name))); err == nil {
		return n
	}
	return -1
}
