package capture

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/library"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/protocol"
	"github.com/tracee-go/tracee/types/trace"
)

func TestMemoryOfNoFileIsSuspectIfItIsExecutable(t *testing.T) {
	for line, want := range map[string]bool{
		"7f0000000000-7f0000001000 rwxp 00000000 00:00 0 ":                                true,
		"7f0000000000-7f0000001000 r-xp 00000000 00:00 0":                                 true,
		"7f0000000000-7f0000001000 rw-p 00000000 00:00 0":                                 false,
		"55d0c0000000-55d0c0021000 rwxp 00000000 00:00 0                          [heap]": true,
		"7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]": false,
		"7f0000000000-7f0000001000 r-xp 00000000 00:01 12 /memfd:x (deleted)":             true,
		"7f0000000000-7f0000001000 r-xp 00000000 fe:00 12 /usr/lib/x.so":                  false,
		"7f0000000000-7f0000001000 r-xp 00000000 fe:00 12 /tmp/a b (deleted)":             true,
		"no line": false,
	} {
		m, ok := parseMapping(line)
		if got := ok && m.suspect(); got != want {
			t.Errorf("%q: got %t, want %t", line, got, want)
		}
	}
}

// ended runs a program that ends at once, and says which it was. reaped says that its parent was told, so that nothing of it is
// left.
func ended(t *testing.T, reaped bool) (f detect.Finding, path string) {
	t.Helper()
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "brief")
	if err := os.WriteFile(path, program, 0o700); err != nil {
		t.Fatal(err)
	}
	var file syscall.Stat_t
	if err := syscall.Stat(path, &file); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, command.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if reaped {
		_ = command.Wait()
	} else {
		t.Cleanup(func() { _ = command.Wait() })
	}
	return findingOf(command.Process.Pid, detect.Process{
		Executable: path, Device: uint64(library.KernelDevice(file.Dev)), Inode: file.Ino,
	}), path
}

// findingOf is one about a process that began just now.
func findingOf(pid int, program detect.Process) detect.Finding {
	const entity = 7
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	program.EntityID, program.PID = entity, pid
	return detect.Finding{
		SigMetadata: detect.SignatureMetadata{ID: "TRC-2"}, Process: []detect.Process{program},
		Event: protocol.Event{Payload: &trace.Event{
			Timestamp: 1, ProcessName: "brief", HostProcessID: pid, HostThreadID: pid, ProcessEntityID: entity, ThreadStartTime: int(now.Nano()),
		}},
	}
}

// evidenceOf keeps evidence of a process that has sent a packet, and returns what the manifest says last of each kind.
func evidenceOf(t *testing.T, f detect.Finding) (kinds map[string]Record, dir string) {
	t.Helper()
	dir = t.TempDir()
	c, err := New(Config{Options: Options{Dir: dir, Evidence: true, EvidencePackets: true, Quota: DefaultQuota}})
	if err != nil {
		t.Fatal(err)
	}
	c.recent.Load().add(f.Process[0].EntityID, frame{time: time.Now(), device: "lo", data: []byte("a packet that was sent")}, recentSnaplen, time.Now())
	c.Evidence(f, detect.EvidenceAll)
	if _, err := c.Close(); err != nil {
		t.Fatal(err)
	}
	agree(t, dir)
	kinds = map[string]Record{}
	_, all := lines(t, dir)
	for _, r := range all {
		if r.Finding != "TRC-2" {
			t.Errorf("a line without the finding: %+v", r)
		}
		kinds[r.Kind] = r
	}
	return kinds, dir
}

// checkGone demands that the manifest says of what only the process had that it is missed, and why, and has its packets.
func checkGone(t *testing.T, kinds map[string]Record, why string) {
	t.Helper()
	for _, kind := range []string{"mem", "open"} {
		if r := kinds[kind]; r.State != Missed || !strings.Contains(r.Reason, why) || r.Artifact != "" {
			t.Errorf("%s: got %+v, want it to be missed: %s", kind, r, why)
		}
	}
	if r := kinds["net"]; r.State != Captured || !r.Complete || r.Size < int64(len("a packet that was sent")) {
		t.Errorf("packets: got %+v", r)
	}
}

func TestOpenDescriptorsThatAreNoFilesAreNotMissed(t *testing.T) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	dir := t.TempDir()
	c, err := New(Config{Options: Options{Dir: dir, Evidence: true, Quota: DefaultQuota}})
	if err != nil {
		t.Fatal(err)
	}
	f := findingOf(os.Getpid(), detect.Process{})
	f.Event.Payload.(*trace.Event).ThreadStartTime = 0 // it began long ago
	c.Evidence(f, detect.EvidenceFiles)
	if _, err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, all := lines(t, dir)
	found := 0
	for _, r := range all {
		if strings.HasPrefix(r.Pathname, "anon_inode:") {
			if found++; r.State != Noted {
				t.Errorf("got %+v, want it to be noted", r)
			}
		}
	}
	if found == 0 {
		t.Errorf("nothing is said of the eventfd: %+v", all)
	}
}

func TestEvidenceOfAProcessThatIsGoneIsItsFileAndItsPackets(t *testing.T) {
	for _, test := range []struct {
		name, why string
		reaped    bool
	}{{"gone", "gone before", true}, {"not reaped", "it has ended", false}} {
		t.Run(test.name, func(t *testing.T) {
			f, path := ended(t, test.reaped)
			kinds, dir := evidenceOf(t, f)
			checkGone(t, kinds, test.why)
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			r := kinds["exec"]
			got, err := os.ReadFile(filepath.Join(dir, outDir, r.Artifact))
			if err != nil || string(got) != string(want) || r.Pathname != path || !strings.Contains(r.Reason, test.why) {
				t.Errorf("program: got %d bytes (%v), %+v", len(got), err, r)
			}
		})
	}
	f, path := ended(t, true)
	if err := os.WriteFile(path+"2", []byte("another"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"2", path); err != nil {
		t.Fatal(err)
	}
	kinds, _ := evidenceOf(t, f)
	checkGone(t, kinds, "gone before")
	if r := kinds["exec"]; r.State != Missed {
		t.Errorf("another file was taken for the program: %+v", r)
	}
}

// TestAnotherProcessIsNotTakenForTheOneThatIsGone has one that began after what was found.
func TestAnotherProcessIsNotTakenForTheOneThatIsGone(t *testing.T) {
	f := findingOf(os.Getpid(), detect.Process{})
	f.Event.Payload.(*trace.Event).ThreadStartTime = 1
	kinds, _ := evidenceOf(t, f)
	checkGone(t, kinds, errNumberTaken.Error())
	if r := kinds["exec"]; r.State != Missed || !strings.Contains(r.Reason, errNumberTaken.Error()) {
		t.Errorf("program: got %+v", r)
	}
}

// TestWhatAProcessDoesNotHaveIsSaid is about one that has no file open, and no code in memory.
func TestWhatAProcessDoesNotHaveIsSaid(t *testing.T) {
	inherited, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range inherited {
		if fd, err := strconv.Atoi(each.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	command := exec.Command("/bin/sh", "-c", "exec sleep 1000 <&- >&- 2>&-")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	for limit := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		open, err := os.ReadDir(procPath(command.Process.Pid, "fd"))
		if name, _ := os.ReadFile(procPath(command.Process.Pid, "comm")); err == nil && len(open) == 0 && string(name) == "sleep\n" {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("open files: %v, %v", open, err)
		}
	}
	kinds, _ := evidenceOf(t, findingOf(command.Process.Pid, detect.Process{}))
	for kind, reason := range map[string]string{"mem": "no memory is executable", "open": "no file is open"} {
		if r := kinds[kind]; r.State != Noted || !strings.Contains(r.Reason, reason) {
			t.Errorf("%s: got %+v", kind, r)
		}
	}
	if r := kinds["exec"]; r.State != Captured || !r.Complete || r.Reason != "" {
		t.Errorf("program: got %+v", r)
	}
}
