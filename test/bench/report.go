package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// report prints tables and counts the figures that miss their aims.
type report struct {
	out    io.Writer
	table  *tabwriter.Writer
	missed int
}

func (r *report) begin(title string, columns ...string) {
	fmt.Fprintf(r.out, "\n%s\n\n", title)
	r.table = tabwriter.NewWriter(r.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	r.row(columns...)
}

func (r *report) row(cells ...string) {
	for _, c := range cells {
		fmt.Fprint(r.table, c, "\t")
	}
	fmt.Fprintln(r.table)
}

func (r *report) end() { r.table.Flush() }

// aim writes a figure's aim and whether it is met.
func (r *report) aim(value, most float64, format string) string {
	text := "<= " + fmt.Sprintf(format, most)
	if value <= most {
		return text + " ok"
	}
	r.missed++
	return text + " MISSED"
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func (r *report) aimAtLeast(value, least float64, format string) string {
	text := ">= " + fmt.Sprintf(format, least)
	if value >= least {
		return text + " ok"
	}
	r.missed++
	return text + " MISSED"
}
