// Package deadcode leaves out what a BPF program can not do, given the values of its constants, before the kernel is asked to
// verify it.
//
// Start from Remove. The kernel finds out the same while it verifies, and deletes the same instructions one stretch at a time,
// which takes it longer than all the rest for a program of which most is not wanted: each time it moves the instructions behind,
// and what it knows of them. So Remove is no more than a matter of time: what is left out wrongly would be a flaw, what is left
// in is not. It follows registers only, and neither memory nor what relocations for the kernel's types will make of a constant.
package deadcode

import (
	"slices"

	"github.com/cilium/ebpf/asm"
)

// Constants are the bytes of a map that neither programs nor anybody else can change once a program is loaded.
type Constants struct {
	Map   string // its name
	Bytes []byte
}

// Remove returns the program without instructions that can not be reached and functions that are not called any more. A function
// that is always called with the same numbers gets them as constants: the kernel verifies global functions without a look at who
// calls them. A function with instructions that are not known here stays as it is. The argument is not changed.
func Remove(program asm.Instructions, constants Constants) asm.Instructions {
	p := parts{constants: constants, bodies: map[string]asm.Instructions{}, entries: map[string]*state{}}
	p.take(program)
	p.entries[p.order[0]] = &state{}
	for _, name := range p.callersFirst() {
		p.bodies[name] = p.remove(p.bodies[name], p.entries[name])
	}
	return p.join()
}

// parts are the functions of a program.
type parts struct {
	constants Constants
	order     []string // as they are in the program; the first one is the program's
	bodies    map[string]asm.Instructions
	entries   map[string]*state // what is known where a function begins; nil: nobody has called it so far
}

// take takes a program apart.
func (p *parts) take(program asm.Instructions) {
	for first, i := 0, 1; i <= len(program); i++ {
		if i == len(program) || program[i].Symbol() != "" {
			name := program[first].Symbol()
			p.order = append(p.order, name)
			p.bodies[name] = program[first:i]
			first = i
		}
	}
}

// callersFirst sorts the functions so that none comes before one that calls it. BPF has no recursion.
func (p *parts) callersFirst() []string {
	var sorted []string
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		for _, other := range p.bodies[name].FunctionReferences() {
			visit(other)
		}
		sorted = append(sorted, name)
	}
	visit(p.order[0])
	slices.Reverse(sorted)
	return sorted
}

// remove removes from a function, and learns what it calls others with.
func (p *parts) remove(code asm.Instructions, entry *state) asm.Instructions {
	if entry == nil {
		return nil
	}
	code = entry.prepend(code)
	f := function{code: code, constants: p.constants}
	if !f.analyse() {
		for _, to := range code.FunctionReferences() {
			p.call(to, state{})
		}
		return code
	}
	for i, s := range f.calls {
		p.call(code[i].Reference(), s)
	}
	return f.rest()
}

// call notes that a function is called, and what with.
func (p *parts) call(name string, arguments state) {
	if entry := p.entries[name]; entry != nil {
		entry.meet(&arguments)
	} else {
		p.entries[name] = &arguments
	}
}

// join puts together the functions that are called.
func (p *parts) join() asm.Instructions {
	var left asm.Instructions
	for _, name := range p.order {
		if p.entries[name] != nil {
			left = append(left, p.bodies[name]...)
		}
	}
	return left
}
