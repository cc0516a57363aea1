package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// threads reads a field of the status of each thread of a process: "CapEff", for instance.
func (p *process) threads(field string) (values []string) {
	p.t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.Process.Pid))
	if err != nil || len(files) == 0 {
		p.t.Fatalf("no threads: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil { // a thread that has ended
			continue
		}
		_, rest, _ := strings.Cut(string(text), field+":")
		value, _, _ := strings.Cut(rest, "\n")
		values = append(values, strings.TrimSpace(value))
	}
	return values
}

// checkThreads demands a value of all threads.
func (p *process) checkThreads(field, want string) {
	p.t.Helper()
	for _, got := range p.threads(field) {
		if got != want {
			p.t.Errorf("%s: got %s, want %s", field, got, want)
		}
	}
}

func mask(values ...cap.Value) string {
	var set uint64
	for _, v := range values {
		set |= 1 << v
	}
	return fmt.Sprintf("%016x", set)
}

func TestPrivilegesAreGivenUp(t *testing.T) {
	needRoot(t)
	usual := mask(cap.BPF, cap.PERFMON, cap.SYS_PTRACE, cap.DAC_READ_SEARCH, cap.SYSLOG)
	for name, c := range map[string]struct {
		args    []string
		want    string
		seccomp string
	}{
		"as a rule":         {[]string{}, usual, "2"},
		"all system calls":  {[]string{"--seccomp=false"}, usual, "0"},
		"fewer":             {[]string{"--caps", "add!=cap_syslog"}, mask(cap.BPF, cap.PERFMON, cap.SYS_PTRACE, cap.DAC_READ_SEARCH), "2"},
		"to keep artifacts": {[]string{"--capture", "exec", "--capture", "dir:" + t.TempDir()}, mask(cap.BPF, cap.PERFMON, cap.SYS_PTRACE, cap.DAC_READ_SEARCH, cap.SYSLOG, cap.DAC_OVERRIDE), "2"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "tracee", append(c.args, "--rules", "TRC-2")...)
			p.awaitStderr(ready)
			perform(t, "ptrace") // so that all threads are at work
			p.line()
			for _, set := range []string{"CapEff", "CapPrm", "CapBnd"} {
				p.checkThreads(set, c.want)
			}
			p.checkThreads("CapInh", mask())
			p.checkThreads("CapAmb", mask())
			p.checkThreads("NoNewPrivs", "1")
			p.checkThreads("Seccomp", c.seccomp)
		})
	}
}

func TestTraceeRulesRunsWithNothing(t *testing.T) {
	needRoot(t)
	fifo := filepath.Join(t.TempDir(), "events")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "tracee-rules", "--input-tracee", "file:"+fifo, "--input-tracee", "format:json")
	events, err := os.OpenFile(fifo, os.O_WRONLY, 0) // waits for the reader, which is started by then
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	for _, set := range []string{"CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"} {
		p.checkThreads(set, mask())
	}
	p.checkThreads("NoNewPrivs", "1")
}

// A killed tracee takes along what it had in the kernel, and leaves no file; the next one starts at once, and tells.
func TestNothingIsLeftOfAKilledTracee(t *testing.T) {
	needRoot(t)
	t.Setenv(allowSecond, "")
	ownMounts(t)
	mounts := mountsOf(t)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	first := start(t, "tracee", "--rules", "TRC-2")
	if waitEither(first) != nil {
		t.Skip("another tracee watches this machine")
	}
	programs := first.programs()
	second := start(t, "tracee", "--rules", "TRC-2")
	second.exit(1, patience)
	if got := second.stderr.String(); !strings.Contains(got, fmt.Sprintf("(pid %d,", first.Process.Pid)) || !strings.Contains(got, "--allow-second") {
		t.Errorf("a second one: got %q", got)
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.ended
	next := start(t, "tracee", "--rules", "TRC-2")
	next.awaitStderr("did not end by itself")
	next.awaitStderr(ready)
	perform(t, "ptrace")
	next.line()
	checkGone(t, programs)
	if got := mountsOf(t); got != mounts {
		t.Errorf("mounts: got %s, want %s", got, mounts)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("files left: %v, %v", left, err)
	}
	if err := next.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	next.exit(0, patience)
}

// waitEither waits until a process traces; it returns an error if it ends instead.
func waitEither(p *process) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		select {
		case <-p.ended:
			return errors.New(p.stderr.String())
		default:
		}
		if strings.Contains(p.stderr.String(), ready) {
			return nil
		}
	}
	p.t.Fatalf("not ready: %s", &p.stderr)
	return nil
}

// ownMounts gives this test, and what it starts, mounts that nobody else changes. Its thread is not used for anything else.
func ownMounts(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
}

func mountsOf(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What others do to tracee, tracee tells, as soon as it can: what it is stopped for it tells when it goes on.
func TestAttacksOnTraceeAreFound(t *testing.T) {
	needRoot(t)
	p := start(t, "tracee", "--output", "json", "--repeats", "0", "--rules", "TRC-3001", "--rules", "TRC-3002")
	p.awaitStderr(ready)
	pid := strconv.Itoa(p.Process.Pid)
	for _, c := range []struct{ deed, want string }{
		{"stop", fmt.Sprintf(`"signal":%d`, syscall.SIGSTOP)},
		{"seize", `"eventName":"ptrace"`},
		{"detach", `"command":"BPF_LINK_GET_FD_BY_ID"`},
		{"terminate", fmt.Sprintf(`"signal":%d`, syscall.SIGTERM)}, // the last: it ends it
	} {
		t.Run(c.deed, func(t *testing.T) {
			actor := perform(t, "attack", c.deed, pid)
			for {
				line := p.line()
				if strings.Contains(line, fmt.Sprintf(`"hostProcessId":%d,`, actor)) && strings.Contains(line, c.want) {
					return
				}
			}
		})
	}
	p.exit(0, patience)
}

// Whatever was done it with, and whoever is trusted to use that.
func TestTraceeSaysThatItWasStoppedOrIsDetached(t *testing.T) {
	needRoot(t)
	p := start(t, "tracee", "--output", "json", "--rules", "TRC-2902") // it looks into packets
	p.awaitStderr(ready)
	for _, c := range []struct{ deed, want string }{
		{"pause", "was told to go on"},
		{"detach", "detached a program of tracee"},
	} {
		perform(t, "attack", c.deed, strconv.Itoa(p.Process.Pid))
		p.awaitStderr(c.want)
	}
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGCONT} { // as timeout(1) and systemd do
		if err := p.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	p.exit(0, patience)
	if n := strings.Count(p.stderr.String(), "was told to go on"); n != 1 {
		t.Errorf("%d times told to go on, want 1: %s", n, &p.stderr)
	}
}

func init() { actions["attack"] = func(args []string) error { return attack(args[0], args[1]) } }

// attack does something to a process that shall keep it from its work.
func attack(deed, target string) error {
	pid, err := strconv.Atoi(target)
	if err != nil {
		return err
	}
	switch deed {
	case "pause":
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return errors.Join(unix.PidfdSendSignal(fd, unix.SIGSTOP, nil, 0), unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0))
	case "stop":
		return errors.Join(unix.Kill(pid, unix.SIGSTOP), unix.Kill(pid, unix.SIGCONT))
	case "terminate":
		return unix.Kill(pid, unix.SIGTERM)
	case "seize":
		return unix.PtraceSeize(pid) // it ends with us
	case "detach":
		return detachAll(pid)
	}
	return fmt.Errorf("unknown deed %q", deed)
}

// detachAll detaches what a process has attached, as far as the kernel can do that.
func detachAll(pid int) error {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		_, rest, found := strings.Cut(string(text), "link_id:")
		var id uint32
		if _, err := fmt.Sscan(rest, &id); !found || err != nil {
			continue
		}
		l, err := link.NewFromID(link.ID(id))
		if err != nil {
			return err
		}
		err = l.Detach() // most kinds can not be
		l.Close()
		if err != nil && !errors.Is(err, ebpf.ErrNotSupported) && !errors.Is(err, syscall.EOPNOTSUPP) {
			return err
		}
	}
	return nil
}
