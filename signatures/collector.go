package signatures

import (
	"strings"
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

const (
	// kindsAreMany is how many kinds of credentials nobody needs at once.
	kindsAreMany = 3
	// collectionTakes is the time within which they are opened.
	collectionTakes = time.Minute
	// actorsRemembered bounds the processes about which a signature remembers something.
	actorsRemembered = 1 << 12
)

// collector notices that credentials of several kinds are opened, by one process or by children of one.
type collector struct {
	around *surroundings
	kinds  []kindOfFile
	bursts *burst[uint64]
}

type kindOfFile struct {
	name  string
	paths *patterns
}

func newCollector(s *surroundings) *collector {
	return &collector{
		around: s,
		kinds: []kindOfFile{
			{"password hashes", compile(hashFiles)}, {"ssh keys", compile(sshKeyFiles)}, {"cloud keys", compile(cloudKeyFiles)},
			{"wallets", compile(wallets)}, {"tickets", compile(ticketFiles)}, {"tls keys", compile(tlsKeyFiles)},
			{"shell histories", compile(historyFiles)},
		},
		bursts: newBurst[uint64](kindsAreMany, collectionTakes, actorsRemembered),
	}
}

func (c *collector) forgotten() uint64 { return c.bursts.forgotten() }

// honest are those who open such files all day.
var honest = authenticators.and(sshPrograms, packageManagers, userManagers)

func (c *collector) match(e *trace.Event) (map[string]any, bool) {
	if e.EventName != "security_file_open" {
		c.around.see(e)
		return nil, false
	}
	path := text(e, "pathname")
	if !c.around.index.any(path) || strings.HasSuffix(path, ".pub") || !opensForReading(text(e, "flags")) {
		return nil, false
	}
	for _, kind := range c.kinds {
		if kind.paths.match(path) && !c.around.is(e, honest) && c.add(e, kind.name) {
			data := c.around.about(e, strings.Clone(path))
			data["last"] = kind.name
			return data, true
		}
	}
	return nil, false
}

// add notes a kind for the process and for its parent, which may have started a program for each file. Who has many
// children of all kinds is no such parent.
func (c *collector) add(e *trace.Event, kind string) bool {
	byItself := c.bursts.add(entity(e), kind, e.Timestamp)
	parent := c.around.parent(e)
	if parent == "" || honest.path(parent) || containerManagers.path(parent) || initSystem.path(parent) {
		return byItself
	}
	byFamily := c.bursts.add(parentEntity(e), kind, e.Timestamp)
	return byItself || byFamily
}
