package derive

import (
	"runtime"
	"slices"
	"strconv"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/types/trace"
)

var (
	_ = derived(events.HookedSyscalls, hookSyscalls)
	_ = derived(events.HookedSyscall, hookSyscall)
)

// A hookedSyscall is one that is not the kernel's own.
type hookedSyscall struct {
	name    string
	place   int // in the list of addresses
	address uint64
	by      kallsyms.Symbol
}

// hookedSyscalls finds those in a list of all addresses.
func hookedSyscalls(symbols *kernelSymbols, source *trace.Event) ([]hookedSyscall, error) {
	addresses, err := addressesOf(source, "syscalls_addresses")
	if err != nil {
		return nil, err
	}
	foreign, err := symbols.foreign(addresses)
	if err != nil || len(foreign) == 0 {
		return nil, err
	}
	native, compat := nativeABIs()
	var hooked []hookedSyscall
	for place, address := range addresses {
		by, ok := foreign[address]
		name := events.SyscallAt(native, compat, place)
		if ok && name != "" {
			hooked = append(hooked, hookedSyscall{name, place, address, by})
		}
	}
	return hooked, nil
}

// nativeABIs are those of the tables of syscalls on this machine.
func nativeABIs() (native, compat events.ABI) {
	if runtime.GOARCH == "arm64" {
		return events.ARM64, events.ARM64
	}
	return events.AMD64, events.I386
}

func hookSyscalls(s *settings) maker {
	return func(source *trace.Event, emit emitter) error {
		hooked, err := hookedSyscalls(s.symbols, source)
		if err != nil {
			return err
		}
		list := []trace.HookedSymbolData{}
		for _, h := range hooked {
			data := trace.HookedSymbolData{SymbolName: h.name, ModuleOwner: h.by.Owner}
			if !slices.Contains(list, data) { // hooked in both ABIs
				list = append(list, data)
			}
		}
		emit(func(b *trace.Builder) { document(b, 0, list) })
		return nil
	}
}

func hookSyscall(s *settings) maker {
	told := map[int]uint64{} // addresses by place
	return func(source *trace.Event, emit emitter) error {
		hooked, err := hookedSyscalls(s.symbols, source)
		if err != nil {
			return err
		}
		now := map[int]uint64{}
		for _, h := range hooked {
			now[h.place] = h.address
			if told[h.place] == h.address {
				continue
			}
			emit(func(b *trace.Builder) {
				b.Text(0, h.name)
				b.Text(1, "0x"+strconv.FormatUint(h.address, 16))
				if h.by.Name != "" {
					b.Text(2, h.by.Name)
				}
				b.Text(3, h.by.Owner)
			})
		}
		told = now
		return nil
	}
}
