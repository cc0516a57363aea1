package tracer

import (
	"bytes"
	"encoding/binary"
	"runtime"

	"github.com/tracee-go/tracee/internal/kmem"
)

// codeLength is how much of a function is looked at: the longest of the jumps below, and what may come before it.
const codeLength = 32

// Instructions of x86 that do nothing, at the beginning of functions: the target of an indirect call, and the place for a
// call of ftrace while nobody asked for it.
var nothings = [][]byte{
	{0xf3, 0x0f, 0x1e, 0xfa},
	{0x0f, 0x1f, 0x44, 0x00, 0x00},
	{0x66, 0x90},
	{0x90},
}

// follow replaces the addresses of functions whose first instruction is a jump out of the kernel's code by the target of
// that jump. Calls are not followed: those are ftrace's, whose list tells more.
func follow(memory *kmem.Reader, inText func(uint64) bool, functions []uint64) error {
	var pointers []uint64 // in memory, of indirect jumps
	var of []int
	err := memory.Each(functions, codeLength, func(i int, code []byte) {
		target, pointer := jumps[runtime.GOARCH](functions[i], code)
		if pointer != 0 {
			pointers, of = append(pointers, pointer), append(of, i)
		} else if target != 0 && !inText(target) {
			functions[i] = target
		}
	})
	if err != nil || len(pointers) == 0 {
		return err
	}
	targets, err := memory.Words(pointers)
	for i, target := range targets {
		if target != 0 && !inText(target) {
			functions[of[i]] = target
		}
	}
	return err
}

// jumps decode the first instruction of a function if it is an unconditional jump: target is where it leads, pointer
// where in memory that stands. Both are 0 for anything else.
var jumps = map[string]func(address uint64, code []byte) (target, pointer uint64){"amd64": jumpAMD64, "arm64": jumpARM64}

// jumpARM64 knows the branch with an offset in it, behind what may be at the beginning of functions.
func jumpARM64(address uint64, code []byte) (target, pointer uint64) {
	const nop, landing, sign = 0xd503201f, 0xd503245f, 0xd503233f // nop; bti c; paciasp
	for ; len(code) >= 4; address, code = address+4, code[4:] {
		instruction := binary.LittleEndian.Uint32(code)
		switch {
		case instruction == nop, instruction == landing, instruction == sign:
			continue
		case instruction>>26 == 5: // b
			return address + uint64(int64(int32(instruction<<6))>>4), 0
		default:
			return 0, 0
		}
	}
	return 0, 0
}

func jumpAMD64(address uint64, code []byte) (target, pointer uint64) {
	start := len(code)
	for again := true; again; {
		again = false
		for _, nothing := range nothings {
			if rest, ok := bytes.CutPrefix(code, nothing); ok {
				code, again = rest, true
			}
		}
	}
	at := address + uint64(start-len(code))
	relative := func(offset int) uint64 { // to the end of the instruction
		return at + uint64(offset) + 4 + uint64(int64(int32(binary.LittleEndian.Uint32(code[offset:]))))
	}
	switch {
	case len(code) < 14:
		return 0, 0
	case code[0] == 0xe9: // jmp rel32
		return relative(1), 0
	case code[0] == 0xff && code[1] == 0x25: // jmp *rel32(%rip)
		return 0, relative(2)
	case code[0] == 0x48 && code[1] == 0xb8 && code[10] == 0xff && code[11] == 0xe0: // mov $imm64,%rax; jmp *%rax
		return binary.LittleEndian.Uint64(code[2:]), 0
	case code[0] == 0x49 && code[1] == 0xbb && bytes.Equal(code[10:13], []byte{0x41, 0xff, 0xe3}): // the same by %r11
		return binary.LittleEndian.Uint64(code[2:]), 0
	case code[0] == 0x68 && bytes.Equal(code[5:9], []byte{0xc7, 0x44, 0x24, 0x04}) && code[13] == 0xc3: // push; mov; ret
		return uint64(binary.LittleEndian.Uint32(code[1:])) | uint64(binary.LittleEndian.Uint32(code[9:]))<<32, 0
	default:
		return 0, 0
	}
}
