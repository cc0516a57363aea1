package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/footprint"
)

// measureResident shows what a process that traces the default detections needs: memory, time to be ready, and CPU
// time for it. The process is a monitor, this program in another role, with nothing else in it; or any other command.
func measureResident(_ context.Context, o options, r *report) error {
	w, err := startWorker()
	if err != nil {
		return err
	}
	r.begin("a process that traces the default detections, after "+fmt.Sprint(lossOperations)+" open+close", "process", "ready",
		"CPU until ready", "VmRSS", "VmHWM", "RssAnon", "RssFile", "RssShmem", "aim", "aim")
	for range min(o.rounds, 3) {
		if err := showResident(r, w, "tracer alone", self("monitor")); err != nil {
			return err
		}
		if len(o.binary) > 0 {
			if err := showResident(r, w, o.binary[0], exec.Command(o.binary[0], o.binary[1:]...)); err != nil {
				return err
			}
		}
	}
	r.end()
	return w.close()
}

func showResident(r *report, w *worker, name string, cmd *exec.Cmd) error {
	m, err := watch(w, cmd)
	if err != nil {
		return err
	}
	r.row(name, m.ready.Round(time.Millisecond).String(), m.cpu.String(), m.size("VmRSS"), m.size("VmHWM"),
		m.size("RssAnon"), m.size("RssFile"), m.size("RssShmem"),
		r.aim(float64(m.memory["VmRSS"])/1024, 60, "%.0f MB"), r.aim(m.ready.Seconds(), 0.5, "%.1f s"))
	return nil
}

// monitored is what was seen of a process.
type monitored struct {
	ready, cpu time.Duration
	memory     map[string]int // of /proc/<pid>/status, KiB
}

func (m monitored) size(name string) string {
	return fmt.Sprintf("%.1f MB", float64(m.memory[name])/1024)
}

// watch starts a tracer, gives it events to read, looks at its memory and interrupts it.
func watch(w *worker, cmd *exec.Cmd) (monitored, error) {
	m := monitored{memory: map[string]int{}}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	stop, err := cmd.StdinPipe()
	if err != nil {
		return m, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return m, err
	}
	err = m.untilReady(cmd.Process.Pid, start)
	if err == nil {
		l, _ := lookupLoop("open+close")
		_, err = w.run(l, lossOperations)
	}
	if err == nil {
		err = m.readMemory(cmd.Process.Pid)
	}
	err = errors.Join(err, stop.Close(), cmd.Process.Signal(os.Interrupt))
	if waitErr := cmd.Wait(); err != nil {
		err = fmt.Errorf("%w (%v: %s)", err, waitErr, &complaints)
	}
	return m, err
}

// untilReady waits until a process attaches nothing more to the kernel: until its BPF links stay as many, for longer than the
// verifier takes for all programs of a rung. To look takes a millisecond of one of the CPUs that the process starts on.
func (m *monitored) untilReady(pid int, start time.Time) error {
	const quiet, patience, pause = 3 * time.Second, 30 * time.Second, 10 * time.Millisecond
	for links := 0; time.Since(start) < patience; time.Sleep(pause) {
		if now := countLinks(pid); now != links {
			links, m.ready = now, time.Since(start)
			m.cpu = processTime(pid)
		}
		if links > 0 && time.Since(start)-m.ready > quiet {
			return nil
		}
	}
	return fmt.Errorf("process %d attached nothing within %s", pid, patience)
}

func countLinks(pid int) int {
	links := 0
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, file := range files {
		if target, err := os.Readlink(file); err == nil && strings.Contains(target, "bpf") && strings.Contains(target, "link") {
			links++
		}
	}
	return links
}

// processTime returns the CPU time of another process; the kernel counts it in hundredths of a second here.
func processTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ") // behind the name
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func (m monitored) readMemory(pid int) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var name string
		var size int
		if n, _ := fmt.Sscanf(lines.Text(), "%s %d kB", &name, &size); n == 2 {
			m.memory[name[:len(name)-1]] = size
		}
	}
	return nil
}

// monitor traces the default detections, or the events given, until its standard input ends or it is interrupted.
func monitor() error {
	s := defaultDetections
	if len(os.Args) > 2 {
		s = selecting("arguments", os.Args[2:]...)
	}
	t, err := s.begin(discard)
	if err != nil {
		return err
	}
	_ = new(footprint.Keeper).Shrink() // as tracee.Run does; without, there is more to see
	fmt.Println(usage(unix.RUSAGE_SELF).Nanoseconds())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_, err = t.end()
	return err
}
