package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// A kernelCase is an operation whose events are made by programs that the kernel times.
type kernelCase struct {
	selection
	loop string
	// Aims, zero for none: ns in programs per operation, and how much slower the operation gets.
	most, slower float64
}

// processEvents are all events of the life of a process that does nothing else.
var processEvents = selecting("process events", "sched_process_fork", "sched_process_exec", "sched_process_exit",
	"task_rename", "security_bprm_check", "commit_creds", "execve", "execveat", "exit_group")

var kernelCases = []kernelCase{
	{selection: selecting("getpid", "getpid"), loop: "getpid"},
	{selection: selecting("openat", "openat"), loop: "open+close"},
	{selection: selecting("security_file_open", "security_file_open"), loop: "open+close", most: 1500},
	{selection: selecting("security_socket_connect", "security_socket_connect"), loop: "socket+connect+close"},
	{selection: selecting("sched_process_exec", "sched_process_exec"), loop: "vfork+exec+wait", most: 10_000},
	{selection: processEvents, loop: "vfork+exec+wait", slower: 1.05},
	{selection: defaultDetections, loop: "vfork+exec+wait"},
}

// bpfTime is what programs took: how often they ran, and how long.
type bpfTime struct {
	runs uint64
	time time.Duration
}

// spent returns what the tracer's programs took so far. The kernel counts while countRuns' result is open.
func (t *tracing) spent() bpfTime {
	var sum bpfTime
	if t.tracer == nil {
		return sum
	}
	for _, c := range t.tracer.Costs() {
		sum.runs += c.Runs
		sum.time += c.Time
	}
	return sum
}

func countRuns() (io.Closer, error) {
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return nil, fmt.Errorf("ask the kernel to time programs: %w", err)
	}
	return stats, nil
}

// measureKernel shows what the kernel itself says that programs take. Programs on tracepoints run for all processes, so
// on a busy machine the figures are too high.
func measureKernel(ctx context.Context, o options, r *report) error {
	w, err := startWorker()
	if err != nil {
		return err
	}
	r.begin("in BPF programs per operation, timed by the kernel (bpf_stats)",
		"traced", "operation", "runs", "ns", "aim", "slower", "aim")
	for _, c := range kernelCases {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := c.measure(w, o, r); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	r.end()
	return w.close()
}

func (c kernelCase) measure(w *worker, o options, r *report) error {
	l, _ := lookupLoop(c.loop)
	times, err := w.timesFor(l, o.slice)
	if err != nil {
		return err
	}
	var runs, ns, slower []float64
	before, err := w.warm(l, times)
	if err != nil {
		return err
	}
	for range o.rounds {
		traced, in, err := c.turn(w, l, times)
		if err != nil {
			return err
		}
		after, err := w.warm(l, times)
		if err != nil {
			return err
		}
		runs = append(runs, float64(in.runs)/float64(times))
		ns = append(ns, float64(in.time)/float64(times))
		slower = append(slower, 2*float64(traced)/float64(before+after))
		before = after
	}
	row := []string{c.name, c.loop, fmt.Sprintf("%.1f", median(runs)), fmt.Sprintf("%.0f", median(ns)), "",
		fmt.Sprintf("%.3fx", median(slower)), ""}
	if c.most > 0 {
		row[4] = r.aim(median(ns), c.most, "%.0f")
	}
	if c.slower > 0 {
		row[6] = r.aim(median(slower), c.slower, "%.2fx")
	}
	r.row(row...)
	return nil
}

// turn runs the loop twice while its events are traced: the kernel's timing costs time itself, so it is off at first.
func (c kernelCase) turn(w *worker, l loop, times int) (took time.Duration, in bpfTime, err error) {
	t, err := c.begin(discard)
	if err != nil {
		return 0, in, err
	}
	if took, err = w.warm(l, times); err != nil {
		return 0, in, err
	}
	if in, err = t.timeLoop(w, l, times); err != nil {
		return 0, in, err
	}
	_, err = t.end()
	return took, in, err
}

// timeLoop returns what the tracer's programs took during a loop.
func (t *tracing) timeLoop(w *worker, l loop, times int) (bpfTime, error) {
	stats, err := countRuns()
	if err != nil {
		return bpfTime{}, err
	}
	defer stats.Close()
	before := t.spent()
	if _, err := w.run(l, times); err != nil {
		return bpfTime{}, err
	}
	after := t.spent()
	return bpfTime{after.runs - before.runs, after.time - before.time}, nil
}
