package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// A worker is the process that is traced: it runs loops on demand and says how much CPU time they took.
type worker struct {
	cmd     *exec.Cmd
	ask     io.WriteCloser
	answers *bufio.Reader
}

func startWorker() (*worker, error) {
	cmd := self("worker")
	// The runtime's own signals would be system calls too.
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1")
	ask, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the worker: %w", err)
	}
	return &worker{cmd: cmd, ask: ask, answers: bufio.NewReader(answers)}, nil
}

// self is this program in another role.
func self(role string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", role)
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	return cmd
}

func (w *worker) close() error {
	return errors.Join(w.ask.Close(), w.cmd.Wait())
}

// run does the loop so many times and returns the CPU time that all of them took.
func (w *worker) run(l loop, times int) (time.Duration, error) {
	if _, err := fmt.Fprintf(w.ask, "%s %d\n", l.name, times); err != nil {
		return 0, fmt.Errorf("ask the worker: %w", err)
	}
	var took int64
	if _, err := fmt.Fscanln(w.answers, &took); err != nil {
		return 0, fmt.Errorf("the worker did not answer to %s: %w", l.name, err)
	}
	return time.Duration(took), nil
}

// warm is run when the loop ran before: to load programs, or to take them away, drives out of the caches what either state of
// the kernel needs, and that is neither's cost.
func (w *worker) warm(l loop, times int) (time.Duration, error) {
	if _, err := w.run(l, times); err != nil {
		return 0, err
	}
	return w.run(l, times)
}

// timesFor finds out how many operations take about that long.
func (w *worker) timesFor(l loop, slice time.Duration) (int, error) {
	for times := 10; ; times *= 4 {
		took, err := w.run(l, times)
		if err != nil {
			return 0, err
		}
		if took > slice/4 {
			return max(1, int(int64(times)*int64(slice)/int64(took))), nil
		}
	}
}

// work is the role of the worker.
func work() error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	for {
		var name string
		var times int
		_, err := fmt.Scanln(&name, &times)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("worker: %w", err)
		}
		l, ok := lookupLoop(name)
		if !ok {
			return fmt.Errorf("worker: no loop %q", name)
		}
		took, err := l.time(times)
		if err != nil {
			return fmt.Errorf("worker: %s: %w", name, err)
		}
		fmt.Println(took.Nanoseconds())
	}
}

func (l loop) time(times int) (time.Duration, error) {
	operation, end, err := l.begin()
	if err != nil {
		return 0, err
	}
	defer end()
	start := l.cpuTime()
	for range times {
		if err := operation(); err != nil {
			return 0, err
		}
	}
	return l.cpuTime() - start, nil
}

// cpuTime is that of this thread, and of the children that it waited for where there are any.
func (l loop) cpuTime() time.Duration {
	var used time.Duration
	if l.children {
		used = usage(unix.RUSAGE_CHILDREN)
	}
	return used + threadTime()
}

func threadTime() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now) != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

func usage(who int) time.Duration {
	var used unix.Rusage
	if unix.Getrusage(who, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
