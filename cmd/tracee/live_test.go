package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// numbered is where the descriptors of the numbered calls begin: nobody has such.
const numbered = 1 << 20

// callers close descriptors that are numbers, each once, and between them one that is always the same, until told to stop.
type callers struct {
	stop atomic.Bool
	wait sync.WaitGroup
	made [2]int // by thread
}

func (c *callers) start() {
	for i := range c.made {
		c.wait.Go(func() {
			runtime.LockOSThread()
			for n := 0; !c.stop.Load(); n++ {
				_ = unix.Close(numbered + i<<28 + n)
				_ = unix.Close(numbered - 1 - i)
				c.made[i] = n + 1
				if n%8 == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
}

// rename writes a file as editors and installers do: another takes its name.
func rename(t *testing.T, path, content string) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

const numberedPolicy = "name: numbered\nscope: [pid=%d]\nrules:\n- event: close\n  filters: [args.fd>=%d]\n- event: dup3\n  filters: [args.oldfd=%d]\n"

// numbers are the descriptors that events of close name, and how often each came.
type numbers struct {
	times map[int]int
	lost  int // records of losses
}

// readNumbers reads events until their end.
func (p *process) readNumbers() numbers {
	seen := numbers{times: map[int]int{}}
	for p.lines.Scan() {
		var e struct {
			EventName string
			Args      []struct {
				Name  string
				Value json.RawMessage
			}
		}
		if json.Unmarshal(p.lines.Bytes(), &e) != nil {
			continue
		}
		if e.EventName == "lost_events" {
			seen.lost++
		}
		if e.EventName == "close" {
			var fd int
			_ = json.Unmarshal(e.Args[0].Value, &fd)
			seen.times[fd]++
		}
	}
	return seen
}

func TestNoEventIsLostOrDoubledByReloads(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "p.yaml")
	write := func(n int) { rename(t, path, fmt.Sprintf(numberedPolicy, os.Getpid(), numbered-2, n)) }
	write(0)
	p := start(t, "tracee", "--policy", path, "--output", "json")
	p.awaitStderr("ready in")
	total := make(chan numbers, 1)
	go func() { total <- p.readNumbers() }()
	var c callers
	c.start()
	const reloads = 3
	for i := 1; i <= reloads; i++ {
		write(i)
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.awaitReloads(i)
	}
	c.stop.Store(true)
	c.wait.Wait()
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	got := <-total
	if got.lost > 0 {
		t.Skipf("the rings were full: %s", &p.stderr)
	}
	wrong, same := 0, 0
	for i, made := range c.made {
		for n := range made {
			if times := got.times[numbered+i<<28+n]; times != 1 {
				if wrong++; wrong < 10 {
					t.Errorf("number %d of thread %d came %d times", n, i, times)
				}
			}
		}
		if times := got.times[numbered-1-i]; times != made {
			t.Errorf("thread %d: %d of %d calls that are all the same came", i, times, made)
		}
		same += made
	}
	t.Logf("%d numbers and as many calls that are the same, %d wrong, over %d reloads: %s", same, wrong, reloads, &p.stderr)
}

func TestBrokenChangeLeavesWhatWasInForce(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "p.yaml")
	good := fmt.Sprintf(numberedPolicy, os.Getpid(), numbered, 0)
	rename(t, path, good)
	p := start(t, "tracee", "--policy", path, "--output", "json")
	p.awaitStderr("ready in")
	rename(t, path, good+"rulez: []\n")
	p.awaitStderr("was not reloaded")
	p.awaitStderr(`unknown field "rulez" (did you mean rules?)`)
	_ = unix.Close(numbered + 1)
	if line := p.line(); !strings.Contains(line, `"matchedPolicies":["numbered"]`) {
		t.Errorf("got %s", line)
	}
	rename(t, path, strings.Replace(good, "numbered", "renamed", 1))
	p.awaitStderr("was reloaded")
	_ = unix.Close(numbered + 2)
	if line := p.line(); !strings.Contains(line, `"matchedPolicies":["renamed"]`) {
		t.Errorf("got %s", line)
	}
}

// keptRules stay the same: each numbered open is found, and one that follows on another.
const keptRules = `kind: Signatures
apiVersion: tracee/v1
signatures:
- id: MINE-1
  name: Numbered
  severity: low
  match:
    event: openat
    when: args.pathname.startsWith('/nowhere/n-')
  data: {path: args.pathname}
- id: MINE-2
  name: One after the other
  severity: low
  per: process
  within: 600s
  sequence:
  - {event: openat, when: args.pathname == '/nowhere/first'}
  - {event: openat, when: args.pathname == '/nowhere/second'}
`

// changingRules ask for other programs each time.
const changingRules = `kind: Signatures
apiVersion: tracee/v1
signatures:
- id: MINE-3
  name: Read
  severity: low
  match:
    event: security_file_open
    when: args.pathname in ['%s', '/nowhere/%d']
`

const changingException = `kind: Exceptions
apiVersion: tracee/v1
exceptions:
- {signature: MINE-3, reason: it is a test, owner: tests, expires: 2099-01-01, executable: {path: %s}}
`

// awaitReloads waits for so many in all.
func (p *process) awaitReloads(n int) {
	p.t.Helper()
	for end := time.Now().Add(2 * patience); strings.Count(p.stderr.String(), "configuration was reloaded") < n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) || strings.Contains(p.stderr.String(), "was not reloaded") {
			p.t.Fatalf("not reloaded: %s", &p.stderr)
		}
	}
}

// open tries to open a file that is not there.
func open(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Open(path); !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// findings are the ids of what is found, those of numbered ones with their paths.
type findings struct {
	*process
	mu   sync.Mutex
	list []string
}

// collect reads all the time, so that tracee never waits.
func collect(p *process) *findings {
	f := &findings{process: p}
	go func() {
		for p.lines.Scan() {
			var one struct {
				Signature struct{ ID string }
				Data      struct{ Path string }
			}
			if json.Unmarshal(p.lines.Bytes(), &one) == nil {
				f.mu.Lock()
				f.list = append(f.list, one.Signature.ID+one.Data.Path)
				f.mu.Unlock()
			}
		}
	}()
	return f
}

// until takes what was found until a certain finding.
func (f *findings) until(last string) (found []string) {
	f.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		f.mu.Lock()
		i := slices.Index(f.list, last)
		if i >= 0 {
			found, f.list = f.list[:i+1], f.list[i+1:]
		}
		f.mu.Unlock()
		if i >= 0 {
			return found
		}
	}
	f.t.Fatalf("%s was not found: %s", last, &f.stderr)
	return nil
}

func TestRulesAndExceptionsChangeWithoutLosingOrDoublingFindings(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	changing, exceptions := filepath.Join(dir, "changing.yaml"), filepath.Join(dir, "exceptions.yaml")
	rename(t, filepath.Join(dir, "kept.yaml"), keptRules)
	secret := filepath.Join(t.TempDir(), "secret") // that nobody else reads
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rename(t, changing, fmt.Sprintf(changingRules, secret, 0))
	p := start(t, "tracee", "--config", os.DevNull, "--rules-dir", dir, "--rules", "MINE-1", "--rules", "MINE-2", "--rules", "MINE-3",
		"--repeats", "0", "--output", "json")
	p.awaitStderr(ready)
	found := collect(p)
	open(t, "/nowhere/first")
	var want []string
	number := func() (finding string) {
		path := fmt.Sprintf("/nowhere/n-%d", len(want))
		open(t, path)
		want = append(want, "MINE-1"+path)
		return "MINE-1" + path
	}
	const reloads = 2
	for i := 1; i <= reloads; i++ {
		rename(t, changing, fmt.Sprintf(changingRules, secret, i))
		for end := time.Now().Add(2 * patience); strings.Count(p.stderr.String(), "programs replaced") < i; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not reloaded: %s", &p.stderr)
			}
			number()
		}
	}
	open(t, "/nowhere/second")
	want = append(want, "MINE-2")
	if got := found.until(number()); !slices.Equal(got, want) {
		t.Errorf("found %d, want %d: %s", len(got), len(want), &p.stderr)
	}

	act, err := exec.LookPath("act")
	if err == nil {
		act, err = filepath.EvalSymlinks(act)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, excepted := range []bool{false, true, false} {
		switch {
		case excepted:
			rename(t, exceptions, fmt.Sprintf(changingException, act))
		case i > 0:
			if err := os.Remove(exceptions); err != nil {
				t.Fatal(err)
			}
		}
		p.awaitReloads(reloads + i)
		perform(t, "read", secret)
		if got := found.until(number()); slices.Contains(got, "MINE-3") == excepted {
			t.Errorf("with an exception %v: found %q", excepted, got)
		}
	}
}

func TestBrokenRuleLeavesAllRulesInForce(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "kept.yaml")
	rename(t, path, keptRules)
	p := start(t, "tracee", "--config", os.DevNull, "--rules-dir", dir, "--rules", "MINE-1", "--repeats", "0", "--output", "json")
	p.awaitStderr(ready)
	rename(t, path, strings.Replace(keptRules, "args.pathname.startsWith", "args.pathnam.startsWith", 1))
	p.awaitStderr("was not reloaded, what was in force stays: " + path + ":9:")
	open(t, "/nowhere/n-1")
	if got, want := collect(p).until("MINE-1/nowhere/n-1"), []string{"MINE-1/nowhere/n-1"}; !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}
