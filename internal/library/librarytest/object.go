// Package librarytest makes shared objects for tests. They are as small as can be, and good enough for the dynamic linker
// of the C library to load.
//
// Start from Object.
package librarytest

import (
	"bytes"
	"encoding/binary"
)

// Bindings of a symbol.
const (
	Local  = 0
	Global = 1
	Weak   = 2
	Unique = 10
)

// Symbol is an entry of the symbol table.
type Symbol struct {
	Name      string
	Bind      byte
	Undefined bool // another object is to define it
}

// Shape is the kind of object to make.
type Shape struct {
	Narrow bool // 32 bits; for i386, the other for x86-64
	GNU    bool // a GNU hash table instead of one of the System V ABI
}

// Where the file is mapped: once to be executed, and once to be written to, as the linker does with the dynamic section.
const (
	page        = 0x10000
	tableStart  = 0x200
	machine386  = 3
	machineX86  = 62
	sharedType  = 3
	loadSegment = 1
	dynSegment  = 2
)

// Globals are defined symbols.
func Globals(names ...string) []Symbol {
	symbols := make([]Symbol, len(names))
	for i, name := range names {
		symbols[i] = Symbol{Name: name, Bind: Global}
	}
	return symbols
}

// Object makes a shared object with the given symbols. Undefined ones are to come first, as linkers have it.
func Object(shape Shape, symbols []Symbol) []byte {
	o := object{Shape: shape}
	names := []byte{0}
	table := make([]byte, o.pick(24, 16))
	for _, s := range symbols {
		table = append(table, o.symbol(uint32(len(names)), s)...)
		names = append(append(names, s.Name...), 0)
	}
	hash, hashTag := sysv(len(symbols)), uint64(4)
	if shape.GNU {
		hash, hashTag = o.gnu(symbols), 0x6ffffef5
	}
	symbolsAt := uint64(tableStart)
	hashAt := symbolsAt + uint64(len(table))
	namesAt := hashAt + uint64(len(hash))
	dynamicAt := (namesAt + uint64(len(names)) + 15) &^ 15
	var dynamic []byte
	for _, entry := range [][2]uint64{
		{hashTag, hashAt}, {5, namesAt}, {6, symbolsAt}, {10, uint64(len(names))}, {11, uint64(o.pick(24, 16))}, {0, 0},
	} {
		dynamic = o.number(o.number(dynamic, entry[0]), entry[1])
	}
	file := o.headers(dynamicAt, uint64(len(dynamic)))
	file = append(file, make([]byte, tableStart-len(file))...)
	file = append(append(append(file, table...), hash...), names...)
	file = append(file, make([]byte, int(dynamicAt)-len(file))...)
	return append(file, dynamic...)
}

type object struct{ Shape }

func (o object) pick(wide, narrow int) int {
	if o.Narrow {
		return narrow
	}
	return wide
}

// number appends a number as wide as an address.
func (o object) number(b []byte, n uint64) []byte {
	if o.Narrow {
		return binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return binary.LittleEndian.AppendUint64(b, n)
}

func (o object) symbol(name uint32, s Symbol) []byte {
	const function = 2
	section := uint16(1)
	if s.Undefined {
		section = 0
	}
	info := s.Bind<<4 | function
	b := binary.LittleEndian.AppendUint32(nil, name)
	if o.Narrow {
		b = o.number(o.number(b, tableStart), 1)
		return binary.LittleEndian.AppendUint16(append(b, info, 0), section)
	}
	b = binary.LittleEndian.AppendUint16(append(b, info, 0), section)
	return o.number(o.number(b, tableStart), 1)
}

// headers are those of the file and of its segments.
func (o object) headers(dynamicAt, dynamicSize uint64) []byte {
	size := dynamicAt + dynamicSize
	b := append([]byte("\x7fELF"), byte(o.pick(2, 1)), 1, 1)
	b = append(b, make([]byte, 16-len(b))...)
	b = binary.LittleEndian.AppendUint16(b, sharedType)
	b = binary.LittleEndian.AppendUint16(b, uint16(o.pick(machineX86, machine386)))
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = o.number(b, 0)                      // entry
	b = o.number(b, uint64(o.pick(64, 52))) // program headers
	b = o.number(b, 0)                      // section headers: none
	b = binary.LittleEndian.AppendUint32(b, 0)
	for _, n := range []int{o.pick(64, 52), o.pick(56, 32), 3, 0, 0, 0} {
		b = binary.LittleEndian.AppendUint16(b, uint16(n))
	}
	const read, write, execute = 4, 2, 1
	b = append(b, o.segment(loadSegment, read|execute, 0, 0, size)...)
	b = append(b, o.segment(loadSegment, read|write, 0, page, size)...)
	return append(b, o.segment(dynSegment, read|write, dynamicAt, page+dynamicAt, dynamicSize)...)
}

func (o object) segment(kind, flags uint32, offset, address, size uint64) []byte {
	b := binary.LittleEndian.AppendUint32(nil, kind)
	if !o.Narrow {
		b = binary.LittleEndian.AppendUint32(b, flags)
	}
	for _, n := range []uint64{offset, address, address, size, size} {
		b = o.number(b, n)
	}
	if o.Narrow {
		b = binary.LittleEndian.AppendUint32(b, flags)
	}
	return o.number(b, page)
}

// sysv has all symbols in one bucket.
func sysv(count int) []byte {
	var b bytes.Buffer
	words := []uint32{1, uint32(count + 1), uint32(min(count, 1)), 0} // buckets, symbols, the bucket, nothing follows 0
	for i := range count {
		next := uint32(i + 2)
		if i == count-1 {
			next = 0
		}
		words = append(words, next)
	}
	_ = binary.Write(&b, binary.LittleEndian, words)
	return b.Bytes()
}

// gnu has all defined symbols in one bucket, and a filter that lets every name pass.
func (o object) gnu(symbols []Symbol) []byte {
	first := 1
	for first <= len(symbols) && symbols[first-1].Undefined {
		first++
	}
	bucket := first
	if first > len(symbols) {
		bucket = 0
	}
	b := binary.LittleEndian.AppendUint32(nil, 1)
	b = binary.LittleEndian.AppendUint32(b, uint32(first))
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = o.number(b, ^uint64(0))
	b = binary.LittleEndian.AppendUint32(b, uint32(bucket))
	for i := first; i <= len(symbols); i++ {
		hash := uint32(5381)
		for _, c := range []byte(symbols[i-1].Name) {
			hash = hash*33 + uint32(c)
		}
		hash &^= 1
		if i == len(symbols) {
			hash |= 1
		}
		b = binary.LittleEndian.AppendUint32(b, hash)
	}
	return b
}
