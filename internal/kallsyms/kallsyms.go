// Package kallsyms answers what lies where in the kernel, from the kernel's own list of symbols.
//
// Start from Read. A Table is a copy: modules that come or go later are not in it, and it costs some ten megabytes and fifty
// milliseconds, so it is read when there is a question and dropped after the answer. Only where the kernel's code lies is
// remembered, see Text. Addresses are only there for root. A kernel built
// without CONFIG_KALLSYMS_ALL lists functions, but no data.
package kallsyms

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
)

const path = "/proc/kallsyms"

// What a symbol belongs to, if it is no module.
const (
	System = "system" // the kernel itself
	Hidden = "hidden" // nothing that the kernel knows of
	// BuiltIn begins the names of owners that stand for code which the kernel itself makes, such as trampolines.
	BuiltIn = "__builtin__"
)

// ErrNoAddresses says that the kernel does not tell addresses to this process.
var ErrNoAddresses = errors.New("the kernel hides its addresses (kernel.kptr_restrict, or a missing CAP_SYSLOG)")

// A Symbol is a named address.
type Symbol struct {
	Address uint64
	Name    string
	Owner   string // System, bpf, something with BuiltIn, or the name of a module
}

// A Table is all symbols, in the order of their addresses.
type Table struct {
	text                 string   // has their names
	owners               []string // System is the first
	symbols              []entry
	textStart, textEnd   uint64 // the kernel's code
	imageStart, imageEnd uint64 // the kernel's code and data
}

// entry is a symbol in a table: more than a hundred thousand of them are to be small, and nothing for the collector to look at.
type entry struct {
	address    uint64
	name, size uint32 // where its name is in the text, and how long
	owner      uint32
}

func (e *entry) symbol(t *Table) Symbol { return Symbol{e.address, e.in(t.text), t.owners[e.owner]} }

// in is the name of a symbol.
func (e *entry) in(text string) string { return text[e.name : e.name+e.size] }

// ofKernel says that a symbol belongs to the kernel itself.
func (e *entry) ofKernel() bool { return e.owner == 0 }

// Read reads the kernel's symbols.
func Read() (*Table, error) {
	table, err := readFile(path)
	if err == nil {
		knownText.Store(&[2]uint64{table.textStart, table.textEnd})
	}
	return table, err
}

func readFile(path string) (*Table, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the kernel's symbols: %w", err)
	}
	defer file.Close()
	var text strings.Builder
	text.Grow(usualSize) // what is not used is never touched; to grow bit by bit would leave five times as much behind
	if _, err := io.Copy(&text, file); err != nil {
		return nil, fmt.Errorf("read the kernel's symbols: %w", err)
	}
	return Parse(text.String())
}

// knownText is where the kernel's code lies, which never changes, once somebody has found out.
var knownText atomic.Pointer[[2]uint64]

// Text returns where the kernel's code begins, and the first address behind it. The symbols are read if nobody has before; that
// addresses are hidden is not remembered.
func Text() (start, end uint64, err error) {
	if known := knownText.Load(); known != nil {
		return known[0], known[1], nil
	}
	table, err := Read()
	if err != nil {
		return 0, 0, err
	}
	start, end = table.Text()
	return start, end, nil
}

// usualSize is that of the list for a large kernel, with modules.
const usualSize = 16 << 20

// Parse reads a list of symbols: address, kind, name and, in brackets, module. Names are parts of the text: a hundred
// thousand of their own would cost more than all the rest.
func Parse(whole string) (*Table, error) {
	if len(whole) > math.MaxUint32 {
		return nil, fmt.Errorf("%s: %d bytes are too many", path, len(whole))
	}
	t := &Table{text: whole, owners: []string{System}, symbols: make([]entry, 0, strings.Count(whole, "\n")+1)}
	owners := map[string]uint32{}
	for begin := 0; begin < len(whole); {
		line := whole[begin:]
		if end := strings.IndexByte(line, '\n'); end >= 0 {
			line = line[:end]
		}
		if err := t.add(line, begin, owners); err != nil {
			return nil, err
		}
		begin += len(line) + 1
	}
	slices.SortStableFunc(t.symbols, func(a, b entry) int { return cmp.Compare(a.address, b.address) })
	return t, t.findBounds()
}

// add takes "ffffffff81000000 T _stext" or "ffffffffc0000000 t init	[dummy]" apart, which begins somewhere in the text.
func (t *Table) add(line string, begin int, owners map[string]uint32) error {
	at := strings.IndexByte(line, ' ')
	if at < 0 || len(line) < at+4 {
		return fmt.Errorf("%s: malformed line %q", path, line)
	}
	address, err := strconv.ParseUint(line[:at], 16, 64)
	if err != nil {
		return fmt.Errorf("%s: malformed line %q", path, line)
	}
	at += len(" T ")
	e := entry{address: address, name: uint32(begin + at), size: uint32(len(line) - at)}
	if tab := strings.IndexByte(line[at:], '\t'); tab >= 0 {
		e.size = uint32(tab)
		module := line[at+tab+1:]
		if len(module) > 2 {
			module = module[1 : len(module)-1]
		}
		if owners[module] == 0 {
			owners[module] = uint32(len(t.owners))
			t.owners = append(t.owners, module)
		}
		e.owner = owners[module]
	}
	t.symbols = append(t.symbols, e)
	return nil
}

// findBounds finds where the kernel begins and ends.
func (t *Table) findBounds() error {
	t.textStart, _ = t.Address("_stext")
	t.textEnd, _ = t.Address("_etext")
	if t.textStart == 0 || t.textEnd <= t.textStart {
		return ErrNoAddresses
	}
	t.imageStart, t.imageEnd = t.textStart, t.textEnd
	for i := range t.symbols {
		// Without data among the symbols, the last function tells: that of the part which is dropped after the start.
		if s := &t.symbols[i]; s.ofKernel() && s.address > t.imageEnd && s.address-t.textStart < maxImage {
			t.imageEnd = s.address
		}
	}
	return nil
}

// maxImage is the largest kernel: what x86-64 keeps free for it.
const maxImage = 1 << 30

// Text returns where the kernel's code begins, and the first address behind it.
func (t *Table) Text() (start, end uint64) { return t.textStart, t.textEnd }

// InText tells whether an address lies in the kernel's code.
func (t *Table) InText(address uint64) bool { return address >= t.textStart && address < t.textEnd }

// Image returns where the kernel's code and data begin and end, as far as the symbols tell.
func (t *Table) Image() (start, end uint64) { return t.imageStart, t.imageEnd }

// Address returns the address of a symbol of the kernel itself.
func (t *Table) Address(name string) (uint64, bool) {
	for i := range t.symbols {
		if s := &t.symbols[i]; s.in(t.text) == name && s.ofKernel() {
			return s.address, true
		}
	}
	return 0, false
}

// Find returns the addresses of the first symbols with these names, whomever they belong to; 0 where there is none.
func (t *Table) Find(names ...string) []uint64 {
	found := make([]uint64, len(names))
	where := make(map[string]int, len(names))
	for i, name := range names {
		where[name] = i
	}
	for i := range t.symbols {
		s := &t.symbols[i]
		if i, ok := where[s.in(t.text)]; ok && found[i] == 0 {
			found[i] = s.address
		}
	}
	return found
}

// Named returns all symbols with a name, whomever they belong to.
func (t *Table) Named(name string) []Symbol {
	var found []Symbol
	for i := range t.symbols {
		if s := &t.symbols[i]; s.in(t.text) == name {
			found = append(found, s.symbol(t))
		}
	}
	return found
}

// Next returns the first address behind the given one that has a symbol, 0 if there is none.
func (t *Table) Next(address uint64) uint64 {
	i := t.behind(address)
	if i == len(t.symbols) {
		return 0
	}
	return t.symbols[i].address
}

// behind is the position of the first symbol behind an address.
func (t *Table) behind(address uint64) int {
	return sort.Search(len(t.symbols), func(i int) bool { return t.symbols[i].address > address })
}

// blockSize is how far behind their symbol addresses may lie in code that the kernel makes: it names the pages.
const blockSize = 4096

// At returns the symbol at an address, or before it, and the distance. In a module only the beginnings of functions are
// known: where the last one ends, and another module begins that hides itself, nothing says. Where the kernel knows of
// nothing, the symbol has no name and its owner is Hidden.
func (t *Table) At(address uint64) (symbol Symbol, offset uint64) {
	i := t.behind(address) - 1
	if i < 0 {
		return Symbol{Address: address, Owner: Hidden}, 0
	}
	at := t.symbols[i].address
	for i > 0 && t.symbols[i-1].address == at { // the first of those with the same address
		i--
	}
	s := t.symbols[i].symbol(t)
	offset = address - at
	switch {
	case offset == 0, s.Owner == System && address >= t.imageStart && address <= t.imageEnd:
		return s, offset
	case offset < blockSize && (s.Owner == "bpf" || strings.HasPrefix(s.Owner, BuiltIn)):
		return s, offset
	default:
		return Symbol{Address: address, Owner: Hidden}, 0
	}
}
