package test

import (
	"slices"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
)

const keptLetters = 15 // of the name of a program, by the kernel; where it has type information, all are known

// attachedPrograms are the names of the programs behind the links of this process, their first letters.
func attachedPrograms(t *testing.T) []string {
	t.Helper()
	var names []string
	objects := kernelObjects(t)
	for i, o := range objects {
		// The description of a link names the program after the link.
		if o.kind != "prog_id" || i == 0 || objects[i-1].kind != "link_id" {
			continue
		}
		program, err := ebpf.NewProgramFromID(ebpf.ProgramID(o.id))
		if err != nil {
			t.Fatal(err)
		}
		info, err := program.Info()
		if err != nil {
			t.Fatal(err)
		}
		if err := program.Close(); err != nil {
			t.Fatal(err)
		}
		names = append(names, info.Name[:min(len(info.Name), keptLetters)])
	}
	slices.Sort(names)
	return names
}

// What "bpftool link" shows: docs/guide/getting-started.md.
func TestOnlyWhatTheSelectionNeedsIsAttached(t *testing.T) {
	tests := []struct {
		event string
		want  []string
	}{
		{"sched_process_exec", []string{"sched_process_e"}},
		{"sched_process_fork", []string{"sched_process_f"}},
		{"openat", []string{"sys_exit"}},
		{"exit_group", []string{"exit_called"}},
		{"rt_sigreturn", []string{"sys_enter"}},
	}
	for _, test := range tests {
		t.Run(test.event, func(t *testing.T) {
			event, ok := events.Lookup(test.event)
			if !ok {
				t.Fatalf("no event %s", test.event)
			}
			selected := []*events.Event{event}
			running, err := tracer.New(tracer.Config{Events: selected, Required: selected})
			if err != nil {
				t.Fatal(err)
			}
			attached := attachedPrograms(t)
			used = append(used, kernelObjects(t)...)
			if err := running.Close(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(attached, test.want) {
				t.Errorf("attached %q, want %q", attached, test.want)
			}
		})
	}
}
