package report

import (
	"fmt"
	"math"

	"github.com/tracee-go/tracee/types/detect"
)

// chart is the course of time: a lane of marks for each severity, and a column for how many events there were.
type chart struct {
	Width, Height int
	Left, Right   int
	Lanes         []lane
	Bars          []bar
	Base          int // where the columns stand
	Ticks         []tick
	Most          string // events in the highest column
	Each          string // the time of a column
}

type lane struct {
	Name  string
	Y     int
	Marks []mark
}

type mark struct {
	X, R         float64
	Y            int
	Title, Href  string
	Grade, Count string
}

type bar struct {
	X, Y, W, H float64
	Title      string
}

type tick struct {
	X     float64
	Label string
}

// Measures of the chart, in its own units.
const (
	chartWidth  = 1000
	chartLeft   = 70
	chartRight  = 990
	laneHeight  = 22
	barsHeight  = 64
	chartTop    = 14
	chartBottom = 24
)

// drawChart draws what is known of time, nil if nothing is.
func (r *recording) drawChart(clock clock) *chart {
	h := &r.chart
	if len(h.columns) == 0 {
		return nil
	}
	c := &chart{Width: chartWidth, Left: chartLeft, Right: chartRight, Each: lasted(h.width)}
	columns := h.high - h.low + 1
	step := float64(chartRight-chartLeft) / float64(columns)
	firsts := r.firstFindings()
	y := chartTop
	for _, severity := range []int{4, 3, 2, 1, 0, len(detect.Severities)} {
		one := lane{Name: laneName(severity), Y: y}
		for i := h.low; i <= h.high; i++ {
			column := h.columns[i]
			if column == nil || column.findings[severity] == 0 {
				continue
			}
			n := column.findings[severity]
			m := mark{
				X: chartLeft + (float64(i-h.low)+0.5)*step, Y: y, R: math.Min(4+math.Log2(float64(n)), 9),
				Title: number(n, one.Name+" finding") + " at " + clock.short(i*h.width), Grade: one.Name, Count: grouped(n),
			}
			if f := firsts[place{i, severity}]; f != nil {
				m.Href = fmt.Sprintf("#f-%d", f.number)
				m.Title = f.group.signature.Name + ": " + m.Title
			}
			one.Marks = append(one.Marks, m)
		}
		if len(one.Marks) > 0 {
			c.Lanes = append(c.Lanes, one)
			y += laneHeight
		}
	}
	c.drawBars(h, y, step, clock)
	return c
}

func laneName(severity int) string {
	if severity == len(detect.Severities) {
		return detect.Unrated
	}
	return detect.Severities[severity]
}

// place is where a mark is: a column and a severity.
type place struct{ column, severity int }

// firstFindings are where the marks lead.
func (r *recording) firstFindings() map[place]*finding {
	firsts := map[place]*finding{}
	for _, g := range r.sortedGroups() {
		severity := g.severity
		if severity < 0 {
			severity = len(detect.Severities)
		}
		for _, f := range g.shown {
			at := place{max(f.time, 0) / r.chart.width, severity}
			if known := firsts[at]; known == nil || f.time < known.time {
				firsts[at] = f
			}
		}
	}
	return firsts
}

func (c *chart) drawBars(h *histogram, y int, step float64, clock clock) {
	var most uint64
	for _, column := range h.columns {
		most = max(most, column.events)
	}
	c.Base = y
	if most > 0 {
		c.Base, c.Most = y+barsHeight, grouped(most)
		for i := h.low; i <= h.high; i++ {
			column := h.columns[i]
			if column == nil || column.events == 0 {
				continue
			}
			// The square root lets quiet times be seen beside busy ones.
			height := math.Max(barsHeight*math.Sqrt(float64(column.events)/float64(most))-4, 1)
			c.Bars = append(c.Bars, bar{
				X: chartLeft + float64(i-h.low)*step, Y: float64(c.Base) - height, W: math.Max(step-0.5, 0.5), H: height,
				Title: number(column.events, "event") + " at " + clock.short(i*h.width),
			})
		}
	}
	c.Height = c.Base + chartBottom
	const ticks = 5
	for i := range ticks {
		share := float64(i) / (ticks - 1)
		at := float64(h.low*h.width) + share*float64((h.high-h.low+1)*h.width)
		c.Ticks = append(c.Ticks, tick{X: chartLeft + share*(chartRight-chartLeft), Label: clock.short(int(at))})
	}
}
