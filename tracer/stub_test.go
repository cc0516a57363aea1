package tracer

import (
	"os"
	"slices"
	"testing"

	"github.com/cilium/ebpf/asm"

	"github.com/tracee-go/tracee/internal/deadcode"
)

// function makes one that calls others, and returns a number by which it can be told.
func function(name string, number int32, calls ...string) asm.Instructions {
	body := asm.Instructions{asm.Mov.Imm(asm.R6, number).WithSymbol(name)}
	for _, other := range calls {
		body = append(body, asm.Call.Label(other))
	}
	return append(body, asm.Mov.Reg(asm.R0, asm.R6), asm.Return())
}

func TestStubbedFunctionsReturnTheirResultAndTakeWhatOnlyTheyCallWithThem(t *testing.T) {
	program := slices.Concat(function("main", 1, "one", "two"), function("one", 2, "deep", "shared"), function("two", 3, "shared"),
		function("deep", 4, "deeper"), function("deeper", 5), function("shared", 6))
	stubbed := asm.Instructions{asm.Mov.Imm(asm.R0, 7).WithSymbol("one"), asm.Return()}
	want := slices.Concat(function("main", 1, "one", "two"), stubbed, function("two", 3, "shared"), function("shared", 6))
	same := func(a, b asm.Instructions) bool {
		return slices.EqualFunc(a, b, func(a, b asm.Instruction) bool {
			return a.OpCode == b.OpCode && a.Constant == b.Constant && a.Symbol() == b.Symbol() && a.Reference() == b.Reference()
		})
	}
	whole := slices.Clone(program)
	if got := deadcode.Remove(stub(program, map[string]int32{"one": 7, "nothing": 8}), deadcode.Constants{}); !same(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	if !same(program, whole) {
		t.Error("the program itself, which others are linked from, was changed")
	}
	if got := stub(program, map[string]int32{"nothing": 8}); !same(got, whole) {
		t.Errorf("without such a function, got\n%v\nwant\n%v", got, whole)
	}
}

func TestKernelMakesTheSameOfProgramsWithStubs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loading BPF programs needs root")
	}
	l, end := loaderOf(t, nil, "kill", "security_file_open", "task_rename")
	defer end()
	translated := func(name string) int {
		t.Helper()
		program, err := l.load(name)
		if err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		info, err := program.Info()
		if err != nil {
			t.Fatal(err)
		}
		instructions, err := info.Instructions()
		if err != nil {
			t.Skipf("this kernel does not show what it made of programs: %v", err)
		}
		return len(instructions)
	}
	for _, name := range []string{"security_file_open_exit", "task_rename", "sys_exit"} {
		whole := l.spec.Programs[name].Instructions
		if short := stub(whole, l.judges.Spare(false)); len(deadcode.Remove(short, deadcode.Constants{})) >= len(whole) {
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
