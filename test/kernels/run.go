package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/vm"
)

// A testRun is what all tests did on one kernel.
type testRun struct {
	kernel  string // as the table names it
	result  vm.Result
	death   error // why there is no guest, or how it died
	results []result
}

func newRun(kernel string, r vm.Result, death error) testRun {
	run := testRun{kernel: kernel, result: r, death: death}
	for _, job := range r.Jobs {
		run.results = append(run.results, findResults(job.Output)...)
	}
	return run
}

// runOnKernel boots a guest. A kernel that cannot even be tried counts as one that died, and the others are still run.
func runOnKernel(ctx context.Context, o options, kernel vm.Kernel, binaries []binary, log io.Writer) testRun {
	cfg, err := configure(ctx, o, kernel, binaries)
	if err != nil {
		return newRun(kernel.Name, vm.Result{}, err)
	}
	cfg.Log = log
	r, err := vm.Run(ctx, cfg)
	return newRun(kernel.Name, r, err)
}

// configure says what to boot, what to bring and what to run.
func configure(ctx context.Context, o options, kernel vm.Kernel, binaries []binary) (vm.Config, error) {
	image, err := vm.Fetch(ctx, kernel)
	if err != nil {
		return vm.Config{}, err
	}
	files, err := vm.Busybox(ctx)
	if err != nil {
		return vm.Config{}, err
	}
	module := filepath.Join(filepath.Dir(image), "dummy.ko")
	files = append(files, vm.File{Path: "/lib/modules/dummy.ko", Mode: 0o644, Source: module})
	var jobs []vm.Job
	for _, b := range binaries {
		own, err := b.files()
		if err != nil {
			return vm.Config{}, err
		}
		files = append(files, own...)
		jobs = append(jobs, b.job(o, b.guestDir(), path.Join(b.guestDir(), "package.test")))
	}
	return vm.Config{Image: image, Files: files, Jobs: jobs}, nil
}

// runOnHost runs the same binaries here, where they lie.
func runOnHost(ctx context.Context, o options, binaries []binary, log io.Writer) testRun {
	var name unix.Utsname
	release := "unknown"
	if err := unix.Uname(&name); err == nil {
		release = unix.ByteSliceToString(name.Release[:])
	}
	r := vm.Result{Release: release}
	start := time.Now()
	for _, b := range binaries {
		r.Jobs = append(r.Jobs, runJob(ctx, b.job(o, b.dir, b.path), log))
	}
	r.Total = time.Since(start)
	return newRun("host "+release, r, nil)
}

func runJob(ctx context.Context, job vm.Job, log io.Writer) vm.JobResult {
	limited, cancel := context.WithTimeout(ctx, job.Timeout)
	defer cancel()
	var output bytes.Buffer
	cmd := exec.CommandContext(limited, job.Args[0], job.Args[1:]...)
	cmd.Dir = job.Dir
	cmd.Env = append(os.Environ(), job.Env...)
	cmd.Stdout = &output
	if log != nil {
		cmd.Stdout = io.MultiWriter(&output, log)
	}
	cmd.Stderr = cmd.Stdout
	cmd.WaitDelay = 2 * time.Second

	r := vm.JobResult{Name: job.Name, State: vm.Exited}
	err := cmd.Run()
	r.Output = output.Bytes()
	switch {
	case cmd.ProcessState == nil:
		r.State, r.Error = vm.NotStarted, err.Error()
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		r.State = vm.TimedOut
	case !cmd.ProcessState.Exited():
		r.State, r.Signal = vm.Killed, cmd.ProcessState.String()
	default:
		r.Code = cmd.ProcessState.ExitCode()
	}
	return r
}

// count says how many results there are of each kind.
func (r testRun) count() map[verdict]int {
	counts := make(map[verdict]int)
	for _, result := range r.results {
		counts[result.verdict]++
	}
	return counts
}

// passed reports whether there were results, none of them bad, and every job and the guest came to a good end.
func (r testRun) passed() bool {
	for _, job := range r.result.Jobs {
		if !job.Passed() {
			return false
		}
	}
	counts := r.count()
	return r.death == nil && len(r.results) > 0 && counts[fail] == 0 && counts[garbled] == 0
}

// explain shows what is needed to understand a run that went wrong.
func (r testRun) explain(w io.Writer) {
	const lines = 60
	for _, job := range r.result.Jobs {
		if !job.Passed() {
			fmt.Fprintf(w, "\n--- %s: %s %s; its last output:\n%s\n", r.kernel, job.Name, job, lastLines(job.Output, lines))
		}
	}
	if r.death != nil {
		fmt.Fprintf(w, "\n--- %s: %v; its last messages:\n%s\n", r.kernel, r.death, r.result.Console)
	}
}

func lastLines(output []byte, lines int) string {
	all := strings.SplitAfter(string(output), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}
