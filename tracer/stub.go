package tracer

import "github.com/cilium/ebpf/asm"

// stub puts results in the place of what functions of a program do.
func stub(program asm.Instructions, results map[string]int32) asm.Instructions {
	left := make(asm.Instructions, 0, len(program))
	for first, i := 0, 1; i <= len(program); i++ {
		if i < len(program) && program[i].Symbol() == "" {
			continue
		}
		if result, ok := results[program[first].Symbol()]; ok {
			left = append(left, asm.Mov.Imm(asm.R0, result).WithMetadata(program[first].Metadata), asm.Return())
		} else {
			left = append(left, program[first:i]...)
		}
		first = i
	}
	return left
}
