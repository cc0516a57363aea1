package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// instruction is how long one takes by the clock of a guest that counts them.
const instruction = 8 * time.Nanosecond

// cost is what a selection costs, in instructions.
type cost struct {
	Selection string
	Ready     float64 // until the tracer had started
	JSON      float64 // of the tracer, per event of open+close that it prints as JSON; zero if there are none
	Lost      uint64
	Loops     map[string]operationCost
}

// operationCost is for one operation of a loop. Tracer is all that the tracing process did meanwhile, which is to read
// the events and to discard them.
type operationCost struct {
	Program, Tracer, Events float64
	BPF                     float64 // of Program, what the kernel itself counts for BPF programs; more, because that costs too
}

// countedSelections are those of the table of peers in docs/performance.md.
var countedSelections = []selection{
	untraced, floor, selecting("execve", "execve"), openings, processEvents, defaultDetections,
}

// countedTimes is how often each loop is run. The counts repeat, so few are enough.
var countedTimes = map[string]int{
	"getpid": 20_000, "open+close": 4_000, "read+write": 10_000, "vfork+exec+wait": 60, "fork+wait": 60,
	"socket+connect+close": 2_000,
}

// measureInGuest is the role of this program in a guest: it prints a cost per line, as JSON.
func measureInGuest() error {
	w, err := startWorker()
	if err != nil {
		return err
	}
	for _, s := range countedSelections {
		c, err := s.count(w)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := printCost(c); err != nil {
			return err
		}
	}
	return w.close()
}

// printCost prints a cost as costsOf reads it.
func printCost(c any) error {
	line, err := json.Marshal(c)
	if err == nil {
		_, err = fmt.Println(string(line))
	}
	return err
}

func (s selection) count(w *worker) (cost, error) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return cost{}, err
	}
	defer null.Close()
	c := cost{Selection: s.name, Loops: map[string]operationCost{}}
	events, consume := 0, discard
	start := usage(unix.RUSAGE_SELF)
	t, err := s.begin(func(e *trace.Event) { events++; consume(e) })
	if err != nil {
		return c, err
	}
	c.Ready = instructions(usage(unix.RUSAGE_SELF) - start)
	for _, l := range loops {
		if c.Loops[l.name], err = countLoop(w, l, &events); err != nil {
			return c, err
		}
	}
	for _, l := range loops {
		in, err := t.timeLoop(w, l, countedTimes[l.name])
		if err != nil {
			return c, err
		}
		o := c.Loops[l.name]
		o.BPF = instructions(in.time) / float64(countedTimes[l.name])
		c.Loops[l.name] = o
	}
	settle()
	consume = jsonTo(null) // there is one CPU, and the reader sleeps
	l, _ := lookupLoop("open+close")
	o, err := countLoop(w, l, &events)
	if err != nil {
		return c, err
	}
	if o.Events > 0.5 {
		c.JSON = o.Tracer / o.Events
	}
	stats, err := t.end()
	c.Lost = stats.LostTotal()
	return c, err
}

// countLoop runs a loop twice, because the first time warms up.
func countLoop(w *worker, l loop, events *int) (operationCost, error) {
	times := countedTimes[l.name]
	if _, err := w.run(l, times/4+1); err != nil {
		return operationCost{}, err
	}
	settle()
	before, eventsBefore := usage(unix.RUSAGE_SELF), *events
	took, err := w.run(l, times)
	if err != nil {
		return operationCost{}, err
	}
	settle()
	return operationCost{
		Program: instructions(took) / float64(times),
		Tracer:  instructions(usage(unix.RUSAGE_SELF)-before) / float64(times),
		Events:  float64(*events-eventsBefore) / float64(times),
	}, nil
}

// settle waits until the reader has seen everything.
func settle() { time.Sleep(200 * time.Millisecond) }

func instructions(d time.Duration) float64 { return float64(d) / float64(instruction) }
