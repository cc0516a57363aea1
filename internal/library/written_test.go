package library

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// writtenFile makes a file that a task has just written, and that its path leads to.
func writtenFile(t *testing.T, path, content string) *Written {
	t.Helper()
	w := &Written{Mapping: write(t, path, []byte(content)), Descriptor: -1}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if generation, err := unix.IoctlGetInt(int(file.Fd()), getGeneration); err == nil {
		w.Generation = uint32(generation)
	}
	return w
}

// begin asks for four bytes.
func (w *Written) begin(others ...int) (string, bool) {
	var buffer [4]byte
	n, exact, err := w.Beginning(buffer[:], others)
	if err != nil {
		return "error", false
	}
	return string(buffer[:n]), exact
}

func TestTheBeginningIsThatOfTheFileThatWasWritten(t *testing.T) {
	w := writtenFile(t, filepath.Join(directory(t), "dropped"), "\x7fELF and more")
	if got, exact := w.begin(); got != "\x7fELF" || !exact {
		t.Errorf("by its path: got %q, exact %v", got, exact)
	}
	file, err := os.Open(w.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w.Descriptor = int(file.Fd())
	if err := os.Rename(w.Path, w.Path+".moved"); err != nil {
		t.Fatal(err)
	}
	if got, _ := w.begin(); got != "\x7fELF" {
		t.Errorf("by a descriptor: got %q", got)
	}
	w.Path += ".moved"
	w.Descriptor, w.Task = -1, 1<<30 // has ended
	if got, _ := w.begin(); got != "\x7fELF" {
		t.Errorf("without its task: got %q", got)
	}
}

func TestABeginningThatMayBeAnotherIsNotExact(t *testing.T) {
	w := writtenFile(t, filepath.Join(directory(t), "dropped"), "first")
	time.Sleep(20 * time.Millisecond) // the kernel's clock for files is coarse
	if err := os.WriteFile(w.Path, []byte("second"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, exact := w.begin(); got != "seco" || exact {
		t.Errorf("it was changed: got %q, exact %v", got, exact)
	}
	if err := os.Truncate(w.Path, 2); err != nil {
		t.Fatal(err)
	}
	w.Ctime = mappingOf(t, w.Path).Ctime
	if got, exact := w.begin(); got != "se" || exact {
		t.Errorf("it was cut: got %q, exact %v", got, exact)
	}
}

func TestTheBeginningOfAnotherFileIsNotTold(t *testing.T) {
	w := writtenFile(t, filepath.Join(directory(t), "dropped"), "file")
	for what, another := range map[string]func(*Written){
		"another inode":                 func(w *Written) { w.Inode++ },
		"another device":                func(w *Written) { w.Dev++ },
		"made after the file was told":  func(w *Written) { w.Ctime -= uint64(time.Hour) },
		"the same inode, used again":    func(w *Written) { w.Generation++ },
		"a path that leads out of root": func(w *Written) { w.Path = "relative" },
	} {
		changed := *w
		another(&changed)
		if got, _ := changed.begin(); got != "error" && !untold(t, w.Path, what) {
			t.Errorf("%s: got %q", what, got)
		}
	}
	link := *w
	link.Path += ".link"
	if err := os.Symlink(w.Path, link.Path); err != nil {
		t.Fatal(err)
	}
	if got, _ := link.begin(); got != "error" {
		t.Errorf("through a link: got %q", got)
	}
}

// untold says that the file system of the test does not tell what a case is about.
func untold(t *testing.T, path, what string) bool {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	_, err = unix.IoctlGetInt(int(file.Fd()), getGeneration)
	return what == "the same inode, used again" && err != nil
}

func TestOtherMountsOfAFileSystemAreFound(t *testing.T) {
	m := mappingOf(t, "/proc/self/maps")
	points := mountPoints("/proc/self", m.Dev)
	if len(points) == 0 || points[0] != "/proc" {
		t.Errorf("got %q, want /proc", points)
	}
}
