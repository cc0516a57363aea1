package library

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// Go's programs have a table of their functions for the runtime (runtime.pcHeader), which stays when symbols are stripped.
const (
	goMagic118, goMagic120 = 0xfffffff0, 0xfffffff1 // the layout is that of Go 1.18 and later
	goEntry                = "_rt0_"                // begins the name of the function at which a program begins
)

// goSections are where the table is: in programs of a fixed address and, until Go 1.25, in others.
var goSections = []string{".gopclntab", ".data.rel.ro.gopclntab"}

// goTable is the part of the table that names functions.
type goTable struct {
	functions []byte // pairs of offsets: of a function in the text, of its record in here; records follow
	count     uint64
	names     []byte
	text      uint64 // where the text begins
}

// readGo adds the functions of a Go program, if it is one.
func (c *functionCollector) readGo(sections []section, entry uint64) error {
	t, err := c.readGoTable(sections)
	if err != nil || t == nil || !t.begins(entry) {
		return err
	}
	for i := range t.count {
		start, end, name, ok := t.function(i)
		if !ok {
			continue
		}
		if err := c.add(t.text+start, t.text+end, name, true); err != nil {
			return err
		}
	}
	return nil
}

func (c *functionCollector) readGoTable(sections []section) (*goTable, error) {
	table, text, err := c.goSections(sections)
	if err != nil || table == nil || text == nil {
		return nil, err
	}
	b, err := c.at(table.offset, table.size)
	if err != nil {
		return nil, err
	}
	const fields = 8 // before words of the class
	word := c.size(8, 4)
	if uint64(len(b)) < fields+8*word {
		return nil, nil
	}
	if magic := binary.LittleEndian.Uint32(b); magic != goMagic118 && magic != goMagic120 || uint64(b[7]) != word {
		return nil, nil
	}
	field := func(i uint64) uint64 { return c.word(b[fields+i*word:]) }
	count, names, functions := field(0), field(3), field(7)
	if names > uint64(len(b)) || functions > uint64(len(b)) || count > maxFunctions || (count+1)*8 > uint64(len(b))-functions {
		return nil, errTooLarge
	}
	return &goTable{functions: b[functions:], count: count, names: b[names:], text: text.address}, nil
}

// goSections finds the table and the text.
func (c *functionCollector) goSections(sections []section) (table, text *section, err error) {
	head, err := c.at(0, c.size(64, 52))
	if err != nil || len(sections) == 0 {
		return nil, nil, err
	}
	index := int(binary.LittleEndian.Uint16(head[c.size(62, 50):]))
	if index >= len(sections) {
		return nil, nil, nil
	}
	names, err := c.at(sections[index].offset, sections[index].size)
	if err != nil {
		return nil, nil, err
	}
	for i := range sections {
		at := int(min(uint64(sections[i].name), uint64(len(names))))
		name, _, _ := bytes.Cut(names[at:], []byte{0})
		switch {
		case slices.Contains(goSections, string(name)):
			table = &sections[i]
		case string(name) == ".text":
			text = &sections[i]
		}
	}
	return table, text, nil
}

// begins reports whether the program begins with the function that Go's programs begin with. If not, another linker has put
// the text elsewhere, and the offsets mean nothing.
func (t *goTable) begins(entry uint64) bool {
	for i := range t.count {
		if start, _, name, ok := t.function(i); ok && t.text+start == entry {
			return strings.HasPrefix(string(name[:min(len(name), len(goEntry))]), goEntry)
		}
	}
	return false
}

func (t *goTable) function(i uint64) (start, end uint64, name []byte, ok bool) {
	number := func(at uint64) uint64 { return uint64(binary.LittleEndian.Uint32(t.functions[at:])) }
	start, end = number(i*8), number((i+1)*8)
	record := number(i*8 + 4)
	if end <= start || record > uint64(len(t.functions))-8 {
		return 0, 0, nil, false
	}
	at := number(record + 4)
	if at >= uint64(len(t.names)) {
		return 0, 0, nil, false
	}
	return start, end, t.names[at:], true
}
