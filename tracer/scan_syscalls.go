package tracer

import (
	"runtime"
	"slices"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/types/trace"
)

// syscallPrefixes are those of the functions behind syscalls, for kernels whose tables can not be found: by the ABI.
var syscallPrefixes = map[string][2][]string{
	"amd64": {{"__x64_sys_"}, {"__ia32_compat_sys_", "__ia32_sys_"}},
	"arm64": {{"__arm64_sys_"}, nil}, // its 32-bit ABI has numbers that the catalogue does not know
}

// syscallTables are the tables, by the ABI.
var syscallTables = map[string][2]string{
	"amd64": {"sys_call_table", "ia32_sys_call_table"},
	"arm64": {"sys_call_table", ""},
}

// syscallPlaces is where the kernel keeps the functions behind its syscalls.
type syscallPlaces struct {
	slots     []uint64 // of tables, by place; 0: no such slot
	functions []uint64 // of syscalls without a slot, by place
}

// openSyscalls finds the tables of syscalls or, in kernels that have none any more or do not tell, the functions.
func (s *scanner) openSyscalls() (func(occasion, emitter) error, error) {
	places, known := findSyscalls(s.symbols)
	if known == 0 {
		return nil, errNoSymbols("the table of syscalls is")
	}
	inText := textOf(s.symbols)
	var before changes
	return func(why occasion, emit emitter) error {
		addresses, err := s.memory.Words(places.slots)
		if err != nil {
			return err
		}
		for i, function := range places.functions {
			if function != 0 {
				addresses[i] = function
			}
		}
		if err := follow(s.memory, inText, addresses); err != nil {
			return err
		}
		if before.differ(addresses) || why.asked {
			emit(func(b *trace.Builder) {
				document(b, 0, addresses)
				b.Slot(1, why.number)
			})
		}
		return nil
	}, nil
}

func findSyscalls(symbols *kallsyms.Table) (places syscallPlaces, known int) {
	length := events.SyscallDispatchers + len(events.Dispatchers)
	places = syscallPlaces{make([]uint64, length), make([]uint64, length)}
	for abi, first := range [2]int{0, events.CompatSyscalls} {
		known += places.findTable(symbols, abi, first)
	}
	for i, function := range symbols.Find(events.Dispatchers...) {
		places.functions[events.SyscallDispatchers+i] = function
	}
	return places, known
}

// findTable finds the syscalls of an ABI, and returns how many there are.
func (p *syscallPlaces) findTable(symbols *kallsyms.Table, abi, first int) (known int) {
	if table, ok := symbols.Address(syscallTables[runtime.GOARCH][abi]); ok && table != 0 {
		end := symbols.Next(table)
		for i := range events.CompatSyscalls {
			if slot := table + 8*uint64(i); slot < end && events.SyscallAt(abis()[0], abis()[1], first+i) != "" {
				p.slots[first+i] = slot
				known++
			}
		}
		return known
	}
	for _, prefix := range slices.Backward(syscallPrefixes[runtime.GOARCH][abi]) { // the first one wins
		var names []string
		for i := range events.CompatSyscalls {
			names = append(names, prefix+events.SyscallAt(abis()[0], abis()[1], first+i))
		}
		for i, function := range symbols.Find(names...) {
			if function != 0 {
				p.functions[first+i] = function
				known++
			}
		}
	}
	return known
}

// textOf tells what lies in the kernel's code, without keeping its symbols.
func textOf(symbols *kallsyms.Table) func(uint64) bool {
	start, end := symbols.Text()
	return func(address uint64) bool { return address >= start && address < end }
}
