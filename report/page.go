package report

import (
	"cmp"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tracee-go/tracee/rules/lineage"
	"github.com/tracee-go/tracee/signatures"
	"github.com/tracee-go/tracee/types/detect"
)

// page is what the template shows. All of its texts come from recordings, and are escaped by the template.
type page struct {
	Head                template.HTML // policy, style and script, which are ours
	Script              template.HTML
	Title               string
	Made, Version       string
	Sources, Hosts      string
	From, To, For       string
	Summary             Summary
	Events, Findings    string
	Grades              []grade
	Chart               *chart
	Moments             []moment
	Groups              []groupView
	Roots               []*node
	Artifacts           []artifactView
	ByName              []counted
	ByProgram           []counted
	Lost                []counted
	LostTotal           string
	LeftOut             []string
	Breaks              []string
	Broken              string
	Examples            []string
	Relative, AnyEvents bool
}

// grade is a severity, and how many findings have it.
type grade struct {
	Name  string
	Count string
	None  bool
}

// moment is a line of what happened.
type moment struct {
	Time, Grade, Name, Who, Link string
}

// groupView is the findings of a signature.
type groupView struct {
	ID, Name, Grade, Meaning, Response, Benign string
	Tactic, Technique, Link                    string
	Count                                      string
	More                                       string // that are not shown
	Repeated                                   string
	Instances                                  []*instance
}

// instance is a finding.
type instance struct {
	Number             int
	Time, Who, Host    string
	Where              string
	Event              string
	Args, Data         []pair
	Line               []link
	Before, After      []nearView
	Artifacts          []artifactView
	Repeated, Lost     string
	Open               bool
	Executable, Runs   string
	PID, User          int
	NoProcess, NoNears bool
}

// link is one of a line of processes.
type link struct {
	Name, Executable, Arguments string
	PID, User                   int
}

type nearView struct {
	Time, Name, Text, Result, Times string
	Bad                             bool
}

type artifactView struct {
	Kind, Path, File, Who, Size, SHA256, Finding, Note string
}

func (r *recording) page(c Config) *page {
	r.summary.Artifacts = uint64(len(r.artifacts)) + r.leftOut.artifacts
	clock := r.clock()
	p := &page{
		Title: "Tracee report", Made: c.Made.UTC().Format("2006-01-02 15:04:05 UTC"), Version: c.Version,
		Sources: sources(c.Inputs), Hosts: r.hostNames(), Summary: r.summary, Events: grouped(r.summary.Events),
		Findings: grouped(r.summary.Findings), Relative: clock.relative(r.first), Broken: grouped(r.summary.Broken),
		Examples: r.examples, Breaks: r.breaks, AnyEvents: r.summary.Events > 0,
	}
	if r.last > 0 {
		p.From, p.To = clock.long(r.first), clock.long(r.last)
		p.For = lasted(r.last - r.first)
	}
	p.Grades = r.grades()
	for _, g := range r.sortedGroups() {
		slices.SortStableFunc(g.shown, func(a, b *finding) int { return a.time - b.time })
	}
	p.Chart = r.drawChart(clock)
	p.Artifacts = r.artifactViews()
	for _, g := range r.sortedGroups() {
		p.Groups = append(p.Groups, r.groupView(g, clock, len(p.Groups) == 0))
	}
	p.Moments = r.moments(clock)
	p.Roots = r.nodes(clock)
	var more int
	p.ByName, more = r.byName.most(maxShownNames)
	p.leaveOut(uint64(more), "kind of event is", "kinds of events are", "not in the list of events")
	p.ByProgram, more = r.programs.most(maxShownNames)
	p.leaveOut(uint64(more), "further program is", "further programs are", "not in the list of programs")
	p.Lost, _ = r.lost.most(maxShownNames)
	if n := r.lost.total(); n > 0 {
		p.LostTotal = number(n, "event")
	}
	r.tellLeftOut(p)
	return p
}

func (p *page) leaveOut(n uint64, one, many, where string) {
	if n == 1 {
		p.LeftOut = append(p.LeftOut, "1 "+one+" "+where+".")
	} else if n > 1 {
		p.LeftOut = append(p.LeftOut, grouped(n)+" "+many+" "+where+".")
	}
}

// tellLeftOut says what the bounds of memory and page left out.
func (r *recording) tellLeftOut(p *page) {
	p.leaveOut(uint64(r.unshown), "finding is", "findings are", "counted, but not shown in detail")
	p.leaveOut(r.leftOut.nearby, "event near findings is", "events near findings are", fmt.Sprintf("not shown: up to %d before and after each finding of its process are, within %d s", r.each, int(nearby.Seconds())))
	p.leaveOut(r.leftOut.processes, "event is", "events are", "of processes that are not in the tree: those without findings that no process with findings started")
	p.leaveOut(r.leftOut.artifacts, "artifact is", "artifacts are", "not in the list")
}

func sources(inputs []Input) string {
	var all []string
	for _, in := range inputs {
		all = append(all, cut(in.Name, textShown))
	}
	return strings.Join(all, ", ")
}

func (r *recording) hostNames() string {
	for _, g := range r.groups {
		for _, f := range g.shown {
			r.hosts.add(f.host, 1)
		}
	}
	list, others := r.hosts.most(3)
	var all []string
	for _, h := range list {
		if h.Name != "" {
			all = append(all, h.Name)
		}
	}
	if others > 0 {
		all = append(all, fmt.Sprintf("%d more", others))
	}
	return strings.Join(all, ", ")
}

func (r *recording) grades() (list []grade) {
	var counts [6]uint64
	for _, g := range r.groups {
		if g.severity < 0 {
			counts[len(detect.Severities)] += g.count
		} else {
			counts[g.severity] += g.count
		}
	}
	for i := len(detect.Severities) - 1; i >= 0; i-- {
		list = append(list, grade{Name: detect.Severities[i], Count: grouped(counts[i]), None: counts[i] == 0})
	}
	if n := counts[len(detect.Severities)]; n > 0 {
		list = append(list, grade{Name: detect.Unrated, Count: grouped(n)})
	}
	return list
}

func gradeOf(severity int) string {
	if severity < 0 {
		return detect.Unrated
	}
	return detect.Severities[severity]
}

var techniqueID = regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)

// groupView says what a signature means. What the built-in ones know beyond their findings comes from their declarations.
func (r *recording) groupView(g *group, clock clock, open bool) groupView {
	m := g.signature
	v := groupView{
		ID: m.ID, Name: m.Name, Grade: gradeOf(g.severity), Meaning: m.Description, Count: number(g.count, "finding"),
		Technique: cut(text(m.Properties["Technique"]), 20), Tactic: cut(text(m.Properties["MITRE ATT&CK"]), textShown),
	}
	for _, d := range signatures.Describe() {
		if d.ID == m.ID && d.Name == m.Name {
			v.Response, v.Benign = d.Response, d.Benign
			v.Technique = cmp.Or(v.Technique, d.Technique)
		}
	}
	if techniqueID.MatchString(v.Technique) {
		v.Link = "https://attack.mitre.org/techniques/" + strings.ReplaceAll(v.Technique, ".", "/") + "/"
	}
	if n := g.count - uint64(len(g.shown)); n > 0 {
		v.More = grouped(n)
	}
	if g.repeated > 0 {
		v.Repeated = grouped(g.repeated)
	}
	for i, f := range g.shown {
		v.Instances = append(v.Instances, f.view(r, clock, open && i == 0))
	}
	return v
}

func text(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

func (f *finding) view(r *recording, clock clock, open bool) *instance {
	v := &instance{
		Number: f.number, Time: clock.short(f.time), Host: f.host, Where: f.where, Event: f.event, Args: f.args, Data: f.data, Open: open,
	}
	for i, p := range f.line {
		if i == 0 {
			v.Who, v.PID, v.User, v.Executable, v.Runs = p.title(), p.pid, p.user, p.executable, p.arguments
			continue
		}
		v.Line = append(v.Line, link{p.name, p.executable, p.arguments, p.pid, p.user})
	}
	v.NoProcess = len(f.line) == 0
	v.Before, v.After = nearViews(f.before, clock), nearViews(f.after, clock)
	v.NoNears = len(v.Before)+len(v.After) == 0
	for _, a := range r.sortedArtifacts() {
		if a.key == f.key && a.key != 0 && (a.Finding == "" || a.Finding == f.group.signature.ID) && len(v.Artifacts) < 20 {
			v.Artifacts = append(v.Artifacts, a.view())
		}
	}
	if f.repeated > 0 {
		v.Repeated = grouped(f.repeated)
	}
	if f.lost > 0 {
		v.Lost = number(f.lost, "event")
	}
	return v
}

// title names a process in few words.
func (p *process) title() string {
	name := p.executable[strings.LastIndexByte(p.executable, '/')+1:]
	if name == "" {
		name = p.name
	}
	return fmt.Sprintf("%s (%d)", cmp.Or(name, "process"), p.pid)
}

func nearViews(list []nearEvent, clock clock) (views []nearView) {
	for _, e := range list {
		v := nearView{Time: clock.short(e.time), Name: e.name, Text: e.text}
		if e.ret < 0 {
			v.Bad, v.Result = true, cmp.Or(e.errno, fmt.Sprint(e.ret))
		}
		if e.again > 0 {
			v.Times = fmt.Sprintf("%d×", e.again+1)
		}
		views = append(views, v)
	}
	return views
}

func (r *recording) sortedArtifacts() []*artifact {
	if r.sorted == nil {
		for _, a := range r.artifacts {
			r.sorted = append(r.sorted, a)
		}
		slices.SortFunc(r.sorted, func(a, b *artifact) int {
			return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Artifact, b.Artifact))
		})
	}
	return r.sorted
}

func (r *recording) artifactViews() (views []artifactView) {
	for _, a := range r.sortedArtifacts() {
		views = append(views, a.view())
	}
	return views
}

func (a *artifact) view() artifactView {
	v := artifactView{
		Kind: cut(a.Kind, 20), Path: cut(a.Pathname, textShown), File: cut(a.Artifact, textShown), Size: size(a.Size),
		SHA256: cut(a.SHA256, 64), Finding: cut(a.Finding, 60), Who: fmt.Sprintf("%s (%d)", cut(a.ProcessName, 60), a.HostProcessID),
	}
	if !a.Complete {
		v.Note = "not whole"
	}
	if a.Reason != "" {
		v.Note = strings.TrimPrefix(v.Note+": "+cut(a.Reason, textShown), ": ")
	}
	return v
}

func size(n int64) string {
	const k = 1 << 10
	switch {
	case n < k:
		return fmt.Sprintf("%d B", n)
	case n < k*k:
		return fmt.Sprintf("%.1f KiB", float64(n)/k)
	default:
		return fmt.Sprintf("%.1f MiB", float64(n)/k/k)
	}
}

// moments are the findings, and the programs that processes with findings started.
func (r *recording) moments(clock clock) (list []moment) {
	type timed struct {
		at int
		moment
	}
	var all []timed
	for _, g := range r.sortedGroups() {
		for _, f := range g.shown {
			m := moment{Time: clock.short(f.time), Grade: gradeOf(g.severity), Name: g.signature.Name, Link: fmt.Sprintf("#f-%d", f.number)}
			if len(f.line) > 0 {
				m.Who = f.line[0].title()
			}
			all = append(all, timed{f.time, m})
		}
	}
	for _, p := range r.processes.byKey {
		if p.arguments != "" && len(all) < maxMoments && r.follows(p) {
			all = append(all, timed{p.first, moment{Time: clock.short(p.first), Grade: "plain", Name: p.arguments, Who: p.title()}})
		}
	}
	slices.SortStableFunc(all, func(a, b timed) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(b.Link, a.Link), cmp.Compare(a.Name, b.Name))
	})
	for _, m := range all {
		list = append(list, m.moment)
	}
	return list
}

// follows reports whether a process was started below one that had a finding by then.
func (r *recording) follows(p *process) bool {
	for q, n := r.processes.byKey[p.parent], 0; q != nil && n < lineage.Depth; q, n = r.processes.byKey[q.parent], n+1 {
		if slices.ContainsFunc(q.findings, func(f *finding) bool { return f.time <= p.first }) {
			return true
		}
	}
	return false
}

// maxMoments bounds the lines of what happened.
const maxMoments = maxInstances + 400

// clock shows times.
type clock struct{ first, last int }

func (r *recording) clock() clock { return clock{r.first, r.last} }

// relative reports whether a time counts from the start of tracing: the others are of this century.
func (c clock) relative(at int) bool { return at < 1e18/2 }

func (c clock) long(at int) string {
	if c.relative(at) {
		return c.short(at)
	}
	return time.Unix(0, int64(at)).UTC().Format("2006-01-02 15:04:05")
}

func (c clock) short(at int) string {
	switch {
	case c.relative(at):
		return fmt.Sprintf("+%.3f s", float64(at)/1e9)
	case c.last-c.first > int(20*time.Hour):
		return time.Unix(0, int64(at)).UTC().Format("01-02 15:04:05.000")
	default:
		return time.Unix(0, int64(at)).UTC().Format("15:04:05.000")
	}
}

func lasted(ns int) string {
	d := time.Duration(ns)
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}
