package cli

import "testing"

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
			{Name: "gone", Reasons: []string{"lsm: bpf is not in force", "no such function"}},
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

Events: 1 syscalls and 3 others; not available: 1
  file         fentry (not lsm)
  memory       tracepoint: too large
                 unseen: Much.
  gone         not available (not lsm): no such function
  lost_events  user space

Signatures
  A  First   yes
  B  Second  yes, as far as seen: memory
  C  Third   can not fire: no gone

Events of which the kernel sends only what signatures look for
  openat  pathname=/etc/*
`
	if got := string(d.text()); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
