package capture

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
)

func openTest(t *testing.T, dir string, quota Quota) *store {
	t.Helper()
	s, err := openStore(Options{Dir: dir, Quota: quota})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lines returns what the manifest says last about each artifact, and how many lines it has.
func lines(t *testing.T, dir string) (last map[string]Record, all []Record) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, outDir, ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, torn, err := readRecords(f)
	if err != nil || torn {
		t.Fatalf("manifest is torn: %t, %v", torn, err)
	}
	last = map[string]Record{}
	for _, r := range all {
		if r.Artifact != "" {
			last[r.Artifact] = r
		}
	}
	return last, all
}

// agree checks that manifest and directory say the same: every file that was captured is there, with its hash, and there
// is no other.
func agree(t *testing.T, dir string) map[string]Record {
	t.Helper()
	last, _ := lines(t, dir)
	out := filepath.Join(dir, outDir)
	files, err := filepath.Glob(out + "/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name, _ := filepath.Rel(out, file)
		if r := last[name]; r.State != Captured {
			t.Errorf("%s is there, but the manifest says %q", name, r.State)
		}
	}
	for name, r := range last {
		content, err := os.ReadFile(filepath.Join(out, name))
		if r.State != Captured {
			if err == nil {
				t.Errorf("%s is there, though %s", name, r.State)
			}
			continue
		}
		sum := sha256.Sum256(content)
		if err != nil || hex.EncodeToString(sum[:]) != r.SHA256 || int64(len(content)) != r.Size {
			t.Errorf("%s: the manifest says %s and %d bytes, the file has %x and %d (%v)", name, r.SHA256, r.Size, sum, len(content), err)
		}
	}
	return last
}

func put(s *store, name, content string) (Record, error) {
	a, err := s.create(Record{Kind: "exec"}, name)
	if err != nil {
		return Record{}, err
	}
	a.append([]byte(content))
	return a.finish("")
}

func TestArtifactsAreRecordedAsTheyAreCaptured(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Quota{})
	defer s.close()
	r, err := put(s, "exec.1.a", "hello")
	if err != nil || !r.Complete || r.Artifact != "host/exec.1.a" {
		t.Fatalf("got %+v, %v", r, err)
	}
	if again, _ := put(s, "exec.1.a", "other"); again.Artifact != "host/exec.1.a.2" {
		t.Errorf("an artifact was overwritten: %+v", again)
	}
	agree(t, dir) // while the store is open
	for path, want := range map[string]os.FileMode{"out": 0o700, "out/host": 0o700, "out/host/exec.1.a": 0o600, "out/manifest.jsonl": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v (%v), want %v", path, info.Mode(), err, want)
		}
	}
}

func TestBytesOutOfOrderAreHashedAsTheyLie(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Quota{})
	defer s.close()
	a, err := s.createLive(Record{Kind: "write"}, "write.dev-1.inode-2")
	if err != nil {
		t.Fatal(err)
	}
	a.writeAt([]byte("world"), 6)
	a.writeAt([]byte("hello "), 0)
	r, err := a.finish("")
	if err != nil {
		t.Fatal(err)
	}
	agree(t, dir)
	if a, err = s.resume(r); err != nil {
		t.Fatal(err)
	}
	a.append([]byte("!"))
	if _, err := a.finish(""); err != nil {
		t.Fatal(err)
	}
	if got := agree(t, dir)[r.Artifact]; got.Size != 12 {
		t.Errorf("got %d bytes, want 12", got.Size)
	}
}

// TestMain lets the test binary be a tracee that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("CAPTURE_UNTIL_KILLED"); dir != "" {
		captureUntilKilled(dir)
	}
	os.Exit(m.Run())
}

func captureUntilKilled(dir string) {
	s, err := openStore(Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for i := 0; ; i++ {
		live, err := s.createLive(Record{Kind: "write"}, fmt.Sprintf("write.dev-1.inode-%d", i))
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		live.append(bytes.Repeat([]byte{byte(i)}, 5000))
		if _, err := put(s, fmt.Sprintf("exec.%d.x", i), strings.Repeat("x", 3000)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if i%2 == 0 {
			_, _ = live.finish("")
		}
		if i == 20 {
			fmt.Println("going on")
		}
	}
}

func TestAfterAKillManifestAndFilesAgree(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), "CAPTURE_UNTIL_KILLED="+dir)
		output, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 64)
		n, _ := output.Read(line)
		if string(line[:n]) != "going on\n" {
			t.Fatalf("got %q", line[:n])
		}
		time.Sleep(7 * time.Millisecond)
		if err := command.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = command.Wait()
		if err := openTest(t, dir, Quota{}).close(); err != nil {
			t.Fatal(err)
		}
		last := agree(t, dir)
		if len(last) < 40 {
			t.Errorf("%d artifacts, want more than 40", len(last))
		}
		if r := last["host/write.dev-1.inode-1"]; r.Complete || r.Reason != interrupted {
			t.Errorf("an artifact that was not finished: %+v", r)
		}
		if r := last["host/write.dev-1.inode-2"]; !r.Complete {
			t.Errorf("an artifact that was finished: %+v", r)
		}
	}
}

func TestALineThatACrashCutIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Quota{})
	if _, err := put(s, "exec.1.a", "hello"); err != nil {
		t.Fatal(err)
	}
	s.close()
	f, err := os.OpenFile(filepath.Join(dir, outDir, ManifestName), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"time":12,"state":"capt`)
	f.Close()
	s = openTest(t, dir, Quota{})
	if _, err := put(s, "exec.2.b", "hello"); err != nil {
		t.Fatal(err)
	}
	s.close()
	if last := agree(t, dir); len(last) != 2 {
		t.Errorf("got %d artifacts, want 2", len(last))
	}
}

func TestAFullDiskLeavesWhatCouldBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=700"); err != nil {
		t.Skipf("mount a small file system: %v", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	s := openTest(t, dir, Quota{})
	for i := range 5 {
		_, _ = put(s, fmt.Sprintf("exec.%d.big", i), strings.Repeat("y", 100<<10))
	}
	last := agree(t, dir) // while it is full
	r := last["host/exec.1.big"]
	if r.Complete || !strings.Contains(r.Reason, "no space") {
		t.Errorf("got %+v, want an artifact that lacks room", r)
	}
	if s.stats.Incomplete+s.stats.Missed < 3 {
		t.Errorf("got %+v", s.stats)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

func TestQuotasEvictTheOldestOrRefuse(t *testing.T) {
	for _, test := range []struct {
		name  string
		quota Quota
		want  string // which of five artifacts of 1000 bytes are left
		stats Stats
	}{
		{"total", Quota{Total: 2500}, "3 4", Stats{Captured: 5, Evicted: 3}},
		{"container", Quota{Container: 3000}, "2 3 4", Stats{Captured: 5, Evicted: 2}},
		{"refuse", Quota{Total: 2000, Refuse: true}, "0 1", Stats{Captured: 2, Refused: 3}},
		{"artifact", Quota{Artifact: 600}, "0 1 2 3 4", Stats{Captured: 5, Incomplete: 5}},
	} {
		dir := t.TempDir()
		s := openTest(t, dir, test.quota)
		for i := range 5 {
			_, _ = put(s, fmt.Sprint(i), strings.Repeat("z", 1000))
		}
		var left []string
		for i := range 5 {
			if agree(t, dir)["host/"+fmt.Sprint(i)].State == Captured {
				left = append(left, fmt.Sprint(i))
			}
		}
		if got := strings.Join(left, " "); got != test.want || s.stats != test.stats {
			t.Errorf("%s: left %s, %+v; want %s, %+v", test.name, got, s.stats, test.want, test.stats)
		}
		s.close()
		s = openTest(t, dir, test.quota) // the next run counts what is there
		if s.bytes == 0 || test.quota.Total > 0 && s.bytes > test.quota.Total {
			t.Errorf("%s: %d bytes are counted", test.name, s.bytes)
		}
		s.close()
	}
}

// TestWhatIsRefusedAgainAndAgainIsRecordedOnce writes on a file for which there is no room.
func TestWhatIsRefusedAgainAndAgainIsRecordedOnce(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Quota{Total: 1000, Refuse: true})
	defer s.close()
	if _, err := put(s, "full", strings.Repeat("z", 1000)); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		r := Record{Kind: "exec", Pathname: "/bin/true", Inode: 1}
		if _, err := s.create(r, fmt.Sprintf("exec.%d.true", i)); err == nil {
			t.Fatal("there was room")
		}
	}
	_, all := lines(t, dir)
	refused := 0
	for _, r := range all {
		if r.State == Refused {
			refused++
		}
	}
	if refused != 1 || s.stats.Refused != 1 {
		t.Errorf("%d lines, %+v, want one", refused, s.stats)
	}
}

func TestOldArtifactsAreRemoved(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Quota{Age: time.Hour})
	defer s.close()
	if _, err := put(s, "exec.1.a", "a"); err != nil {
		t.Fatal(err)
	}
	s.kept[0].time -= int64(2 * time.Hour)
	s.age()
	if r := agree(t, dir)["host/exec.1.a"]; r.State != Evicted {
		t.Errorf("got %+v", r)
	}
}

func TestNamesOfOthersStayInTheDirectory(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Quota{})
	defer s.close()
	seen := map[string]bool{}
	for _, name := range []string{"..", ".", "", "a/../../b", "x\ny", "-rf", strings.Repeat("n", 300), strings.Repeat("n", 301), "\xff\xfe", "memfd:x", "x y", "x_y"} {
		for _, container := range []string{"", name} {
			a, err := s.create(Record{Kind: "exec", ContainerID: container}, "exec.1."+safeName(name))
			if err != nil {
				t.Errorf("%q in %q: %v", name, container, err)
				continue
			}
			r, err := a.finish("")
			if err != nil || seen[r.Artifact] || strings.ContainsAny(r.Artifact, "\n ") || strings.Count(r.Artifact, "/") != 1 {
				t.Errorf("%q in %q: got %q, %v", name, container, r.Artifact, err)
			}
			seen[r.Artifact] = true
		}
	}
	agree(t, dir)
}

func TestLinksLeadNowhere(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	s := openTest(t, dir, Quota{})
	out := filepath.Join(dir, outDir)
	if err := os.Symlink(outside, filepath.Join(out, "host")); err != nil {
		t.Fatal(err)
	}
	if _, err := put(s, "exec.1.a", "a"); err == nil {
		t.Error("an artifact was written through a link")
	}
	os.Remove(filepath.Join(out, "host"))
	s.close()
	if err := os.RemoveAll(out); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, out); err != nil {
		t.Fatal(err)
	}
	if s, err := openStore(Options{Dir: dir}); err == nil {
		s.close()
		t.Error("a link was taken for the directory")
	}
	if s, err := openStore(Options{Dir: dir, ClearDir: true}); err != nil {
		t.Errorf("clear-dir does not remove a link: %v", err)
	} else {
		s.close()
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("written outside: %v", left)
	}
}

func TestADirectoryOfOthersIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs to be root to make a directory of somebody else")
	}
	dir := t.TempDir()
	for _, spoil := range []func(string) error{
		func(path string) error { return os.Chmod(path, 0o777) },
		func(path string) error { return os.Chown(path, 1000, 1000) },
	} {
		path := filepath.Join(dir, fmt.Sprint(time.Now().UnixNano()))
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		if s, err := openStore(Options{Dir: path}); err == nil {
			s.close()
			t.Error("the directory was taken")
		} else if !strings.Contains(err.Error(), "dir:") {
			t.Errorf("no hint: %v", err)
		}
	}
}

func TestTwoDoNotCaptureInOneDirectory(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Quota{})
	defer s.close()
	if other, err := openStore(Options{Dir: dir}); err == nil {
		other.close()
		t.Error("two stores are open")
	}
}

func TestClearDirBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Quota{})
	if _, err := put(s, "exec.1.a", "a"); err != nil {
		t.Fatal(err)
	}
	s.close()
	s, err := openStore(Options{Dir: dir, ClearDir: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if _, all := lines(t, dir); len(all) > 0 || s.bytes > 0 {
		t.Errorf("left: %v", all)
	}
}

// TestAFileOfWhichOnlyTheEndWasSeenIsNotComplete is about a file that was there before, and gone before it could be opened.
func TestAFileOfWhichOnlyTheEndWasSeenIsNotComplete(t *testing.T) {
	for _, test := range []struct {
		at       []int64
		complete bool
	}{{[]int64{0, 5}, true}, {[]int64{100}, false}, {[]int64{0, 100}, false}} {
		dir := t.TempDir()
		c, err := New(Config{Options: Options{Dir: dir, Write: &Files{}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range test.at {
			c.keeper.take(&notice{
				event: events.CaptureFileWrite.ID, path: "/gone", mode: formatFile, key: fileKey{1, 2, 3}, fd: -1,
				pos: at, size: 5, bytes: []byte("hello"), holdErr: os.ErrNotExist,
			}, (*keeper).transfer)
		}
		if _, err := c.Close(); err != nil {
			t.Fatal(err)
		}
		for _, r := range agree(t, dir) {
			if r.Complete != test.complete {
				t.Errorf("written at %d: got %+v, want complete %t", test.at, r, test.complete)
			}
		}
	}
}

func TestTheIndexOfWrittenFilesShowsHarmlessNames(t *testing.T) {
	for path, want := range map[string]string{
		"/tmp/plain":          "/tmp/plain",
		"/tmp/\"a b\"\\n":     "/tmp/\"a b\"\\n",
		"/tmp/a\nhost/b /etc": `/tmp/a\nhost/b /etc`,
		"/tmp/\x1b[2Jred":     `/tmp/\x1b[2Jred`,
	} {
		if got := oneLine(path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
}
