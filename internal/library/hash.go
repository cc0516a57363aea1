package library

import (
	"encoding/binary"
	"io"
	"slices"
)

// readHashes returns the indices of the symbols that the linker can find, in order. It looks names up in hash tables, so
// what is in none of them is not found, and what their chains lead to is found whatever else the file says.
func (f *object) readHashes() ([]uint32, error) {
	found := &indices{}
	if address := f.dynamic[dtGNUHash]; address != 0 {
		if err := f.readGNUHash(address, found); err != nil {
			return nil, err
		}
	}
	if address := f.dynamic[dtHash]; address != 0 {
		if err := f.readHash(address, found); err != nil {
			return nil, err
		}
	}
	return found.list(), nil
}

// indices is a set of symbols.
type indices struct{ bits []uint64 }

// add reports whether the index is new.
func (x *indices) add(i uint32) (bool, error) {
	if i >= maxSymbols {
		return false, errTooLarge
	}
	for int(i/64) >= len(x.bits) {
		x.bits = append(x.bits, 0)
	}
	bit := uint64(1) << (i % 64)
	isNew := x.bits[i/64]&bit == 0
	x.bits[i/64] |= bit
	return isNew, nil
}

func (x *indices) list() []uint32 {
	var list []uint32
	for word, bits := range x.bits {
		for i := range 64 {
			if bits&(1<<i) != 0 {
				list = append(list, uint32(word*64+i))
			}
		}
	}
	return list
}

// words reads numbers of 32 bits.
func (f *object) words(address uint64, count uint32, most uint32) ([]uint32, error) {
	if count > most {
		return nil, errTooLarge
	}
	b, err := f.mapped(address, uint64(count)*4)
	if err != nil {
		return nil, err
	}
	words := make([]uint32, count)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(b[i*4:])
	}
	return words, nil
}

// readHash follows the chains of a table of the System V ABI: buckets and chain hold indices of symbols; 0 ends a chain.
func (f *object) readHash(address uint64, found *indices) error {
	head, err := f.words(address, 2, 2)
	if err != nil {
		return err
	}
	buckets, err := f.words(address+8, head[0], maxBuckets)
	if err != nil {
		return err
	}
	chain, err := f.words(address+8+uint64(head[0])*4, head[1], maxSymbols)
	if err != nil {
		return err
	}
	passed := &indices{} // by this table; the other one leads elsewhere from the same symbol
	for _, i := range buckets {
		for i != 0 {
			isNew, err := passed.add(i)
			if err != nil {
				return err
			}
			if !isNew {
				break
			}
			if _, err := found.add(i); err != nil {
				return err
			}
			if i >= uint32(len(chain)) {
				return io.ErrUnexpectedEOF
			}
			i = chain[i]
		}
	}
	return nil
}

// readGNUHash follows the chains of a GNU table: a bucket holds the first symbol of its chain, the rest follow in the
// symbol table until one whose hash has its lowest bit set.
func (f *object) readGNUHash(address uint64, found *indices) error {
	head, err := f.words(address, 4, 4)
	if err != nil {
		return err
	}
	count, first, bloom := head[0], head[1], uint64(head[2])*f.size(8, 4)
	buckets, err := f.words(address+16+bloom, count, maxBuckets)
	if err != nil {
		return err
	}
	slices.Sort(buckets) // so that the window only moves forwards
	hashes := &window{file: f, start: address + 16 + bloom + uint64(count)*4 - uint64(first)*4}
	for _, i := range buckets {
		for i != 0 {
			isNew, err := found.add(i)
			if err != nil {
				return err
			}
			if !isNew {
				break
			}
			hash, err := hashes.word(i)
			if err != nil {
				return err
			}
			if hash&1 != 0 {
				break
			}
			i++
		}
	}
	return nil
}

// window reads an array of unknown length in pieces, mostly forwards.
type window struct {
	file  *object
	start uint64 // address of the element with index 0, which need not exist
	index uint32 // of the first element in bytes
	bytes []byte
}

const windowSize = 16 << 10

func (w *window) word(i uint32) (uint32, error) {
	if at := uint64(i-w.index) * 4; i >= w.index && at+4 <= uint64(len(w.bytes)) {
		return binary.LittleEndian.Uint32(w.bytes[at:]), nil
	}
	b, err := w.file.some(w.start+uint64(i)*4, windowSize)
	if err != nil {
		return 0, err
	}
	if len(b) < 4 {
		return 0, io.ErrUnexpectedEOF
	}
	w.index, w.bytes = i, b
	return binary.LittleEndian.Uint32(b), nil
}
