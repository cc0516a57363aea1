package main

import (
	"fmt"
	"slices"
)

// A figure is something of a sensor that must stay as it is.
type figure struct {
	name   string
	unit   float64 // that it is shown in
	spare  float64 // growth within the time of the soak that is no growth,
	part   float64 // or this part of the median, whichever is more
	values []float64
}

func figures() []*figure {
	return []*figure{
		{name: "resident memory, MB", unit: 1 << 20, spare: 6 << 20, part: 0.08},
		{name: "heap in use, MB", unit: 1 << 20, spare: 6 << 20, part: 0.15},
		{name: "goroutines", unit: 1, spare: 3},
		{name: "descriptors", unit: 1, spare: 3},
		{name: "BPF objects held", unit: 1, spare: 0.5},
		{name: "BPF maps, MB", unit: 1 << 20, spare: 1 << 20, part: 0.1},
	}
}

// settled leaves out the first fifth, in which caches fill.
func (f *figure) settled() []float64 { return f.values[len(f.values)/5:] }

// growth is by how much a straight line through the values rises from the first to the last. Noise has no slope: each pair
// of values has one, and the median of all is taken (Theil and Sen).
func growth(values []float64) float64 {
	var slopes []float64
	for i := range values {
		for j := range i {
			slopes = append(slopes, (values[i]-values[j])/float64(i-j))
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	slices.Sort(slopes)
	return slopes[len(slopes)/2] * float64(len(values)-1)
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// row shows a figure, and says whether it is flat.
func (f *figure) row() (string, bool) {
	values := f.settled()
	grew, middle := growth(values), median(values)
	flat := grew <= max(f.spare, f.part*middle)
	verdict := "flat"
	if !flat {
		verdict = "GROWS"
	}
	return fmt.Sprintf("%24s  first %8.1f  median %8.1f  most %8.1f  last %8.1f  growth %+8.2f  %s", f.name, f.values[0]/f.unit,
		middle/f.unit, slices.Max(f.values)/f.unit, f.values[len(f.values)-1]/f.unit, grew/f.unit, verdict), flat
}
