// Package vm runs programs on other kernels: it boots a Debian kernel in QEMU with an initramfs made on the spot, runs
// a list of jobs there and brings back what they wrote and how they ended.
//
// Start from Run; Fetch gets the kernel it boots, and Kernels lists those known. It needs root only where it has to
// install QEMU, and the network only the first time a kernel is used. No KVM: the machine is emulated, a guest boots in
// a few seconds and runs many times slower than the host.
//
// A run either says how every job ended or returns an error that says how the guest died (ErrPanic, ErrTimeout,
// ErrCorrupt, ErrDied), with the jobs up to that point and the end of the kernel's log in the Result. Output is
// checked on its way (package wire). There is no disk and no network in a guest, and no way to talk to a running job.
package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tracee-go/tracee/internal/vm/wire"
)

// How a guest dies. Run wraps these with what is known.
var (
	ErrPanic   = errors.New("kernel panic in the guest")
	ErrTimeout = errors.New("guest did not finish in time")
	ErrCorrupt = wire.ErrCorrupt
	ErrDied    = errors.New("guest stopped before its jobs were done")
)

// A Job is one command to run in the guest.
type Job = wire.Job

// Config says what to boot and what to run there. The zero values of the optional fields are useful.
type Config struct {
	Kernel  Kernel        // its architecture and parameters; zero: amd64, none
	Image   string        // of the kernel, from Fetch
	Files   []File        // beside /init and the jobs
	Jobs    []Job         // run one after the other
	Timeout time.Duration // of the whole guest; zero: two minutes and the jobs' timeouts
	Log     io.Writer     // gets the output of the jobs while they run

	// Counted gives the guest one CPU whose clock counts instructions, 8 ns each, so that costs can be compared:
	// the same loop takes the same time within 0.1 %, in every guest. Warm up first: 6.12 is busy with itself for the
	// first seconds after boot, and what is measured then takes nearly twice as long.
	Counted bool
}

func (c Config) arch() Arch {
	if c.Kernel.Arch == "" {
		return AMD64
	}
	return c.Kernel.Arch
}

// A State is what became of a job.
type State string

// NotRun and Unfinished occur only when the guest died.
const (
	NotRun     State = "not run"
	Unfinished State = "unfinished" // the guest died while it ran
	NotStarted State = "not started"
	Exited     State = "exited"
	Killed     State = "killed"
	TimedOut   State = "timed out"
)

// A JobResult is what a job wrote, standard output and error together, and how it ended.
type JobResult struct {
	Name   string
	State  State
	Output []byte
	wire.Exit
}

// Passed reports whether the job ran to its end and was content.
func (j JobResult) Passed() bool { return j.State == Exited && j.Code == 0 }

func (j JobResult) String() string {
	switch j.State {
	case Exited:
		return fmt.Sprintf("exited with code %d", j.Code)
	case Killed:
		return "killed by " + j.Signal
	case NotStarted:
		return "not started: " + j.Error
	default:
		return string(j.State)
	}
}

// Result is what a guest did. Jobs has one entry for each of the Config's, in the same order.
type Result struct {
	Release string // of the kernel, as uname says it
	Jobs    []JobResult
	Console string        // the end of the kernel's log
	Boot    time.Duration // from the start of QEMU to the first word of the guest
	Total   time.Duration
}

// Run boots a guest, runs the jobs and waits for it to power off. It kills the guest when ctx ends or its time is over.
func Run(ctx context.Context, cfg Config) (Result, error) {
	qemu, err := EnsureQEMU(ctx, cfg.arch())
	if err != nil {
		return Result{}, err
	}
	dir, err := os.MkdirTemp("", "tracee-vm-")
	if err != nil {
		return Result{}, fmt.Errorf("make a directory for the guest: %w", err)
	}
	defer os.RemoveAll(dir)

	g := guest{cfg: cfg, qemu: qemu, initrd: filepath.Join(dir, "initrd"), console: filepath.Join(dir, "console")}
	if err := g.build(ctx, dir); err != nil {
		return Result{}, err
	}
	timeout := cfg.Timeout
	if timeout == 0 {
		timeout = 2 * time.Minute
		for _, job := range cfg.Jobs {
			timeout += job.Timeout
		}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	err = g.run(ctx)
	console, _ := os.ReadFile(g.console) // missing if QEMU did not start, which err says
	g.result.Console = tail(string(console), 100)
	return g.result, explain(ctx, err, string(console))
}

// explain turns the way the stream of frames ended into the way the guest died.
func explain(ctx context.Context, err error, console string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrCorrupt):
		return err
	case strings.Contains(console, "Kernel panic - not syncing"):
		return fmt.Errorf("%w (%w)", ErrPanic, err)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%w (%w)", ErrTimeout, err)
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return fmt.Errorf("%w: %w", ErrDied, err)
	}
}

// tail returns the last lines of text.
func tail(text string, lines int) string {
	all := strings.SplitAfter(strings.ReplaceAll(text, "\r", ""), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}
