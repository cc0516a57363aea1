package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	path, said, done, err := listen()
	if err != nil {
		return m, err
	}
	defer done()
	cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+path)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return m, err
	}
	err = m.untilReady(cmd.Process.Pid, start, said)
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

// untilReady waits until a process says that it is ready, as to a service manager (sd_notify(3)). Of one that never does it is looked
// which BPF links it has, now and then, because to look takes a millisecond of one of the CPUs that the process starts on: until
// they stay as many for longer than the verifier takes for all programs of a rung.
func (m *monitored) untilReady(pid int, start time.Time, said <-chan time.Time) error {
	const quiet, patience, pause = 3 * time.Second, 30 * time.Second, 100 * time.Millisecond
	looks := time.NewTicker(pause)
	defer looks.Stop()
	for links := 0; time.Since(start) < patience; {
		select {
		case at := <-said:
			m.ready, m.cpu = at.Sub(start), processTime(pid)
			time.Sleep(quiet) // until what the start needed is given back
			return nil
		case <-looks.C:
		}
		if now := countLinks(pid); now != links {
			links, m.ready, m.cpu = now, time.Since(start), processTime(pid)
		}
		if links > 0 && time.Since(start)-m.ready > quiet {
			return nil
		}
	}
	return fmt.Errorf("process %d attached nothing within %s", pid, patience)
}

// listen makes the socket on which a process can say that it is ready, and tells when it does.
func listen() (path string, said <-chan time.Time, done func(), err error) {
	dir, err := os.MkdirTemp("", "tracee-bench")
	if err != nil {
		return "", nil, nil, err
	}
	path = filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return "", nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	at := make(chan time.Time, 1)
	go func() {
		message := make([]byte, 4096)
		for {
			n, err := socket.Read(message)
			if err != nil {
				return
			}
			if slices.Contains(strings.Split(string(message[:n]), "\n"), isReady) {
				at <- time.Now()
				return
			}
		}
	}()
	return path, at, func() { _, _ = socket.Close(), os.RemoveAll(dir) }, nil
}

// sayReady says so, if somebody wants to know.
func sayReady() error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	socket, err := net.Dial("unixgram", path)
	if err != nil {
		return err
	}
	defer socket.Close()
	_, err = io.WriteString(socket, isReady)
	return err
}

// isReady is what a process says to NOTIFY_SOCKET when it is.
const isReady = "READY=1"

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
	if err := sayReady(); err != nil {
		return err
	}
	_ = new(footprint.Keeper).Shrink() // as tracee.Run does; without, there is more to see
	fmt.Println(usage(unix.RUSAGE_SELF).Nanoseconds())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_, err = t.end()
	return err
}
