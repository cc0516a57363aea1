package tracer

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/types/trace"
)

// How much is dumped at each address, if a filter does not say, and at most.
const (
	dumpLength    = 256
	maxDumpLength = 4096
)

// A dump is what is to be shown.
type dump struct {
	symbol kallsyms.Symbol
	length int
	last   []byte
}

// openDumps finds out from the filters what is to be dumped.
func (s *scanner) openDumps() (func(occasion, emitter) error, error) {
	dumps, err := s.findDumps()
	if err != nil {
		return nil, err
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, err
	}
	machine := unix.ByteSliceToString(name.Machine[:])
	return func(why occasion, emit emitter) error {
		var failed error
		for i := range dumps {
			d := &dumps[i]
			memory := make([]byte, d.length)
			if err := s.memory.Read(d.symbol.Address, memory); err != nil {
				failed = errors.Join(failed, fmt.Errorf("dump %s: %w", d.symbol.Name, err))
				continue
			}
			if bytes.Equal(memory, d.last) && !why.asked {
				continue
			}
			d.last = memory
			emit(func(b *trace.Builder) { d.put(b, why, machine) })
		}
		return failed
	}, nil
}

func (d *dump) put(b *trace.Builder, why occasion, machine string) {
	b.Tail(0, d.last)
	b.Slot(1, d.symbol.Address)
	b.Slot(2, uint64(d.length))
	b.Slot(3, why.number)
	b.Text(4, machine)
	if d.symbol.Name != "" {
		b.Text(5, d.symbol.Name)
	}
	b.Text(6, d.symbol.Owner)
}

// findDumps resolves the symbols and addresses that the filters name.
func (s *scanner) findDumps() ([]dump, error) {
	values := func(argument string) []string { return s.filter.Values(events.PrintMemDump, argument) }
	length := dumpLength
	for _, value := range values("length") {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > maxDumpLength {
			return nil, fmt.Errorf("%s.length is 1 to %d, not %s", events.PrintMemDump.Name, maxDumpLength, value)
		}
		length = n
	}
	owner := kallsyms.System
	for _, value := range values("symbol_owner") {
		owner = value
	}
	var dumps []dump
	for _, name := range values("symbol_name") {
		found := false
		for _, symbol := range s.symbols.Named(name) {
			if symbol.Owner == owner {
				dumps, found = append(dumps, dump{symbol: symbol, length: length}), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no symbol %s of owner %s in /proc/kallsyms", name, owner)
		}
	}
	for _, value := range values("address") {
		address, err := strconv.ParseUint(value, 0, 64)
		if err != nil {
			return nil, err
		}
		symbol, offset := s.symbols.At(address)
		if offset != 0 {
			symbol.Address, symbol.Name = address, ""
		}
		dumps = append(dumps, dump{symbol: symbol, length: length})
	}
	if len(dumps) == 0 {
		return nil, fmt.Errorf("say what to dump: --trace %s.symbol_name=NAME, or .address=ADDRESS", events.PrintMemDump.Name)
	}
	return dumps, nil
}
