package report

import "github.com/tracee-go/tracee/types/detect"

// histogram counts over a time that is not known beforehand: when it does not fit any more, two columns become one.
type histogram struct {
	width   int // of a column, in ns
	columns map[int]*column
	low     int
	high    int
}

// column is what happened in a while.
type column struct {
	events   uint64
	findings [6]uint64 // by severity; the last: unrated
}

const maxColumns = 240

func newHistogram() histogram { return histogram{width: 1_000_000, columns: map[int]*column{}} }

func (h *histogram) event(at int) { h.at(at).events++ }

func (h *histogram) finding(at, severity int) {
	if severity < 0 {
		severity = len(detect.Severities)
	}
	h.at(at).findings[severity]++
}

func (h *histogram) at(time int) *column {
	i := max(time, 0) / h.width
	if len(h.columns) == 0 {
		h.low, h.high = i, i
	}
	for max(h.high, i)-min(h.low, i) >= maxColumns {
		h.halve()
		i = max(time, 0) / h.width
	}
	h.low, h.high = min(h.low, i), max(h.high, i)
	c, ok := h.columns[i]
	if !ok {
		c = &column{}
		h.columns[i] = c
	}
	return c
}

// halve makes one of every two columns.
func (h *histogram) halve() {
	h.width *= 2
	h.low, h.high = h.low/2, h.high/2
	wider := make(map[int]*column, len(h.columns))
	for i, c := range h.columns {
		to, ok := wider[i/2]
		if !ok {
			wider[i/2] = c
			continue
		}
		to.events += c.events
		for s := range c.findings {
			to.findings[s] += c.findings[s]
		}
	}
	h.columns = wider
}
