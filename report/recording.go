package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/rules/lineage"
	"github.com/tracee-go/tracee/types/trace"
)

// recording is what is kept of all recordings.
type recording struct {
	summary  Summary
	examples []string // of records that could not be read
	breaks   []string // recordings that break off

	groups         map[string]*group
	shown, unshown int // findings in detail, and without

	processes processes
	watchers  map[lineage.Key][]*finding // who wants to know what a process did
	each      int                        // events before or after each finding

	byName   names // events
	programs names // events of processes that are not followed, by program
	lost     names // by event and reason
	hosts    names
	chart    histogram

	artifacts map[string]*artifact
	sorted    []*artifact // in the end
	leftOut   struct{ artifacts, nearby, processes uint64 }

	first, last int // of events and findings; 0: none
}

func newRecording() *recording {
	return &recording{
		groups: map[string]*group{}, watchers: map[lineage.Key][]*finding{}, processes: newProcesses(),
		artifacts: map[string]*artifact{}, chart: newHistogram(),
	}
}

// span notes a time.
func (r *recording) span(at int) {
	if at <= 0 {
		return
	}
	if r.first == 0 || at < r.first {
		r.first = at
	}
	r.last = max(r.last, at)
}

// prepare is called between the readings, when it is known which findings are shown.
func (r *recording) prepare() {
	r.each = min(max(maxNearby/max(r.shown, 1)/2, minNearbyEach/2), maxNearbyEach/2)
	for _, g := range r.groups {
		for _, f := range g.shown {
			for _, p := range f.line {
				r.processes.involve(p)
			}
			if len(f.line) > 0 {
				f.line[0].findings = append(f.line[0].findings, f)
			}
			if f.key != 0 {
				r.watchers[f.key] = append(r.watchers[f.key], f)
			}
		}
	}
	for _, list := range r.watchers {
		slices.SortFunc(list, func(a, b *finding) int { return a.time - b.time })
	}
	r.processes.all = len(r.watchers) == 0
}

// nearEvent is an event near a finding.
type nearEvent struct {
	time       int
	name, text string
	ret        int
	errno      string
	again      int // how often the same followed at once
}

// repeats reports whether the event says nothing but what this one does, and counts it here if so.
func (n *nearEvent) repeats(e nearEvent) bool {
	if n.name != e.name || n.text != e.text || n.ret != e.ret {
		return false
	}
	n.again++
	return true
}

// addEvent is called for each event of the recordings.
func (r *recording) addEvent(e *trace.Event) {
	switch e.EventName {
	case "lost_events":
		r.addLoss(e)
		return
	case "artifact_captured":
		r.addArtifact(artifactOf(e))
	}
	r.summary.Events++
	r.span(e.Timestamp)
	r.byName.add(e.EventName, 1)
	r.hosts.add(e.HostName, 1)
	r.chart.event(e.Timestamp)
	if p := r.processes.see(e); p != nil {
		p.events++
	} else {
		r.leftOut.processes++
		r.programs.add(programOf(e), 1)
	}
	for _, f := range r.watchers[lineage.KeyOf(e)] {
		r.leftOut.nearby += f.near(e, r.each)
	}
}

func programOf(e *trace.Event) string {
	if e.Executable != "" {
		return e.Executable
	}
	return e.ProcessName
}

// near keeps the event if it is one of those around the finding, and returns how many others had to give way. What is the same
// again and again is one line.
func (f *finding) near(e *trace.Event, each int) uint64 {
	distance := e.Timestamp - f.time
	if distance > int(nearby) || distance < -int(nearby) {
		return 0
	}
	made := nearOf(e)
	if distance > 0 {
		if last := len(f.after) - 1; last >= 0 && f.after[last].repeats(made) {
			return 0
		}
		if len(f.after) >= each {
			return 1
		}
		f.after = append(f.after, made)
		return 0
	}
	if last := len(f.before) - 1; last >= 0 && f.before[last].repeats(made) {
		return 0
	}
	if len(f.before) < each {
		f.before = append(f.before, made)
		return 0
	}
	gone := 1 + f.before[0].again
	copy(f.before, f.before[1:])
	f.before[len(f.before)-1] = made
	return uint64(gone)
}

func nearOf(e *trace.Event) nearEvent {
	e.ParseArguments, e.Errno = true, cmp.Or(e.Errno, events.ErrnoName(e.ReturnValue))
	var b strings.Builder
	for a := range e.All() {
		if b.Len() > argumentsShown/2 {
			b.WriteString(" …")
			break
		}
		if b.Len() > 0 {
			b.WriteString("  ")
		}
		b.WriteString(cut(a.Name(), 60) + "=" + cut(argumentText(a), textShown))
	}
	return nearEvent{time: e.Timestamp, name: cut(e.EventName, 60), text: b.String(), ret: e.ReturnValue, errno: cut(e.Errno, 20)}
}

func (r *recording) addLoss(e *trace.Event) {
	what, why, n := "", "", uint64(1)
	if a, ok := e.Lookup("event"); ok {
		what = a.Text()
	}
	if a, ok := e.Lookup("reason"); ok {
		why = a.Text()
	}
	if a, ok := e.Lookup("lost"); ok && a.Type().Kind.InSlot() {
		n = a.Uint()
	}
	r.lost.add(what+" ("+why+")", n)
}

// names counts by name. The names beyond its bound are counted together.
type names struct {
	counts map[string]uint64
	others uint64
}

func (n *names) add(name string, count uint64) {
	if _, ok := n.counts[name]; !ok {
		if n.counts == nil {
			n.counts = map[string]uint64{}
		}
		if len(n.counts) >= maxNames {
			n.others += count
			return
		}
		name = strings.Clone(name[:min(len(name), textShown)])
	}
	n.counts[name] += count
}

// counted is a name and how often it was seen.
type counted struct {
	Name  string
	Count string
	Share int // of the most frequent one, in percent
	count uint64
}

// most returns the most frequent names, and how many others there are.
func (n *names) most(limit int) (list []counted, others int) {
	for name, count := range n.counts {
		list = append(list, counted{Name: cut(name, textShown), Count: grouped(count), count: count})
	}
	slices.SortFunc(list, func(a, b counted) int {
		if a.count != b.count {
			return cmp.Compare(b.count, a.count)
		}
		return strings.Compare(a.Name, b.Name)
	})
	others = max(len(list)-limit, 0)
	list = list[:len(list)-others]
	for i := range list {
		list[i].Share = int(max(list[i].count*100/max(list[0].count, 1), 1))
	}
	return list, others
}

func (n *names) total() (sum uint64) {
	for _, count := range n.counts {
		sum += count
	}
	return sum + n.others
}
