package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/tracee-go/tracee/types/trace"
)

// A contender is a selection with one way of consuming its events.
type contender struct {
	selection
	json bool // encoded to /dev/null instead of discarded
	// Aims: ns added to an operation of each loop, zero for none.
	getpid, openClose float64
}

var contenders = []contender{
	{selection: untraced},
	{selection: floor},
	{selection: selecting("ptrace (unrelated)", "ptrace"), getpid: 60, openClose: 120},
	{selection: selecting("getpid", "getpid")},
	{selection: selecting("openat", "openat"), getpid: 60, openClose: 700},
	{selection: selecting("openat, as JSON", "openat"), json: true, openClose: 700},
	{selection: openings, getpid: 60},
	{selection: defaultDetections, getpid: 60},
}

// overheadLoops are short enough to show it.
var overheadLoops = []string{"getpid", "open+close"}

// measureOverhead shows what tracing adds to the operations of a traced program.
func measureOverhead(ctx context.Context, o options, r *report) error {
	w, err := startWorker()
	if err != nil {
		return err
	}
	times := map[string]int{}
	for _, name := range overheadLoops {
		l, _ := lookupLoop(name)
		if times[name], err = w.timesFor(l, o.slice); err != nil {
			return err
		}
	}
	results := map[string][][]float64{} // by loop: per contender, ns of an operation in each round
	for _, name := range overheadLoops {
		results[name] = make([][]float64, len(contenders))
	}
	for range o.rounds {
		for i, c := range contenders {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := c.turn(w, times, func(loop string, ns float64) {
				results[loop][i] = append(results[loop][i], ns)
			}); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	for _, name := range overheadLoops {
		showOverhead(r, name, results[name])
	}
	return w.close()
}

// turn runs all loops once.
func (c contender) turn(w *worker, times map[string]int, note func(loop string, ns float64)) error {
	consume := discard
	if c.json {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer null.Close()
		consume = jsonTo(null)
	}
	t, err := c.begin(consume)
	if err != nil {
		return err
	}
	for _, name := range overheadLoops {
		l, _ := lookupLoop(name)
		took, err := w.run(l, times[name])
		if err != nil {
			return err
		}
		note(name, float64(took)/float64(times[name])/float64(time.Nanosecond))
	}
	_, err = t.end()
	return err
}

// jsonTo writes events in blocks, as the output does.
func jsonTo(file *os.File) func(*trace.Event) {
	const block = 64 << 10
	var writer trace.JSONWriter
	buffer := make([]byte, 0, 2*block)
	return func(e *trace.Event) {
		buffer = append(writer.AppendJSON(buffer, e), '\n')
		if len(buffer) >= block {
			_, _ = file.Write(buffer)
			buffer = buffer[:0]
		}
	}
}

func showOverhead(r *report, loop string, results [][]float64) {
	r.begin(loop+": CPU time of the traced program per operation", "traced", "ns", "added ns", "ratio", "aim, added ns")
	for i, c := range contenders {
		var added, ratio []float64
		for round, ns := range results[i] {
			base := results[0][round]
			added, ratio = append(added, ns-base), append(ratio, ns/base)
		}
		most, note := c.getpid, ""
		if loop == "open+close" {
			most = c.openClose
		}
		if most > 0 {
			note = r.aim(median(added), most, "%.0f")
		}
		r.row(c.name, fmt.Sprintf("%.0f", median(results[i])), fmt.Sprintf("%+.0f", median(added)),
			fmt.Sprintf("%.2fx", median(ratio)), note)
	}
	r.end()
}
