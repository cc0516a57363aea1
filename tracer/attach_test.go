package tracer

import (
	"bytes"
	"context"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/trace"
)

// refuse makes the verifier refuse a program: it begins with reading a register that nothing was written to.
func refuse(t *testing.T, program *ebpf.ProgramSpec) {
	t.Helper()
	if program == nil {
		t.Fatal("no such program")
	}
	first := &program.Instructions[0]
	*first = asm.Mov.Reg(asm.R0, asm.R9).WithMetadata(first.Metadata)
}

// newRefused is New for a kernel that refuses some programs. It returns what was logged, too.
func newRefused(t *testing.T, config Config, programs ...string) (*Tracer, *bytes.Buffer, error) {
	t.Helper()
	running, loader, log := prepared(t, config)
	for _, name := range programs {
		refuse(t, loader.spec.Programs[name])
	}
	return running, log, running.startWith(loader)
}

// prepared returns a tracer that has not started, with what it will load.
func prepared(t *testing.T, config Config) (*Tracer, *loader, *bytes.Buffer) {
	t.Helper()
	needRoot(t)
	var log bytes.Buffer
	everything, err := filter.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	config.Filter = everything
	running := &Tracer{config: config, log: slog.New(slog.NewTextHandler(&log, nil)), programs: map[string]*ebpf.Program{}, rungs: &rungs{}}
	t.Cleanup(func() {
		if err := running.Close(); err != nil {
			t.Error(err)
		}
	})
	loader, err := newLoader(config, ofAllRungs(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return running, loader, &log
}

func named(t *testing.T, names ...string) []*events.Event {
	t.Helper()
	found := make([]*events.Event, len(names))
	for i, name := range names {
		e, ok := events.Lookup(name)
		if !ok {
			t.Fatalf("no event called %s", name)
		}
		found[i] = e
	}
	return found
}

func TestRefusedProgramCostsOneRung(t *testing.T) {
	others := []string{"sched_process_exec", "sched_process_exit", "openat"}
	tests := []struct {
		name    string
		event   string
		refused []string
		rung    trace.Rung // NoRung: left out
	}{
		{"best rung", "security_file_open", []string{"security_file_open_fentry"}, trace.Tracepoint},
		{"last rung", "security_bprm_check", []string{"security_bprm_check_fentry", "security_bprm_check_exec"}, trace.NoRung},
		{"only rung", "cgroup_mkdir", []string{"cgroup_mkdir"}, trace.NoRung},
		{"tail at exit", "security_file_open", []string{"security_file_open_fentry", "security_file_open_exit"}, trace.NoRung},
		{"tail at entry", "commit_creds", []string{"commit_creds_fentry", "identity_enter"}, trace.NoRung},
		{"companion", "commit_creds", []string{"commit_creds_fentry", "commit_creds_exec"}, trace.NoRung},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := Config{Events: named(t, append(others, test.event)...)}
			running, log, err := newRefused(t, config, test.refused...)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range running.Attachments() {
				if a.Event.Name != test.event {
					if !a.Attached || a.Err != nil {
						t.Errorf("%s: attached %t, error %v; it has nothing to do with %s", a.Event.Name, a.Attached, a.Err, test.event)
					}
					continue
				}
				if a.Rung != test.rung || a.Attached != (test.rung != trace.NoRung) || a.Err == nil {
					t.Errorf("%s: got rung %q, attached %t, error %v; want rung %q", test.event, a.Rung, a.Attached, a.Err, test.rung)
				}
			}
			if warned := strings.Contains(log.String(), "event="+test.event); warned != (test.rung == trace.NoRung) {
				t.Errorf("warning: got %q", log)
			}
			wantRun(t, running, others)
		})
	}
}

// Connections are seen without packets; only the names of addresses are missing.
func TestARefusedSourceThatOnlyHelpsCostsNoEvent(t *testing.T) {
	config := Config{Events: events.WithSources(named(t, "net_tcp_connect", "net_flow_tcp_begin", "net_packet_dns"))}
	running, log, err := newRefused(t, config, "packet_out")
	if err != nil {
		t.Fatal(err)
	}
	lost := []string{"net_packet_base", "net_packet_dns"}
	for _, a := range running.Attachments() {
		says := ""
		if a.Err != nil {
			says = a.Err.Error()
		}
		switch name := a.Event.Name; {
		case slices.Contains(lost, name) == a.Attached:
			t.Errorf("%s: attached %t, error %v", name, a.Attached, a.Err)
		case len(a.Event.Better) > 0 && !strings.Contains(says, "says less: load program packet_out"):
			t.Errorf("%s: got error %q, want that it says less", name, says)
		}
	}
	for _, name := range lost {
		if !strings.Contains(log.String(), "event="+name) {
			t.Errorf("no warning about %s: %s", name, log)
		}
	}
}

func TestRefusedDispatcherCostsOnlyWhatNeedsIt(t *testing.T) {
	config := Config{Events: named(t, "openat", "security_file_open", "exit_group", "sched_process_exec")}
	config.Without = []trace.Rung{trace.Fentry}
	running, log, err := newRefused(t, config, "sys_exit")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range running.Attachments() {
		needsIt := a.Event.Name == "openat" || a.Event.Name == "security_file_open"
		if a.Attached == needsIt || (a.Err != nil) != needsIt {
			t.Errorf("%s: got attached %t, error %v", a.Event.Name, a.Attached, a.Err)
		}
		if warned := strings.Contains(log.String(), "event="+a.Event.Name); warned != needsIt {
			t.Errorf("%s: warning: got %q", a.Event.Name, log)
		}
	}
	wantRun(t, running, []string{"exit_group", "sched_process_exec"})
}

// wantRun executes a program and demands an event of each name from it.
func wantRun(t *testing.T, running *Tracer, names []string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	cmd := exec.Command("/bin/sh", "-c", ": < /dev/null")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	missing := slices.Clone(names)
	for e := range running.Events(ctx) {
		if e.HostProcessID == cmd.Process.Pid {
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == e.EventName })
		}
		if len(missing) == 0 {
			return
		}
	}
	t.Errorf("not seen: %v", missing)
}

func TestRefusedProgramOfARequiredEventIsAnError(t *testing.T) {
	required := named(t, "cgroup_mkdir")
	_, _, err := newRefused(t, Config{Events: named(t, "cgroup_mkdir", "openat"), Required: required}, "cgroup_mkdir")
	if err == nil || !strings.Contains(err.Error(), "event cgroup_mkdir is not available on this kernel") {
		t.Errorf("got error %v, want one that names cgroup_mkdir", err)
	}
}

func TestWithoutRungsLeavesThemOut(t *testing.T) {
	tests := []struct {
		name    string
		without []trace.Rung
		want    trace.Rung
	}{
		{"lower rung", []trace.Rung{trace.LSM, trace.Fentry, trace.Kprobe}, trace.Tracepoint},
		{"no rung", []trace.Rung{trace.LSM, trace.Fentry, trace.Kprobe, trace.Tracepoint}, trace.NoRung},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := Config{Events: named(t, "security_file_open", "openat"), Without: test.without}
			running, _, err := newRefused(t, config)
			if err != nil {
				t.Fatal(err)
			}
			a := running.Attachments()[0]
			if a.Rung != test.want || a.Attached != (test.want != trace.NoRung) {
				t.Errorf("got rung %q, attached %t, error %v; want rung %q", a.Rung, a.Attached, a.Err, test.want)
			}
			if !running.Attachments()[1].Attached {
				t.Error("openat is not attached, though it has no rung")
			}
		})
	}
}
