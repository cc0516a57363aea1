package tracer

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// relocations are what differs between the kernel's types and those that the programs were compiled with (CO-RE). Functions are part of
// many programs: what becomes of an instruction is found out for the first that has it. The library would do so for each, and too late
// to leave out what can not be reached since the kernel has a field or a helper, or lacks it.
type relocations struct {
	types  *btf.Spec
	kfuncs map[string]btf.TypeID // of functions of the kernel that programs look for; 0: it has none

	mu     sync.Mutex
	fixups map[*btf.CORERelocation]btf.COREFixup
}

// newRelocations fits programs to types. Which functions programs may call is known of types that are the kernel's own only: one that has
// none lets them call none.
func newRelocations(types *btf.Spec, own bool) *relocations {
	r := &relocations{types: types, kfuncs: map[string]btf.TypeID{}, fixups: map[*btf.CORERelocation]btf.COREFixup{}}
	if !own {
		return r
	}
	for _, name := range []string{"bpf_rdonly_cast"} {
		var function *btf.Func
		r.kfuncs[name] = 0
		if types.TypeByName(name, &function) == nil {
			r.kfuncs[name], _ = types.TypeID(function)
		}
	}
	return r
}

// apply fits the instructions of a program to the kernel. Nothing of it is left for the library to do.
func (r *relocations) apply(program *ebpf.ProgramSpec) error {
	fixups, err := r.find(program)
	if err != nil {
		return err
	}
	for i := range program.Instructions {
		in := &program.Instructions[i]
		r.findKfunc(in)
		relocation := btf.CORERelocationMetadata(in)
		if relocation == nil {
			continue
		}
		*in = btf.WithCORERelocationMetadata(*in, nil)
		before := *in
		if err := fixups[0].Apply(in); err != nil {
			return fmt.Errorf("%s: %w", relocation, err)
		}
		if before.Symbol() != "" { // a function begins here; Apply forgets that if nothing like it is there
			in.Metadata = before.Metadata
		}
		fixups = fixups[1:]
	}
	return nil
}

// findKfunc replaces the address of a function of the kernel, which is the number of its type, as the library does, to which it is left
// where a function of the program begins, because its name is with that instruction.
func (r *relocations) findKfunc(in *asm.Instruction) {
	if !in.OpCode.IsDWordLoad() || in.Src != 0 || in.Symbol() != "" {
		return
	}
	if id, known := r.kfuncs[in.Reference()]; known {
		*in = asm.LoadImm(in.Dst, int64(id), asm.DWord).WithSource(in.Source())
	}
}

// find returns what becomes of the instructions that are to be fitted, in order.
func (r *relocations) find(program *ebpf.ProgramSpec) ([]btf.COREFixup, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all, unknown []*btf.CORERelocation
	for i := range program.Instructions {
		if relocation := btf.CORERelocationMetadata(&program.Instructions[i]); relocation != nil {
			all = append(all, relocation)
			if _, known := r.fixups[relocation]; !known {
				unknown = append(unknown, relocation)
			}
		}
	}
	if err := r.add(program, unknown); err != nil {
		return nil, err
	}
	fixups := make([]btf.COREFixup, len(all))
	for i, relocation := range all {
		fixups[i] = r.fixups[relocation]
	}
	return fixups, nil
}

func (r *relocations) add(program *ebpf.ProgramSpec, unknown []*btf.CORERelocation) error {
	if len(unknown) == 0 {
		return nil
	}
	fixups, err := btf.CORERelocate(unknown, []*btf.Spec{r.types}, program.ByteOrder, noLocalTypes)
	if err != nil {
		return err
	}
	for i, fixup := range fixups {
		r.fixups[unknown[i]] = fixup
	}
	return nil
}

// noLocalTypes refuses numbers of a program's own types (bpf_core_type_id_local), which the kernel gives when that is loaded. No program
// asks for one.
func noLocalTypes(t btf.Type) (btf.TypeID, error) {
	return 0, errors.New("no number is known for the program's type " + t.TypeName())
}
