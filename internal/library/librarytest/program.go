package librarytest

import (
	"bytes"
	"encoding/binary"
)

// Function is one of a program.
type Function struct {
	Name        string
	Start, Size uint64 // from the beginning of the text
	Local       bool
}

// Where the text of a program lies.
const (
	TextOffset  = 0x1000
	textAddress = 0x401000
	textSize    = 0x1000
)

// Kinds of sections.
const (
	sectionBits, sectionSymbols, sectionTexts = 1, 2, 3
)

// Program makes a program of 64 bits that has a symbol table with functions, and the table of those of a Go program, which
// begins with the first. It is good for being read, not for being run.
func Program(functions, goFunctions []Function) []byte {
	p := program{text: make([]byte, TextOffset+textSize)}
	names, symbols := []byte{0}, make([]byte, 24)
	for _, f := range functions {
		info := byte(Global<<4 | 2)
		if f.Local {
			info = 2
		}
		symbols = binary.LittleEndian.AppendUint32(symbols, uint32(len(names)))
		symbols = append(symbols, info, 0, 1, 0)
		symbols = binary.LittleEndian.AppendUint64(symbols, textAddress+f.Start)
		symbols = binary.LittleEndian.AppendUint64(symbols, f.Size)
		names = append(append(names, f.Name...), 0)
	}
	p.add("", 0, nil, 0, 0)
	p.headers = append(p.headers, header{name: p.name(".text"), kind: sectionBits, address: textAddress, offset: TextOffset, size: textSize})
	p.add(".symtab", sectionSymbols, symbols, 3, 24)
	p.add(".strtab", sectionTexts, names, 0, 0)
	if len(goFunctions) > 0 {
		p.add(".gopclntab", sectionBits, goTable(goFunctions), 0, 0)
	}
	p.name(".shstrtab")
	p.add(".shstrtab", sectionTexts, p.names.Bytes(), 0, 0)
	return p.file()
}

// goTable is what the runtime of Go 1.20 and later reads.
func goTable(functions []Function) []byte {
	names, table, records := []byte{}, []byte{}, []byte{}
	size := uint32(len(functions)*8 + 8)
	for _, f := range functions {
		table = binary.LittleEndian.AppendUint32(table, uint32(f.Start))
		table = binary.LittleEndian.AppendUint32(table, size+uint32(len(records)))
		records = binary.LittleEndian.AppendUint32(records, uint32(f.Start))
		records = binary.LittleEndian.AppendUint32(records, uint32(len(names)))
		names = append(append(names, f.Name...), 0)
	}
	last := functions[len(functions)-1]
	table = binary.LittleEndian.AppendUint64(table, last.Start+last.Size)
	b := []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}
	const head = 8 + 8*8
	for _, field := range []int{len(functions), 0, 0, head, head, head, head, head + len(names)} {
		b = binary.LittleEndian.AppendUint64(b, uint64(field))
	}
	return append(append(append(b, names...), table...), records...)
}

type program struct {
	text    []byte // and what follows
	names   bytes.Buffer
	headers []header
}

type header struct {
	name, kind     uint32
	flags, address uint64
	offset, size   uint64
	link, info     uint32
	align, each    uint64
}

func (p *program) name(of string) uint32 {
	at := p.names.Len()
	p.names.WriteString(of + "\x00")
	return uint32(at)
}

func (p *program) add(name string, kind uint32, content []byte, link uint32, each uint64) {
	h := header{kind: kind, offset: uint64(len(p.text)), size: uint64(len(content)), link: link, each: each}
	if i := bytes.Index(p.names.Bytes(), []byte(name+"\x00")); i >= 0 && name != "" {
		h.name = uint32(i)
	} else {
		h.name = p.name(name)
	}
	p.text = append(p.text, content...)
	p.headers = append(p.headers, h)
}

func (p *program) file() []byte {
	sections := uint64(len(p.text))
	for _, h := range p.headers {
		p.text = binary.LittleEndian.AppendUint32(p.text, h.name)
		p.text = binary.LittleEndian.AppendUint32(p.text, h.kind)
		for _, word := range []uint64{h.flags, h.address, h.offset, h.size, uint64(h.info)<<32 | uint64(h.link), h.align, h.each} {
			p.text = binary.LittleEndian.AppendUint64(p.text, word)
		}
	}
	le := binary.LittleEndian
	copy(p.text, "\x7fELF\x02\x01\x01")
	le.PutUint16(p.text[16:], 2) // a program at a fixed address
	le.PutUint16(p.text[18:], machineX86)
	le.PutUint32(p.text[20:], 1)
	le.PutUint64(p.text[24:], textAddress)
	le.PutUint64(p.text[32:], 64)
	le.PutUint64(p.text[40:], sections)
	for i, size := range []uint16{64, 56, 1, 64, uint16(len(p.headers)), uint16(len(p.headers) - 1)} {
		le.PutUint16(p.text[52+2*i:], size)
	}
	segment := p.text[64:]
	le.PutUint32(segment, loadSegment)
	le.PutUint32(segment[4:], 5) // to be read and executed
	for i, word := range []uint64{TextOffset, textAddress, textAddress, textSize, textSize, 0x1000} {
		le.PutUint64(segment[8+8*i:], word)
	}
	return p.text
}
