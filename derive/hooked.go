package derive

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/types/trace"
)

// For how long the kernel's symbols are believed, and how many answers about them are kept.
const (
	symbolsAge = time.Second
	maxSymbols = 4096
)

// kernelSymbols tells whether addresses lie in the kernel's code, and what lies at others. The bounds of the code never
// change. The symbols are read when there is something outside of them, which is hardly ever, and not kept: modules come
// and go.
type kernelSymbols struct {
	start, end uint64
	known      map[uint64]kallsyms.Symbol
	read       time.Time
}

// inText tells whether an address is the kernel's own.
func (k *kernelSymbols) inText(address uint64) (bool, error) {
	if k.end == 0 {
		var err error
		if k.start, k.end, err = kallsyms.Text(); err != nil {
			return false, err
		}
	}
	return address >= k.start && address < k.end, nil
}

// at returns what lies at addresses.
func (k *kernelSymbols) at(addresses ...uint64) (map[uint64]kallsyms.Symbol, error) {
	if time.Since(k.read) > symbolsAge || len(k.known) > maxSymbols {
		k.known = nil
	}
	for _, address := range addresses {
		if _, ok := k.known[address]; ok {
			continue
		}
		table, err := kallsyms.Read()
		if err != nil {
			return nil, err
		}
		k.known, k.read = map[uint64]kallsyms.Symbol{}, time.Now()
		for _, address := range addresses {
			k.known[address], _ = table.At(address)
		}
		break
	}
	return k.known, nil
}

// foreign maps the addresses that lie outside of the kernel's code to what lies there. What the kernel itself puts there,
// such as the code that probes are moved to, is left out.
func (k *kernelSymbols) foreign(addresses []uint64) (map[uint64]kallsyms.Symbol, error) {
	var outside []uint64
	for _, address := range addresses {
		if address == 0 {
			continue
		}
		inside, err := k.inText(address)
		if err != nil {
			return nil, err
		}
		if !inside {
			outside = append(outside, address)
		}
	}
	found := map[uint64]kallsyms.Symbol{}
	if len(outside) == 0 {
		return found, nil
	}
	symbols, err := k.at(outside...)
	for _, address := range outside {
		if s := symbols[address]; s.Owner != kallsyms.System && !strings.HasPrefix(s.Owner, kallsyms.BuiltIn) {
			found[address] = s
		}
	}
	return found, err
}

// addressesOf returns the addresses that an internal event lists.
func addressesOf(source *trace.Event, argument string) ([]uint64, error) {
	list, ok := source.Lookup(argument)
	if !ok {
		return nil, wrong(source, argument)
	}
	addresses, ok := list.Value().([]uint64)
	if !ok {
		return nil, wrong(source, argument)
	}
	return addresses, nil
}

// document stores a value as JSON.
func document(b *trace.Builder, index int, value any) {
	text, err := json.Marshal(value)
	if err != nil { // of texts it can
		return
	}
	b.Tail(index, text)
}
