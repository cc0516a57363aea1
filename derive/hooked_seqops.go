package derive

import (
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

var _ = derived(events.HookedSeqOps, hookSeqOps)

func hookSeqOps(s *settings) maker {
	return func(source *trace.Event, emit emitter) error {
		addresses, err := addressesOf(source, "net_seq_ops")
		if err != nil {
			return err
		}
		foreign, err := s.symbols.foreign(addresses)
		if err != nil {
			return err
		}
		hooked := map[string]trace.HookedSymbolData{}
		for i, address := range addresses {
			by, ok := foreign[address]
			table, function := i/len(events.SeqFunctions), i%len(events.SeqFunctions)
			if !ok || table >= len(events.NetSeqOps) || ownSeqOps(by.Owner, events.NetSeqFiles[table]) {
				continue
			}
			name := events.NetSeqOps[table] + "_" + events.SeqFunctions[function]
			hooked[name] = trace.HookedSymbolData{SymbolName: by.Name, ModuleOwner: by.Owner}
		}
		emit(func(b *trace.Builder) { document(b, 0, hooked) })
		return nil
	}
}

// ownSeqOps tells whether a module is the one that a kernel may have the protocol in.
func ownSeqOps(module, file string) bool { return module == "ipv6" && strings.HasSuffix(file, "6") }
