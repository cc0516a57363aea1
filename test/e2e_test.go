package test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// disguises are what the test binary does under the name of another program.
var disguises = map[string]func() error{
	"strace": func() error {
		// A signal would stop the traced thread for ever, and the runtime of Go sends some: to preempt.
		runtime.LockOSThread()
		var all unix.Sigset_t
		for i := range all.Val {
			all.Val[i] = ^uint64(0)
		}
		if err := unix.PthreadSigmask(unix.SIG_BLOCK, &all, nil); err != nil {
			return err
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_PTRACE, unix.PTRACE_TRACEME, 0, 0); errno != 0 {
			return errno
		}
		return nil
	},
	"zsh":      func() error { return unix.Exec("/bin/true", []string{"/bin/true"}, os.Environ()) },
	"opener":   openAndWait,
	"flooder":  openOften,
	"recorded": actForRecord,
}

func init() {
	act, ok := disguises[filepath.Base(os.Args[0])]
	if !ok {
		return
	}
	if err := act(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// disguised runs the test binary under another name, and returns its process id.
func disguised(t *testing.T, name string) (pid int) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(binary, path); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, output)
	}
	return command.Process.Pid
}

// growing collects what a process writes.
type growing struct {
	mu   sync.Mutex
	text []byte
}

func (g *growing) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.text = append(g.text, p...)
	return len(p), nil
}

func (g *growing) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return string(g.text)
}

// commandLine is one command of a pipeline, or several.
type commandLine struct {
	t      *testing.T
	parts  []*exec.Cmd
	stdout growing // of the last
	stderr growing // of all
}

// run starts commands, each of which reads what the one before it writes.
func run(t *testing.T, dir string, lines ...string) *commandLine {
	t.Helper()
	c := &commandLine{t: t}
	var upstream *os.File
	for i, line := range lines {
		words := strings.Fields(line)
		part := exec.Command(filepath.Join(dir, words[0]), words[1:]...)
		part.Stdout, part.Stderr = &c.stdout, &c.stderr
		if upstream != nil {
			part.Stdin = upstream
		}
		if i < len(lines)-1 {
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			part.Stdout = write
			upstream = read
			// The commands have their own by then, and would never see the end of each other's with ours open.
			defer read.Close()
			defer write.Close()
		}
		if err := part.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = part.Process.Kill() })
		c.parts = append(c.parts, part)
	}
	return c
}

// await provokes something again and again, until the output has a match; the commands do not say when they are ready.
func (c *commandLine) await(want *regexp.Regexp, provoke func()) {
	c.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		provoke()
		if c.grows(want, 0, 200*time.Millisecond) {
			return
		}
	}
	c.t.Fatalf("no match for %s; stdout: %.2000s; stderr: %s", want, &c.stdout, &c.stderr)
}

// grows waits until the output has more matches than before.
func (c *commandLine) grows(want *regexp.Regexp, before int, within time.Duration) bool {
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if c.matches(want) > before {
			return true
		}
	}
	return false
}

func (c *commandLine) matches(want *regexp.Regexp) int {
	return len(want.FindAllStringIndex(c.stdout.String(), -1))
}

// awaitSoon demands that a match appears within a second. The machine may be busy with something else once or twice.
func (c *commandLine) awaitSoon(want *regexp.Regexp, provoke func()) {
	c.t.Helper()
	for range 3 {
		before := c.matches(want)
		provoke()
		if c.grows(want, before, time.Second) {
			return
		}
	}
	c.t.Errorf("no match for %s within a second", want)
}

// interrupt ends the first command, and so the others.
func (c *commandLine) interrupt() {
	c.t.Helper()
	if err := c.parts[0].Process.Signal(os.Interrupt); err != nil {
		c.t.Fatal(err)
	}
	for _, part := range c.parts {
		if err := part.Wait(); err != nil {
			c.t.Errorf("%s: %v; stderr: %s", part, err, &c.stderr)
		}
	}
}

// TestCommands uses the commands as a user does: in a shell, piped together.
func TestCommands(t *testing.T) {
	dir := buildCommands(t, "../cmd/...")
	t.Run("pipeline", func(t *testing.T) { testPipeline(t, dir) })
	t.Run("table", func(t *testing.T) { testTable(t, dir) })
	t.Run("json", func(t *testing.T) { testJSON(t, dir) })
	t.Run("options", func(t *testing.T) { testOptions(t, dir) })
	t.Run("formats", func(t *testing.T) { testFormats(t, dir) })
	t.Run("cache", func(t *testing.T) { testCache(t, dir) })
	t.Run("tracee", func(t *testing.T) { testTracee(t, dir) })
}

// testPipeline pipes events into the rules: the two commands are told about strace's trick as soon as it is played.
func testPipeline(t *testing.T, dir string) {
	list, err := exec.Command(filepath.Join(dir, "tracee-rules"), "--list-events").Output()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	finding := regexp.MustCompile(`\n\*\*\* Detection \*\*\*
Time: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ
Signature ID: TRC-2
Signature: Anti-Debugging
Data: map\[\]
Command: strace
Hostname: ` + regexp.QuoteMeta(host[:min(len(host), 15)]) + "\n")
	selection := "--trace event=" + strings.TrimSpace(string(list))
	for _, test := range []struct{ name, flags, format string }{
		{"gob", "--output option:parse-arguments " + selection, "gob"},
		{"json", "--output option:parse-arguments " + selection, "json"},
		{"the default set", "", "gob"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := run(
				t, dir,
				"tracee-ebpf --output format:"+test.format+" "+test.flags,
				"tracee-rules --input-tracee file:stdin --input-tracee format:"+test.format,
			)
			strace := func() { disguised(t, "strace") }
			c.await(finding, strace)
			c.awaitSoon(finding, strace)
			c.interrupt()
			if got := c.stdout.String(); !strings.HasPrefix(got, "Loaded ") {
				t.Errorf("stdout begins with %.100q", got)
			}
			if got := c.stderr.String(); !strings.Contains(got, ", 0 bad records") {
				t.Errorf("stderr: got %q, want 0 bad records", got)
			}
		})
	}
}

const tableHeader = "TIME             UID    COMM             PID     TID     RET              EVENT                ARGS"

func testTable(t *testing.T, dir string) {
	c := run(t, dir, "tracee-ebpf --trace comm=zsh --trace event=execve")
	pids := map[int]bool{}
	row := regexp.MustCompile(`(?m)^.* zsh .*$`)
	c.await(row, func() { pids[disguised(t, "zsh")] = true })
	c.interrupt()
	lines := strings.Split(c.stdout.String(), "\n")
	if lines[0] != tableHeader {
		t.Errorf("the header:\ngot  %q\nwant %q", lines[0], tableHeader)
	}
	var wanted []string
	for pid := range pids {
		wanted = append(wanted, fmt.Sprintf("%-6d %-16s %-7d %-7d %-16d %-20s %s", os.Getuid(), "zsh", pid, pid, 0, "execve",
			"pathname: /bin/true, argv: [/bin/true]"))
	}
	found := false
	rows := lines[1:max(1, slices.Index(lines, ""))] // until the epilogue
	for _, line := range rows {
		if !regexp.MustCompile(`^\d\d:\d\d:\d\d:\d{6}  .{6} zsh  .* execve  `).MatchString(line) {
			t.Errorf("not about zsh and execve: %q", line)
		}
		found = found || len(line) > 17 && slices.Contains(wanted, line[17:])
	}
	if !found {
		t.Errorf("got %q, want a time and one of %q", rows, wanted)
	}
}

// eventFields are the keys of an event in v0.8, in their order.
var eventFields = []string{
	"timestamp", "threadStartTime", "processorId", "processId", "cgroupId", "threadId", "parentProcessId",
	"hostProcessId", "hostThreadId", "hostParentProcessId", "userId", "mountNamespace", "pidNamespace", "processName",
	"hostName", "containerId", "containerImage", "containerName", "podName", "podNamespace", "podUID", "eventId",
	"eventName", "argsNum", "returnValue", "stackAddresses", "contextFlags", "args",
}

func testJSON(t *testing.T, dir string) {
	c := run(t, dir, "tracee-ebpf --trace comm=zsh --trace event=execve --output json")
	c.await(regexp.MustCompile("\n"), func() { disguised(t, "zsh") })
	c.interrupt()
	line, _, _ := strings.Cut(c.stdout.String(), "\n")
	if got := keys(t, line); !slices.Equal(got[:min(len(got), len(eventFields))], eventFields) {
		t.Errorf("the fields:\ngot  %q\nwant %q", got, eventFields)
	}
	const want = `"args":[{"name":"pathname","type":"const char*","value":"/bin/true"},` +
		`{"name":"argv","type":"const char*const*","value":["/bin/true"]}]`
	if !strings.Contains(line, want) {
		t.Errorf("got %s, want %s in it", line, want)
	}
}

// keys lists the keys of a JSON object in the order in which they stand there.
func keys(t *testing.T, object string) []string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(object))
	if _, err := decoder.Token(); err != nil {
		t.Fatalf("%v: %s", err, object)
	}
	var found []string
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			t.Fatalf("%v: %s", err, object)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%v: %s", err, object)
		}
		found = append(found, fmt.Sprint(key))
	}
	return found
}

func testTracee(t *testing.T, dir string) {
	c := run(t, dir, "tracee --output json")
	finding := regexp.MustCompile(`(?m)^\{.*"id":"TRC-2".*"processName":"strace".*\}$`)
	strace := func() { disguised(t, "strace") }
	c.await(finding, strace)
	c.awaitSoon(finding, strace)
	c.interrupt()

	line := finding.FindString(c.stdout.String())
	if got, want := keys(t, line), []string{"time", "signature", "data", "event", "process", "ancestors"}; !slices.Equal(got, want) {
		t.Errorf("the fields: got %q, want %q", got, want)
	}
	var f struct {
		Time      time.Time
		Signature struct {
			ID, Name   string
			Properties map[string]any
		}
		Event json.RawMessage
	}
	if err := json.Unmarshal([]byte(line), &f); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	if age := time.Since(f.Time); age < 0 || age > patience {
		t.Errorf("the time of the finding: got %v, %v ago", f.Time, age)
	}
	if f.Signature.Name != "Anti-Debugging" || f.Signature.Properties["Severity"] == nil {
		t.Errorf("the signature: got %+v", f.Signature)
	}
	if got := keys(t, string(f.Event)); !slices.Equal(got[:min(len(got), len(eventFields))], eventFields) {
		t.Errorf("the event: got %q, want %q", got, eventFields)
	}
}
