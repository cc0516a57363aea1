package library

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// The limits of what is read. A Library beyond them is refused, whole: to leave out a part would hide symbols.
const (
	maxSegments  = 1 << 10
	maxDynamic   = 1 << 12 // entries of the dynamic section
	maxSymbols   = 1 << 20
	maxBuckets   = 1 << 20
	maxTable     = 64 << 20 // bytes of the table of names
	maxNameBytes = 64 << 20 // of all names together: they may overlap in the table
	maxName      = 64 << 10
)

// errNotELF is a file that the dynamic linker would not take.
var errNotELF = errors.New("not an ELF shared object")

// errTooLarge is a file with more in it than the limits allow.
var errTooLarge = errors.New("larger than what is read")

// Values of the ELF format (elf.h).
const (
	ptLoad, ptDynamic = 1, 2

	dtNull, dtHash, dtStrtab, dtSymtab, dtStrsz, dtGNUHash = 0, 4, 5, 6, 10, 0x6ffffef5

	shnUndef                           = 0
	stbGlobal, stbWeak, stbUnique      = 1, 2, 10
	sttSection, sttFile, lastLinkable  = 3, 4, 6
	gnuIndirect                        = 10
	elfMagic                           = "\x7fELF"
	etExec, etDyn                      = 2, 3
	class32, class64, littleEndianData = 1, 2, 1
)

// object reads a shared object as the dynamic linker does: by the segments and the dynamic section. Section headers play
// no part in linking, so they may be missing, and may lie.
type object struct {
	file     io.ReaderAt
	wide     bool // 64 bits
	segments []segment
	dynamic  map[uint64]uint64

	names     []byte // the table of names
	nameBytes int
}

// segment is a part of the file that is mapped.
type segment struct{ address, offset, size uint64 }

// read returns what a file offers. Of a file that is no library, the error is errNotELF.
func read(file io.ReaderAt) (*Library, error) {
	f := &object{file: file}
	dynamic, err := f.readHeaders()
	if err != nil {
		return nil, err
	}
	if err := f.readDynamic(dynamic); err != nil {
		return nil, fmt.Errorf("dynamic section: %w", err)
	}
	reachable, err := f.readHashes()
	if err != nil {
		return nil, fmt.Errorf("hash table: %w", err)
	}
	symbols, err := f.readSymbols(reachable)
	if err != nil {
		return nil, fmt.Errorf("symbol table: %w", err)
	}
	return newLibrary(symbols, f.nameBytes), nil
}

// at reads bytes of the file, all or none.
func (f *object) at(offset, size uint64) ([]byte, error) {
	if size > maxTable {
		return nil, errTooLarge
	}
	if offset > 1<<62 {
		return nil, io.ErrUnexpectedEOF
	}
	// A file that is shorter than it says must not cost the memory that it says.
	if size > 1<<16 {
		if _, err := f.file.ReadAt(make([]byte, 1), int64(offset+size-1)); err != nil {
			return nil, io.ErrUnexpectedEOF
		}
	}
	b := make([]byte, size)
	if _, err := f.file.ReadAt(b, int64(offset)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}

// pageSize is what the linker rounds segments to, so that it sees what lies beside them in the file.
var pageSize = uint64(os.Getpagesize())

// place finds an address in the file, and how many bytes follow it there.
func (f *object) place(address uint64) (offset, follow uint64) {
	for _, slack := range []uint64{0, pageSize} {
		for _, s := range slices.Backward(f.segments) {
			if slack > 0 {
				before := s.address % slack
				s.address, s.offset, s.size = s.address-before, s.offset-before, (s.size+before+slack-1)/slack*slack
			}
			if address >= s.address && address-s.address < s.size {
				return s.offset + (address - s.address), s.size - (address - s.address)
			}
		}
	}
	return 0, 0
}

// mapped reads bytes at an address, which have to lie in the file.
func (f *object) mapped(address, size uint64) ([]byte, error) {
	offset, follow := f.place(address)
	if size > follow {
		return nil, fmt.Errorf("%d bytes at %#x are not in the file", size, address)
	}
	return f.at(offset, size)
}

// some reads what the file has at an address, up to a size, for tables that do not say where they end.
func (f *object) some(address uint64, most int) ([]byte, error) {
	offset, follow := f.place(address)
	if follow == 0 || offset > 1<<62 {
		return nil, fmt.Errorf("address %#x is not in the file", address)
	}
	b := make([]byte, min(follow, uint64(most)))
	n, err := f.file.ReadAt(b, int64(offset))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b[:n], nil
}

func (f *object) word(b []byte) uint64 {
	if f.wide {
		return binary.LittleEndian.Uint64(b)
	}
	return uint64(binary.LittleEndian.Uint32(b))
}

// size is that of something in this file's class.
func (f *object) size(wide, narrow uint64) uint64 {
	if f.wide {
		return wide
	}
	return narrow
}

// readHeaders reads the headers and returns the segment of the dynamic section.
func (f *object) readHeaders() (dynamic segment, err error) {
	head := make([]byte, 64)
	n, err := f.file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return dynamic, err
	}
	kind := binary.LittleEndian.Uint16(head[16:])
	class := head[4]
	if n < 52 || string(head[:4]) != elfMagic || class != class32 && class != class64 || head[5] != littleEndianData ||
		kind != etDyn && kind != etExec || class == class64 && n < 64 {
		return dynamic, errNotELF
	}
	f.wide = class == class64
	offset, entry, count := uint64(binary.LittleEndian.Uint32(head[28:])), head[42:], head[44:]
	if f.wide {
		offset, entry, count = binary.LittleEndian.Uint64(head[32:]), head[54:], head[56:]
	}
	size, segments := uint64(binary.LittleEndian.Uint16(entry)), uint64(binary.LittleEndian.Uint16(count))
	if size != f.size(56, 32) || segments > maxSegments {
		return dynamic, fmt.Errorf("program headers: %d of %d bytes", segments, size)
	}
	headers, err := f.at(offset, segments*size)
	if err != nil {
		return dynamic, fmt.Errorf("program headers: %w", err)
	}
	for ; len(headers) > 0; headers = headers[size:] {
		switch s := f.segment(headers); binary.LittleEndian.Uint32(headers) {
		case ptLoad:
			f.segments = append(f.segments, s)
		case ptDynamic:
			dynamic = s
		}
	}
	return dynamic, nil
}

func (f *object) segment(b []byte) segment {
	if f.wide {
		return segment{offset: f.word(b[8:]), address: f.word(b[16:]), size: f.word(b[32:])}
	}
	return segment{offset: f.word(b[4:]), address: f.word(b[8:]), size: f.word(b[16:])}
}

// readDynamic reads the section by its address and up to its end, as the linker does, whatever the size of its segment.
// A file without one offers nothing.
func (f *object) readDynamic(at segment) error {
	f.dynamic = map[uint64]uint64{}
	entry := f.size(16, 8)
	if at == (segment{}) {
		return nil
	}
	section, err := f.some(at.address, int(maxDynamic*entry))
	if err != nil {
		return err
	}
	for ; uint64(len(section)) >= entry; section = section[entry:] {
		tag := f.word(section)
		if tag == dtNull {
			break
		}
		f.dynamic[tag] = f.word(section[entry/2:])
	}
	return nil
}

// readSymbols reads the symbols at the given indices, in their order.
func (f *object) readSymbols(indices []uint32) ([]Symbol, error) {
	if len(indices) == 0 {
		return nil, nil
	}
	var err error
	if f.names, err = f.mapped(f.dynamic[dtStrtab], f.dynamic[dtStrsz]); err != nil {
		return nil, fmt.Errorf("names: %w", err)
	}
	entry := f.size(24, 16)
	first, last := indices[0], indices[len(indices)-1]
	table, err := f.mapped(f.dynamic[dtSymtab]+uint64(first)*entry, uint64(last-first+1)*entry)
	if err != nil {
		return nil, err
	}
	symbols := make([]Symbol, 0, len(indices))
	for _, i := range indices {
		s, defined, err := f.symbol(table[uint64(i-first)*entry:])
		if err != nil {
			return nil, fmt.Errorf("symbol %d: %w", i, err)
		}
		if defined {
			symbols = append(symbols, s)
		}
	}
	return symbols, nil
}

// symbol reads an entry and says whether it is a definition that others can be linked to.
func (f *object) symbol(b []byte) (s Symbol, defined bool, err error) {
	info, section := b[12], binary.LittleEndian.Uint16(b[14:])
	if f.wide {
		info, section = b[4], binary.LittleEndian.Uint16(b[6:])
	}
	bind, kind := info>>4, info&15
	if section == shnUndef || bind != stbGlobal && bind != stbWeak && bind != stbUnique ||
		kind == sttSection || kind == sttFile || kind > lastLinkable && kind != gnuIndirect {
		return s, false, nil
	}
	s.Weak = bind != stbGlobal
	s.Name, err = f.name(binary.LittleEndian.Uint32(b))
	return s, s.Name != "", err
}

func (f *object) name(offset uint32) (string, error) {
	if uint64(offset) >= uint64(len(f.names)) {
		return "", fmt.Errorf("name at %#x of %#x", offset, len(f.names))
	}
	rest := f.names[offset:]
	length := bytes.IndexByte(rest[:min(len(rest), maxName+1)], 0)
	if length < 0 {
		return "", fmt.Errorf("name at %#x: %w", offset, errTooLarge)
	}
	f.nameBytes += length + 1
	if f.nameBytes > maxNameBytes {
		return "", fmt.Errorf("names: %w", errTooLarge)
	}
	return string(rest[:length]), nil
}
