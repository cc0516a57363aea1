package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// summary is the closing line of a run.
func (r testRun) summary() string {
	counts := r.count()
	text := fmt.Sprintf("%s (%s): %d pass, %d fail, %d skip",
		r.kernel, r.result.Release, counts[pass], counts[fail], counts[skip])
	if counts[garbled] > 0 {
		text += fmt.Sprintf(", %d garbled", counts[garbled])
	}
	if r.result.Boot > 0 {
		text += fmt.Sprintf(", booted in %s", r.result.Boot.Round(100*time.Millisecond))
	}
	text += fmt.Sprintf(", %s in all", r.result.Total.Round(100*time.Millisecond))
	for _, job := range r.result.Jobs {
		if !job.Passed() {
			text += fmt.Sprintf("; %s %s", job.Name, job)
		}
	}
	switch {
	case r.death != nil:
		text += "; " + r.death.Error()
	case len(r.results) == 0:
		text += "; NO RESULTS"
	}
	return text
}

// writeText prints the table, its columns aligned, and a summary of each run.
func writeText(w io.Writer, runs []testRun) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KERNEL\tEVENT\tRUNG\tRESULT\tDETAIL")
	for _, run := range runs {
		for _, r := range run.results {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", run.kernel, r.event, r.rung, r.verdict, r.detail)
		}
	}
	table.Flush()
	fmt.Fprintln(w)
	for _, run := range runs {
		fmt.Fprintln(w, run.summary())
	}
}

// writeMarkdown writes the table as a page of the documentation.
func writeMarkdown(path string, runs []testRun) error {
	var page strings.Builder
	page.WriteString("# What works on which kernel\n\nWritten by `go run ./test/kernels -output`.\n\n")
	for _, run := range runs {
		fmt.Fprintf(&page, "- %s\n", cell(run.summary()))
	}
	page.WriteString("\n| kernel | event | rung | result | detail |\n|---|---|---|---|---|\n")
	for _, run := range runs {
		for _, r := range run.results {
			fmt.Fprintf(&page, "| %s | %s | %s | %s | %s |\n",
				cell(run.kernel), cell(r.event), cell(r.rung), r.verdict, cell(r.detail))
		}
	}
	if err := os.WriteFile(path, []byte(page.String()), 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// cell makes text safe for a cell of a markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
