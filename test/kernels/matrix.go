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
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/vm"
)

// A matrix runs the tests on this host and in guests.
type matrix struct {
	options
	binaries []binary

	mu       sync.Mutex // of progress
	progress io.Writer
}

// A place is where tests run: it runs some tests of each binary.
type place struct {
	name string
	run  func(ctx context.Context, tests []selection, log io.Writer) testRun
}

// run tests in all places, the host first and alone: guests leave nothing of the machine to others.
func (m *matrix) run(ctx context.Context) []testRun {
	var host []testRun
	if m.host {
		host = append(host, m.test(ctx, m.thisHost(), m.selection("")))
	}
	runs := make([]testRun, len(m.kernels))
	free := make(chan struct{}, m.guests)
	var guests sync.WaitGroup
	for i, kernel := range m.kernels {
		free <- struct{}{}
		guests.Go(func() {
			defer func() { <-free }()
			runs[i] = m.test(ctx, m.guest(kernel), m.selection(kernel.Tests))
		})
	}
	guests.Wait()
	return append(host, runs...)
}

// selection is what is run first: what the user chose, else what the place is there for.
func (m *matrix) selection(tests string) selection {
	if m.options.run != "" {
		tests = m.options.run
	}
	return selection{timeout: m.timeout, run: tests}
}

// test runs the tests, and once more those that did not pass.
func (m *matrix) test(ctx context.Context, p place, all selection) testRun {
	log := &prefixed{matrix: m, name: p.name}
	defer log.flush()
	var shown io.Writer
	if m.verbose {
		shown = log
	}
	log.say("running")
	tests := make([]selection, len(m.binaries))
	for i := range tests {
		tests[i] = all
	}
	first := p.run(ctx, tests, shown)
	log.say("%s", first.summary())
	if first.good() || ctx.Err() != nil || len(first.result.Jobs) == 0 {
		m.explain(first)
		return first
	}
	m.explain(first)
	for i, job := range first.result.Jobs {
		tests[i].skip = endedWell(job)
	}
	log.say("running again what did not pass")
	again := p.run(ctx, tests, shown)
	log.say("again: %s", again.summary())
	m.explain(again)
	first.again = &again
	return first
}

func (m *matrix) explain(r testRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.explain(m.progress)
}

var (
	endOfTest = regexp.MustCompile(`(?m)^--- (PASS|SKIP|FAIL): (\S+)`)
	timedOut  = regexp.MustCompile(`(?m)^panic: test timed out`) // says what ran, and not that it failed
)

// nothing matches no test.
const nothing = "^$"

// endedWell matches the tests of a job that need not be run again.
func endedWell(job vm.JobResult) string {
	var well []string
	failed := job.State != vm.Exited || timedOut.Match(job.Output)
	for _, end := range endOfTest.FindAllStringSubmatch(string(job.Output), -1) {
		if end[1] == "FAIL" {
			failed = true
			continue
		}
		well = append(well, regexp.QuoteMeta(end[2]))
	}
	switch {
	case job.Passed():
		return "." // all
	case !failed || len(well) == 0:
		return nothing // no test is to blame, or none was content
	}
	return "^(" + strings.Join(well, "|") + ")$"
}

// prefixed writes whole lines with the name of the place before them.
type prefixed struct {
	matrix *matrix
	name   string
	half   []byte
}

func (p *prefixed) Write(b []byte) (int, error) {
	p.half = append(p.half, b...)
	end := bytes.LastIndexByte(p.half, '\n') + 1
	whole := p.half[:end]
	p.matrix.mu.Lock()
	defer p.matrix.mu.Unlock()
	for line := range bytes.Lines(whole) {
		if _, err := fmt.Fprintf(p.matrix.progress, "%s: %s", p.name, line); err != nil {
			return 0, err
		}
	}
	p.half = append([]byte(nil), p.half[end:]...)
	return len(b), nil
}

func (p *prefixed) say(format string, values ...any) { fmt.Fprintf(p, format+"\n", values...) }

func (p *prefixed) flush() {
	if len(p.half) > 0 {
		p.say("")
	}
}

// guest is a place that boots a guest for every run. A kernel that cannot even be tried counts as one that died.
func (m *matrix) guest(kernel vm.Kernel) place {
	return place{kernel.Name, func(ctx context.Context, tests []selection, log io.Writer) testRun {
		cfg, err := m.configure(ctx, kernel, tests)
		if err != nil {
			return newRun(kernel.Name, vm.Result{}, err)
		}
		cfg.Log = log
		r, err := vm.Run(ctx, cfg)
		return newRun(kernel.Name, r, err)
	}}
}

// configure says what to boot, what to bring and what to run.
func (m *matrix) configure(ctx context.Context, kernel vm.Kernel, tests []selection) (vm.Config, error) {
	image, err := vm.Fetch(ctx, kernel)
	if err != nil {
		return vm.Config{}, err
	}
	files, err := vm.Busybox(ctx, kernel.Arch)
	if err != nil {
		return vm.Config{}, err
	}
	modules, err := filepath.Glob(filepath.Join(filepath.Dir(image), "*.ko"))
	if err != nil {
		return vm.Config{}, err
	}
	for _, module := range modules {
		files = append(files, vm.File{Path: "/lib/modules/" + filepath.Base(module), Mode: 0o644, Source: module})
	}
	ours, err := buildRootkit(ctx, filepath.Join(filepath.Dir(image), "dummy.ko"))
	if err != nil {
		return vm.Config{}, err
	}
	files = append(files, ours...)
	var jobs []vm.Job
	for i, b := range m.binaries {
		own, err := b.files(kernel.Arch)
		if err != nil {
			return vm.Config{}, err
		}
		files = append(files, own...)
		job := b.job(tests[i], b.guestDir(), path.Join(b.guestDir(), "package.test"))
		job.Env = append(job.Env, "TRACEE_TEST_GUEST=1") // a machine that tests may spoil
		jobs = append(jobs, job)
	}
	return vm.Config{Kernel: kernel, Image: image, Files: files, Jobs: jobs}, nil
}

// thisHost is a place that runs the binaries where they lie.
func (m *matrix) thisHost() place {
	var name unix.Utsname
	release := "unknown"
	if err := unix.Uname(&name); err == nil {
		release = unix.ByteSliceToString(name.Release[:])
	}
	return place{"host", func(ctx context.Context, tests []selection, log io.Writer) testRun {
		r := vm.Result{Release: release}
		start := time.Now()
		for i, b := range m.binaries {
			r.Jobs = append(r.Jobs, runJob(ctx, b.job(tests[i], b.dir, b.paths[vm.Arch(runtime.GOARCH)]), log))
		}
		r.Total = time.Since(start)
		return newRun("host", r, nil)
	}}
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
