package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee"
	"github.com/tracee-go/tracee/capture"
	"github.com/tracee-go/tracee/tracer"
)

// What a job writes that is captured, or not: a gigabyte, in pieces of 64 KiB.
const (
	writtenBytes  = 1 << 30
	writtenPieces = 64 << 10
	writtenTurns  = 9
	writtenSlower = 2  // at most
	capturerMB    = 80 // while it captures, however much that is
)

// measureCapture has a job write a file, as it is and with all that it writes being captured, each first in every other turn.
// What counts is the CPU time of the job; that of the tracer is what the copy costs somebody else.
func measureCapture(ctx context.Context, o options, r *report) error {
	dir, err := os.MkdirTemp("", "tracee-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r.begin("a job that writes 1 GiB in pieces of 64 KiB to "+os.TempDir(), "turn", "alone: clock, CPU", "captured: clock, CPU", "times the clock", "times the CPU", "aim",
		"CPU of the tracer", "complete", "lost", "most memory of the tracer", "aim")
	var clock, cpu []float64
	for turn := range min(o.rounds, writtenTurns) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		alone, captured, result, err := bothWays(dir, turn%2 == 1)
		if err != nil {
			return err
		}
		clock = append(clock, captured.Clock.Seconds()/alone.Clock.Seconds())
		cpu = append(cpu, captured.CPU.Seconds()/alone.CPU.Seconds())
		r.row(strconv.Itoa(turn+1), alone.String(), captured.String(), fmt.Sprintf("%.2f", clock[turn]), fmt.Sprintf("%.2f", cpu[turn]), "",
			result.CPU.Round(time.Millisecond).String(), fmt.Sprint(result.Complete), fmt.Sprint(result.Lost), fmt.Sprintf("%d MB", result.Memory>>10),
			r.aim(float64(result.Memory>>10), capturerMB, "%.0f MB"))
	}
	r.row("median", "", "", fmt.Sprintf("%.2f", median(clock)), fmt.Sprintf("%.2f", median(cpu)), r.aim(median(cpu), writtenSlower, "%.0f"))
	r.end()
	return nil
}

// bothWays has a job write alone and captured, in that order or the other one.
func bothWays(dir string, capturedFirst bool) (alone, captured written, result capturedResult, err error) {
	steps := []func() error{
		func() (err error) { alone, err = writeFile(filepath.Join(dir, "alone")); return err },
		func() (err error) { captured, result, err = writeCaptured(dir); return err },
	}
	if capturedFirst {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return alone, captured, result, err
		}
	}
	return alone, captured, result, nil
}

// writeFile has another process write a file, which removes it, and tells how long it took to write and close it.
func writeFile(path string) (took written, err error) {
	unix.Sync() // what turns before have left to be written would be paid for now
	job := self("writer")
	job.Args = append(job.Args, path, filepath.Join(filepath.Dir(path), "before"))
	job.Stderr = os.Stderr
	said, err := job.Output()
	if err != nil {
		return took, fmt.Errorf("write %s: %w", path, err)
	}
	return took, json.Unmarshal(said, &took)
}

// written is what a job took: by the clock, which on a busy machine means little, and CPU time.
type written struct{ Clock, CPU time.Duration }

func (w written) String() string {
	return w.Clock.Round(time.Millisecond).String() + ", " + w.CPU.Round(time.Millisecond).String()
}

// write is the role of a job that writes. It writes another file before, which is not captured: a virtual machine has to get
// back the memory that nobody used for a while, and who writes then pays for that.
func write() error {
	if _, err := writePieces(os.Args[3]); err != nil {
		return err
	}
	took, err := writePieces(os.Args[2])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(took)
	}
	return err
}

func writePieces(path string) (took written, err error) {
	piece := make([]byte, writtenPieces)
	for i := range piece {
		piece[i] = byte(i * 7)
	}
	start, used := time.Now(), usage(unix.RUSAGE_SELF)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return took, err
	}
	for range writtenBytes / writtenPieces {
		if _, err := f.Write(piece); err != nil {
			return took, err
		}
	}
	if err := f.Close(); err != nil {
		return took, err
	}
	return written{time.Since(start), usage(unix.RUSAGE_SELF) - used}, os.Remove(path)
}

// capturedResult is what became of what was written.
type capturedResult struct {
	Complete bool   // the artifact is all of the file
	Lost     uint64 // notices
	Memory   int64  // KiB, at most while it captured
	CPU      time.Duration
}

// startedFor is how long a tracer has to give back the memory that starting took.
const startedFor = 3 * time.Second

// writeCaptured is writeFile while another process captures what is written.
func writeCaptured(dir string) (took written, result capturedResult, err error) {
	out := filepath.Join(dir, "captured")
	defer os.RemoveAll(out)
	capturer := self("capturer")
	capturer.Args = append(capturer.Args, out, filepath.Join(dir, "f"))
	capturer.Stderr = os.Stderr
	end, err := capturer.StdinPipe()
	if err != nil {
		return took, result, err
	}
	said, err := capturer.StdoutPipe()
	if err != nil {
		return took, result, err
	}
	if err := capturer.Start(); err != nil {
		return took, result, err
	}
	lines := bufio.NewReader(said)
	if _, err := lines.ReadString('\n'); err != nil {
		return took, result, errors.Join(fmt.Errorf("the capturer is not ready: %w", err), capturer.Wait())
	}
	time.Sleep(startedFor)
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", capturer.Process.Pid), []byte("5"), 0); err != nil { // resets the peak
		return took, result, errors.Join(err, end.Close(), capturer.Wait())
	}
	before := processTime(capturer.Process.Pid)
	took, err = writeFile(filepath.Join(dir, "file"))
	if err = errors.Join(err, end.Close(), json.NewDecoder(lines).Decode(&result), capturer.Wait()); err != nil {
		return took, result, err
	}
	result.CPU -= before
	result.Complete, err = isComplete(filepath.Join(out, "out", capture.ManifestName))
	return took, result, err
}

// isComplete says whether the manifest has the whole file as its last word.
func isComplete(manifest string) (bool, error) {
	f, err := os.Open(manifest)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var last capture.Record
	for d := json.NewDecoder(f); ; {
		var r capture.Record
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return last.Complete && last.Size == writtenBytes, nil
		} else if err != nil {
			return false, err
		}
		if r.Kind == "write" {
			last = r
		}
	}
}

// captureWrites is the role of a tracer that captures until its input ends.
func captureWrites() error {
	options, err := capture.Parse([]string{"dir:" + os.Args[2], "write=" + os.Args[3] + "*"})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	summary, err := tracee.Run(ctx, tracee.Config{Capture: options, Ready: func(*tracer.Tracer) error {
		fmt.Println("ready")
		return nil
	}})
	if err != nil {
		return err
	}
	mine := monitored{memory: map[string]int{}}
	if err := mine.readMemory(os.Getpid()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(capturedResult{
		Lost: summary.Capture.Lost + summary.LostTotal(), Memory: int64(mine.memory["VmHWM"]), CPU: usage(unix.RUSAGE_SELF),
	})
}
