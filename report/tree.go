package report

import (
	"fmt"

	"github.com/tracee-go/tracee/rules/lineage"
)

// node is a process in the tree.
type node struct {
	Title, Runs, Executable, Where, Since, Exit, Events string
	User                                                int
	Findings                                            []badge
	Children                                            []*node
	Hidden                                              int // below, for which there was no room
}

// badge leads from a process to a finding.
type badge struct {
	Grade, Name, Link string
}

// nodes arranges the processes. Those with findings and their ancestors come first when there is not room for all.
func (r *recording) nodes(clock clock) []*node {
	roots, children := r.processes.tree()
	wanted := map[*process]bool{}
	for _, p := range r.processes.byKey {
		for q, n := p, 0; len(p.findings) > 0 && q != nil && n < 2*lineage.Depth; q, n = r.processes.byKey[q.parent], n+1 {
			wanted[q] = true
		}
	}
	t := &treeMaker{clock: clock, children: children, wanted: wanted, room: maxNodes - len(wanted)}
	return t.list(roots, 0)
}

type treeMaker struct {
	clock    clock
	children map[lineage.Key][]*process
	wanted   map[*process]bool
	room     int // for others
}

// maxDepth bounds the tree.
const maxDepth = 64

func (t *treeMaker) list(processes []*process, depth int) (list []*node) {
	for _, p := range processes {
		if !t.wanted[p] {
			if t.room <= 0 {
				continue
			}
			t.room--
		}
		n := t.node(p)
		list = append(list, n)
		below := t.children[p.key]
		if depth < maxDepth {
			n.Children = t.list(below, depth+1)
		}
		n.Hidden = len(below) - len(n.Children)
	}
	return list
}

func (t *treeMaker) node(p *process) *node {
	n := &node{Title: p.title(), Runs: p.arguments, Executable: p.executable, Where: p.where, User: p.user, Exit: p.exit}
	if p.first > 0 {
		n.Since = t.clock.short(p.first)
	}
	if p.events > 0 {
		n.Events = number(p.events, "event")
	}
	seen := map[string]bool{}
	for _, f := range p.findings {
		if key := f.group.key; !seen[key] {
			seen[key] = true
			n.Findings = append(n.Findings, badge{gradeOf(f.group.severity), f.group.signature.Name, fmt.Sprintf("#f-%d", f.number)})
		}
	}
	return n
}
