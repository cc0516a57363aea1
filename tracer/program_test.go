package tracer

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/tracee-go/tracee/internal/deadcode"
)

func TestKernelMakesTheSameOfProgramsWithStubs(t *testing.T) {
	needRoot(t)
	l, end := loaderOf(t, nil, "kill", "security_file_open", "task_rename")
	defer end()
	translated := func(name string) int {
		t.Helper()
		program, err := l.load(name)
		if err != nil {
			t.Fatal(err)
		}
		return len(translatedOf(t, program))
	}
	for _, name := range []string{"security_file_open_exit", "task_rename", "sys_exit"} {
		whole := l.spec.Programs[name].Instructions
		if short := deadcode.Remove(whole, deadcode.Constants{}, l.judges.Spare(false)); len(short) >= len(whole) {
			t.Errorf("%s has %d instructions, and %d with stubs", name, len(whole), len(short))
		}
		with := translated(name)
		l.judging.all = true
		if without := translated(name); with != without {
			t.Errorf("%s: the kernel makes %d instructions of it, and %d with stubs", name, without, with)
		}
		l.judging.all = false
	}
}

// translatedOf closes a program, and returns what the kernel made of it.
func translatedOf(t *testing.T, program *ebpf.Program) asm.Instructions {
	t.Helper()
	defer program.Close()
	info, err := program.Info()
	if err != nil {
		t.Fatal(err)
	}
	instructions, err := info.Instructions()
	if err != nil {
		t.Skipf("this kernel does not show what it made of programs: %v", err)
	}
	return instructions
}
