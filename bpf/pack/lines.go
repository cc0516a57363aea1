package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
)

// Of the section .BTF.ext: where its header says how long it is itself, and where the tables of functions and of lines are.
const (
	extHeaderLength = 4
	extFunctions    = 8
	extLines        = 16
	extHeaderEnd    = 24
)

var errTable = errors.New("section .BTF.ext is not as it should be")

// dropLines empties, but for the first line of each function, the table that says which line of source an instruction is
// of. Only the verifier's log shows it; it is half of the object, a quarter of the time that Tracee takes to read that, and
// a third of what the kernel takes to load programs. The first lines stay, because the kernel demands them of whoever has
// any, and the library adds one where a field is missing on a kernel.
func dropLines(object []byte) error {
	file, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return err
	}
	section := file.Section(".BTF.ext")
	if section == nil {
		return errors.New("no section .BTF.ext")
	}
	ext := object[section.Offset : section.Offset+section.FileSize]
	functions, err := tableAt(ext, extFunctions)
	if err != nil {
		return err
	}
	lines, err := tableAt(ext, extLines)
	if err != nil {
		return err
	}
	kept := firstLines(lines, functions)
	binary.LittleEndian.PutUint32(ext[extLines+4:], uint32(len(kept)))
	clear(lines[copy(lines, kept):])
	return nil
}

// tableAt returns the table whose offset and length the header has at some place.
func tableAt(ext []byte, place int) ([]byte, error) {
	if len(ext) < extHeaderEnd {
		return nil, errTable
	}
	field := func(at int) uint64 { return uint64(binary.LittleEndian.Uint32(ext[at:])) }
	begin := field(extHeaderLength) + field(place)
	end := begin + field(place+4)
	if end > uint64(len(ext)) || end-begin < 4 {
		return nil, errTable
	}
	return ext[begin:end], nil
}

// firstLines returns the table of the lines that belong to the first instruction of a function.
func firstLines(lines, functions []byte) []byte {
	type instruction struct{ section, offset uint32 }
	first := map[instruction]bool{}
	eachRecord(functions, func(section uint32, record []byte) {
		first[instruction{section, binary.LittleEndian.Uint32(record)}] = true
	})
	kept := bytes.Clone(lines[:4]) // the size of a record
	count, last := -1, uint32(0)   // where the number of records of the last section is
	eachRecord(lines, func(section uint32, record []byte) {
		if !first[instruction{section, binary.LittleEndian.Uint32(record)}] {
			return
		}
		if count < 0 || section != last {
			kept = binary.LittleEndian.AppendUint32(kept, section)
			count, last = len(kept), section
			kept = binary.LittleEndian.AppendUint32(kept, 0)
		}
		kept = append(kept, record...)
		binary.LittleEndian.PutUint32(kept[count:], binary.LittleEndian.Uint32(kept[count:])+1)
	})
	return kept
}

// eachRecord calls f for the records of a table: the size of one, and for each section of code its name, the number of its
// records, and these. A record begins with the offset of an instruction.
func eachRecord(table []byte, f func(section uint32, record []byte)) {
	size := int(binary.LittleEndian.Uint32(table))
	for table = table[4:]; len(table) >= 8 && size >= 4; {
		section, count := binary.LittleEndian.Uint32(table), binary.LittleEndian.Uint32(table[4:])
		table = table[8:]
		for ; count > 0 && len(table) >= size; count-- {
			f(section, table[:size])
			table = table[size:]
		}
	}
}
