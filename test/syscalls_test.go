package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// syscallCase makes some syscalls whose events must be exactly those that it asks for.
type syscallCase struct {
	name   string
	events string // that are compared, separated by blanks
	do     func(*actor)
}

var syscallCases = []syscallCase{
	{"strings", "openat", callWithStrings},
	{"arrays of strings", "execve", callWithArrays},
	{"socket addresses given", "connect bind sendto", callWithAddresses},
	{"socket addresses returned", "accept accept4 getsockname getpeername", callForAddresses},
	{"pairs of descriptors", "pipe pipe2 socketpair", callForPairs},
	{"exit", "exit exit_group", callExit},
	{"fork", "fork vfork clone clone3", callForks},
	{"signals", "pause rt_sigreturn", callForSignals},
	{"without a capability", "vhangup", callWithoutCapability},
	{"structs", "openat2 mount_setattr perf_event_open", callWithStructs},
	{"execve", "execve execveat", callExecve},
	{"execveat", "execve execveat", callExecveat},
	{"execveat of a descriptor", "execve execveat", callExecveatOfDescriptor},
	{"signs", "lseek openat fcntl madvise kill", callWithSigns},
	{"32-bit success", "openat open pwrite64 truncate64 mmap2 mmap fadvise64_64 pipe setresuid16 umask", compatSuccess},
	{"32-bit fork", "fork vfork clone clone3", compatForks},
	{"32-bit structs", "openat2 mount_setattr perf_event_open", compatStructs},
	{"32-bit execve", "execve", compatExecve},
	{"32-bit execveat", "execveat", compatExecveat},
	{"32-bit execution", "sched_process_exec", compatExecution},
	{"32-bit strings", "openat open creat", compatStrings},
	{"32-bit socket addresses", "connect bind sendto getsockname", compatAddresses},
	{"32-bit socketcall", "socketcall socket bind connect listen accept getsockname sendto", compatSocketcall},
	{"32-bit file events", "security_file_open magic_write", compatFiles},
	{"32-bit copies", "magic_write", compatCopies},
	{"32-bit socket events", "security_socket_create security_socket_bind security_socket_listen " +
		"security_socket_connect security_socket_accept socket_dup", compatSockets},
	{"32-bit other events", "commit_creds mem_prot_alert", compatOthers},
}

func syscallActions() map[string]func(*actor) {
	all := map[string]func(*actor){"native syscalls": callNative, "compat syscalls": callCompat, "x32 syscalls": callX32, "x32 stream": x32Stream}
	for _, c := range slices.Concat(syscallCases, x32Cases) {
		all["syscalls/"+c.name] = c.do
	}
	return all
}

// callEach makes every syscall of an ABI that can be called with invented arguments.
func (a *actor) callEach(with abi) {
	m := a.memory(with)
	var calls []prepared
	for _, e := range events.All() {
		if e.Syscall && e.Numbers[with.number] >= 0 && uncalled[e.Name] == "" {
			calls = append(calls, m.prepare(e, with))
		}
	}
	m.freeze(a)
	a.Wants = make([]want, 0, len(calls))
	for _, p := range calls {
		a.call(with, p.event.Name, p.registers, p.values)
	}
}

func callNative(a *actor) { a.callEach(nativeCalls()) }

func callCompat(a *actor) {
	a.checkCompat()
	a.callEach(compatCalls())
}

// TestSyscallsHaveTheirTrueValues traces all syscalls, and what else is caused by those of the 32-bit ABI.
func TestSyscallsHaveTheirTrueValues(t *testing.T) {
	var selected []*events.Event
	for _, e := range events.All() {
		if e != events.LostEvents && !rawStreams(e) {
			selected = append(selected, e)
		}
	}
	s := start(t, tracer.Config{Events: selected, ExecEnv: true})
	for _, name := range []string{"native syscalls", "compat syscalls"} {
		t.Run(name, func(t *testing.T) { s.everySyscall(t, name) })
	}
	for _, row := range syscallCases {
		t.Run(row.name, func(t *testing.T) { s.syscallCase(t, row) })
	}
}

func TestEveryUncalledSyscallExists(t *testing.T) {
	for name, reason := range uncalled {
		if e, ok := events.Lookup(name); !ok || !e.Syscall || reason == "" {
			t.Errorf("%s: no such syscall, or no reason why it is not called", name)
		}
	}
	for name, values := range harmless {
		e := lookup(name)
		for argument := range values {
			if e.Schema().Index(argument) < 0 {
				t.Errorf("%s has no argument %s", name, argument)
			}
		}
	}
}

// everySyscall finds the wanted events in order, among those of the calls that the runtime of Go makes.
func (s *session) everySyscall(t *testing.T, action string) {
	detail, skip := "", ""
	defer func() { report(t, strings.ReplaceAll(action, " ", "_"), trace.NoRung, detail+skip) }()
	s.try(t, func(t testing.TB) { detail, skip = s.tryEverySyscall(t, action) })
	if skip != "" {
		t.Skip(skip)
	}
}

// tryEverySyscall says how many calls were seen, or why none could be made.
func (s *session) tryEverySyscall(t testing.TB, action string) (detail, skip string) {
	c := spawn(t, action)
	found, seen := s.run(c, 0)
	if found.Skip != "" {
		return "", found.Skip
	}
	all := of(seen, []int{c.pid}, allNames()...)
	missing := 0
	for i := range found.Wants {
		w := &found.Wants[i]
		at := slices.IndexFunc(all, func(e *trace.Event) bool { return e.EventName == w.Event && c.compare(w, e) == nil })
		if at >= 0 {
			all = all[at+1:]
			continue
		}
		missing++
		t.Errorf("not seen: %s\n%s", w, c.nearest(w, all))
	}
	return fmt.Sprintf("%d of %d as wanted", len(found.Wants)-missing, len(found.Wants)), ""
}

// nearest tells in what the next event of the wanted kind differs.
func (c *child) nearest(w *want, seen []*trace.Event) string {
	for _, e := range seen {
		if e.EventName == w.Event {
			return fmt.Sprint(c.compare(w, e))
		}
	}
	return "no such event at all"
}

func allNames() []string {
	var names []string
	for _, e := range events.All() {
		names = append(names, e.Name)
	}
	return names
}

func (s *session) syscallCase(t *testing.T, row syscallCase) {
	detail, skip := row.name, ""
	defer func() {
		for _, name := range strings.Fields(row.events) {
			report(t, name, s.rungs()[name], detail)
		}
	}()
	s.try(t, func(t testing.TB) { skip = s.trySyscallCase(t, row) })
	if skip != "" {
		detail += ": " + skip
		t.Skip(skip)
	}
}

// trySyscallCase returns why it could not be tried, if so.
func (s *session) trySyscallCase(t testing.TB, row syscallCase) (skip string) {
	c := spawn(t, "syscalls/"+row.name)
	found, seen := s.run(c, 0)
	if found.Skip != "" {
		return found.Skip
	}
	pids := []int{c.pid}
	for _, w := range found.Wants {
		pids = append(pids, w.Pid)
		if slices.Contains([]string{"fork", "vfork", "clone", "clone3"}, w.Event) {
			pids = append(pids, w.Return) // the child of a fork, too: its side of the call is no event
		}
	}
	seen = of(seen, pids, strings.Fields(row.events)...)
	if strings.HasPrefix(row.name, "32-bit") {
		seen = slices.DeleteFunc(seen, func(e *trace.Event) bool { return lookup(e.EventName).Syscall && !e.Compat })
	}
	c.compareAll(found.Wants, seen)
	return ""
}

// TestExecveAndExecveatAreToldApart selects only one of the two.
func TestExecveAndExecveatAreToldApart(t *testing.T) {
	for _, selected := range []string{"execve", "execveat"} {
		t.Run(selected+" is traced", func(t *testing.T) {
			s := start(t, tracer.Config{Events: []*events.Event{lookup(selected)}, ExecEnv: true})
			for _, called := range []string{"execve", "execveat"} {
				s.try(t, func(t testing.TB) {
					c := spawn(t, "syscalls/"+called)
					found, seen := s.run(c, 0)
					wants := slices.DeleteFunc(found.Wants, func(w want) bool { return w.Event != selected })
					c.compareAll(wants, of(seen, []int{c.pid}, "execve", "execveat"))
				})
			}
		})
	}
}

// TestEnvironmentIsKeptOnlyOnDemand looks at executions without option:exec-env.
func TestEnvironmentIsKeptOnlyOnDemand(t *testing.T) {
	execve, execveat := lookup("execve"), lookup("execveat")
	s := start(t, tracer.Config{Events: []*events.Event{execve, execveat, events.SchedProcessExec}})
	for _, name := range []string{"execve", "execveat"} {
		t.Run(name, func(t *testing.T) {
			s.try(t, func(t testing.TB) { s.executeWithoutEnv(t, name) })
		})
	}
}

func (s *session) executeWithoutEnv(t testing.TB, name string) {
	c := spawn(t, "syscalls/"+name)
	found, seen := s.run(c, 0)
	for i := range found.Wants {
		delete(found.Wants[i].Arguments, "envp")
	}
	c.compareAll(found.Wants, of(seen, []int{c.pid}, "execve", "execveat"))
	for _, e := range of(seen, []int{c.pid}, "sched_process_exec") {
		if env, ok := e.Lookup("env"); ok {
			t.Errorf("env of %s: got %v, want it absent", e.EventName, env.Value())
		}
	}
}
