package test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// shell is a process that does what it is told, line by line.
type shell struct {
	t   *testing.T
	pid int
	in  io.Writer
	out *bufio.Reader
}

func startShell(t *testing.T, program string) *shell {
	t.Helper()
	cmd := exec.Command(program)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &shell{t: t, pid: cmd.Process.Pid, in: in, out: bufio.NewReader(out)}
}

// run has the shell do something, and waits until that is done. It returns what was written to standard output.
func (s *shell) run(line string) string {
	s.t.Helper()
	fmt.Fprintf(s.in, "%s\necho done\n", line)
	var said strings.Builder
	for {
		answer, err := s.out.ReadString('\n')
		if err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		if answer == "done\n" {
			return said.String()
		}
		said.WriteString(answer)
	}
}

// become makes the shell another program. What it was told meanwhile would be lost.
func (s *shell) become(program string) {
	fmt.Fprintf(s.in, "exec %s\n", program)
	for now := ""; now != program; time.Sleep(time.Millisecond) {
		now, _ = os.Readlink("/proc/" + itoa(s.pid) + "/exe")
	}
}

// processTree is processes that are there before tracing begins, and programs that leave traces by their names.
type processTree struct {
	dir                   string // where the programs are
	upper, lower, outside *shell // lower is a child of upper
}

func startTree(t *testing.T) *processTree {
	t.Helper()
	if file, _ := filepath.EvalSymlinks("/bin/sh"); filepath.Base(file) == "busybox" {
		t.Skip("the shell here is busybox, copies of which do what they are called")
	}
	p := &processTree{dir: t.TempDir()}
	copyProgram(t, "true", p.dir, "a", "b", "c", "d", "last")
	copyProgram(t, "sh", p.dir, "leader", "upper")
	p.upper, p.outside = startShell(t, filepath.Join(p.dir, "upper")), startShell(t, "/bin/sh")
	pipe := filepath.Join(p.dir, "pipe")
	p.upper.run("mkfifo " + pipe + "; sh <" + pipe + " >" + pipe + ".out & echo")
	pid := p.upper.run("exec 3>" + pipe + "; echo $!")
	in, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	p.lower = &shell{t: t, in: in}
	if _, err := fmt.Sscan(pid, &p.lower.pid); err != nil {
		t.Fatalf("pid of the child: %q", pid)
	}
	p.upper.run("exec 3>&-")
	return p
}

// copyProgram copies a program to the given names.
func copyProgram(t *testing.T, program, dir string, names ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), bytes, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// below has the child of upper do something, which it can not answer for: what it ran is awaited by its end.
func (p *processTree) below(program string) {
	fmt.Fprintf(p.lower.in, "%s/%s; : >%s/%s.ran\n", p.dir, program, p.dir, program)
	p.upper.run(fmt.Sprintf("until test -e %s/%s.ran; do :; done", p.dir, program))
}

// programs traces executions of the programs until that of the last, and returns their names in order.
func (p *processTree) programs(t *testing.T, act func(), flags ...string) string {
	t.Helper()
	f, err := filter.Parse(flags)
	if err != nil {
		t.Fatal(err)
	}
	running, err := tracer.New(tracer.Config{Events: []*events.Event{events.SchedProcessExec}, Filter: f})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	acted := make(chan struct{})
	go func() {
		defer close(acted)
		act()
	}()
	var names []string
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	for e := range running.Events(ctx) {
		path := textOf(e, "pathname")
		if e.EventName != "sched_process_exec" || filepath.Dir(path) != p.dir || !f.Match(e) {
			continue
		}
		if filepath.Base(path) == "last" {
			break
		}
		names = append(names, filepath.Base(path))
	}
	<-acted
	return strings.Join(names, " ")
}

func textOf(e *trace.Event, argument string) string {
	a, ok := e.Lookup(argument)
	if !ok {
		return ""
	}
	return strings.Clone(a.Text())
}

func TestFiltersOfProcessesKnowWhatWasThereAndWhatCame(t *testing.T) {
	p := startTree(t)
	at := func(name string) string { return filepath.Join(p.dir, name) }
	all := func(last *shell) func() {
		return func() {
			p.outside.run(at("a"))
			p.upper.run(at("b"))
			p.below("c")
			p.upper.run("sh -c 'sh -c " + at("d") + "; :'")
			last.run(at("last"))
		}
	}
	led := func() {
		p.outside.run(at("a"))
		p.outside.run(at("leader") + " -c '" + at("b") + "; sh -c \"" + at("c") + "; :\"; :'")
		p.outside.run(at("d"))
		p.outside.run(at("leader") + " -c '" + at("last") + "; :'")
	}
	upper, lower := itoa(p.upper.pid), itoa(p.lower.pid)
	for _, row := range []struct {
		name, flags, want string
		act               func()
	}{
		{"tree", "tree=" + upper, "b c d", all(p.upper)},
		{"not a tree", "tree!=" + upper, "a", all(p.outside)},
		{"a tree within", "tree=" + lower + "," + itoa(p.outside.pid), "a c", all(p.outside)},
		{"tree without one within", "tree=" + upper + " tree!=" + lower, "b d", all(p.upper)},
		{"children", "ppid=" + upper + " comm=b,last", "b", all(p.upper)},
		{"follow", "comm=leader follow", "leader b c leader", led},
		{"no follow", "comm=leader,last", "leader leader", led},
		{"executable", "executable=*/[,*/d,*/last executable!=/x/*", "d", led},
		{"not executable", "executable!=" + at("leader") + ",*/a,*/c", "b d", led},
		{"executable and follow", "executable=" + at("leader") + " follow", "leader b c leader", led},
		{"new", "pid=new", "a leader b c d leader", led},
		{"new or listed", "pid=1,new", "a leader b c d leader", led},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := p.programs(t, row.act, strings.Fields(row.flags)...); got != row.want {
				t.Errorf("%s: got %q, want %q", row.flags, got, row.want)
			}
		})
	}
}

// forkers traces forks until that of the last shell, and returns which of the shells made some.
func forkers(t *testing.T, act func(), last *shell, flags ...string) (pids []int) {
	t.Helper()
	f, err := filter.Parse(flags)
	if err != nil {
		t.Fatal(err)
	}
	running, err := tracer.New(tracer.Config{Events: []*events.Event{events.SchedProcessFork}, Filter: f})
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	go act()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	for e := range running.Events(ctx) {
		if e.EventName == "sched_process_fork" && !slices.Contains(pids, e.HostProcessID) {
			pids = append(pids, e.HostProcessID)
		}
		if e.EventName == "sched_process_fork" && e.HostProcessID == last.pid {
			return pids
		}
	}
	return pids
}

func TestProcessesThatWereThereAreNotNewUntilTheyExecute(t *testing.T) {
	p := startTree(t)
	old := forkers(t, func() { p.upper.run("(:)"); p.outside.run("(:)") }, p.outside, "pid!=new", "executable=*sh,*/upper")
	if !slices.Contains(old, p.upper.pid) {
		t.Errorf("forks of old processes: of %v, without %d", old, p.upper.pid)
	}
	fresh := forkers(t, func() { p.upper.run("(:)"); p.outside.become(p.dir + "/leader"); p.outside.run("(:)") }, p.outside,
		"pid=new", "executable="+p.dir+"/*")
	if !slices.Equal(fresh, []int{p.outside.pid}) {
		t.Errorf("forks of processes that executed: of %v, want only %d", fresh, p.outside.pid)
	}
}
