package cli

import (
	"strings"
	"testing"
)

func TestDiagnosisNamesWhatIsMissing(t *testing.T) {
	d := &diagnosis{
		Kernel: kernelFacts{
			Release: "6.1.0", BTF: "/sys/kernel/btf/vmlinux", Lockdown: "none", LSM: "capability", Cgroup: "v2",
			Rungs: []rung{
				{Name: "lsm", Reason: "lsm: bpf is not in force"},
				{Name: "fentry", Available: true},
				{Name: "tracepoint", Available: true},
			},
		},
		Events: []eventDiagnosis{
			{Name: "openat", Syscall: true, Attached: true},
			{Name: "file", Attached: true, Rung: "fentry", Reasons: []string{"lsm: bpf is not in force"}},
			{Name: "memory", Attached: true, Rung: "tracepoint", Reasons: []string{"too large"}, Unseen: "Much."},
			{Name: "other", Attached: true, Rung: "tracepoint", Unseen: "Much."},
			{Name: "gone", Reasons: []string{"lsm: bpf is not in force", "no such function", "lsm: bpf is not in force"}},
			{Name: "lost_events", Attached: true},
		},
		Signatures: []signatureDiagnosis{
			{ID: "A", Name: "First", Works: true},
			{ID: "B", Name: "Second", Works: true, Partial: []string{"memory"}},
			{ID: "C", Name: "Third", Missing: []string{"gone"}},
		},
		Needs: []needDiagnosis{{Name: "memory", Sent: "all, for B"}, {Name: "openat", Some: true, Sent: "pathname=/etc/*"}},
	}
	const want = `Kernel
  release           6.1.0
  type information  /sys/kernel/btf/vmlinux
  lockdown          none
  security modules  capability
  control groups    v2

Rungs, best first
  lsm         no: bpf is not in force
  fentry      yes
  tracepoint  yes

Events: 1 syscalls and 4 others; not available: 1
  file         fentry (not lsm)
  memory       tracepoint: too large
                 unseen: Much.
  other        tracepoint
                 unseen: as for memory
  gone         not available (not lsm): no such function
  lost_events  user space

Signatures: 3; in part: 1; can not fire: 1
  A  First   yes
  B  Second  yes, as far as seen: memory
  C  Third   can not fire: no gone

Events of which the kernel sends only what signatures look for
  openat  pathname=/etc/*
`
	if got := string(d.text(0)); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestDiagnosisFitsTheTerminal(t *testing.T) {
	d := &diagnosis{Events: []eventDiagnosis{{Name: "file", Attached: true, Rung: "tracepoint", Unseen: strings.Repeat("much of it ", 30)}}}
	lines := 0
	for line := range strings.Lines(string(d.text(70))) {
		if lines++; len(line) > 70+1 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
	if lines < 10 {
		t.Errorf("got %d lines", lines)
	}
}
