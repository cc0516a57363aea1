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
	"sync"

	"github.com/cilium/ebpf/asm"
)

// Constants are the bytes of a map that neither programs nor anybody else can change once a program is loaded.
type Constants struct {
	Map   string // its name
	Bytes []byte
}

// Remove returns the program without instructions that can not be reached and functions that are not called any more. Functions that
// have results do nothing but return these. A function that is always called with the same numbers gets them as constants: the kernel
// verifies global functions without a look at who calls them. A function with instructions that are not known here stays as it is.
// The argument is not changed; of the functions, callers come first.
func Remove(program asm.Instructions, constants Constants, results map[string]int32) asm.Instructions {
	p := pool.Get().(*parts)
	defer pool.Put(p)
	p.function.constants = constants
	p.take(program, results)
	for _, name := range p.callersFirst() {
		if entry := p.entries[name]; entry != nil {
			p.remove(p.bodies[name], entry)
		}
	}
	return slices.Clone(p.left)
}

// pool has parts that were used before: programs are many, and what it takes to look at one is large.
var pool = sync.Pool{New: func() any { return &parts{bodies: map[string]asm.Instructions{}, entries: map[string]*state{}} }}

// parts are the functions of a program.
type parts struct {
	first    string // the name of the program's
	bodies   map[string]asm.Instructions
	entries  map[string]*state // what is known where a function begins; nil: nobody has called it so far
	function function          // that is being looked at
	left     asm.Instructions
}

// take takes a program apart.
func (p *parts) take(program asm.Instructions, results map[string]int32) {
	clear(p.bodies)
	clear(p.entries)
	clear(p.left)
	p.left = p.left[:0]
	for first, i := 0, 1; i <= len(program); i++ {
		if i < len(program) && program[i].Symbol() == "" {
			continue
		}
		name := program[first].Symbol()
		if p.bodies[name] = program[first:i]; first == 0 {
			p.first = name
		}
		if result, ok := results[name]; ok {
			p.bodies[name] = asm.Instructions{asm.Mov.Imm(asm.R0, result).WithMetadata(program[first].Metadata), asm.Return()}
		}
		first = i
	}
	p.call(p.first, state{})
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
		for i := range p.bodies[name] {
			if in := &p.bodies[name][i]; in.IsFunctionReference() {
				visit(in.Reference())
			}
		}
		sorted = append(sorted, name)
	}
	visit(p.first)
	slices.Reverse(sorted)
	return sorted
}

// remove appends what is left of a function, and learns what it calls others with.
func (p *parts) remove(code asm.Instructions, entry *state) {
	f := &p.function
	if !f.analyse(code, entry) {
		p.left = append(p.left, code...)
		for _, to := range code.FunctionReferences() {
			p.call(to, state{})
		}
		return
	}
	p.left = f.rest(entry.load(code, p.left))
	for _, c := range f.calls {
		p.call(code[c.at].Reference(), c.arguments)
	}
}

// call notes that a function is called, and what with.
func (p *parts) call(name string, arguments state) {
	if entry := p.entries[name]; entry != nil {
		entry.meet(&arguments)
	} else {
		p.entries[name] = &arguments
	}
}
