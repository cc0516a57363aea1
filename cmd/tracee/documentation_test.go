package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/ptytest"
)

// elsewhere are the first words of commands that are not run here, and why.
var elsewhere = map[string]string{
	"make": "it runs the tests", "go": "it builds, or runs the tests", "docker": "TestImageWatchesTheMachineAroundIt, in test/",
	"apt": "run on a fresh Debian by a test in packaging/", "systemctl": "as apt", "journalctl": "as apt", "sha256sum": "as apt", "tar": "as apt",
	"./tracee": "as apt", "dnf": "there is no Fedora here", "kubectl": "there is no cluster; tests in packaging/ decode the manifests",
	"helm": "as kubectl; the chart is rendered",
}

var (
	shellBlock = regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```")
	goesOn     = regexp.MustCompile(`(?: ?\\\n\s*|( \|)\n\s*)`)
	assignment = regexp.MustCompile(`^\w+=`)

	// theirs are paths that belong to users: they are put below the directory of the test.
	theirs = regexp.MustCompile(`([\s:='"/])/(etc/tracee|var/log|var/lib/tracee|tmp)\b`)

	// recordings are files that a command fills.
	recordings = regexp.MustCompile(`(?: > |out-file:)(\S+)`)
)

// blocksOf are the lines of a page's blocks of commands; what goes on in the next line is one.
func blocksOf(t *testing.T, page string) (blocks [][]string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		var lines []string
		for line := range strings.Lines(goesOn.ReplaceAllString(m[1], "$1 ")) {
			if line = strings.TrimSpace(line); line != "" {
				lines = append(lines, line)
			}
		}
		blocks = append(blocks, lines)
	}
	return blocks
}

// reader is somebody who tries what a page says, at a terminal, in a directory and a network of his own.
type reader struct {
	t      *testing.T
	dir    string
	sensor *tried // that goes on
}

// tried is a command line at work.
type tried struct {
	line   string
	shell  *exec.Cmd
	stderr transcript
	ended  chan error
}

func newReader(t *testing.T) *reader {
	t.Helper()
	runtime.LockOSThread() // for good: what is started from here is in its network
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	execute(t, exec.Command("ip", "link", "set", "lo", "up"))
	execute(t, exec.Command("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"))
	r := &reader{t: t, dir: t.TempDir()}
	event := `{"timestamp":1700000000000000000,"processId":7,"processName":"strace","eventId":"101","eventName":"ptrace",` +
		`"args":[{"name":"request","type":"string","value":"PTRACE_TRACEME"}]}` + "\n"
	rule := "kind: Signatures\napiVersion: tracee/v1\nsignatures:\n- id: MINE-1\n  name: It asks to be traced\n" +
		"  severity: low\n  match: {event: ptrace, when: \"args.request == 'PTRACE_TRACEME'\"}\n"
	for path, content := range map[string]string{
		"bin/sudo": "#!/bin/sh\nexec \"$@\"\n", "bin/pidof": "#!/bin/sh\necho 1\n", "my.yaml": "repeats: 10m\n",
		"etc/tracee/hook.headers": "Authorization: Bearer word\n", "var/log/tracee/none": "",
		"var/lib/tracee/none": "", "tmp/tracee/out/manifest.jsonl": "{}\n", "events.json": event, "tmp/events.json": event,
		"DIR/mine.yaml": rule, "etc/tracee/rules/mine.yaml": rule,
		"DIR/testdata/MINE-1.yaml": "- name: it asks\n  events:\n  - {event: ptrace, args: {request: PTRACE_TRACEME}}\n  want: [\"map[]\"]\n",
	} {
		path = filepath.Join(r.dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, exec.Command("gzip", "--keep", filepath.Join(r.dir, "events.json")))
	dist := filepath.Join(r.dir, "dist")
	if err := os.Mkdir(dist, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tracee", "tracee-ebpf", "tracee-rules"} {
		path, err := exec.LookPath(name)
		if err = errors.Join(err, os.Symlink(path, filepath.Join(dist, name))); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// named are files that a page shows, each below its name.
var named = regexp.MustCompile("(?ms)^`([a-z]+\\.yaml)`:\n\n```yaml\n(.*?)^```$")

// writeFiles makes the files that a page shows.
func (r *reader) writeFiles(page string) {
	r.t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, file := range named.FindAllSubmatch(text, -1) {
		if err := os.WriteFile(filepath.Join(r.dir, string(file[1])), file[2], 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
}

// interpreter is the shell for a line, with what comes before it.
func interpreter(line string) []string {
	switch {
	case strings.Contains(line, "completion zsh"):
		return []string{"zsh", "-c", "autoload -U compinit; compinit -u -D; "}
	case strings.Contains(line, "completion fish"):
		return []string{"fish", "-c", ""}
	default:
		return []string{"bash", "-o", "pipefail", "-c", ""}
	}
}

// try does what a line says. A sensor goes on until the next command of ours; what others do is done beside it.
func (r *reader) try(line string) {
	r.t.Helper()
	words := strings.Fields(line)
	for words[0] == "sudo" || assignment.MatchString(words[0]) {
		words = words[1:]
	}
	if elsewhere[words[0]] != "" {
		return
	}
	if strings.HasPrefix(filepath.Base(words[0]), "tracee") {
		r.end()
	}
	with := interpreter(line)
	for _, name := range []string{with[0], words[0]} {
		if _, err := exec.LookPath(name); err != nil && !strings.HasPrefix(name, "dist/") && name != "source" {
			r.t.Logf("%s: %s is not installed", line, name)
			return
		}
	}
	script := theirs.ReplaceAllString(strings.ReplaceAll(line, " ID", " MINE-1"), "$1"+r.dir+"/$2")
	with[len(with)-1] += script
	c := r.start(line, with)
	for limit := time.Now().Add(2 * patience); ; time.Sleep(100 * time.Millisecond) {
		select {
		case err := <-c.ended:
			var exit *exec.ExitError
			if nothing := errors.As(err, &exit) && exit.ExitCode() == 1 && strings.Contains(line, "| grep "); err != nil && !nothing {
				r.failed(line, err, c.stderr.String())
			}
			return
		default:
		}
		if len(c.sensors(true)) > 0 {
			break
		}
		if time.Now().After(limit) {
			r.t.Fatalf("%s\nneither ends nor begins to trace: %s", line, &c.stderr)
		}
	}
	r.sensor = c
	for _, m := range recordings.FindAllStringSubmatch(script, -1) {
		r.fill(line, m[1])
	}
}

// lacking are reasons for which a command may end that are none of the documentation's: what this kernel or machine is without.
var lacking = regexp.MustCompile(`is not available on this kernel: |crio\.sock: no such file`)

func (r *reader) failed(line string, err error, stderr string) {
	r.t.Helper()
	if lacking.MatchString(stderr) {
		r.t.Logf("%s\n%s", line, stderr)
		return
	}
	r.t.Errorf("%s\n%v: %s", line, err, stderr)
}

// start starts a shell at a terminal.
func (r *reader) start(line string, with []string) *tried {
	r.t.Helper()
	person, program := ptytest.Open(r.t)
	go func() { _, _ = io.Copy(io.Discard, person) }()
	ctx, cancel := context.WithCancel(r.t.Context())
	r.t.Cleanup(cancel)
	c := &tried{line: line, shell: exec.CommandContext(ctx, with[0], with[1:]...), ended: make(chan error, 1)}
	c.shell.Dir, c.shell.Stdin, c.shell.Stdout, c.shell.Stderr = r.dir, program, program, &c.stderr
	c.shell.Env = append(os.Environ(), "PATH="+r.dir+"/bin:"+r.dir+"/dist:"+os.Getenv("PATH"), "TERM=xterm")
	c.shell.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	c.shell.Cancel = func() error { return unix.Kill(-c.shell.Process.Pid, unix.SIGKILL) }
	if err := c.shell.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() { c.ended <- c.shell.Wait() }()
	return c
}

// fill does what signatures look for, until a file has something.
func (r *reader) fill(line, path string) {
	r.t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.dir, path)
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		perform(r.t, "ptrace")
		execute(r.t, exec.Command("sh", "-c", "cat /etc/hosts; true"))
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return
		}
	}
	r.t.Errorf("%s\n%s stays empty", line, path)
}

// end ends the sensor that goes on.
func (r *reader) end() {
	r.t.Helper()
	c := r.sensor
	if c == nil {
		return
	}
	r.sensor = nil
	for _, pid := range c.sensors(false) {
		_ = unix.Kill(pid, unix.SIGINT)
	}
	select {
	case err := <-c.ended:
		if err != nil {
			r.t.Errorf("%s\n%v: %s", c.line, err, &c.stderr)
		}
	case <-time.After(patience):
		r.t.Fatalf("%s\nit does not end: %s", c.line, &c.stderr)
	}
}

// sensors are the processes of the line that trace, or only those that do so already: they have given something up then.
func (c *tried) sensors(ready bool) (pids []int) {
	own, _ := os.ReadFile("/proc/self/status")
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		stat, _ := os.ReadFile(file)
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 4 || fields[3] != strconv.Itoa(c.shell.Process.Pid) { // the session
			continue
		}
		command, _ := os.ReadFile(filepath.Dir(file) + "/cmdline")
		name, _, _ := strings.Cut(string(command), "\x00")
		if name = filepath.Base(name); name != "tracee" && name != "tracee-ebpf" {
			continue
		}
		status, _ := os.ReadFile(filepath.Dir(file) + "/status")
		if ready && field(status, "Seccomp") != "2" && field(status, "CapBnd") == field(own, "CapBnd") {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(string(stat), &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// field is a line of /proc/<pid>/status.
func field(status []byte, name string) string {
	_, rest, _ := strings.Cut(string(status), name+":")
	value, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(value)
}

func TestCommandsOfTheDocumentationRun(t *testing.T) {
	needRoot(t)
	if testing.Short() {
		t.Skip("the documentation has many commands")
	}
	pages := []string{"../../README.md", "../../CONTRIBUTING.md"}
	for _, pattern := range []string{"../../docs/*.md", "../../docs/guide/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	lines := 0
	for _, page := range pages {
		blocks := blocksOf(t, page)
		for _, block := range blocks {
			lines += len(block)
		}
		if len(blocks) == 0 {
			continue
		}
		t.Run(filepath.Base(page), func(t *testing.T) {
			r := newReader(t)
			r.writeFiles(page)
			for _, block := range blocks {
				for _, line := range block {
					if filepath.Base(page) == "evidence.md" && strings.HasPrefix(line, "sudo") {
						continue // TestTheCommandsOfTheGuideWork, which gives them a directory
					}
					r.try(line)
				}
				r.end()
			}
		})
	}
	if lines < 100 {
		t.Errorf("only %d commands were found", lines)
	}
	_ = os.Remove("/dev/shm/true") // of the quick start
}
