package rules

import (
	"slices"
	"time"

	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/detect"
)

// Change is what an engine is to go on with: see Prepare.
type Change struct {
	members    []*member
	inputs     []*regoInput
	exceptions exceptions
	repeats    time.Duration
}

// Prepare makes ready what Apply puts in force. Signatures that the engine has already, the very same values, keep what
// they remember; others begin. It may take its time: events can be handled meanwhile. An error tells of a signature that
// is refused. Of the configuration, Signatures, Files, Exceptions and Repeats count.
func (g *Engine) Prepare(c Config) (*Change, []error) {
	next := &Engine{finding: g.finding, log: g.log, processes: g.processes}
	ch := &Change{exceptions: newExceptions(c.Exceptions), repeats: c.Repeats}
	current := g.current()
	var refused []error
	for _, s := range c.Signatures {
		if i := slices.IndexFunc(current, func(m *member) bool { return m.given == s }); i >= 0 {
			next.members = append(next.members, current[i])
			next.shareOf(s)
			continue
		}
		if err := next.addFor(g, s); err != nil {
			refused = append(refused, c.named(s, err))
		}
	}
	ch.members, ch.inputs = next.members, next.inputs
	return ch, refused
}

// Signatures describes the signatures of the change, as the engine's method does.
func (c *Change) Signatures() []detect.SignatureMetadata { return metadataOf(c.members) }

// SelectedEvents returns what the signatures of the change select, as the engine's method does.
func (c *Change) SelectedEvents() []detect.SignatureEventSelector { return selectorsOf(c.members) }

// Needs derives what the signatures of the change need, as the engine's method does.
func (c *Change) Needs() filter.Needs { return neededBy(c.members) }

// Apply puts a change in force, between two events, on the goroutine of Handle. Signatures that are gone are closed.
func (g *Engine) Apply(ch *Change) {
	before := g.current()
	g.mu.Lock()
	g.members = ch.members
	g.mu.Unlock()
	g.reindex()
	g.inputs, g.exceptions = ch.inputs, ch.exceptions
	switch {
	case g.folder == nil && ch.repeats > 0:
		g.folder = newFolder(ch.repeats)
	case g.folder != nil && g.folder.window != int(ch.repeats):
		g.folder.flush(g.hand)
		g.folder = nil
		if ch.repeats > 0 {
			g.folder = newFolder(ch.repeats)
		}
	}
	for _, m := range before {
		if !slices.Contains(g.members, m) {
			if m.forgotten != nil {
				g.forgotten.Add(m.forgotten())
			}
			m.close()
		}
	}
}

// Drop gives up a change that is not to be put in force.
func (g *Engine) Drop(ch *Change) {
	current := g.current()
	for _, m := range ch.members {
		if !slices.Contains(current, m) {
			m.close()
		}
	}
}

// current are the members, for those who are not the goroutine of Handle.
func (g *Engine) current() []*member {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.members
}

// Loaded returns the signatures, in the order in which they see an event.
func (g *Engine) Loaded() []detect.Signature {
	var all []detect.Signature
	for _, m := range g.current() {
		all = append(all, m.given)
	}
	return all
}
