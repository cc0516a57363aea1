package derive

import (
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/types/trace"
)

var _ = derived(events.HookedProcFops, hookProcFops)

// fopsNames are what v0.8 calls the pointers, by the argument that holds them.
var fopsNames = map[string]string{
	"operations":     "struct file_operations pointer",
	"iterate_shared": "iterate_shared",
	"iterate":        "iterate",
}

func hookProcFops(s *settings) maker {
	return func(source *trace.Event, emit emitter) error {
		hooked := []trace.HookedSymbolData{}
		for pointer := range source.All() {
			address := pointer.Uint()
			symbols, err := s.symbols.at(address)
			if err != nil {
				return err
			}
			if owner := symbols[address].Owner; owner != kallsyms.System {
				hooked = append(hooked, trace.HookedSymbolData{SymbolName: fopsNames[pointer.Name()], ModuleOwner: owner})
			}
		}
		if len(hooked) > 0 {
			emit(func(b *trace.Builder) { document(b, 0, hooked) })
		}
		return nil
	}
}
