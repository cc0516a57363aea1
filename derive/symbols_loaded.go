package derive

import (
	"fmt"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

var _ = derived(events.SymbolsLoaded, loadSymbols)

// loadSymbols makes an event of every library that defines a symbol which the filter admits.
func loadSymbols(s *settings) maker {
	admits := s.filter.Elements(events.SymbolsLoaded, "symbols")
	admitsPath := s.filter.Elements(events.SymbolsLoaded, "library_path")
	return func(source *trace.Event, emit emitter) error {
		mapping, err := mappingOf(source)
		if err != nil {
			return err
		}
		if admitsPath != nil && !admitsPath(mapping.Path) {
			return nil // need not be read
		}
		loaded, err := s.libraries.Lookup(mapping)
		if err != nil {
			return fmt.Errorf("symbols of %s: %w", mapping.Path, err)
		}
		var names []string
		for symbol := range loaded.Symbols() {
			if admits == nil || admits(symbol.Name) {
				names = append(names, symbol.Name)
			}
		}
		if len(names) > 0 {
			list := newNameList(names)
			emit(func(b *trace.Builder) {
				b.Text(0, mapping.Path)
				list.put(b, 1)
			})
		}
		return nil
	}
}
