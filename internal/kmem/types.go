package kmem

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// Types knows where this kernel has the fields of its structs.
type Types struct{ spec *btf.Spec }

// NewTypes makes Types of the type information of the kernel.
func NewTypes(spec *btf.Spec) Types { return Types{spec} }

// Offset returns where a field lies in a struct, in bytes: Offset("module", "mkobj.kobj"). Fields of anonymous structs
// are found too.
func (t Types) Offset(structure, field string) (uint64, error) {
	all, err := t.spec.AnyTypesByName(structure)
	if err != nil {
		return 0, fmt.Errorf("struct %s of this kernel: %w", structure, err)
	}
	for _, each := range all {
		if offset, ok := fieldOffset(each, strings.Split(field, ".")); ok {
			return offset, nil
		}
	}
	return 0, fmt.Errorf("struct %s of this kernel has no field %s", structure, field)
}

func fieldOffset(of btf.Type, path []string) (uint64, bool) {
	if len(path) == 0 {
		return 0, true
	}
	if array, ok := btf.UnderlyingType(of).(*btf.Array); ok {
		of = array.Type // its first element
	}
	var members []btf.Member
	switch composite := btf.UnderlyingType(of).(type) {
	case *btf.Struct:
		members = composite.Members
	case *btf.Union:
		members = composite.Members
	}
	for _, m := range members {
		rest := path
		if m.Name == path[0] {
			rest = path[1:]
		} else if m.Name != "" {
			continue
		}
		if offset, ok := fieldOffset(m.Type, rest); ok {
			return uint64(m.Offset.Bytes()) + offset, true
		}
	}
	return 0, false
}

// Size returns the number of bytes of a struct.
func (t Types) Size(structure string) (int, error) {
	var found *btf.Struct
	if err := t.spec.TypeByName(structure, &found); err != nil {
		return 0, fmt.Errorf("struct %s of this kernel: %w", structure, err)
	}
	return int(found.Size), nil
}

// Offsets looks up several fields of a struct at once.
func (t Types) Offsets(structure string, fields map[string]*uint64) error {
	for field, to := range fields {
		offset, err := t.Offset(structure, field)
		if err != nil {
			return err
		}
		*to = offset
	}
	return nil
}
