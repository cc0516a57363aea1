package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/vm/wire"
)

// afterlife is how long a job's output is still read when the job is gone but something it started holds the pipe.
const afterlife = 2 * time.Second

func runJob(job wire.Job, output io.Writer) wire.Exit {
	if len(job.Args) == 0 {
		return wire.Exit{Code: -1, Error: "no command"}
	}
	ctx := context.Background()
	if job.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, job.Timeout)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, job.Args[0], job.Args[1:]...)
	cmd.Env = append(os.Environ(), job.Env...)
	cmd.Dir = job.Dir
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = afterlife

	start := time.Now()
	err := cmd.Run()
	exit := wire.Exit{Code: -1, Duration: time.Since(start)}
	if cmd.ProcessState == nil {
		exit.Error = err.Error()
		return exit
	}
	exit.Code = cmd.ProcessState.ExitCode()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		exit.Signal = unix.SignalName(status.Signal())
		exit.TimedOut = ctx.Err() != nil
	}
	return exit
}

// killOthers ends everything a job left behind, so that jobs do not see each other. It also reaps the orphans that the
// job left to process 1; while a job runs nobody does, because that would steal the exit status cmd.Run waits for.
func killOthers() {
	_ = unix.Kill(-1, unix.SIGKILL) // ESRCH: nothing left
	for {
		_, err := unix.Wait4(-1, nil, 0, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return // ECHILD: all gone
		}
	}
}
