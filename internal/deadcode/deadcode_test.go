package deadcode

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

const constantsMap = ".rodata"

var constants = Constants{constantsMap, []byte{0: 1, 4: 0xff, 5: 0xff, 6: 0xff, 7: 0xff, 8: 7, 15: 0x80}}

// constant loads a word of the constants.
func constant(to asm.Register, offset uint32, size asm.Size) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapValue(asm.R8, 0, offset).WithReference(constantsMap),
		asm.LoadMem(to, asm.R8, 0, size),
	}
}

// jump jumps over so many words; a negative op is unconditional.
func jump(op asm.JumpOp, on asm.Register, value int32, over int16) asm.Instruction {
	in := op.Imm(on, value, "")
	in.Offset = over
	return in
}

// result and end are what programs do in the examples.
func result(n int32) asm.Instruction { return asm.Mov.Imm(asm.R0, n) }

var end = asm.Return()

// program joins instructions, and gives the first a name.
func program(name string, parts ...asm.Instructions) asm.Instructions {
	all := slices.Concat(parts...)
	all[0] = all[0].WithSymbol(name)
	return all
}

func TestWhatCanNotBeReachedGoes(t *testing.T) {
	for _, test := range []struct {
		name       string
		code, left asm.Instructions
	}{
		{
			"never taken",
			slices.Concat(constant(asm.R2, 0, asm.Byte), asm.Instructions{jump(asm.JEq, asm.R2, 0, 2), result(1), end, result(2), end}),
			slices.Concat(constant(asm.R2, 0, asm.Byte), asm.Instructions{result(1), end}),
		},
		{
			"always taken",
			slices.Concat(constant(asm.R2, 0, asm.Byte), asm.Instructions{jump(asm.JNE, asm.R2, 0, 2), result(1), end, result(2), end}),
			slices.Concat(constant(asm.R2, 0, asm.Byte), asm.Instructions{result(2), end}),
		},
		{
			"over something that stays",
			asm.Instructions{
				result(1), jump(asm.JEq, asm.R1, 5, 1), jump(asm.JEq, asm.R0, 1, 2),
				result(2), end, result(3), jump(asm.JEq, asm.R0, 4, 1), result(5), end,
			},
			asm.Instructions{result(1), jump(asm.JEq, asm.R1, 5, 1), jump(asm.Ja, 0, 0, 2), result(2), end, result(3), result(5), end},
		},
		{
			"beyond the constants nothing is known",
			slices.Concat(constant(asm.R2, 9, asm.DWord), asm.Instructions{jump(asm.JEq, asm.R2, 0, 2), result(1), end, result(2), end}),
			nil,
		},
		{
			"32 bits of 64", // 0xffffffff00000001
			slices.Concat(constant(asm.R2, 0, asm.DWord), asm.Instructions{
				jump(asm.JSGT, asm.R2, 0, 2), asm.Mov.Reg32(asm.R2, asm.R2), jump(asm.JEq, asm.R2, 1, 2), result(1), end, result(2), end,
			}),
			slices.Concat(constant(asm.R2, 0, asm.DWord), asm.Instructions{asm.Mov.Reg32(asm.R2, asm.R2), result(2), end}),
		},
		{
			"32 bits overflow",
			asm.Instructions{
				asm.Mov.Imm32(asm.R2, -1), asm.Mov.Imm(asm.R3, 1), asm.Add.Reg32(asm.R2, asm.R3), jump(asm.JEq, asm.R2, 0, 2), result(1), end, result(2), end,
			},
			asm.Instructions{asm.Mov.Imm32(asm.R2, -1), asm.Mov.Imm(asm.R3, 1), asm.Add.Reg32(asm.R2, asm.R3), result(2), end},
		},
		{
			"a loop changes what was known",
			asm.Instructions{asm.Mov.Imm(asm.R2, 0), asm.Add.Imm(asm.R2, 1), jump(asm.JLT, asm.R2, 3, -2), result(1), end},
			nil,
		},
		{
			"what two ways agree on",
			asm.Instructions{
				asm.Mov.Imm(asm.R2, 1), jump(asm.JEq, asm.R1, 5, 1), asm.Mov.Imm(asm.R2, 1), jump(asm.JEq, asm.R2, 1, 1), result(9), result(1), end,
			},
			asm.Instructions{asm.Mov.Imm(asm.R2, 1), jump(asm.JEq, asm.R1, 5, 1), asm.Mov.Imm(asm.R2, 1), result(1), end},
		},
	} {
		whole := program("main", test.code)
		before := text(whole)
		left := whole
		if test.left != nil {
			left = program("main", test.left)
		}
		if got := Remove(whole, constants, nil); text(got) != text(left) {
			t.Errorf("%s: got\n%swant\n%s", test.name, text(got), text(left))
		}
		if text(whole) != before {
			t.Errorf("%s: the argument was changed", test.name)
		}
	}
}

func call(name string) asm.Instruction { return asm.Call.Label(name) }

func TestFunctionsKnowWhatTheyAreAlwaysCalledWith(t *testing.T) {
	function := program("f", asm.Instructions{jump(asm.JEq, asm.R1, 1, 2), result(1), end, result(2), end})
	for _, test := range []struct {
		name string
		main asm.Instructions
		f    asm.Instructions
	}{
		{
			"once",
			asm.Instructions{asm.Mov.Imm(asm.R1, 1), call("f"), end},
			asm.Instructions{asm.Mov.Imm(asm.R1, 1), result(2), end},
		},
		{
			"twice the same",
			asm.Instructions{asm.Mov.Imm(asm.R1, -1), call("f"), asm.Mov.Imm(asm.R1, -1), call("f"), end},
			asm.Instructions{asm.Mov.Imm(asm.R1, -1), result(1), end},
		},
		{"differently", asm.Instructions{asm.Mov.Imm(asm.R1, 1), call("f"), asm.Mov.Imm(asm.R1, 2), call("f"), end}, function},
		{"with anything", asm.Instructions{asm.LoadMem(asm.R1, asm.R1, 0, asm.Word), call("f"), end}, function},
		{
			"by the kernel as well",
			asm.Instructions{asm.LoadImm(asm.R2, -1, asm.DWord).WithReference("f"), asm.Mov.Imm(asm.R1, 1), call("f"), end},
			function,
		},
		{"not at all", asm.Instructions{result(1), end, call("f"), end}, asm.Instructions{}},
	} {
		main := program("main", test.main)
		if in := &main[0]; in.Reference() == "f" {
			in.Src = asm.PseudoFunc
		}
		want := main
		if len(test.f) == 0 {
			want = main[:2]
		} else {
			want = slices.Concat(want, program("f", test.f))
		}
		if got := Remove(slices.Concat(main, function), constants, nil); text(got) != text(want) {
			t.Errorf("%s: got\n%swant\n%s", test.name, text(got), text(want))
		}
	}
}

// calling makes a function that calls others, and returns a number by which it can be told.
func calling(name string, number int32, calls ...string) asm.Instructions {
	body := asm.Instructions{asm.Mov.Imm(asm.R6, number).WithSymbol(name)}
	for _, other := range calls {
		body = append(body, asm.Call.Label(other))
	}
	return append(body, asm.Mov.Reg(asm.R0, asm.R6), asm.Return())
}

func TestFunctionsReturnTheirResultAndTakeWhatOnlyTheyCallWithThem(t *testing.T) {
	program := slices.Concat(calling("main", 1, "one", "two"), calling("one", 2, "deep", "shared"), calling("two", 3, "shared"),
		calling("deep", 4, "deeper"), calling("deeper", 5), calling("shared", 6))
	stubbed := asm.Instructions{asm.Mov.Imm(asm.R0, 7).WithSymbol("one"), asm.Return()}
	want := slices.Concat(calling("main", 1, "one", "two"), calling("two", 3, "shared"), calling("shared", 6), stubbed)
	same := func(a, b asm.Instructions) bool { return text(a) == text(b) }
	whole := slices.Clone(program)
	if got := Remove(program, Constants{}, map[string]int32{"one": 7, "nothing": 8}); !same(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
	if !same(program, whole) {
		t.Error("the program itself, which others are linked from, was changed")
	}
	want = slices.Concat(calling("main", 1, "one", "two"), calling("two", 3, "shared"), calling("one", 2, "deep", "shared"), calling("shared", 6),
		calling("deep", 4, "deeper"), calling("deeper", 5)) // callers come first
	if got := Remove(program, Constants{}, map[string]int32{"nothing": 8}); !same(got, want) {
		t.Errorf("without such a function, got\n%v\nwant\n%v", got, want)
	}
}

func text(program asm.Instructions) string {
	var b strings.Builder
	for i := range program {
		in := &program[i]
		fmt.Fprintf(&b, "%s %v %v %v %d %d %s\n", in.Symbol(), in.OpCode, in.Dst, in.Src, in.Offset, in.Constant, in.Reference())
	}
	return b.String()
}

// drawn makes a program of steps, each of which may go on with any later one, that the verifier accepts.
type drawn struct {
	*rand.Rand
	steps []asm.Instructions
	to    []int // by step: where its last instruction jumps, else 0
}

// scalars are the registers that hold numbers.
var scalars = []asm.Register{asm.R0, asm.R6, asm.R7, asm.R9}

func (d *drawn) scalar() asm.Register { return scalars[d.IntN(len(scalars))] }

func (d *drawn) small() int32 { return []int32{0, 1, 2, 7, -1, 255, 1 << 30, -1 << 31}[d.IntN(8)] }

// step draws one; function says that it may call f.
func (d *drawn) step(function bool) asm.Instructions {
	ops := []asm.ALUOp{asm.Add, asm.Sub, asm.Mul, asm.And, asm.Or, asm.Xor, asm.Mov, asm.Div, asm.Mod, asm.Neg, asm.ArSh}
	switch d.IntN(6) {
	case 0:
		op := ops[d.IntN(len(ops)-2)]
		in := []asm.Instruction{op.Reg(d.scalar(), d.scalar()), op.Reg32(d.scalar(), d.scalar())}
		return asm.Instructions{in[d.IntN(2)]}
	case 1:
		shift := []asm.ALUOp{asm.LSh, asm.RSh, asm.ArSh}[d.IntN(3)]
		in := []asm.Instruction{shift.Imm(d.scalar(), d.Int32N(64)), shift.Imm32(d.scalar(), d.Int32N(32)), asm.Neg.Imm(d.scalar(), 0)}
		return asm.Instructions{in[d.IntN(3)]}
	case 2:
		size := []asm.Size{asm.Byte, asm.Half, asm.Word, asm.DWord}[d.IntN(4)]
		return constant(d.scalar(), uint32(d.IntN(9)), size)
	case 3:
		if function {
			first := []asm.Instruction{asm.Mov.Imm(asm.R1, d.small()), asm.Mov.Reg(asm.R1, d.scalar())}
			return asm.Instructions{first[d.IntN(2)], asm.Mov.Imm(asm.R2, 3), call("f")}
		}
		return asm.Instructions{asm.Mov.Imm(d.scalar(), d.small())}
	default:
		op := []asm.JumpOp{
			asm.JEq, asm.JNE, asm.JGT, asm.JGE, asm.JLT, asm.JLE, asm.JSet, asm.JSGT, asm.JSGE, asm.JSLT, asm.JSLE,
		}[d.IntN(11)]
		in := []asm.Instruction{
			op.Imm(d.scalar(), d.small(), ""), op.Imm32(d.scalar(), d.small(), ""),
			op.Reg(d.scalar(), d.scalar(), ""), op.Reg32(d.scalar(), d.scalar(), ""),
		}
		return asm.Instructions{in[d.IntN(4)]}
	}
}

// code joins steps; the first ones fill the registers.
func (d *drawn) code(name string, count int, first ...asm.Instruction) asm.Instructions {
	d.steps, d.to = []asm.Instructions{first}, []int{0}
	for range count {
		d.steps = append(d.steps, d.step(name == "main"))
	}
	d.steps = append(d.steps, asm.Instructions{asm.Return()})
	begins, words := make([]int, len(d.steps)), 0
	for i, s := range d.steps {
		begins[i] = words
		words += int(s.Size() / asm.InstructionSize)
	}
	for i, s := range d.steps {
		if in := &s[len(s)-1]; jumps(in) {
			to := i + 1 + d.IntN(min(6, len(d.steps)-i-1))
			in.Offset = int16(begins[to] - begins[i] - 1)
		}
	}
	return program(name, slices.Concat(d.steps...))
}

// TestProgramsDoTheSame lets the kernel run drawn programs with and without what is removed.
func TestProgramsDoTheSame(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loading BPF programs needs root")
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Type: ebpf.Array, KeySize: 4, ValueSize: uint32(len(constants.Bytes)), MaxEntries: 1, Flags: 1 << 7, // BPF_F_RDONLY_PROG
		Contents: []ebpf.MapKV{{Key: uint32(0), Value: constants.Bytes}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Freeze(); err != nil {
		t.Fatal(err)
	}
	removed, ran := 0, 0
	for seed := range uint64(2000) {
		d := &drawn{Rand: rand.New(rand.NewPCG(seed, 1))}
		main := d.code("main", 5+d.IntN(40), asm.LoadMem(asm.R6, asm.R1, 0, asm.Word), asm.Mov.Imm(asm.R7, d.small()), asm.Mov.Imm(asm.R9, 5), result(1))
		f := d.code("f", 2+d.IntN(10), asm.Mov.Reg(asm.R6, asm.R1), asm.Mov.Reg(asm.R7, asm.R2), asm.Mov.Imm(asm.R9, 0), result(2))
		whole := slices.Concat(main, f)
		if len(whole.FunctionReferences()) == 0 {
			whole = main
		}
		left := Remove(whole, constants, nil)
		if removed += len(whole) - len(left); results(t, whole, m) != results(t, left, m) {
			t.Fatalf("drawn by %d: %s and %s\n%s\n%s", seed, results(t, whole, m), results(t, left, m), text(whole), text(left))
		}
		ran++
	}
	if removed < 10000 {
		t.Errorf("of %d programs, no more than %d instructions were removed", ran, removed)
	}
}

// results are what a program returns for packets of some lengths.
func results(t *testing.T, code asm.Instructions, m *ebpf.Map) string {
	t.Helper()
	code = slices.Clone(code)
	if slices.ContainsFunc(code, func(in asm.Instruction) bool { return in.Reference() == constantsMap }) {
		if err := code.AssociateMap(constantsMap, m); err != nil {
			t.Fatal(err)
		}
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter, Instructions: code, License: "GPL"})
	if err != nil {
		t.Fatalf("%v\n%s", err, text(code))
	}
	defer p.Close()
	var all []string
	for _, length := range []int{14, 15, 269, 1000} {
		ret, _, err := p.Test(make([]byte, length))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprint(ret))
	}
	return strings.Join(all, ",")
}
