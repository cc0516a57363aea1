package capture

import (
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// executions remember which programs were captured, so that each is captured once for each container, unless it changes.
type executions struct {
	known *lru.Cache[execKey, *execution]
}

const executionsMax = 8192

type execKey struct {
	file      fileKey
	ctime     uint64
	container string
	path      string
}

// execution is a program that was captured. Its fields belong to the keeper.
type execution struct {
	profileKey string
}

func newExecutions() *executions {
	known, err := lru.New[execKey, *execution](executionsMax)
	if err != nil { // only for a size below 1
		panic(err)
	}
	return &executions{known}
}

func (n *notice) execKey() execKey { return execKey{n.key, n.ctime, n.context.ContainerID, n.path} }

// first says whether a program is not known yet, and makes it known.
func (x *executions) first(n *notice) bool {
	seen, _ := x.known.ContainsOrAdd(n.execKey(), &execution{})
	return !seen
}

// exec captures the file of a program.
func (k *keeper) exec(n *notice) {
	if n.own == nil {
		k.executions.known.Remove(n.execKey())
		k.missed(&n.context, n.record("exec"), n.gone())
		return
	}
	base := safeName(path.Base(n.path))
	name := fmt.Sprintf("exec.%d.%s", n.context.Timestamp, base)
	if x, ok := k.executions.known.Get(n.execKey()); ok {
		x.profileKey = k.profileKey(n) // from now on executions are counted
	}
	if err := k.copyFile(n.record("exec"), opened{n.own, name}, func(a *artifact) { k.execCopied(n, a) }); err != nil {
		k.executions.known.Remove(n.execKey())
		k.warn(n.path, err)
		return
	}
}

// execCopied records a program that was copied.
func (k *keeper) execCopied(n *notice, a *artifact) {
	r, err := a.finish("")
	if err != nil {
		k.executions.known.Remove(n.execKey())
		k.warn(n.path, err)
		return
	}
	k.told(&n.context, r)
	k.profile.add(k.profileKey(n), r.SHA256)
}

// profileKey is what v0.8 calls a program in the profile.
func (k *keeper) profileKey(n *notice) string {
	dir := filepath.Join(k.store.path, directoryOf(n.context.ContainerID))
	return fmt.Sprintf("%s:%d", filepath.Join(dir, "exec."+safeName(path.Base(n.path))), n.ctime)
}

// execAgain counts an execution of a program that was captured.
func (k *keeper) execAgain(n *notice) {
	if x, ok := k.executions.known.Get(n.execKey()); ok && x.profileKey != "" {
		k.profile.add(x.profileKey, "")
	}
}

// profile counts executions, in the form of v0.8. It is written anew at most once a second.
type profile struct {
	wanted   bool
	programs map[string]*profiled
	changed  bool
	saved    time.Time
}

type profiled struct {
	Times    int64  `json:"times"`
	FileHash string `json:"file_hash"`
}

// profiledMax bounds the programs of which executions are counted.
const profiledMax = 1 << 16

const profileName = "tracee.profile"

func (p *profile) add(key, hash string) {
	if !p.wanted {
		return
	}
	if p.programs == nil {
		p.programs = map[string]*profiled{}
	}
	program := p.programs[key]
	if program == nil {
		if len(p.programs) >= profiledMax {
			return
		}
		program = &profiled{}
		p.programs[key] = program
	}
	program.Times++
	if hash != "" {
		program.FileHash = hash
	}
	p.changed = true
}

func (p *profile) save(k *keeper, ending bool) {
	if !p.wanted || !p.changed && !ending || !ending && time.Since(p.saved) < time.Second {
		return
	}
	p.changed, p.saved = false, time.Now()
	if p.programs == nil {
		p.programs = map[string]*profiled{}
	}
	text, err := json.MarshalIndent(p.programs, "", "  ")
	if err == nil {
		err = k.store.replace(profileName, append(text, '\n'))
	}
	k.warn(profileName, err)
}
