package signatures

import (
	"bytes"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id:        "TRC-7",
	name:      "LD_PRELOAD",
	doc:       "Usage of LD_PRELOAD to allow hooks on process",
	aliases:   []string{"TRC-107"},
	severity:  medium,
	technique: technique{"Persistence", "Hijack Execution Flow", "T1574", ""},
	response:  "Look at the library that is named. One in a directory that others can write to, or of no package, is hostile.",
	benign:    "Wrappers such as fakeroot, jemalloc or a JDK; programs that bring their libraries.",
	tags:      linuxAndContainer,
	events:    []string{"execve", "sched_process_exec", "security_file_open", "security_inode_rename", "security_inode_symlink"},
	needs: []detect.Need{
		need("security_file_open", like("pathname", "*"+preloadList)), need("security_inode_rename", like("new_path", "*"+preloadList)),
		need("security_inode_symlink", like("linkpath", "*"+preloadList)),
	},
	newMatcher: func(s *surroundings) matcher { return newPreloads(s) },
})

const (
	// execsRemembered bounds the calls of execve that wait for their sched_process_exec.
	execsRemembered = 1024
	// execTakes is the longest time between the two; a later one belongs to another execve.
	execTakes = 10 * time.Second
)

// preloadList is the file that names the libraries for all programs, below any root.
const preloadList = "/etc/ld.so.preload"

// containerdLibraries is what containerd tells all that it starts, whether there is anything or not.
const containerdLibraries = "LD_LIBRARY_PATH=/opt/containerd/lib:"

// preloads finds programs that are started with libraries of somebody's choice. The environment is in execve, which says
// what was asked for, and in sched_process_exec, which says what was started (by execveat too). A stream may carry
// either or both, and with both one start must give one finding: the one at execve, which comes first.
type preloads struct {
	around   *surroundings
	reported simplelru.LRUCache[int, int] // host pid → time of the execve that was found
	evicted  atomic.Uint64
}

func newPreloads(s *surroundings) *preloads {
	reported, err := simplelru.NewLRU[int, int](execsRemembered, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &preloads{around: s, reported: reported}
}

func (p *preloads) forgotten() uint64 { return p.evicted.Load() }

func (p *preloads) match(e *trace.Event) (map[string]any, bool) {
	switch e.EventName {
	case "execve":
		return nil, p.asked(e)
	case "sched_process_exec":
		return nil, p.started(e)
	case "security_inode_rename":
		return nil, strings.HasSuffix(text(e, "new_path"), preloadList)
	case "security_inode_symlink":
		return nil, strings.HasSuffix(text(e, "linkpath"), preloadList)
	default:
		return nil, strings.HasSuffix(text(e, "pathname"), preloadList) && opensForWriting(text(e, "flags"))
	}
}

// asked looks at execve, which is seen when it is called and, when it fails, again with its error.
func (p *preloads) asked(e *trace.Event) bool {
	if e.ReturnValue < 0 {
		p.reported.Remove(e.HostProcessID)
		return false
	}
	if !p.namesLibraries(e, "envp") {
		p.reported.Remove(e.HostProcessID)
		return false
	}
	if p.reported.Add(e.HostProcessID, e.Timestamp) {
		p.evicted.Add(1)
	}
	return true
}

func (p *preloads) started(e *trace.Event) bool {
	if at, ok := p.reported.Peek(e.HostProcessID); ok {
		p.reported.Remove(e.HostProcessID)
		if time.Duration(e.Timestamp-at) < execTakes {
			return false
		}
	}
	return p.namesLibraries(e, "env")
}

// namesLibraries reports whether an environment tells the dynamic linker which libraries to load or where from.
func (p *preloads) namesLibraries(e *trace.Event, argument string) bool {
	environment, ok := e.Lookup(argument)
	if !ok || environment.Type().Kind != trace.Strings {
		return false
	}
	for variable := range bytes.SplitSeq(environment.Raw(), []byte{0}) {
		if string(variable) == containerdLibraries && p.around.is(e, containerManagers) {
			continue
		}
		if bytes.HasPrefix(variable, []byte("LD_PRELOAD=")) || bytes.HasPrefix(variable, []byte("LD_LIBRARY_PATH=")) {
			return true
		}
	}
	return false
}
