package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// summary is the closing line of a run.
func (r testRun) summary() string {
	counts := r.count()
	text := fmt.Sprintf("%s (%s): %d pass, %d fail, %d skip",
		r.kernel, r.result.Release, counts[pass], counts[fail], counts[skip])
	for _, rare := range []verdict{flaky, garbled} {
		if counts[rare] > 0 {
			text += fmt.Sprintf(", %d %s", counts[rare], rare)
		}
	}
	if r.result.Boot > 0 {
		text += fmt.Sprintf(", booted in %s", r.result.Boot.Round(100*time.Millisecond))
	}
	total := r.result.Total
	if r.again != nil {
		total += r.again.result.Total
	}
	text += fmt.Sprintf(", %s in all", total.Round(100*time.Millisecond)) + r.trouble()
	if r.again != nil {
		text += "; once more" + r.again.trouble()
	}
	if counts[pass]+counts[flaky] == 0 {
		text += "; NOTHING PASSED"
	}
	return text
}

// trouble tells what came to a bad end in one run.
func (r testRun) trouble() string {
	text := ""
	for _, job := range r.result.Jobs {
		if !job.Passed() {
			text += fmt.Sprintf("; %s %s", job.Name, job)
		}
	}
	if r.death != nil {
		text += "; " + r.death.Error()
	}
	return text
}

// writeText prints what is not as it should be, and a summary of each run.
func writeText(w io.Writer, runs []testRun) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var header sync.Once
	for _, run := range runs {
		for _, r := range run.verdicts() {
			if r.verdict != pass {
				header.Do(func() { fmt.Fprintln(table, "KERNEL\tEVENT\tRUNG\tRESULT\tDETAIL") })
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", run.kernel, r.event, r.rung, r.verdict, r.detail)
			}
		}
	}
	table.Flush()
	fmt.Fprintln(w)
	for _, run := range runs {
		fmt.Fprintln(w, run.summary())
	}
}

const legend = `# What works on which kernel

Written by ` + "`make kernels-table`" + `, which runs the tests of ./test on each of these kernels; do not edit.

A row is an event on one rung of its ladder (ARCHITECTURE.md, section 8): every rung that a kernel has is forced in turn,
so an event has as many rows as there are rungs on which it was tested anywhere. Rung ` + "`none`" + ` is for what is made in user
space, and for tests of several events at once, such as ` + "`native_syscalls`" + `.

| cell | |
|---|---|
| ✓ | the events came, with true values, and nothing else did |
| flaky | so at one of two attempts, each in a fresh guest |
| **fail** | wrong values, or missing, at both attempts |
| skip | could not be tried here; the reason is below the table |
| · | this kernel does not have the rung, or the event is not observed there |

`

// A row of the page is an event on a rung.
type row struct{ event, rung string }

// rank orders rungs, best first; what is made in user space comes last.
func rank(rung string) int {
	best := []string{"lsm", "fentry", "kprobe", "tracepoint"}
	if at := slices.Index(best, rung); at >= 0 {
		return at
	}
	return len(best)
}

// writeMarkdown writes the table as a page of the documentation.
func writeMarkdown(path string, runs []testRun) error {
	var page strings.Builder
	page.WriteString(legend)
	page.WriteString("| kernel | release | results |\n|---|---|---|\n")
	for _, run := range runs {
		c := run.count()
		fmt.Fprintf(&page, "| %s | %s | %d pass, %d flaky, %d fail, %d skip%s |\n", run.kernel, cell(run.result.Release),
			c[pass], c[flaky], c[fail]+c[garbled], c[skip], cell(run.trouble()))
	}
	writeCells(&page, runs)
	writeSkips(&page, runs)
	if err := os.WriteFile(path, []byte(page.String()), 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

func writeCells(page *strings.Builder, runs []testRun) {
	cells := map[row]map[string]verdict{}
	var rows []row
	page.WriteString("\n| event | rung |")
	for _, run := range runs {
		fmt.Fprintf(page, " %s |", run.kernel)
		for _, r := range run.verdicts() {
			at := row{r.event, r.rung}
			if cells[at] == nil {
				cells[at] = map[string]verdict{}
				rows = append(rows, at)
			}
			cells[at][run.kernel] = worse(cells[at][run.kernel], r.verdict)
		}
	}
	page.WriteString("\n|---|---|" + strings.Repeat("---|", len(runs)) + "\n")
	slices.SortFunc(rows, func(a, b row) int {
		if a.event != b.event {
			return strings.Compare(a.event, b.event)
		}
		return rank(a.rung) - rank(b.rung)
	})
	signs := map[verdict]string{"": "·", pass: "✓", flaky: "flaky", fail: "**fail**", garbled: "**fail**", skip: "skip"}
	for _, at := range rows {
		fmt.Fprintf(page, "| %s | %s |", cell(at.event), cell(at.rung))
		for _, run := range runs {
			fmt.Fprintf(page, " %s |", signs[cells[at][run.kernel]])
		}
		page.WriteString("\n")
	}
}

// worse is what is said about a row with several results. What was tried says more than what was skipped.
func worse(a, b verdict) verdict {
	order := []verdict{"", skip, pass, flaky, fail, garbled}
	if slices.Index(order, a) > slices.Index(order, b) {
		return a
	}
	return b
}

// writeSkips gives the reasons, each once, with the kernels that they hold for.
func writeSkips(page *strings.Builder, runs []testRun) {
	kernels := map[result][]string{}
	var reasons []result
	for _, run := range runs {
		for _, r := range run.verdicts() {
			if r.verdict != skip {
				continue
			}
			if len(kernels[r]) == 0 {
				reasons = append(reasons, r)
			}
			if !slices.Contains(kernels[r], run.kernel) {
				kernels[r] = append(kernels[r], run.kernel)
			}
		}
	}
	if len(reasons) == 0 {
		return
	}
	slices.SortFunc(reasons, func(a, b result) int {
		return strings.Compare(a.event+"\x00"+a.rung+"\x00"+a.detail, b.event+"\x00"+b.rung+"\x00"+b.detail)
	})
	page.WriteString("\n## What could not be tried\n\n| event | rung | kernels | test: reason |\n|---|---|---|---|\n")
	for _, r := range reasons {
		fmt.Fprintf(page, "| %s | %s | %s | %s |\n", cell(r.event), cell(r.rung), strings.Join(kernels[r], ", "), cell(r.detail))
	}
}

// cell makes text safe for a cell of a markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
