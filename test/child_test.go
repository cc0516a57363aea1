package test

import (
	"encoding/gob"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/tracee-go/tracee/types/trace"
)

// child is a process that performs one action; see actor for its own view.
type child struct {
	t      testing.TB
	cmd    *exec.Cmd
	pid    int
	comm   string
	begin  *os.File
	report *os.File
}

// spawn starts a child, which waits until it is released.
func spawn(t testing.TB, action string) *child {
	t.Helper()
	begin, release, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	report, send, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	// Without signals of its runtime, which would interrupt calls: those are seen with the kernel's own -ERESTARTSYS,
	// and once more when they are restarted.
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1", actionVariable+"="+action, hostVariable+"="+hostName())
	cmd.ExtraFiles = []*os.File{begin, send}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUTS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begin.Close()
	send.Close()
	c := &child{t: t, cmd: cmd, pid: cmd.Process.Pid, begin: release, report: report}
	t.Cleanup(c.kill)
	if _, err := io.ReadFull(report, make([]byte, 1)); err != nil {
		t.Fatalf("child for %s did not start: %v", action, err)
	}
	name, err := os.ReadFile("/proc/" + itoa(c.pid) + "/comm")
	if err != nil {
		t.Fatal(err)
	}
	c.comm = strings.TrimSuffix(string(name), "\n")
	return c
}

// release lets the child act, in an empty directory.
func (c *child) release(count int, rungs map[string]trace.Rung) (dir string) {
	c.t.Helper()
	todo := instructions{Dir: c.t.TempDir(), Rungs: rungs, Count: count, CalledBack: calledBack()}
	if err := os.Chmod(todo.Dir, 0o777); err != nil {
		c.t.Fatal(err)
	}
	if err := gob.NewEncoder(c.begin).Encode(todo); err != nil {
		c.t.Fatal(err)
	}
	c.begin.Close()
	return todo.Dir
}

// finish waits for the child to end and returns what it says.
func (c *child) finish() findings {
	c.t.Helper()
	var found findings
	if err := gob.NewDecoder(c.report).Decode(&found); err != nil {
		c.t.Fatalf("the child ended without a word: %v, %v", err, c.cmd.Wait())
	}
	c.report.Close()
	// How it ends is the action's business: it may have executed something else, or killed itself.
	_ = c.cmd.Wait()
	if found.Error != "" {
		c.t.Fatalf("child: %s", found.Error)
	}
	return found
}

func (c *child) kill() {
	c.begin.Close()
	c.report.Close()
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}
