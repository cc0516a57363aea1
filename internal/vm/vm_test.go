package vm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tracee-go/tracee/internal/vm/wire"
)

// stream is what a guest says that runs two jobs.
func stream(t *testing.T) string {
	t.Helper()
	var line bytes.Buffer
	w := wire.NewWriter(&line)
	output := func(text string) error { _, err := w.Output().Write([]byte(text)); return err }
	err := errors.Join(
		w.Write(wire.KindHello, []byte("6.1.0-test")),
		w.Write(wire.KindStart, []byte("one")), output("first "), output("second\n"), w.WriteExit(wire.Exit{}),
		w.Write(wire.KindStart, []byte("two")), output("more\n"),
		w.WriteExit(wire.Exit{Code: -1, Signal: "SIGSEGV"}),
		w.Write(wire.KindDone, nil),
	)
	if err != nil {
		t.Fatal(err)
	}
	return line.String()
}

func listen(t *testing.T, line string) (guest, error) {
	t.Helper()
	g := guest{result: Result{Jobs: []JobResult{{Name: "one", State: NotRun}, {Name: "two", State: NotRun}}}}
	return g, g.read(strings.NewReader(line), time.Now())
}

func TestJobsAreToldApart(t *testing.T) {
	g, err := listen(t, stream(t))
	if err != nil || !g.done || g.result.Release != "6.1.0-test" {
		t.Fatalf("got %v, done %t, release %q", err, g.done, g.result.Release)
	}
	one, two := g.result.Jobs[0], g.result.Jobs[1]
	if got, want := string(one.Output), "first second\n"; got != want || !one.Passed() {
		t.Errorf("one: got %q, %s, want %q and passed", got, one, want)
	}
	if got, want := two.String(), "killed by SIGSEGV"; got != want || two.Passed() {
		t.Errorf("two: got %q, passed %t, want %q", got, two.Passed(), want)
	}
}

func TestDeadGuestLeavesItsJobUnfinished(t *testing.T) {
	whole := stream(t)
	lines := strings.SplitAfter(whole, "\n")
	g, err := listen(t, strings.Join(lines[:3], ""))
	if err != nil || g.done {
		t.Fatalf("got %v, done %t, want the end of the line and nothing done", err, g.done)
	}
	if one, two := g.result.Jobs[0].State, g.result.Jobs[1].State; one != Unfinished || two != NotRun {
		t.Errorf("got %s, %s, want %s, %s", one, two, Unfinished, NotRun)
	}
}

func TestDeathIsExplained(t *testing.T) {
	over, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	tests := []struct {
		name    string
		ctx     context.Context
		err     error
		console string
		want    error
	}{
		{"content", t.Context(), nil, "", nil},
		{"panic", t.Context(), io.ErrUnexpectedEOF, "[1.0] Kernel panic - not syncing: Fatal exception", ErrPanic},
		{"panic, then nothing", over, io.EOF, "[1.0] Kernel panic - not syncing: Fatal exception", ErrPanic},
		{"timeout", over, io.EOF, "", ErrTimeout},
		{"corruption", t.Context(), wire.ErrCorrupt, "", ErrCorrupt},
		{"silence", t.Context(), io.EOF, "", ErrDied},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := explain(test.ctx, test.err, test.console); !errors.Is(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestGuestBoots is the one test here that needs a machine. It takes ten seconds; the first time, a minute and the
// network.
func TestGuestBoots(t *testing.T) {
	if os.Getenv("TRACEE_TEST_VM") != "1" {
		t.Skip("TRACEE_TEST_VM is not 1: not booting a guest")
	}
	kernel, _ := LookupKernel("6.1")
	image, err := Fetch(t.Context(), kernel)
	if err != nil {
		t.Fatal(err)
	}
	files, err := Busybox(t.Context(), kernel.Arch)
	if err != nil {
		t.Fatal(err)
	}
	shell := func(name, script string, timeout time.Duration) Job {
		return Job{
			Name: name, Args: []string{"/bin/sh", "-c", script},
			Dir: "/tmp", Env: []string{"WORD=here"}, Timeout: timeout,
		}
	}
	result, err := Run(t.Context(), Config{Kernel: kernel, Image: image, Files: files, Jobs: []Job{
		shell("works", "echo $WORD in $PWD; cat /sys/kernel/security/lsm; ls -l /sys/kernel/btf/vmlinux", time.Minute),
		shell("fails", "exit 7", time.Minute),
		shell("dies", "kill -SEGV $$", time.Minute),
		shell("hangs", "sleep 1000", 2*time.Second),
		{Name: "missing", Args: []string{"/bin/missing"}},
		shell("writes", "seq 20000", time.Minute),
		shell("panics", "echo last words; echo c >/proc/sysrq-trigger; sleep 60", time.Minute),
		shell("comes too late", "true", time.Minute),
	}})
	if !errors.Is(err, ErrPanic) || !strings.Contains(result.Console, "sysrq triggered crash") {
		t.Errorf("got %v, want %v; console:\n%s", err, ErrPanic, result.Console)
	}
	t.Logf("%s: booted in %s, ended after %s", result.Release, result.Boot, result.Total)
	want := []State{Exited, Exited, Killed, TimedOut, NotStarted, Exited, Unfinished, NotRun}
	for i, job := range result.Jobs {
		if job.State != want[i] {
			t.Errorf("%s: got %s, want %s", job.Name, job, want[i])
		}
	}
	works := string(result.Jobs[0].Output)
	for _, want := range []string{"here in /tmp", "bpf", "/sys/kernel/btf/vmlinux"} {
		if !strings.Contains(works, want) {
			t.Errorf("works: got %q, want %q in it", works, want)
		}
	}
	if got, want := result.Jobs[1].Code, 7; got != want {
		t.Errorf("fails: got code %d, want %d", got, want)
	}
	if got, want := bytes.Count(result.Jobs[5].Output, []byte("\n")), 20000; got != want {
		t.Errorf("writes: got %d lines, want %d", got, want)
	}
	t.Logf("20000 lines (%d bytes) took %s", len(result.Jobs[5].Output), result.Jobs[5].Duration)
}
