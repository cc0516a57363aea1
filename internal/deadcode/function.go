package deadcode

import (
	"slices"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// fate is what becomes of an instruction.
type fate uint8

const (
	dead   fate = iota // nothing gets there
	stays              // it does what it did
	always             // a jump that is taken
	never              // a jump that is not
)

// function is one of a program, while it is looked at, or was: its memory is used again. What is known is kept where a block begins: at
// the targets of jumps, and behind jumps.
type function struct {
	constants Constants
	code      asm.Instructions
	named     bool    // by an instruction in front of it
	at        []int32 // indices, by offset in words of 8 bytes
	targets   []int32 // by instruction: where a jump goes, else -1
	blocks    []int32 // by instruction: the number of the block that begins there, else -1
	states    []state
	reached   []bool
	pending   []int // where blocks begin that are to be looked at again

	fates   []fate
	offsets []int32 // of instructions that are left or, if they go, of what follows
	calls   []called
}

// called is a call of another function, at an instruction.
type called struct {
	at        int
	arguments state
}

// analyse finds out what becomes of the instructions; false: there are some that are not known here.
func (f *function) analyse(code asm.Instructions, entry *state) bool {
	f.code, f.named = code, entry.loads()
	if !f.findBlocks() {
		return false
	}
	f.flow(0, *entry)
	for len(f.pending) > 0 {
		i := f.pending[len(f.pending)-1]
		f.pending = f.pending[:len(f.pending)-1]
		if !f.follow(i, true) {
			return false
		}
	}
	f.fates, f.calls = cleared(f.fates, len(code)), f.calls[:0]
	for i, block := range f.blocks {
		if block >= 0 && f.reached[block] {
			f.follow(i, false)
		}
	}
	return true
}

// cleared returns a slice of so many zeros, in the memory of one that is not needed any more if that is large enough.
func cleared[T any](old []T, n int) []T {
	old = slices.Grow(old[:0], n)[:n]
	clear(old)
	return old
}

// findBlocks finds where jumps go, and so where blocks begin.
func (f *function) findBlocks() bool {
	f.targets, f.blocks = cleared(f.targets, len(f.code)), cleared(f.blocks, len(f.code))
	f.at, f.pending = f.at[:0], f.pending[:0]
	for i := range f.code {
		for range f.code[i].Width() {
			f.at = append(f.at, int32(i))
		}
	}
	offset := 0
	f.blocks[0] = 1
	for i := range f.code {
		in := &f.code[i]
		offset += int(in.Width())
		f.targets[i] = -1
		if !jumps(in) {
			continue
		}
		to := offset + int(in.Offset)
		if to < 0 || to >= len(f.at) || in.Reference() != "" || in.OpCode.Class() == asm.Jump32Class && in.OpCode.JumpOp() == asm.Ja {
			return false
		}
		f.targets[i] = f.at[to]
		f.blocks[f.at[to]] = 1
		if i+1 < len(f.code) {
			f.blocks[i+1] = 1
		}
	}
	n := int32(0)
	for i := range f.blocks {
		if f.blocks[i] == 0 {
			f.blocks[i] = -1
		} else {
			f.blocks[i] = n
			n++
		}
	}
	f.states, f.reached = cleared(f.states, int(n)), cleared(f.reached, int(n))
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

// follow goes through a block: to what comes behind it, if flows, or else to note what becomes of its instructions.
func (f *function) follow(i int, flows bool) bool {
	s := f.states[f.blocks[i]]
	for begin := i; i == begin || f.blocks[i] < 0; {
		in := &f.code[i]
		becomes, on, jump := stays, true, in.OpCode.Class().IsJump()
		if jump {
			becomes, on = s.jump(in)
			if flows && (becomes == always || becomes == stays && f.targets[i] >= 0) {
				f.flow(int(f.targets[i]), s)
			}
		} else if !s.execute(in, f.constants) {
			return false
		}
		if !flows {
			f.note(i, becomes, &s)
		}
		if jump && in.OpCode.JumpOp() == asm.Call {
			s.forget(asm.R0, asm.R1, asm.R2, asm.R3, asm.R4, asm.R5)
		}
		if !on {
			return true
		}
		if i++; i == len(f.code) {
			return false
		}
	}
	if flows {
		f.flow(i, s)
	}
	return true
}

// note notes what becomes of an instruction, and what it calls another function with.
func (f *function) note(i int, becomes fate, s *state) {
	f.fates[i] = becomes
	switch in := &f.code[i]; {
	case in.IsFunctionCall():
		f.calls = append(f.calls, called{i, s.arguments()})
	case in.IsFunctionReference(): // whoever calls it then, with whatever
		f.calls = append(f.calls, called{i, state{}})
	}
}

// rest appends what is left. Jumps that are known to be taken become unconditional; those that are not, or lead to what follows
// anyway, go. The first instruction stays in any case if the function's name is with it.
func (f *function) rest(to asm.Instructions) asm.Instructions {
	if !f.named && f.fates[0] != always {
		f.fates[0] = stays
	}
	for i, following := len(f.code)-1, int32(len(f.code)); i >= 0; i-- {
		if f.fates[i] == always && int32(i) < f.targets[i] && f.targets[i] <= following && (i > 0 || f.named) {
			f.fates[i] = never
		}
		if f.left(i) {
			following = int32(i)
		}
	}
	f.offsets = cleared(f.offsets, len(f.code))
	offset := int32(0)
	for i := range f.code {
		f.offsets[i] = offset
		if f.left(i) {
			offset += int32(f.code[i].Width())
		}
	}
	for i := range f.code {
		if f.left(i) {
			to = append(to, f.instruction(i))
		}
	}
	return to
}

// left says whether an instruction is.
func (f *function) left(i int) bool { return f.fates[i] == stays || f.fates[i] == always }

// instruction is what becomes of one that is left.
func (f *function) instruction(i int) asm.Instruction {
	in := f.code[i]
	if i == 0 && f.named {
		in = btf.WithFuncMetadata(in.WithSymbol(""), nil)
	}
	if f.targets[i] >= 0 {
		in.Offset = int16(f.offsets[f.targets[i]] - f.offsets[i] - 1)
		if f.fates[i] == always {
			in.OpCode, in.Dst, in.Src, in.Constant = asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja), 0, 0, 0
		}
	}
	return in
}
