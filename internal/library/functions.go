package library

import (
	"cmp"
	"encoding/binary"
	"io"
	"slices"
	"strings"
)

// The limits of what is read of functions. Of a file beyond them, none is known.
const (
	maxSections      = 1 << 10
	maxSymbolEntries = 1 << 21 // of a symbol table, functions or not
	maxFunctions     = 1 << 19
	maxFunctionNames = 32 << 20 // bytes of all names together
	maxFunctionName  = 512      // a longer name is cut
	symbolChunk      = 1 << 12  // entries that are read at once
)

// Values of the ELF format (elf.h).
const (
	shtSymtab, shtDynsym = 2, 11
	sttFunc              = 2
)

// Functions are the functions of a file, to name addresses by: those that its symbol table gives a size, and of Go's
// programs those of the table by which the runtime names them, which is there when symbols were stripped. Functions that
// the compiler put into others have no addresses of their own. The zero value has none.
type Functions struct {
	segments  []segment
	functions []function // in order of starts
	names     string
}

// function takes 24 bytes: there are half a million of them in large programs.
type function struct {
	start, end uint64 // addresses in the file's own numbering
	name       uint32 // where it begins in names
	length     uint16
}

const functionSize = 24

// At returns the function at an offset of the file, and how far into it that is.
func (f *Functions) At(offset uint64) (name string, into uint64, ok bool) {
	address, ok := f.address(offset)
	if !ok {
		return "", 0, false
	}
	i, exact := slices.BinarySearchFunc(f.functions, address, func(x function, a uint64) int { return cmp.Compare(x.start, a) })
	if !exact {
		i--
	}
	// Functions may lie within others, as parts of them that are not run often.
	for deep := 0; i >= 0 && deep < 8; i, deep = i-1, deep+1 {
		if x := &f.functions[i]; address < x.end {
			return f.names[x.name : x.name+uint32(x.length)], address - x.start, true
		}
	}
	return "", 0, false
}

// address is that of an offset: the file's segments say where they are meant to lie.
func (f *Functions) address(offset uint64) (uint64, bool) {
	for _, s := range f.segments {
		if offset >= s.offset && offset-s.offset < s.size {
			return s.address + (offset - s.offset), true
		}
	}
	return 0, false
}

// Len is the number of functions.
func (f *Functions) Len() int { return len(f.functions) }

// Bytes is the memory that they take.
func (f *Functions) Bytes() int { return len(f.functions)*functionSize + len(f.names) + 128 }

// section is the header of a section.
type section struct {
	name, kind, link            uint32
	address, offset, size, each uint64
}

// ReadFunctions returns the functions of a file; none if it is no program and no library. Whatever the file says, it
// costs limited time and memory.
func ReadFunctions(file io.ReaderAt) (*Functions, error) {
	f := &object{file: file}
	if _, err := f.readHeaders(); err != nil {
		return nil, err
	}
	sections, entry, err := f.readSections()
	if err != nil {
		return nil, err
	}
	c := &functionCollector{object: f}
	for _, kind := range []uint32{shtSymtab, shtDynsym} {
		for i := range sections {
			if sections[i].kind == kind && len(c.found) == 0 {
				if err := c.readTable(sections, &sections[i]); err != nil {
					return nil, err
				}
			}
		}
	}
	if !c.local { // only what others may call is known, if anything: the rest was stripped
		if err := c.readGo(sections, entry); err != nil {
			return nil, err
		}
	}
	return c.functions(), nil
}

// readSections reads the headers of sections, and the address at which the program begins.
func (f *object) readSections() ([]section, uint64, error) {
	head, err := f.at(0, f.size(64, 52))
	if err != nil {
		return nil, 0, err
	}
	entry, offset, counts := uint64(binary.LittleEndian.Uint32(head[24:])), uint64(binary.LittleEndian.Uint32(head[32:])), head[f.size(58, 46):]
	if f.wide {
		entry, offset = binary.LittleEndian.Uint64(head[24:]), binary.LittleEndian.Uint64(head[40:])
	}
	size, count := uint64(binary.LittleEndian.Uint16(counts)), uint64(binary.LittleEndian.Uint16(counts[2:]))
	if offset == 0 || count == 0 {
		return nil, entry, nil
	}
	if count > maxSections || size != f.size(64, 40) {
		return nil, 0, errTooLarge
	}
	headers, err := f.at(offset, count*size)
	if err != nil {
		return nil, 0, err
	}
	sections := make([]section, count)
	for i := range sections {
		sections[i] = f.section(headers[uint64(i)*size:])
	}
	return sections, entry, nil
}

func (f *object) section(b []byte) section {
	word := f.size(8, 4) // flags, address, offset and size are words of the class
	return section{
		name: binary.LittleEndian.Uint32(b), kind: binary.LittleEndian.Uint32(b[4:]),
		address: f.word(b[8+word:]), offset: f.word(b[8+2*word:]), size: f.word(b[8+3*word:]),
		link: binary.LittleEndian.Uint32(b[8+4*word:]), each: f.word(b[f.size(56, 36):]),
	}
}

// functionCollector gathers the functions of a file.
type functionCollector struct {
	*object
	found []candidate
	names strings.Builder
	local bool // there are functions that nobody else can call
}

type candidate struct {
	function
	hidden bool // nobody else can call it
}

// readTable reads a symbol table.
func (c *functionCollector) readTable(sections []section, s *section) error {
	each := c.size(24, 16)
	if s.each != each || uint64(s.link) >= uint64(len(sections)) || s.size/each > maxSymbolEntries {
		return errTooLarge
	}
	texts := &sections[s.link]
	text, err := c.at(texts.offset, texts.size)
	if err != nil {
		return err
	}
	for left, at := s.size/each, s.offset; left > 0; {
		n := min(left, symbolChunk)
		chunk, err := c.at(at, n*each)
		if err != nil {
			return err
		}
		for ; len(chunk) > 0; chunk = chunk[each:] {
			if err := c.addSymbol(chunk, text); err != nil {
				return err
			}
		}
		left, at = left-n, at+n*each
	}
	return nil
}

func (c *functionCollector) addSymbol(b, text []byte) error {
	info, defined := b[12], binary.LittleEndian.Uint16(b[14:])
	value, size := uint64(binary.LittleEndian.Uint32(b[4:])), uint64(binary.LittleEndian.Uint32(b[8:]))
	if c.wide {
		info, defined = b[4], binary.LittleEndian.Uint16(b[6:])
		value, size = binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	}
	name := uint64(binary.LittleEndian.Uint32(b))
	if kind := info & 15; kind != sttFunc && kind != gnuIndirect || defined == shnUndef || size == 0 || value+size < value ||
		name >= uint64(len(text)) {
		return nil
	}
	hidden := info>>4 == 0
	c.local = c.local || hidden
	return c.add(value, value+size, text[name:], hidden)
}

// add notes a function, whose name ends with a NUL.
func (c *functionCollector) add(start, end uint64, name []byte, hidden bool) error {
	name = name[:min(len(name), maxFunctionName)]
	if i := slices.Index(name, 0); i >= 0 {
		name = name[:i]
	}
	if len(name) == 0 {
		return nil
	}
	if len(c.found) == maxFunctions || c.names.Len()+len(name) > maxFunctionNames {
		return errTooLarge
	}
	c.found = append(c.found, candidate{function{start, end, uint32(c.names.Len()), uint16(len(name))}, hidden})
	c.names.Write(name)
	return nil
}

// functions puts what was found in order. Of several names for a function, it keeps the one that people know it by.
func (c *functionCollector) functions() *Functions {
	f := &Functions{segments: c.segments, names: c.names.String()}
	name := func(x *candidate) string { return f.names[x.name : x.name+uint32(x.length)] }
	slices.SortFunc(c.found, func(a, b candidate) int {
		if order := cmp.Compare(a.start, b.start); order != 0 {
			return order
		}
		if a.hidden != b.hidden {
			if b.hidden {
				return -1
			}
			return 1
		}
		return known(name(&a), name(&b))
	})
	f.functions = make([]function, 0, len(c.found))
	for i := range c.found {
		if n := len(f.functions); n == 0 || f.functions[n-1].start != c.found[i].start {
			f.functions = append(f.functions, c.found[i].function)
		}
	}
	return f
}

// known orders names for one thing: read comes before __read and __libc_read.
func known(a, b string) int {
	underscores := func(name string) int { return len(name) - len(strings.TrimLeft(name, "_")) }
	return cmp.Or(cmp.Compare(underscores(a), underscores(b)), cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
