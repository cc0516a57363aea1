package signatures

import (
	"strings"

	"github.com/tracee-go/tracee/types/trace"
)

// running remembers the programs that run from open directories, to notice when the file of one is removed.
type running struct {
	around *surroundings
	files  *memory[string, map[uint64]bool] // path of a program → who runs it
}

// programsRemembered bounds the running programs that are remembered.
const programsRemembered = 1 << 11

// runnersRemembered bounds the processes that are remembered of one program: their ends may have been lost.
const runnersRemembered = 1 << 8

func newRunning(s *surroundings) *running {
	return &running{around: s, files: newMemory[string, map[uint64]bool](programsRemembered)}
}

func (r *running) forgotten() uint64 { return r.files.forgotten() }

func (r *running) match(e *trace.Event) (map[string]any, bool) {
	r.around.see(e)
	switch e.EventName {
	case "sched_process_exec":
		r.ended(e, r.around.previous(e))
		if path := r.around.command.path; inOpenDirectory(path) {
			runners, _ := r.files.get(path)
			if runners == nil {
				runners = map[uint64]bool{}
			}
			if len(runners) < runnersRemembered {
				runners[entity(e)] = true
			}
			r.files.set(path, runners)
		}
	case "sched_process_exit":
		if lastThread(e) {
			r.ended(e, r.around.program(e))
		}
	case "security_inode_unlink":
		path := text(e, "pathname")
		runners, known := r.files.get(path)
		if known && len(runners) > 0 && !strings.HasPrefix(path, "/tmp/go-build") {
			r.files.drop(path)
			data := r.around.about(e, strings.Clone(path))
			data["running"] = len(runners)
			return data, true
		}
	}
	return nil, false
}

// ended notes that a process no longer runs a program.
func (r *running) ended(e *trace.Event, path string) {
	runners, known := r.files.get(path)
	if !known {
		return
	}
	delete(runners, entity(e))
	if len(runners) == 0 {
		r.files.drop(path)
	}
}

// deadHistories notices that the history of a shell becomes a link: made in place, or under another name and then renamed.
type deadHistories struct {
	histories *patterns
	links     *memory[string, string] // path of a link → target
}

// linksRemembered bounds the links to /dev/null that are remembered.
const linksRemembered = 64

func newDeadHistories() *deadHistories {
	return &deadHistories{compile(historyFiles), newMemory[string, string](linksRemembered)}
}

func (d *deadHistories) match(e *trace.Event) (map[string]any, bool) {
	if e.EventName == "security_inode_symlink" {
		path, target := strings.Clone(text(e, "linkpath")), strings.Clone(text(e, "target"))
		if d.histories.match(path) {
			return map[string]any{"path": path, "target": target}, true
		}
		if target == "/dev/null" {
			d.links.set(path, target)
		}
		return nil, false
	}
	target, known := d.links.get(text(e, "old_path"))
	path := text(e, "new_path")
	if !known || !d.histories.match(path) {
		return nil, false
	}
	return map[string]any{"path": strings.Clone(path), "target": target}, true
}
