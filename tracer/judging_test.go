package tracer

import (
	"os"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/tracee-go/tracee/filter"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading BPF programs needs root")
	}
}

// loaderOf makes a loader for events with filters, and what ends it.
func loaderOf(t *testing.T, flags []string, selection ...string) (l *loader, end func()) {
	t.Helper()
	return loaderOfPrograms(t, nil, flags, selection...)
}

// loaderOfPrograms makes one that reads these programs at first; nil: all.
func loaderOfPrograms(t *testing.T, programs, flags []string, selection ...string) (l *loader, end func()) {
	t.Helper()
	parsed, err := filter.Parse(flags)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = newLoader(Config{Events: named(t, selection...), Filter: parsed}, newSources(), programs); err != nil {
		t.Fatal(err)
	}
	return l, func() {
		for _, m := range l.maps {
			m.Close()
		}
		l.close()
	}
}

func TestProgramsWithoutFilteredArgumentsAreNoLongerThanWithoutFilters(t *testing.T) {
	needRoot(t)
	followed := func(flags ...string) map[string]int {
		t.Helper()
		l, end := loaderOf(t, flags, "sched_process_exec", "kill", "security_file_open")
		defer end()
		if !l.callbacks {
			t.Skip("this kernel (before 5.17) leaves arguments to user space")
		}
		l.options.Programs.LogLevel = ebpf.LogLevelStats
		costs := map[string]int{}
		for _, name := range []string{"sched_process_exec", "sys_exit", "security_file_open_exit"} {
			program, err := l.load(name)
			if err != nil {
				t.Fatal(err)
			}
			if costs[name], err = instructionsFollowed(program.VerifierLog); err != nil {
				t.Fatal(err)
			}
			program.Close()
		}
		return costs
	}
	without := followed()
	with := followed("event=sched_process_exec,security_file_open", "event=kill", "kill.sig=9")
	for _, name := range []string{"sched_process_exec", "security_file_open_exit"} {
		if with[name] != without[name] {
			t.Errorf("%s: the verifier follows %d instructions, and %d with a filter of arguments of another event", name, without[name], with[name])
		}
	}
	if with["sys_exit"] <= without["sys_exit"] {
		t.Errorf("sys_exit, which has filtered arguments: the verifier follows %d instructions, and %d without filters", with["sys_exit"], without["sys_exit"])
	}
}

func TestDispatchersOfSyscallsJudgeOnlyWhatTheySend(t *testing.T) {
	for _, test := range []struct {
		event          string
		senders, never []string
	}{
		{"kill", []string{"sys_exit"}, []string{"sys_enter"}},
		{"rt_sigreturn", []string{"sys_enter"}, []string{"sys_exit"}},
		{"exit_group", []string{"exit_called"}, []string{"sys_enter", "sys_exit"}},
		{"execve", []string{"sys_exit", "execve_success"}, []string{"sys_enter"}},
		{"commit_creds", []string{"commit_creds_exec", "identity_enter"}, []string{"sys_enter", "sys_exit"}},
		{"security_file_open", []string{"security_file_open_exit"}, []string{"sys_enter", "sys_exit"}},
	} {
		names := map[string]bool{}
		addSenders(names, named(t, test.event)[0])
		for _, name := range test.senders {
			if !names[name] {
				t.Errorf("%s: program %s sends it", test.event, name)
			}
		}
		for _, name := range test.never {
			if names[name] {
				t.Errorf("%s: program %s does not send it", test.event, name)
			}
		}
	}
}

func TestLongestProgramsAreLoadedFirst(t *testing.T) {
	l := &loader{whole: true, spec: &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{
		"short": {Instructions: make(asm.Instructions, 10)}, "long": {Instructions: make(asm.Instructions, 20)},
		"judging": {Instructions: make(asm.Instructions, 5)},
	}}}
	l.judging = judging{programs: map[string]bool{"judging": true}, without: &ebpf.Map{}}
	got := l.longestFirst([]string{"missing", "short", "judging", "long"})
	if want := []string{"judging", "long", "short", "missing"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
