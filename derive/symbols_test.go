package derive

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/library/librarytest"
	"github.com/tracee-go/tracee/types/trace"
)

// event makes a source event.
func event(t *testing.T, pid int, declared *events.Event, arguments map[string]any) *trace.Event {
	t.Helper()
	var b trace.Builder
	b.Reset(declared.Schema())
	for name, value := range arguments {
		if err := b.Set(declared.Schema().Index(name), value); err != nil {
			t.Fatal(err)
		}
	}
	e := &trace.Event{HostProcessID: pid, HostThreadID: pid}
	b.Finish(e)
	return e
}

// loads is the event of a process that maps a file.
func loads(t *testing.T, pid int, path string) *trace.Event {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return event(t, pid, events.SharedObjectLoaded, map[string]any{
		"pathname": path, "dev": unix.Major(st.Dev)<<20 | unix.Minor(st.Dev), "inode": st.Ino, "ctime": uint64(st.Ctim.Nano()),
	})
}

func forks(t *testing.T, parent, child int) *trace.Event {
	t.Helper()
	return event(t, parent, events.SchedProcessFork, map[string]any{"parent_pid": int32(parent), "child_pid": int32(child)})
}

func exits(t *testing.T, pid int, last bool) *trace.Event {
	t.Helper()
	return event(t, pid, events.SchedProcessExit, map[string]any{"process_group_exit": last})
}

func object(t *testing.T, name string, symbols ...librarytest.Symbol) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, librarytest.Object(librarytest.Shape{}, symbols), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// derive returns what is made of the sources, as "name: file file [symbols]", and what was logged.
func derive(t *testing.T, declared *events.Event, flags []string, sources ...*trace.Event) (made []string, logged string) {
	t.Helper()
	f, err := filter.Parse(append(flags, "event="+declared.Name))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	d := New([]*events.Event{declared}, f, slog.New(slog.NewTextHandler(&log, nil)))
	for e := range d.Stage(slices.Values(sources)) {
		if e.EventName != declared.Name {
			continue
		}
		text := strconv.Itoa(e.HostProcessID)
		for a := range e.All() {
			if a.Type() == events.LibraryPath {
				text += " " + filepath.Base(a.Text())
			} else {
				text += " " + string(a.AppendText(nil))
			}
		}
		made = append(made, text)
	}
	return made, log.String()
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSymbolsAreThoseThatTheFilterAdmits(t *testing.T) {
	one := object(t, "one.so", librarytest.Globals("fopen", "fclose", "read")...)
	two := object(t, "two.so", librarytest.Globals("write")...)
	sources := []*trace.Event{loads(t, 1, one), loads(t, 1, two), loads(t, 2, one)}
	made, _ := derive(t, events.SymbolsLoaded, nil, sources...)
	expect(t, made, "1 one.so [fclose fopen read]", "1 two.so [write]", "2 one.so [fclose fopen read]")
	made, _ = derive(t, events.SymbolsLoaded, []string{"symbols_loaded.symbols=f*", "symbols_loaded.symbols!=fclose"}, sources...)
	expect(t, made, "1 one.so [fopen]", "2 one.so [fopen]")
	made, _ = derive(t, events.SymbolsLoaded, []string{"symbols_loaded.library_path!=" + one}, sources...)
	expect(t, made, "1 two.so [write]")
}

func TestLongListsOfSymbolsAreCutAndMarked(t *testing.T) {
	var names []string
	for i := range 200 {
		names = append(names, strconv.Itoa(1000+i)+strings.Repeat("x", 995))
	}
	path := object(t, "long.so", librarytest.Globals(names...)...)
	seen := 0
	for e := range New([]*events.Event{events.SymbolsLoaded}, nil, nil).Stage(slices.Values([]*trace.Event{loads(t, 1, path)})) {
		if e.EventID != events.SymbolsLoaded.ID {
			continue
		}
		seen++
		a, _ := e.Lookup("symbols")
		if got := a.Value().([]string); !slices.Equal(got, names[:32]) || !a.Truncated() {
			t.Errorf("%d names, truncated %v; want the first 32, truncated", len(got), a.Truncated())
		}
	}
	if seen != 1 {
		t.Errorf("%d events, want 1", seen)
	}
}

func TestALibraryThatCanNotBeReadIsLoggedOnceASecond(t *testing.T) {
	path := object(t, "gone.so", librarytest.Globals("f")...)
	source := loads(t, 1<<30, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	made, logged := derive(t, events.SymbolsLoaded, nil, source, source, source)
	expect(t, made)
	if got := strings.Count(logged, "event not derived"); got != 2 {
		t.Errorf("logged %d times, want 2: the first, and the rest at the end:\n%s", got, logged)
	}
	for _, part := range []string{"event=symbols_loaded", "times=1", "times=2", "gone.so"} {
		if !strings.Contains(logged, part) {
			t.Errorf("%q is not in the log:\n%s", part, logged)
		}
	}
}

func TestLibrariesCollide(t *testing.T) {
	weak := func(name string) librarytest.Symbol { return librarytest.Symbol{Name: name, Bind: librarytest.Weak} }
	one := object(t, "one.so", append(librarytest.Globals("fopen", "_init", "_ZN1aE"), weak("read"), weak("_ZN1bE"))...)
	two := object(t, "two.so", append(librarytest.Globals("fopen", "_init"), weak("read"), weak("_ZN1aE"), weak("_ZN1bE"))...)
	three := object(t, "three.so", librarytest.Globals("_init")...)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("fopen"), 0o644); err != nil {
		t.Fatal(err)
	}
	sources := []*trace.Event{
		loads(t, 1, one), loads(t, 1, text), loads(t, 1, one), loads(t, 2, two), loads(t, 1, two), loads(t, 1, two), loads(t, 1, three),
	}
	made, logged := derive(t, events.SymbolsCollision, nil, sources...)
	expect(t, made, "1 two.so one.so [_ZN1aE fopen read]")
	if logged != "" {
		t.Errorf("logged: %s", logged)
	}
	made, _ = derive(t, events.SymbolsCollision, []string{"symbols_collision.symbols=_ZN1*,_init"}, sources...)
	expect(t, made, "1 two.so one.so [_ZN1aE _ZN1bE _init]", "1 three.so one.so [_init]", "1 three.so two.so [_init]")
}

func TestProcessesInheritLibrariesAndForgetThem(t *testing.T) {
	one := object(t, "one.so", librarytest.Globals("f")...)
	two := object(t, "two.so", librarytest.Globals("f")...)
	executes := func(pid int) *trace.Event { return event(t, pid, events.SchedProcessExec, nil) }
	for _, test := range []struct {
		name    string
		sources []*trace.Event
		want    []string
	}{
		{"a child", []*trace.Event{loads(t, 1, one), forks(t, 1, 2), loads(t, 2, two)}, []string{"2 two.so one.so [f]"}},
		{"a parent", []*trace.Event{forks(t, 1, 2), loads(t, 2, two), loads(t, 1, one)}, nil},
		{"a thread", []*trace.Event{loads(t, 1, one), forks(t, 1, 1), loads(t, 1, two)}, []string{"1 two.so one.so [f]"}},
		{"an execution", []*trace.Event{loads(t, 1, one), executes(1), loads(t, 1, two)}, nil},
		{"an execution of the child", []*trace.Event{
			loads(t, 1, one), forks(t, 1, 2), executes(2), loads(t, 2, two), loads(t, 1, two),
		}, []string{"1 two.so one.so [f]"}},
		{"an end", []*trace.Event{loads(t, 1, one), exits(t, 1, true), loads(t, 1, two)}, nil},
		{"an end of a thread", []*trace.Event{loads(t, 1, one), exits(t, 1, false), loads(t, 1, two)}, []string{"1 two.so one.so [f]"}},
		{"a pid used again", []*trace.Event{loads(t, 2, one), forks(t, 1, 2), loads(t, 2, two)}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			made, _ := derive(t, events.SymbolsCollision, nil, test.sources...)
			expect(t, made, test.want...)
		})
	}
}

func TestThePartsOfTheCLibraryDoNotCollide(t *testing.T) {
	for path, want := range map[string]bool{
		"/lib/x86_64-linux-gnu/libc.so.6": true, "/lib64/ld-linux-x86-64.so.2": true, "/usr/lib/libm-2.31.so": true,
		"/lib/ld-musl-x86_64.so.1": true, "/tmp/libc.so.6": false, "/usr/lib/libcrypto.so.3": false,
	} {
		if got := isCLibrary(path); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

func TestWhatIsKnownOfProcessesIsBounded(t *testing.T) {
	path := object(t, "one.so", librarytest.Globals("f")...)
	var sources []*trace.Event
	for i := range maxLoaded + 10 {
		sources = append(sources, forks(t, 1, 2+i))
	}
	sources = append(sources, loads(t, 5, object(t, "two.so", librarytest.Globals("f")...)))
	_, logged := derive(t, events.SymbolsCollision, nil, append([]*trace.Event{loads(t, 1, path)}, sources...)...)
	if !strings.Contains(logged, "were forgotten") {
		t.Errorf("nothing was forgotten, or not logged: %s", logged)
	}
}

func TestSourcesWithoutArgumentsAreReported(t *testing.T) {
	for _, source := range []*trace.Event{
		event(t, 1, events.SharedObjectLoaded, nil), event(t, 1, events.SchedProcessFork, nil),
	} {
		_, logged := derive(t, events.SymbolsCollision, nil, source)
		if !strings.Contains(logged, source.EventName+" has no argument") {
			t.Errorf("%s: logged %q", source.EventName, logged)
		}
	}
}
