package lineage

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// event makes an event with arguments, of name, type and value.
func event(name string, pid, parent int, args ...any) *trace.Event {
	kinds := map[string]trace.Kind{"s": trace.String, "n": trace.Uint64, "l": trace.Strings}
	schema := &trace.Schema{Name: name}
	for i := 0; i < len(args); i += 3 {
		kind := kinds[args[i+1].(string)]
		schema.Fields = append(schema.Fields, trace.Field{Name: args[i].(string), Type: &trace.Type{Kind: kind}})
	}
	var b trace.Builder
	b.Reset(schema)
	for i := 0; i < len(args); i += 3 {
		if err := b.Set(i/3, args[i+2]); err != nil {
			panic(err)
		}
	}
	e := &trace.Event{
		HostProcessID: pid, HostThreadID: pid, HostParentProcessID: parent, ProcessName: fmt.Sprint("p", pid),
		ProcessEntityID: uint64(pid) + 1000, ParentEntityID: uint64(parent) + 1000,
	}
	b.Finish(e)
	return e
}

func show(t *Table, e *trace.Event) string {
	var parts []string
	for _, p := range t.Of(e) {
		parts = append(parts, fmt.Sprintf("%d:%s:%s", p.PID, p.Executable, strings.Join(p.Arguments, " ")))
	}
	return strings.Join(parts, " < ")
}

func TestAncestorsAreLearntFromEvents(t *testing.T) {
	table := New()
	table.Learn(event("sched_process_exec", 10, 1, "pathname", "s", "/bin/sh", "argv", "l", []string{"sh", "-c"}))
	table.Learn(event("sched_process_fork", 10, 1, "child_pid", "n", 11, "child_tid", "n", 11, "child_process_entity_id", "n", 1011))
	table.Learn(event("sched_process_fork", 10, 1, "child_pid", "n", 10, "child_tid", "n", 12))
	table.Learn(event("sched_process_exec", 11, 10, "pathname", "s", "/bin/cat", "argv", "l", []string{"cat"}))
	e := event("openat", 11, 10)
	table.Learn(e)
	if got, want := show(table, e), "11:/bin/cat:cat < 10:/bin/sh:sh -c"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	table.Learn(event("sched_process_exit", 10, 1))
	if got, want := show(table, e), "11:/bin/cat:cat < 10:/bin/sh:sh -c"; got != want {
		t.Errorf("after the parent's end: got %s, want %s", got, want)
	}
}

func TestWhoWasThereBeforeIsKnown(t *testing.T) {
	table := New()
	table.Seed("/proc")
	self := event("openat", os.Getpid(), os.Getppid())
	table.Learn(self)
	line := table.Of(self)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if len(line) < 2 || line[0].Executable != exe || line[1].PID != os.Getppid() || line[0].Inode == 0 {
		t.Errorf("got %+v", line)
	}
}

// The first process is known by /proc alone: no event of it may ever come.
func TestStartOfWhoWasThereBeforeIsKnown(t *testing.T) {
	table := New()
	table.Seed("/proc")
	self := event("openat", os.Getpid(), os.Getppid())
	table.Learn(self)
	line := table.Of(self)
	first := line[len(line)-1]
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		t.Fatal(err)
	}
	if parent := line[1]; parent.StartTime == 0 || parent.StartTime < first.StartTime || parent.StartTime > int(now.Nano()) {
		t.Errorf("now %d, parent %+v, first %+v", now.Nano(), parent, first)
	}
}

// Events name a program in memory otherwise than /proc does; it is the same program, with the same arguments.
func TestArgumentsOfProgramInMemoryAreKept(t *testing.T) {
	fd, err := unix.MemfdCreate("hidden", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	memory := os.NewFile(uintptr(fd), "hidden")
	defer memory.Close()
	program, err := os.Open("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if _, err := io.Copy(memory, program); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), "1000")
	command.Args[0] = "sleep" // busybox goes by its name
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = command.Process.Kill(), command.Wait() }()

	table := New()
	table.Seed("/proc")
	e := event("openat", command.Process.Pid, os.Getpid())
	e.Executable = "memfd:hidden"
	table.Learn(e)
	if got, want := show(table, e), fmt.Sprintf("%d:memfd:hidden:sleep 1000 < ", command.Process.Pid); !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s…", got, want)
	}
}

// Whoever runs something else has another identity, even if the execution itself was not seen.
func TestIdentityOfAnotherProgramIsForgotten(t *testing.T) {
	table := New()
	table.Learn(event("sched_process_exec", 10, 1, "pathname", "s", "/bin/sh", "dev", "n", 5, "inode", "n", 6))
	later := event("openat", 10, 1)
	for _, test := range []struct {
		executable string
		inode      uint64
	}{{"/bin/sh", 6}, {"/bin/evil", 0}} {
		later.Executable = test.executable
		table.Learn(later)
		if p := table.Of(later)[0]; p.Inode != test.inode || p.Executable != test.executable {
			t.Errorf("%s: got %+v", test.executable, p)
		}
	}
}

func TestMemoryOfProcessesIsBounded(t *testing.T) {
	table := New()
	long := strings.Repeat("x", 1<<12)
	for pid := 2; pid < 3*known; pid++ {
		table.Learn(event("sched_process_exec", pid, 1, "argv", "l", []string{"a", long}))
		if pid%2 == 0 {
			table.Learn(event("sched_process_exit", pid, 1))
		}
	}
	if n := len(table.processes); n > known || len(table.ended) > known {
		t.Errorf("%d processes, %d ended, want at most %d", n, len(table.ended), known)
	}
	if table.Forgotten() == 0 {
		t.Error("nothing was counted as forgotten")
	}
	if p := table.Of(event("x", 3*known-1, 1))[0]; len(p.Arguments[1]) > argumentBytes+len("…") {
		t.Errorf("%d bytes of arguments are kept", len(p.Arguments[1]))
	}
}

func TestCircleOfParentsEnds(t *testing.T) {
	table := New()
	table.Learn(event("a", 5, 6))
	table.Learn(event("a", 6, 5))
	if n := len(table.Of(event("a", 5, 6))); n > Depth {
		t.Errorf("%d ancestors", n)
	}
}

func BenchmarkLearn(b *testing.B) {
	table := New()
	var all []*trace.Event
	for pid := 2; pid < 100; pid++ {
		all = append(all, event("openat", pid, 1))
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		table.Learn(all[i%len(all)])
		i++
	}
}
