package tracer

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/tracee-go/tracee/types/trace"
)

// printing writes a line to the kernel's trace, which the tracepoint bpf_trace_printk tells of.
var printing = asm.Instructions{
	asm.Mov.Imm(asm.R1, 'x'),
	asm.StoreMem(asm.R10, -8, asm.R1, asm.DWord),
	asm.Mov.Reg(asm.R1, asm.R10),
	asm.Add.Imm(asm.R1, -8),
	asm.Mov.Imm(asm.R2, 2),
	asm.FnTracePrintk.Call(),
	asm.Mov.Imm(asm.R0, 0),
	asm.Return(),
}

// needsCounting skips on a kernel that lets programs on tracepoints interrupt themselves, without end in this test.
func needsCounting(t *testing.T) {
	t.Helper()
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skip("no type information of the kernel: ", err)
	}
	var counting *btf.Func // in its own file until 6.0, for trampolines only
	if err := types.TypeByName("bpf_prog_inc_misses_counter", &counting); err != nil {
		t.Skip("this kernel (before 6.1) does not stop a program on a tracepoint from interrupting itself")
	}
}

func TestProgramsNotRunAreLosses(t *testing.T) {
	needsCounting(t)
	running, loader, _ := prepared(t, Config{Events: named(t, "cgroup_mkdir")})
	program := loader.spec.Programs["cgroup_mkdir"]
	program.AttachTo = "bpf_trace_printk" // which the program itself makes happen
	program.Instructions = printing
	if err := running.startWith(loader); err != nil {
		t.Fatal(err)
	}
	trigger, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, Instructions: printing, License: "GPL"})
	if err != nil {
		t.Fatal(err)
	}
	defer trigger.Close()
	const times = 3
	for range times {
		if _, err := trigger.Run(&ebpf.RunOptions{}); err != nil {
			t.Fatal(err)
		}
	}

	var told, records uint64
	for range 2 { // the second time there is nothing new
		running.reader.losses.report(func(e *trace.Event) bool {
			name, _ := e.Lookup("event")
			reason, _ := e.Lookup("reason")
			count, _ := e.Lookup("lost")
			if name.Value() != "cgroup_mkdir" || reason.Value() != ProgramMissed {
				t.Errorf("lost %v for %v, want cgroup_mkdir for %s", name.Value(), reason.Value(), ProgramMissed)
			}
			told += count.Uint()
			records++
			return true
		}, true)
	}
	if told < times || running.Stats().LostTotal() < times || records == 0 {
		t.Errorf("%d losses in %d records, %d in the totals; want at least %d", told, records, running.Stats().LostTotal(), times)
	}
}

func TestSharedProgramsAreCalledByTheirNames(t *testing.T) {
	both := named(t, "execve", "execveat", "sched_process_exec")
	running := &Tracer{attachments: []Attachment{
		{Event: both[0], Attached: true, hook: both[0].Hooks[len(both[0].Hooks)-1]},
		{Event: both[1], Attached: true, hook: both[1].Hooks[len(both[1].Hooks)-1]},
		{Event: both[2], Attached: true, hook: both[2].Hooks[len(both[2].Hooks)-1]},
	}}
	for program, want := range map[string]string{
		"sched_process_exec": "sched_process_exec", "execve_success": "execve_success", "sys_exit": "sys_exit",
	} {
		if got := running.eventOf(program); got != want {
			t.Errorf("losses of program %s count for %s, want %s", program, got, want)
		}
	}
}
