package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee"
	"github.com/tracee-go/tracee/internal/paint"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/sink/schema"
	"github.com/tracee-go/tracee/top"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// liveView is what tracee shows on a terminal instead of lines, until somebody leaves it. A nil one shows nothing. It
// takes the place of stderr, whose messages would disturb the screen.
type liveView struct {
	counter *top.Counter
	stdout  *os.File
	stderr  io.Writer
	done    chan struct{} // closed when the view is left; nil: it has not begun
	err     error         // why it could not be shown

	mu     sync.Mutex
	active bool

	viewed
	stats  io.Closer // while the kernel measures programs
	before kernelCost
}

// viewed is what the view looks at.
type viewed struct {
	engine   *rules.Engine
	tracer   *tracer.Tracer
	progress *tracee.Progress
}

// newView returns a view if there is a terminal to show it on, and nobody asked for lines.
func (c *traceeCommand) newView() *liveView {
	if len(c.outputs) > 0 || !top.Possible(os.Stdin, c.stdout) {
		return nil
	}
	return &liveView{counter: top.NewCounter(), stdout: c.stdout, stderr: c.stderr}
}

// Write takes messages for stderr.
func (v *liveView) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.active || !terminal(v.stderr) {
		return v.stderr.Write(p)
	}
	v.counter.Say(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

// saw counts an event, and reports false if it is to be printed instead.
func (v *liveView) saw(e *trace.Event) bool {
	if v == nil {
		return false
	}
	_ = v.counter.Print(e)
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.active
}

// progressOf makes a run tell how far it is.
func (v *liveView) progressOf(p *tracee.Progress) *tracee.Progress {
	if v == nil || p != nil {
		return p
	}
	return new(tracee.Progress)
}

// found takes a finding, and reports false if it is to be printed instead.
func (v *liveView) found(f detect.Finding) bool {
	if v == nil {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.active {
		return false
	}
	v.counter.Found(shownFinding(f))
	return true
}

func shownFinding(f detect.Finding) top.Finding {
	e, ok := f.Event.Payload.(*trace.Event)
	if !ok {
		e = &trace.Event{}
	}
	m, line := f.SigMetadata, f.Process
	f.Process = line[:min(len(line), 1)] // the others are in the tree
	shown := top.Finding{
		Time: schema.EventTime(e), Severity: m.Severity(), ID: m.ID, Name: m.Name,
		Process: fmt.Sprintf("%s (%d)", strings.Clone(e.ProcessName), e.HostProcessID),
		Details: strings.Split(strings.TrimRight(string(findingText(f, e, false)), "\n"), "\n"),
	}
	if technique := m.Properties["MITRE ATT&CK"]; technique != nil {
		shown.Details = append(shown.Details, "    MITRE    "+printable(fmt.Sprint(technique)))
	}
	if len(line) > 0 {
		shown.Details = append(shown.Details, "", "    process tree")
	}
	for i, p := range slices.Backward(line) {
		line := fmt.Sprintf("%s%s (pid %d, uid %d)  %s", strings.Repeat("  ", len(line)-i+2), p.Name, p.PID, p.User,
			cmp.Or(strings.Join(p.Arguments, " "), p.Executable))
		shown.Details = append(shown.Details, printable(line))
	}
	return shown
}

// follow looks at another tracer from now on.
func (v *liveView) follow(t *tracer.Tracer) {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tracer = t
}

// begin shows the view, until the context ends or somebody leaves.
func (v *liveView) begin(ctx context.Context, stop context.CancelFunc, what viewed) {
	if v == nil {
		return
	}
	v.mu.Lock()
	v.viewed, v.done = what, make(chan struct{})
	v.active = true
	v.mu.Unlock()
	go func() {
		defer close(v.done)
		left, err := top.Run(ctx, top.Config{
			In: os.Stdin, Out: v.stdout, Color: paint.Painter(colorful(v.stdout)), Counter: v.counter, Status: v.status, Kernel: v.kernel,
		})
		if v.err = err; left == top.Quit {
			stop()
		}
		v.leave(left == top.Lines)
	}()
}

// leave goes on in lines. Those who asked for that get the findings that were shown so far.
func (v *liveView) leave(lines bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.active = false
	for _, message := range v.counter.Messages() {
		fmt.Fprintln(v.stderr, message)
	}
	if !lines {
		return
	}
	for _, f := range v.counter.Findings() {
		fmt.Fprintln(v.stdout, strings.Join(f.Details, "\n"))
	}
}

// end waits until the view is left.
func (v *liveView) end() error {
	if v == nil || v.done == nil {
		return nil
	}
	<-v.done
	if v.stats != nil {
		return errors.Join(v.err, v.stats.Close())
	}
	return v.err
}

const shownLosses = 3

func (v *liveView) status() top.Status {
	summary := v.progress.Summary()
	s := top.Status{
		Ready: true, Lost: summary.LostTotal(), CPU: ownCPU(), Memory: ownMemory(), Kernel: v.kernelText(),
		Watched: fmt.Sprintf("%s in %s", count(uint64(len(v.engine.Signatures())), "signature"), count(v.watched(), "event")),
	}
	slices.SortFunc(summary.Lost, func(a, b tracer.Loss) int { return int(int64(b.Count) - int64(a.Count)) })
	for _, l := range summary.Lost[:min(len(summary.Lost), shownLosses)] {
		s.Losses = append(s.Losses, fmt.Sprintf("%d %s (%s)", l.Count, l.Event, l.Reason))
	}
	return s
}

func (v *liveView) watched() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return watched(v.tracer)
}

// ownCPU is what this program has used.
func ownCPU() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// ownMemory is what of this program is in memory.
func ownMemory() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident uint64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0
	}
	return resident * uint64(os.Getpagesize())
}

// kernelCost is what programs have cost, and how many events came of it.
type kernelCost struct {
	time   time.Duration
	events uint64
}

// kernel begins to measure programs, or ceases to.
func (v *liveView) kernel() string {
	if v.stats != nil {
		err := v.stats.Close()
		v.stats = nil
		if err != nil {
			return fmt.Sprintf("the kernel goes on measuring programs: %v", err)
		}
		return "the kernel does not measure programs any more"
	}
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		return fmt.Sprintf("to measure programs, start with --caps cancel-drop, or set kernel.bpf_stats_enabled (%v)", err)
	}
	v.stats, v.before = stats, v.kernelCost()
	return "the kernel measures all programs of this machine"
}

func (v *liveView) kernelCost() (c kernelCost) {
	v.mu.Lock()
	for _, one := range v.tracer.Costs() {
		c.time += one.Time
	}
	v.mu.Unlock()
	c.events = v.progress.Summary().Delivered
	return c
}

func (v *liveView) kernelText() string {
	if v.stats == nil {
		return ""
	}
	now := v.kernelCost()
	events := now.events - v.before.events
	if events == 0 {
		return "kernel: …"
	}
	return fmt.Sprintf("kernel %d ns/event", (now.time-v.before.time).Nanoseconds()/int64(events))
}
