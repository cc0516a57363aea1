package deadcode

import (
	"encoding/binary"
	"slices"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// value is what is known of a register. The zero value: nothing.
type value struct {
	kind kind
	n    uint64 // the number, or the offset
}

type kind uint8

const (
	unknown kind = iota
	number
	address // in the constants
)

// state is what is known of the registers.
type state [asm.R10 + 1]value

// meet forgets what differs, and says whether something did.
func (s *state) meet(other *state) bool {
	differs := false
	for i := range s {
		if s[i].kind != unknown && s[i] != other[i] {
			s[i], differs = value{}, true
		}
	}
	return differs
}

func (s *state) forget(registers ...asm.Register) {
	for _, r := range registers {
		s[r] = value{}
	}
}

// arguments is what is known of the numbers that a function is called with, as far as an instruction can hold them.
func (s *state) arguments() state {
	var known state
	for r := asm.R1; r <= asm.R5; r++ {
		if s[r].kind == number && int64(s[r].n) == int64(int32(s[r].n)) {
			known[r] = s[r]
		}
	}
	return known
}

// load appends instructions that load what is known where a function begins. Its name and type go with the first.
func (s *state) load(function, to asm.Instructions) asm.Instructions {
	begin := len(to)
	for r := asm.R1; r <= asm.R5; r++ {
		if s[r].kind == number {
			to = append(to, asm.Mov.Imm(r, int32(s[r].n)))
		}
	}
	if len(to) > begin {
		from := &function[0]
		to[begin] = btf.WithFuncMetadata(to[begin].WithSymbol(from.Symbol()), btf.FuncMetadata(from)).WithSource(from.Source())
	}
	return to
}

// loads says whether load appends something.
func (s *state) loads() bool {
	return slices.ContainsFunc(s[asm.R1:asm.R5+1], func(v value) bool { return v.kind == number })
}

// jump says what becomes of a jump, a call or an exit, and whether what is behind it may follow.
func (s *state) jump(in *asm.Instruction) (becomes fate, on bool) {
	switch in.OpCode.JumpOp() {
	case asm.Exit:
		return stays, false
	case asm.Call:
		return stays, true
	case asm.Ja:
		return always, false
	}
	taken, known := s.compare(in)
	switch {
	case !known:
		return stays, true
	case taken:
		return always, false
	default:
		return never, true
	}
}

// execute does what an instruction other than a jump does to the registers; false: it is not known.
func (s *state) execute(in *asm.Instruction, constants Constants) bool {
	switch class := in.OpCode.Class(); class {
	case asm.ALUClass, asm.ALU64Class:
		s[in.Dst] = s.calculate(in)
	case asm.LdClass:
		if in.OpCode.IsDWordLoad() {
			s[in.Dst] = loaded(in, constants.Map)
		} else { // from a packet
			s.forget(asm.R0, asm.R1, asm.R2, asm.R3, asm.R4, asm.R5)
		}
	case asm.LdXClass:
		s[in.Dst] = s.read(in, constants.Bytes)
	case asm.StXClass:
		if in.OpCode.Mode() != asm.MemMode { // some atomic instructions return what was there
			s.forget(asm.R0, in.Src)
		}
	case asm.StClass:
	default:
		return false
	}
	return true
}

// loaded is what an instruction with a constant of 64 bits loads.
func loaded(in *asm.Instruction, constants string) value {
	switch {
	case in.IsLoadFromMap():
		if in.Src == asm.PseudoMapValue && in.Reference() == constants {
			return value{address, uint64(in.Constant) >> 32}
		}
	case in.Src == 0 && in.Reference() == "" && btf.CORERelocationMetadata(in) == nil:
		return value{number, uint64(in.Constant)}
	}
	return value{}
}

// read is what a register is after it was read from memory.
func (s *state) read(in *asm.Instruction, constants []byte) value {
	from := s[in.Src]
	if in.OpCode.Mode() != asm.MemMode || from.kind != address || btf.CORERelocationMetadata(in) != nil {
		return value{}
	}
	begin, size := int64(from.n)+int64(in.Offset), int64(in.OpCode.Size().Sizeof())
	if begin < 0 || begin+size > int64(len(constants)) {
		return value{}
	}
	var word [8]byte
	copy(word[:], constants[begin:begin+size]) // BPF here is little endian, and so is this process
	return value{number, binary.LittleEndian.Uint64(word[:])}
}

// calculate is what a register is after arithmetic.
func (s *state) calculate(in *asm.Instruction) value {
	if in.Offset != 0 || btf.CORERelocationMetadata(in) != nil { // sign extension, or signed division
		return value{}
	}
	a, b := s[in.Dst], s.operand(in)
	op, long := in.OpCode.ALUOp(), in.OpCode.Class() == asm.ALU64Class
	switch {
	case op == asm.Mov && long:
		return b
	case op == asm.Add && long && a.kind == address && b.kind == number:
		return value{address, a.n + b.n}
	case b.kind != number || a.kind != number && op != asm.Mov:
		return value{}
	}
	bits := uint64(64)
	if !long {
		a.n, b.n, bits = uint64(uint32(a.n)), uint64(uint32(b.n)), 32
	}
	n, ok := arithmetic(op, a.n, b.n, bits)
	switch {
	case !ok:
		return value{}
	case !long:
		n = uint64(uint32(n))
	}
	return value{number, n}
}

// arithmetic calculates with words of so many bits; what is above them means nothing.
func arithmetic(op asm.ALUOp, a, b, bits uint64) (uint64, bool) {
	shift := b & (bits - 1)
	switch op {
	case asm.Mov:
		return b, true
	case asm.Add:
		return a + b, true
	case asm.Sub:
		return a - b, true
	case asm.Mul:
		return a * b, true
	case asm.And:
		return a & b, true
	case asm.Or:
		return a | b, true
	case asm.Xor:
		return a ^ b, true
	case asm.LSh:
		return a << shift, true
	case asm.RSh:
		return a >> shift, true
	default:
		return 0, false
	}
}

// operand is the second one of an instruction.
func (s *state) operand(in *asm.Instruction) value {
	if in.OpCode.Source() == asm.RegSource {
		return s[in.Src]
	}
	return value{number, uint64(in.Constant)}
}

// compare says whether a conditional jump is taken, if that is known.
func (s *state) compare(in *asm.Instruction) (taken, known bool) {
	a, b := s[in.Dst], s.operand(in)
	if a.kind != number || b.kind != number || btf.CORERelocationMetadata(in) != nil {
		return false, false
	}
	x, y := a.n, b.n
	signedX, signedY := int64(x), int64(y)
	if in.OpCode.Class() == asm.Jump32Class {
		x, y = uint64(uint32(x)), uint64(uint32(y))
		signedX, signedY = int64(int32(x)), int64(int32(y))
	}
	switch in.OpCode.JumpOp() {
	case asm.JEq:
		return x == y, true
	case asm.JNE:
		return x != y, true
	case asm.JGT:
		return x > y, true
	case asm.JGE:
		return x >= y, true
	case asm.JLT:
		return x < y, true
	case asm.JLE:
		return x <= y, true
	case asm.JSet:
		return x&y != 0, true
	case asm.JSGT:
		return signedX > signedY, true
	case asm.JSGE:
		return signedX >= signedY, true
	case asm.JSLT:
		return signedX < signedY, true
	case asm.JSLE:
		return signedX <= signedY, true
	default:
		return false, false
	}
}
