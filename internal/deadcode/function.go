package deadcode

import (
	"slices"

	"github.com/cilium/ebpf/asm"
)

// fate is what becomes of an instruction.
type fate uint8

const (
	dead   fate = iota // nothing gets there
	stays              // it does what it did
	always             // a jump that is taken
	never              // a jump that is not
)

// function is one of a program, while it is looked at. What is known is kept where a block begins: at the targets of jumps, and
// behind jumps.
type function struct {
	code      asm.Instructions
	constants Constants
	targets   []int // by instruction: where a jump goes, else -1
	blocks    []int // by instruction: the number of the block that begins there, else -1
	states    []state
	reached   []bool
	pending   []int // where blocks begin that are to be looked at again

	fates []fate
	calls map[int]state // arguments of calls, by instruction
}

// analyse finds out what becomes of the instructions; false: there are some that are not known here.
func (f *function) analyse() bool {
	if !f.findBlocks() {
		return false
	}
	f.flow(0, state{})
	for len(f.pending) > 0 {
		i := f.pending[len(f.pending)-1]
		f.pending = f.pending[:len(f.pending)-1]
		if !f.follow(i, f.flow) {
			return false
		}
	}
	f.fates, f.calls = make([]fate, len(f.code)), map[int]state{}
	for i, block := range f.blocks {
		if block >= 0 && f.reached[block] {
			f.follow(i, func(int, state) {})
		}
	}
	return true
}

// findBlocks finds where jumps go.
func (f *function) findBlocks() bool {
	f.targets, f.blocks = make([]int, len(f.code)), make([]int, len(f.code))
	var at []int // indices, by offset in words of 8 bytes
	for i := range f.code {
		f.targets[i], f.blocks[i] = -1, -1
		for range f.code[i].Width() {
			at = append(at, i)
		}
	}
	offset := 0
	begin := func(i int) {
		if i < len(f.code) && f.blocks[i] < 0 {
			f.blocks[i] = 0
		}
	}
	begin(0)
	for i := range f.code {
		in := &f.code[i]
		offset += int(in.Width())
		if !jumps(in) {
			continue
		}
		to := offset + int(in.Offset)
		if to < 0 || to >= len(at) || in.Reference() != "" || in.OpCode.Class() == asm.Jump32Class && in.OpCode.JumpOp() == asm.Ja {
			return false
		}
		f.targets[i] = at[to]
		begin(at[to])
		begin(i + 1)
	}
	n := 0
	for i := range f.blocks {
		if f.blocks[i] == 0 {
			f.blocks[i] = n
			n++
		}
	}
	f.states, f.reached = make([]state, n), make([]bool, n)
	return true
}

// jumps says whether an instruction may go on elsewhere in its function.
func jumps(in *asm.Instruction) bool {
	op := in.OpCode.JumpOp()
	return in.OpCode.Class().IsJump() && op != asm.Call && op != asm.Exit
}

// flow brings what is known to the begin of a block, which is looked at again if that makes a difference.
func (f *function) flow(to int, s state) {
	block := f.blocks[to]
	switch {
	case !f.reached[block]:
		f.reached[block], f.states[block] = true, s
	case !f.states[block].meet(&s):
		return
	}
	f.pending = append(f.pending, to)
}

// follow goes through a block, and tells flow where it goes on with what. Once there are fates it notes those of the instructions.
func (f *function) follow(i int, flow func(to int, s state)) bool {
	s := f.states[f.blocks[i]]
	for begin := i; i == begin || f.blocks[i] < 0; {
		in := &f.code[i]
		becomes, on := stays, true // whether it goes on behind
		if in.OpCode.Class().IsJump() {
			becomes, on = s.jump(in)
			if becomes == always || becomes == stays && f.targets[i] >= 0 {
				flow(f.targets[i], s)
			}
		} else if !s.execute(in, f.constants) {
			return false
		}
		f.note(i, becomes, &s)
		if in.OpCode.Class().IsJump() && in.OpCode.JumpOp() == asm.Call {
			s.forget(asm.R0, asm.R1, asm.R2, asm.R3, asm.R4, asm.R5)
		}
		if !on {
			return true
		}
		if i++; i == len(f.code) {
			return false
		}
	}
	flow(i, s)
	return true
}

// note notes what becomes of an instruction, and what it calls another function with.
func (f *function) note(i int, becomes fate, s *state) {
	if f.fates == nil {
		return
	}
	f.fates[i] = becomes
	switch in := &f.code[i]; {
	case in.IsFunctionCall():
		f.calls[i] = s.arguments()
	case in.IsFunctionReference(): // whoever calls it then, with whatever
		f.calls[i] = state{}
	}
}

// rest puts together what is left. Jumps that are known to be taken become unconditional; those that are not, or lead to what
// follows anyway, go. The first instruction stays in any case, because the function's name is with it.
func (f *function) rest() asm.Instructions {
	keep := make([]bool, len(f.code))
	for i, is := range f.fates {
		keep[i] = i == 0 || is == stays || is == always
	}
	for i, following := len(f.code)-1, len(f.code); i > 0; i-- {
		if keep[i] && f.fates[i] == always && i < f.targets[i] && f.targets[i] <= following {
			keep[i] = false
		}
		if keep[i] {
			following = i
		}
	}
	return f.assemble(keep)
}

// assemble copies what is kept, with the jumps that fit.
func (f *function) assemble(keep []bool) asm.Instructions {
	offsets, offset := make([]int, len(f.code)), 0 // of what is there or, if it goes, follows
	left := make(asm.Instructions, 0, len(f.code))
	for i := range f.code {
		offsets[i] = offset
		if keep[i] {
			left = append(left, f.code[i])
			offset += int(f.code[i].Width())
		}
	}
	n := 0
	for i := range f.code {
		if !keep[i] {
			continue
		}
		if in := &left[n]; f.targets[i] >= 0 {
			in.Offset = int16(offsets[f.targets[i]] - offsets[i] - 1)
			if f.fates[i] == always {
				in.OpCode, in.Dst, in.Src, in.Constant = asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja), 0, 0, 0
			}
		}
		n++
	}
	return slices.Clip(left)
}
