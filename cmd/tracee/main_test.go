package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tracee-go/tracee/cli"
)

var update = flag.Bool("update", false, "rewrite the help texts in the scripts")

func TestMain(m *testing.M) {
	if _, given := os.LookupEnv(allowSecond); !given {
		os.Setenv(allowSecond, "1") // tests of other packages start one, too
	}
	testscript.Main(m, map[string]func(){
		"tracee":       main,
		"tracee-ebpf":  func() { os.Exit(cli.EBPF(os.Args[1:], os.Stdout, os.Stderr)) },
		"tracee-rules": func() { os.Exit(cli.Rules(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"restrained":   restrained,
		"act":          act,
	})
}

const allowSecond = "TRACEE_ALLOW_SECOND"

func TestScripts(t *testing.T) {
	filterHelp, err := filepath.Abs("../../filter/testdata/help.golden")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Deadline:      time.Now().Add(10 * patience), // for all of them together
		Condition:     condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("FILTER_HELP", filterHelp)
			return nil
		},
	})
}

func condition(name string) (bool, error) {
	if name == "root" {
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// exits is a command for scripts: "exits <code> <program> <arguments>" runs the program and demands its exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code: got %d, want %d", got, want)
	}
}

// patience is how long tests wait for what must come; loading programs takes most of it.
const patience = 30 * time.Second

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("tracing the kernel needs root")
	}
}

// process is a running command whose output is read line by line.
type process struct {
	*exec.Cmd
	t      *testing.T
	stdout *os.File // the end to read from
	lines  *bufio.Scanner
	stderr transcript
	ended  chan error
}

// start starts a command that testscript.Main has put into the path.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	stdout, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	p := &process{Cmd: exec.Command(name, args...), t: t, stdout: stdout, ended: make(chan error, 1)}
	p.lines = bufio.NewScanner(stdout)
	p.lines.Buffer(nil, 1<<20)
	p.Stdout, p.Stderr = write, &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.ended <- p.Wait() }()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		stdout.Close()
	})
	return p
}

// line returns the next line of standard output.
func (p *process) line() string {
	p.t.Helper()
	if err := p.stdout.SetReadDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	if !p.lines.Scan() {
		p.t.Fatalf("no more output (%v); stderr: %s", p.lines.Err(), &p.stderr)
	}
	return p.lines.Text()
}

// awaitStderr waits until the text has been written to stderr.
func (p *process) awaitStderr(text string) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(p.stderr.String(), text) {
			return
		}
	}
	p.t.Fatalf("stderr: got %q, want %q in it", &p.stderr, text)
}

// exit waits for the end of the process, demands its exit code, and that it did not crash. What it still prints is read:
// it ends when all is told.
func (p *process) exit(want int, within time.Duration) {
	p.t.Helper()
	if p.stdout.SetReadDeadline(time.Time{}) == nil { // it was not closed
		go func() { _, _ = io.Copy(io.Discard, p.stdout) }()
	}
	select {
	case <-p.ended:
	case <-time.After(within):
		_ = p.Process.Signal(syscall.SIGQUIT) // the Go runtime then says what each goroutine waits for
		select {
		case <-p.ended:
		case <-time.After(patience):
		}
		p.t.Fatalf("still running after %v; stderr: %s", within, &p.stderr)
	}
	if got := p.ProcessState.ExitCode(); got != want {
		p.t.Errorf("exit: got %v, want code %d; stderr: %s", p.ProcessState, want, &p.stderr)
	}
	if strings.Contains(p.stderr.String(), "goroutine") {
		p.t.Errorf("stderr has a stack trace: %s", &p.stderr)
	}
}

// transcript collects what a process writes.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *transcript) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *transcript) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

const (
	ready = "; ready in "
	soon  = 20 * time.Second // a tenth of a second, where nothing else runs
)

// losses are told however quiet the end is: a busy machine may not read in time.
var losses = regexp.MustCompile(`(?m)^lost \d+ events?\n`)

func TestClosedOutputEndsTraceeEBPFQuietly(t *testing.T) {
	needRoot(t)
	stir(t)
	for _, format := range []string{"table", "json", "gob"} {
		t.Run(format, func(t *testing.T) {
			p := start(t, "tracee-ebpf", "--output", format)
			// More than a header, so that all is attached.
			if _, err := io.ReadFull(p.stdout, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			p.stdout.Close()
			p.exit(1, soon)
			if got := losses.ReplaceAllString(p.stderr.String(), ""); got != "" {
				t.Errorf("stderr: got %q, want nothing", got)
			}
		})
	}
}

func TestOutputThatWasNeverOpenEndsTraceeEBPFQuietly(t *testing.T) {
	needRoot(t)
	stir(t)
	for _, format := range []string{"table", "json"} {
		p := start(t, "tracee-ebpf", "--output", format)
		p.stdout.Close()
		p.exit(1, patience)
		if got := losses.ReplaceAllString(p.stderr.String(), ""); got != "" {
			t.Errorf("%s: stderr: got %q, want nothing", format, got)
		}
	}
}

func TestClosedOutputEndsTraceeAtItsNextFinding(t *testing.T) {
	needRoot(t)
	for _, format := range []string{"text", "json"} {
		p := start(t, "tracee", "--output", format)
		p.awaitStderr(ready)
		p.stdout.Close()
		perform(t, "ptrace")
		p.exit(1, soon)
		if got := p.stderr.String(); !strings.Contains(got, " seen, ") || strings.Contains(got, "pipe") {
			t.Errorf("%s: stderr: got %q, want the summary and nothing about pipes", format, got)
		}
	}
}

// A descriptor that is closed when a program starts is /dev/null to it: the Go runtime sees to that, so that no map of
// the kernel's becomes its standard output.
func TestClosedDescriptorsAreHarmless(t *testing.T) {
	needRoot(t)
	p := start(t, "sh", "-c", "exec tracee >&- <&-")
	p.awaitStderr(ready)
	perform(t, "ptrace")
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.exit(0, patience)
}

func TestSignalsEndTraceeEBPFWithAnEpilogue(t *testing.T) {
	needRoot(t)
	stir(t)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			p := start(t, "tracee-ebpf", "--trace", "event=openat,close")
			header, first := p.line(), p.line()
			if !strings.HasPrefix(header, "TIME ") || first == "" {
				t.Errorf("got %q, then %q", header, first)
			}
			programs := p.programs()
			if err := p.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			var last []string
			for p.lines.Scan() {
				last = append(last, p.lines.Text())
				last = last[max(0, len(last)-3):]
			}
			p.exit(0, soon)
			if len(last) < 3 || last[0] != "" || last[1] != "End of events stream" ||
				!strings.HasPrefix(last[2], "Stats: {EventCount:") {
				t.Errorf("the last lines: got %q", last)
			}
			checkGone(t, programs)
		})
	}
}

func TestSignalsEndTraceeWithASummary(t *testing.T) {
	needRoot(t)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			p := start(t, "tracee")
			p.awaitStderr(ready)
			perform(t, "ptrace")
			p.line()
			programs := p.programs()
			if err := p.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			p.exit(0, soon)
			for _, want := range []string{" events seen, ", " finding", " lost"} {
				if !strings.Contains(p.stderr.String(), want) {
					t.Errorf("stderr: got %q, want %q in it", &p.stderr, want)
				}
			}
			checkGone(t, programs)
		})
	}
}

// timeout(1) signals its child, and then the group in which it is.
func TestTwoSignalsAtOnceAreOne(t *testing.T) {
	needRoot(t)
	p := start(t, "tracee")
	p.awaitStderr(ready)
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		if err := p.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	p.exit(0, soon)
	if got := p.stderr.String(); !strings.Contains(got, " lost") {
		t.Errorf("stderr: got %q, want the summary in it", got)
	}
}

// What it takes to load is several times as much.
func TestMemoryIsGivenBackWhenReady(t *testing.T) {
	needRoot(t)
	const limit = 40 << 10 // KiB
	p := start(t, "tracee")
	p.awaitStderr(ready)
	own := 0
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if own = p.status("RssAnon"); own < limit {
			return
		}
	}
	t.Errorf("memory of its own: got %d KiB, want less than %d", own, limit)
}

// status reads a number of /proc/<pid>/status.
func (p *process) status(field string) (n int) {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), field+":")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		p.t.Fatalf("%s: %v", field, err)
	}
	return n
}

func TestTwoCapabilitiesAreEnough(t *testing.T) {
	needRoot(t)
	p := start(t, "restrained", "two-capabilities", "tracee", "--output", "json")
	p.awaitStderr(ready)
	perform(t, "ptrace")
	p.line()
	// To look into the kernel's memory for rootkits takes CAP_SYSLOG, too, and to look at packets CAP_NET_ADMIN. Some kernels
	// have no modules.
	more := regexp.MustCompile(`hooked_|hidden_kernel_module|ftrace_hook|print_|event=module_load|event=net_packet_`)
	for line := range strings.Lines(p.stderr.String()) {
		if strings.Contains(line, "left out") && !more.MatchString(line) {
			t.Errorf("stderr: got %q, want all events but those about packets and the kernel's memory", line)
		}
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.exit(0, patience)
}

// programs lists the BPF programs that the process has loaded or attached.
func (p *process) programs() []ebpf.ProgramID {
	p.t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", p.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	var ids []ebpf.ProgramID
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // closed meanwhile
		}
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, "prog_id:"); ok {
				id, err := strconv.Atoi(strings.TrimSpace(value))
				if err != nil {
					p.t.Fatal(err)
				}
				ids = append(ids, ebpf.ProgramID(id))
			}
		}
	}
	if len(ids) == 0 {
		p.t.Error("a tracing process has no BPF programs")
	}
	return ids
}

// checkGone waits for the programs to be freed, which the kernel does after a grace period.
func checkGone(t *testing.T, ids []ebpf.ProgramID) {
	t.Helper()
	for _, id := range ids {
		for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			program, err := ebpf.NewProgramFromID(id)
			if errors.Is(err, os.ErrNotExist) {
				break
			}
			if err == nil {
				program.Close()
			}
			if time.Now().After(end) {
				t.Fatalf("program %d is still loaded (%v)", id, err)
			}
		}
	}
}
