// Command init is the first and only program of a test guest: it makes the guest look like a small Linux system, runs
// the jobs it was given, one after the other, and powers off.
//
// What the jobs write and how they ended goes to the host as frames (see package wire); what init itself has to say
// goes to the console, among the kernel's messages. Everything a job left running is killed before the next one
// starts. It refuses to run unless it is process 1.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/vm/wire"
)

func main() {
	// On a host, run as root by accident, what follows would mount over /tmp and power off.
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "init: not process 1 of a guest")
		os.Exit(1)
	}
	if err := run(); err != nil {
		fmt.Println("init:", err)
	}
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("init: power off:", err) // returning makes the kernel panic, which the host sees
	}
}

func run() error {
	prepare()
	port, err := os.OpenFile(wire.Ports[runtime.GOARCH], os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("open the line to the host: %w", err)
	}
	frames := wire.NewWriter(port)
	if err := frames.Write(wire.KindHello, []byte(release())); err != nil {
		return err
	}
	if err := runJobs(frames); err != nil {
		return err
	}
	if err := frames.Write(wire.KindDone, nil); err != nil {
		return err
	}
	// tcdrain: what is still in the tty's buffer would be lost when the machine stops.
	if err := unix.IoctlSetInt(int(port.Fd()), unix.TCSBRK, 1); err != nil {
		return fmt.Errorf("drain the line to the host: %w", err)
	}
	return nil
}

func runJobs(frames *wire.Writer) error {
	text, err := os.ReadFile(wire.JobsPath)
	if err != nil {
		return fmt.Errorf("read jobs: %w", err)
	}
	var jobs []wire.Job
	if err := json.Unmarshal(text, &jobs); err != nil {
		return fmt.Errorf("parse %s: %w", wire.JobsPath, err)
	}
	for _, job := range jobs {
		if err := frames.Write(wire.KindStart, []byte(job.Name)); err != nil {
			return err
		}
		exit := runJob(job, frames.Output())
		killOthers()
		if err := frames.WriteExit(exit); err != nil {
			return err
		}
	}
	return nil
}

func release() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(name.Release[:])
}
