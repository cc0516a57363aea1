package process

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// execution is the event of this process executing the file, as the kernel would tell it.
func execution(t *testing.T, path string) *trace.Event {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	schema := events.SchedProcessExec.Schema()
	var b trace.Builder
	b.Reset(schema)
	for name, value := range map[string]any{
		"pathname": path, "dev": uint32(unix.Major(st.Dev)<<20 | unix.Minor(st.Dev)), "inode": st.Ino, "ctime": uint64(st.Ctim.Nano()),
	} {
		if err := b.Set(schema.Index(name), value); err != nil {
			t.Fatal(err)
		}
	}
	e := &trace.Event{HostProcessID: os.Getpid(), HostThreadID: os.Getpid(), MountNS: 1}
	b.Finish(e)
	return e
}

func hashArgument(e *trace.Event) string {
	a, ok := e.Lookup("sha256")
	if !ok {
		return ""
	}
	return a.Text()
}

func sumOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestTheHashIsThatOfTheFileThatWasExecuted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	writeFile(t, path, "one")
	h := NewHasher(nil)
	e := execution(t, path)
	h.Add(e)
	if got, want := hashArgument(e), sumOf("one"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if path, _ := e.Lookup("pathname"); path.Text() == "" || e.ArgsNum() != 5 {
		t.Errorf("the other arguments are not what they were: %v", e.Args())
	}

	old := execution(t, path)
	time.Sleep(20 * time.Millisecond) // the kernel's clock for files is coarse
	writeFile(t, path, "two")
	h.Add(old)
	if got, want := hashArgument(old), sumOf("one"); got != want {
		t.Errorf("got %s, want %s: what was read is remembered by device, inode and time", got, want)
	}
	changed := execution(t, path)
	h.Add(changed)
	if got, want := hashArgument(changed), sumOf("two"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAnotherFileOfThatNameIsNotHashed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	writeFile(t, path, "executed")
	e := execution(t, path)
	writeFile(t, path+".new", "innocent")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	NewHasher(nil).Add(e)
	if got := hashArgument(e); got != "" {
		t.Errorf("got %s, want nothing", got)
	}
}

func TestNothingButFilesIsOpened(t *testing.T) {
	dir := t.TempDir()
	fifo, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	if err := unix.Mkfifo(fifo, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, link, dir, "/dev/null"} {
		e := execution(t, path)
		start := time.Now()
		NewHasher(nil).Add(e)
		if got := hashArgument(e); got != "" || time.Since(start) > 10*time.Second {
			t.Errorf("%s: got %q after %s", path, got, time.Since(start))
		}
	}
}

func TestAFileSystemThatDoesNotAnswerDelaysOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	writeFile(t, path, "x")
	e := execution(t, path)
	m, _ := executed(e)
	h := NewHasher(nil)
	h.digests.Add(m.Key, &digest{done: make(chan struct{})}) // somebody reads it, for ever
	start := time.Now()
	h.Add(e)
	if first := time.Since(start); first < hashPatience || hashArgument(e) != "" {
		t.Errorf("waited %s", first)
	}
	start = time.Now()
	for range 100 {
		h.Add(e)
	}
	if rest := time.Since(start); rest > hashPatience {
		t.Errorf("waited %s again", rest)
	}
}

func TestFewFilesAreReadAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	writeFile(t, path, "x")
	h := NewHasher(nil)
	h.reading = hashesAtOnce
	e := execution(t, path)
	h.Add(e)
	if got := hashArgument(e); got != "" {
		t.Errorf("got %s", got)
	}
	h.reading--
	h.Add(e)
	if got := hashArgument(e); got != sumOf("x") {
		t.Errorf("got %s", got)
	}
}

func TestDeletedFilesAreHashedWhileTheyRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	writeFile(t, path, "mapped")
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	mapped, err := unix.Mmap(int(file.Fd()), 0, 6, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	e := execution(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	h := NewHasher(nil)
	h.Add(e)
	if os.Geteuid() != 0 {
		t.Skip("to open what is mapped needs root")
	}
	if got, want := hashArgument(e), sumOf("mapped"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	m, _ := executed(e)
	if h.digests.Contains(m.Key) {
		t.Error("what was changed since is remembered")
	}
}
