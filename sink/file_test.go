package sink

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// earlierLines reads what was put aside, the oldest first.
func earlierLines(t *testing.T, path string) (all []string, files int) {
	t.Helper()
	names, err := filepath.Glob(path + ".*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		var from io.Reader = file
		if strings.HasSuffix(name, ".gz") {
			if from, err = gzip.NewReader(file); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
	}
	return all, len(names)
}

func TestFileIsPutAsideWhenItIsLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "x.json")
	s := open(t, "file://"+path+"?select=events&size=20k&gzip=true&batch=10")
	for i := range 300 {
		s.Event(event("/x", i))
	}
	s.Close()
	all, files := earlierLines(t, path)
	if got := stamps(t, append(all, lines(t, path)...)); !slices.Equal(got, counting(300)) {
		t.Errorf("got %v", got)
	}
	if compressed, _ := filepath.Glob(path + ".*.gz"); files < 5 || len(compressed) != files {
		t.Errorf("%d files, %d of them compressed", files, len(compressed))
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 20<<10 || info.Mode().Perm() != 0o640 {
		t.Errorf("the file: %v, %v", info, err)
	}
}

func TestOnlySoManyEarlierFilesAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	other := path + ".mine"
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, "file://"+path+"?select=events&size=2k&keep=3&batch=1")
	for i := range 50 {
		s.Event(event("/x", i))
	}
	s.Close()
	if err := os.Remove(other); err != nil {
		t.Errorf("somebody else's file: %v", err)
	}
	all, files := earlierLines(t, path)
	got := stamps(t, append(all, lines(t, path)...))
	if files != 3 || !slices.Equal(got, counting(50)[50-len(got):]) {
		t.Errorf("%d files: %v", files, got)
	}
}

func TestOldFileIsPutAsideAlsoByTheNextRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	s := open(t, "file://"+path+"?select=events")
	s.Event(event("/x", 0))
	s.Close()
	time.Sleep(60 * time.Millisecond)
	s = open(t, "file://"+path+"?select=events&age=50ms")
	s.Event(event("/x", 1))
	s.Close()
	if all, files := earlierLines(t, path); files != 1 || len(all) != 1 || len(lines(t, path)) != 1 {
		t.Errorf("%d files: %q", files, all)
	}
}

func TestHalfALineOfAnEarlierRunIsEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(path, []byte("{\"half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, "file://"+path+"?select=events")
	s.Event(event("/x", 0))
	s.Close()
	if got := lines(t, path); len(got) != 2 || got[0] != `{"half` {
		t.Errorf("got %q", got)
	}
}

func TestFileThatWasMovedIsMadeAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	s := open(t, "file://"+path+"?select=events&batch=1")
	s.Event(event("/x", 0))
	wait(t, "a line", func() bool { return s.Stats()[0].Sent == 1 })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	s.Event(event("/x", 1))
	s.Close()
	if a, b := lines(t, path+".1"), lines(t, path); len(a) != 1 || len(b) != 1 {
		t.Errorf("got %q and %q", a, b)
	}
}

func TestFilesThatCanNotBeAreErrors(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{dir: "directory", "/dev/full": "no regular file", "/proc/x/y": "/proc/x"} {
		_, err := Open([]*Destination{parsed(t, "file://"+path)}, Config{Findings: true, Log: quiet})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestFullDiskLosesNoLine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("to mount a small disk needs root")
	}
	dir := t.TempDir()
	unmount := mountSmall(t, dir, "size=64k")
	defer unmount()
	filler, path := filepath.Join(dir, "filler"), filepath.Join(dir, "x.json")
	s := open(t, "file://"+path+"?select=events&batch=10&timeout=100ms")
	if err := os.WriteFile(filler, make([]byte, 60<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		s.Event(event("/x", i))
	}
	wait(t, "a full disk", func() bool { return s.Stats()[0].Retried > 0 })
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	wait(t, "the rest", func() bool { return s.Stats()[0].Sent == 40 })
	if got := stamps(t, lines(t, path)); !slices.Equal(got, counting(40)) {
		t.Errorf("got %v", got)
	}
	if s.Close(); s.Stats()[0].Dropped() != 0 {
		t.Error(fmt.Sprint(s.Stats()))
	}
}
