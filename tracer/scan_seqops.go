package tracer

import (
	"errors"
	"os"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/kmem"
	"github.com/tracee-go/tracee/types/trace"
)

// fileFields are where structs have what leads from a task to its open files, and from those to their functions.
type fileFields struct {
	files, table, descriptors uint64             // of task_struct, files_struct, fdtable
	private                   uint64             // of file
	sequence                  uint64             // of seq_file
	functions                 map[string]*uint64 // of seq_operations
}

func findFileFields(types kmem.Types) (*fileFields, error) {
	f := &fileFields{functions: map[string]*uint64{}}
	for _, name := range events.SeqFunctions {
		f.functions[name] = new(uint64)
	}
	return f, errors.Join(
		types.Offsets("task_struct", map[string]*uint64{"files": &f.files}),
		types.Offsets("files_struct", map[string]*uint64{"fdt": &f.table}),
		types.Offsets("fdtable", map[string]*uint64{"fd": &f.descriptors}),
		types.Offsets("file", map[string]*uint64{"private_data": &f.private}),
		types.Offsets("seq_file", map[string]*uint64{"op": &f.sequence}),
		types.Offsets("seq_operations", f.functions),
	)
}

// openFiles returns the addresses of the struct file behind descriptors of this process.
func (f *fileFields) openFiles(memory *kmem.Reader, descriptors []uint64) ([]uint64, error) {
	address, err := memory.Task()
	for _, offset := range []uint64{f.files, f.table, f.descriptors} {
		if err == nil {
			address, err = memory.Word(address + offset)
		}
	}
	if err != nil {
		return nil, err
	}
	return memory.Words(offsets(descriptors, func(fd uint64) uint64 { return address + 8*fd }))
}

// offsets maps addresses to others; 0 stays what it is.
func offsets(addresses []uint64, to func(uint64) uint64) []uint64 {
	moved := make([]uint64, len(addresses))
	for i, address := range addresses {
		if address != 0 {
			moved[i] = to(address)
		}
	}
	return moved
}

// openSeqOps looks at the files in /proc/net.
func (s *scanner) openSeqOps() (func(occasion, emitter) error, error) {
	fields, err := findFileFields(s.types)
	if err != nil {
		return nil, err
	}
	inText := textOf(s.symbols)
	var before changes
	return func(why occasion, emit emitter) error {
		functions, err := seqFunctions(s.memory, fields)
		if err == nil {
			err = follow(s.memory, inText, functions)
		}
		if err != nil {
			return err
		}
		if before.differ(functions) || why.asked {
			emit(func(b *trace.Builder) {
				document(b, 0, functions)
				b.Slot(1, why.number)
			})
		}
		return nil
	}, nil
}

// seqFunctions opens the files and returns the functions that they would call; 0 where there is no such file.
func seqFunctions(memory *kmem.Reader, fields *fileFields) ([]uint64, error) {
	descriptors := make([]uint64, len(events.NetSeqFiles))
	for i, name := range events.NetSeqFiles {
		file, err := os.Open("/proc/self/net/" + name)
		if errors.Is(err, os.ErrNotExist) {
			continue // a protocol that this kernel does not have
		}
		if err != nil {
			return nil, err
		}
		defer file.Close()
		descriptors[i] = uint64(file.Fd())
	}
	files, err := fields.openFiles(memory, descriptors)
	if err == nil {
		files, err = memory.Words(offsets(files, func(at uint64) uint64 { return at + fields.private }))
	}
	if err == nil {
		files, err = memory.Words(offsets(files, func(at uint64) uint64 { return at + fields.sequence }))
	}
	if err != nil {
		return nil, err
	}
	var slots []uint64
	for _, operations := range files {
		for _, name := range events.SeqFunctions {
			slot := uint64(0)
			if operations != 0 {
				slot = operations + *fields.functions[name]
			}
			slots = append(slots, slot)
		}
	}
	return memory.Words(slots)
}
