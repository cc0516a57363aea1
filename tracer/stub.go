package tracer

import "github.com/cilium/ebpf/asm"

// stub puts results in the place of what functions of a program do, and leaves out those that nobody calls any more.
func stub(program asm.Instructions, results map[string]int32) asm.Instructions {
	bodies := map[string]asm.Instructions{}
	var order []string
	for first, i := 0, 1; i <= len(program); i++ {
		if i == len(program) || program[i].Symbol() != "" {
			name := program[first].Symbol()
			order = append(order, name)
			bodies[name] = program[first:i]
			first = i
		}
	}
	stubbed := false
	for name, result := range results {
		if body, ok := bodies[name]; ok {
			bodies[name] = asm.Instructions{asm.Mov.Imm(asm.R0, result).WithMetadata(body[0].Metadata), asm.Return()}
			stubbed = true
		}
	}
	if !stubbed {
		return program
	}
	called, length := map[string]bool{}, 0
	for pending := order[:1]; len(pending) > 0; {
		name := pending[0]
		pending = pending[1:]
		if !called[name] {
			called[name] = true
			length += len(bodies[name])
			pending = append(pending[:len(pending):len(pending)], bodies[name].FunctionReferences()...)
		}
	}
	left := make(asm.Instructions, 0, length)
	for _, name := range order {
		if called[name] {
			left = append(left, bodies[name]...)
		}
	}
	return left
}
