package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tracee-go/tracee/internal/paint"
	"github.com/tracee-go/tracee/types/detect"
)

// Status is what is known beside events and findings.
type Status struct {
	Ready   bool
	Watched string // in words
	Lost    uint64
	Losses  []string // in words, the most first
	CPU     time.Duration
	Memory  uint64 // bytes
	Kernel  string // cost in the kernel, if somebody asked for it
}

// row is a line of a list.
type row struct {
	name   string
	rate   float64 // per second, smoothed
	total  uint64
	seen   time.Time
	before uint64 // total when the rate was computed last
}

// View is the state of the screen. The zero value is not ready: see NewView.
type View struct {
	Style
	started time.Time
	updated time.Time
	status  Status
	cpu     float64 // share of one CPU, smoothed
	rate    float64
	total   uint64

	events, processes map[string]*row
	findings          []Finding
	found             map[string]uint64
	message           string

	order    int // of lists, in orders
	filter   string
	typing   bool
	paused   bool
	selected int // among the findings that pass the filter, newest first
	open     *Finding
	offset   int // of the lines of what is open
	help     bool
}

// orders are the ways to sort.
var orders = []string{"rate", "total", "name"}

// NewView returns a view that has begun at that time.
func NewView(style Style, now time.Time) *View {
	return &View{Style: style, started: now, updated: now, events: map[string]*row{}, processes: map[string]*row{}, found: map[string]uint64{}}
}

// smoothing is how much the newest counts for.
const smoothing = 0.4

// keepIdle is how long a row without events stays.
const keepIdle = 5 * time.Second

// update takes over what was counted.
func (v *View) update(t taken, s Status, now time.Time) {
	if !v.status.Ready { // what was used to start is not the cost of watching
		v.status.CPU = s.CPU
	}
	seconds := max(now.Sub(v.updated).Seconds(), 0.001)
	smooth := func(old, now float64) float64 { return old + smoothing*(now-old) }
	n := t.total - v.total
	v.rate = smooth(v.rate, float64(n)/seconds)
	used := (s.CPU - v.status.CPU).Seconds()
	v.cpu = smooth(v.cpu, used/seconds)
	v.total, v.status, v.updated, v.message = t.total, s, now, t.message
	for _, c := range t.events {
		v.add(v.events, c.name, c.n, now)
	}
	for _, c := range t.processes {
		v.add(v.processes, fmt.Sprintf("%s %d", c.name, c.pid), c.n, now)
	}
	for _, rows := range []map[string]*row{v.events, v.processes} {
		for name, r := range rows {
			r.rate, r.before = smooth(r.rate, float64(r.total-r.before)/seconds), r.total
			if now.Sub(r.seen) > keepIdle && len(rows) > 64 {
				delete(rows, name)
			}
		}
	}
	if !v.paused {
		if v.selected > 0 { // what is selected stays so when others come
			v.selected += len(t.findings) - len(v.findings)
		}
		v.findings, v.found = t.findings, t.found
	}
}

func (v *View) add(rows map[string]*row, name string, n uint64, now time.Time) {
	r, ok := rows[name]
	if !ok {
		r = &row{name: name}
		rows[name] = r
	}
	r.total += n
	r.seen = now
}

// sorted lists rows that pass the filter.
func (v *View) sorted(rows map[string]*row) (list []*row) {
	for _, r := range rows {
		if v.passes(r.name) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *row) int {
		byName := cmp.Compare(a.name, b.name)
		switch orders[v.order] {
		case "rate":
			return cmp.Or(cmp.Compare(b.rate, a.rate), byName)
		case "total":
			return cmp.Or(cmp.Compare(b.total, a.total), byName)
		default:
			return byName
		}
	})
	return list
}

func (v *View) passes(text string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(v.filter))
}

// shown are the findings that pass the filter, the newest first.
func (v *View) shown() (list []*Finding) {
	for i := len(v.findings) - 1; i >= 0; i-- {
		f := &v.findings[i]
		if v.filter == "" || v.passes(f.ID+" "+f.Severity+" "+f.Name+" "+f.Process) {
			list = append(list, f)
		}
	}
	return list
}

// Lines draws the screen: at most so many lines, each at most so many columns wide.
func (v *View) Lines(width, height int) []string {
	if width < 1 || height < 1 {
		return nil
	}
	var lines []string
	switch {
	case v.help:
		lines = v.helpLines(width)
	case v.open != nil:
		lines = v.openLines(width, height)
	default:
		lines = v.mainLines(width, height)
	}
	if len(lines) >= height {
		lines = lines[:height-1]
	}
	for len(lines) < height-1 {
		lines = append(lines, "")
	}
	return append(lines, v.footer(width))
}

func (v *View) mainLines(width, height int) (lines []string) {
	lines = append(lines, v.title(width), v.figures(width))
	if v.status.Lost > 0 {
		text := fmt.Sprintf("lost %d events: %s", v.status.Lost, strings.Join(v.status.Losses, ", "))
		lines = append(lines, v.Color.Paint(paint.Yellow, fit(v.visible(text), width)))
	}
	lines = append(lines, "")
	room := height - len(lines) - 2
	lists := max(min(room/2, 14), 3)
	lines = append(lines, v.lists(width, lists)...)
	lines = append(lines, "")
	return append(lines, v.findingLines(width, height-1-len(lines))...)
}

func (v *View) title(width int) string {
	state := "starting"
	if v.status.Ready {
		state = v.status.Watched + ", " + v.updated.Sub(v.started).Round(time.Second).String()
	}
	if v.paused {
		state += ", findings paused"
	}
	return v.Color.Paint(paint.Bold, fit("tracee", min(8, width))) + fit(v.visible(state), width-8)
}

func (v *View) figures(width int) string {
	cost := 0.0 // ns for an event; of both, the smoothed: a moment with one event would say nothing of events
	if v.rate >= 1 {
		cost = v.cpu * 1e9 / v.rate
	}
	text := fmt.Sprintf("%s events/s  %d found%s  %d lost  cpu %.1f%%  %.0f ns/event  %d MB", rate(v.rate), v.allFound(), v.worst(), v.status.Lost,
		100*v.cpu, cost, v.status.Memory>>20)
	if v.status.Kernel != "" {
		text += "  " + v.status.Kernel
	}
	return fit(v.visible(text), width)
}

func (v *View) allFound() (n uint64) {
	for _, one := range v.found {
		n += one
	}
	return n
}

// worst says how many of the findings are of the two worst severities.
func (v *View) worst() string {
	var parts []string
	for _, severity := range []string{"critical", "high"} {
		if n := v.found[severity]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, severity))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func rate(perSecond float64) string {
	if perSecond < 9.95 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("%.0f", perSecond)
}

// lists shows events and processes, beside each other if there is room.
func (v *View) lists(width, height int) (lines []string) {
	if width < 60 {
		return v.list("EVENT", v.sorted(v.events), width, height)
	}
	half := (width - 2) / 2
	left, right := v.list("EVENT", v.sorted(v.events), half, height), v.list("PROCESS", v.sorted(v.processes), half, height)
	for i := range height {
		lines = append(lines, left[i]+"  "+right[i])
	}
	return lines
}

func (v *View) list(title string, rows []*row, width, height int) (lines []string) {
	const number = 10
	name := max(width-2*number, 4)
	heading := fit(fmt.Sprintf("%s%*s%*s", fit(title, name), number, "PER S", number, "TOTAL"), width)
	lines = append(lines, v.Color.Paint(paint.Faint, heading))
	for _, r := range rows[:min(len(rows), height-1)] {
		lines = append(lines, fit(fmt.Sprintf("%s%*s%*d", fit(v.visible(r.name), name), number, rate(r.rate), number, r.total), width))
	}
	for len(lines) < height {
		lines = append(lines, strings.Repeat(" ", width))
	}
	return lines
}

var severityColors = map[string]paint.Color{"medium": paint.Yellow, "high": paint.Red, "critical": paint.Red}

func (v *View) findingLines(width, height int) (lines []string) {
	list := v.shown()
	lines = append(lines, v.Color.Paint(paint.Faint, fit(fmt.Sprintf("FINDINGS, newest first (%d)", len(list)), width)))
	v.selected = max(min(v.selected, len(list)-1), 0)
	first := max(0, v.selected-max(height-2, 1)+1)
	for i := first; i < len(list) && len(lines) < height; i++ {
		f := list[i]
		mark := "  "
		if i == v.selected {
			mark = "> "
		}
		severity := fit(f.Severity, 9)
		rest := fit(v.visible(fmt.Sprintf("%-9s %s  %s", f.ID, f.Name, f.Process)), width-len(mark)-10-9)
		line := fit(mark+f.Time.Format("15:04:05")+" ", min(len(mark)+9, width))
		if width > len(mark)+9+9 {
			line += v.Color.Paint(severityColors[f.Severity], severity) + " " + rest
		}
		lines = append(lines, line)
	}
	if len(list) == 0 {
		lines = append(lines, fit("  nothing so far", width))
	}
	return lines
}

// openLines shows one finding.
func (v *View) openLines(width, height int) []string {
	var all []string
	for _, detail := range v.open.Details {
		all = append(all, wrap(v.encoded(detail), width)...)
	}
	v.offset = max(min(v.offset, len(all)-(height-2)), 0)
	return all[min(v.offset, len(all)):]
}

func (v *View) helpLines(width int) (lines []string) {
	for _, line := range append([]string{"Keys", ""}, keysHelp()...) {
		lines = append(lines, fit(line, width))
	}
	lines = append(lines, "", fit("Severities: "+strings.Join(detect.Severities, ", "), width))
	return lines
}

func (v *View) footer(width int) string {
	switch {
	case v.typing:
		return fit("filter: "+v.visible(v.filter)+"_", width)
	case v.help || v.open != nil:
		return v.Color.Paint(paint.Faint, fit("Esc back  up/down scroll  q quit", width))
	}
	text := "q quit  / filter  s sort: " + orders[v.order] + "  p pause  Enter open  l lines  ? help"
	if v.filter != "" {
		text = "filter: " + v.visible(v.filter) + "  (Esc clears)  " + text
	}
	if v.message != "" {
		message := "  | " + v.visible(v.message)
		if len(text)+len(message) > width { // then keys give way: ? has them, too
			text = "q quit  ? help"
		}
		text += message
	}
	return v.Color.Paint(paint.Faint, fit(text, width))
}
