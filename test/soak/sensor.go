package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A sensor is a command under test, with what was seen of it.
type sensor struct {
	name     string
	address  string // of its metrics
	cmd      *exec.Cmd
	ended    chan error
	complain bytes.Buffer
	figures  []*figure
	metrics  map[string]float64 // of the last look
}

// startSensors starts one that prints numbered calls and much else, and one that detects, with all that it can do.
func startSensors(ctx context.Context, binaries, dir string, broken *places, books *ledger) ([]*sensor, error) {
	rules := filepath.Join(dir, "rules")
	if err := os.Mkdir(rules, 0o755); err != nil {
		return nil, err
	}
	if err := writeRule(rules, 0); err != nil {
		return nil, err
	}
	var all []*sensor
	for _, s := range []struct {
		name  string
		flags []string
		read  func(io.Reader)
	}{
		{"tracee-ebpf", []string{
			"--trace", "event=getpriority,sched_process_exec,security_file_open,net_packet_dns,container_create,container_remove",
			"--trace", fmt.Sprintf("getpriority.which=%d", mark), "--trace", "security_file_open.pathname=" + dir + "/*",
			"--output", "json", "--containers",
		}, books.read},
		{"tracee", append([]string{
			"--rules-dir", rules, "--output", "json", "--containers", "--evidence", "high", "--capture", "dir:" + dir,
		}, broken.flags()...),
			func(r io.Reader) { _, _ = io.Copy(io.Discard, r) }},
	} {
		started, err := startSensor(ctx, filepath.Join(binaries, s.name), s.flags, s.read)
		if err != nil {
			return all, err
		}
		all = append(all, started)
	}
	return all, nil
}

// startSensor returns when the sensor is at work.
func startSensor(ctx context.Context, binary string, flags []string, read func(io.Reader)) (*sensor, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &sensor{name: filepath.Base(binary), address: "127.0.0.1:" + port, ended: make(chan error, 1), figures: figures()}
	s.cmd = exec.Command(binary, append(flags, "--metrics", "--healthz", "--pprof", "--listen-addr", s.address)...)
	s.cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	s.cmd.Stderr = &s.complain
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		read(stdout)
		s.ended <- s.cmd.Wait()
	}()
	for limit := time.After(time.Minute); ; {
		if response, err := s.get(ctx, "/healthz"); err == nil {
			response.Close()
			return s, nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-limit:
			s.kill()
			return nil, fmt.Errorf("%s is not ready after a minute: %s", s.name, &s.complain)
		case err := <-s.ended:
			return nil, fmt.Errorf("%s ended (%v): %s", s.name, err, &s.complain)
		}
	}
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

func (s *sensor) get(ctx context.Context, path string) (io.ReadCloser, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s of %s: %s: %s", path, s.name, response.Status, body)
	}
	return io.NopCloser(bytes.NewReader(body)), err
}

// look takes down the figures of this moment, and prints them.
func (s *sensor) look() error {
	select {
	case err := <-s.ended:
		s.ended <- err
		return fmt.Errorf("%s ended (%v): %s", s.name, err, &s.complain)
	default:
	}
	body, err := s.get(context.Background(), "/metrics")
	if err != nil {
		return err
	}
	metrics := map[string]float64{}
	s.metrics = metrics
	for lines := bufio.NewScanner(body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		metrics[name], _ = strconv.ParseFloat(value, 64)
	}
	objects, maps := bpfObjects(s.cmd.Process.Pid)
	values := []float64{
		metrics["process_resident_memory_bytes"], metrics["go_memstats_heap_inuse_bytes"], metrics["go_goroutines"],
		metrics["process_open_fds"], objects, maps,
	}
	fmt.Printf("%s %12s:", time.Now().Format(time.TimeOnly), s.name)
	for i, f := range s.figures {
		f.values = append(f.values, values[i])
		fmt.Printf("  %s %.1f", f.name, values[i]/f.unit)
	}
	fmt.Printf("  CPU, s %.1f\n", metrics["process_cpu_seconds_total"])
	return nil
}

// reloads says what is wrong with how the sensor that detects took over rules that changed so many times.
func reloads(sensors []*sensor, changes int64) (faults []string) {
	for _, s := range sensors {
		done, known := s.metrics["tracee_reloads_total"]
		if !known {
			continue
		}
		fmt.Printf("%10.0f times that %s took over rules that had changed\n", done, s.name)
		// Changes that come while it is busy are taken over together.
		if failed := s.metrics["tracee_reloads_failed_total"]; failed > 0 || done == 0 && changes > 1 {
			faults = append(faults, fmt.Sprintf("%s: rules changed %d times, were taken over %.0f times and refused %.0f times", s.name, changes, done, failed))
		}
	}
	return faults
}

// bpfObjects counts the BPF objects that a process holds, and the memory of the maps among them, in bytes.
func bpfObjects(pid int) (objects, maps float64) {
	dir := fmt.Sprintf("/proc/%d", pid)
	entries, _ := os.ReadDir(dir + "/fd")
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(dir, "fd", entry.Name()))
		if err != nil || !strings.Contains(target, "bpf") {
			continue
		}
		objects++
		info, _ := os.ReadFile(filepath.Join(dir, "fdinfo", entry.Name()))
		for line := range strings.Lines(string(info)) {
			if size, found := strings.CutPrefix(line, "memlock:"); found && strings.Contains(target, "map") {
				bytes, _ := strconv.ParseFloat(strings.TrimSpace(size), 64)
				maps += bytes
			}
		}
	}
	return objects, maps
}

// end interrupts the sensor, and says what is wrong with it.
func (s *sensor) end() []string {
	var faults []string
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		faults = append(faults, fmt.Sprintf("%s: %v", s.name, err))
	}
	select {
	case err := <-s.ended:
		s.ended <- err
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s ended with %v: %s", s.name, err, &s.complain))
		}
	case <-time.After(time.Minute):
		faults = append(faults, s.name+" does not end when it is interrupted")
		s.kill()
	}
	fmt.Println(s.name + ":")
	for _, f := range s.figures {
		if len(f.values) == 0 {
			continue
		}
		row, flat := f.row()
		fmt.Println(row)
		if !flat {
			faults = append(faults, fmt.Sprintf("%s: %s grows", s.name, f.name))
		}
	}
	return faults
}

func (s *sensor) kill() { _ = s.cmd.Process.Kill() }
