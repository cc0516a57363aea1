// Package library tells which symbols a shared library offers to others, for libraries that some process has mapped.
//
// Start from Store.Lookup. It finds the file by what the kernel said of it (device, inode, time of its last change),
// never by its name alone, reads the symbols, and remembers them. The file, and the process that mapped it, may be
// hostile: every size that the file states is bounded before memory is taken for it (see limits in elf.go), and a file
// system that does not answer costs Patience, and one of a few goroutines, which stays behind until it does answer.
//
// A Store belongs to one goroutine. It keeps no file open. A Library does not change.
//
// ReadFunctions names addresses: it reads the functions of a file, with the same caution.
package library

import (
	"hash/maphash"
	"iter"
	"slices"
	"strings"
)

// A Library is what a file offers to the dynamic linker.
type Library struct {
	symbols []Symbol // sorted by hash, then by name; each name once
	bytes   int      // of memory
}

// A Symbol is a definition that other objects can refer to by its name.
type Symbol struct {
	Name string
	Weak bool // a definition for want of another, or one that every user of a C++ template brings along
	hash uint64
}

// entrySize is what a symbol takes beside its name.
const entrySize = 32

var seed = maphash.MakeSeed()

func newLibrary(symbols []Symbol, nameBytes int) *Library {
	for i := range symbols {
		symbols[i].hash = maphash.String(seed, symbols[i].Name)
	}
	slices.SortFunc(symbols, compare)
	// Versions of a symbol have one name; it is weak if all of them are.
	unique := symbols[:0]
	for _, s := range symbols {
		if n := len(unique); n > 0 && compare(unique[n-1], s) == 0 {
			unique[n-1].Weak = unique[n-1].Weak && s.Weak
			continue
		}
		unique = append(unique, s)
	}
	return &Library{symbols: slices.Clip(unique), bytes: nameBytes + cap(symbols)*entrySize}
}

func compare(a, b Symbol) int {
	switch {
	case a.hash < b.hash:
		return -1
	case a.hash > b.hash:
		return 1
	default:
		return strings.Compare(a.Name, b.Name)
	}
}

// Symbols are those of the library, in no order that means anything. A nil library has none.
func (l *Library) Symbols() iter.Seq[Symbol] {
	return func(yield func(Symbol) bool) {
		if l == nil {
			return
		}
		for _, s := range l.symbols {
			if !yield(s) {
				return
			}
		}
	}
}

// Len is the number of symbols.
func (l *Library) Len() int {
	if l == nil {
		return 0
	}
	return len(l.symbols)
}

// Common yields the symbols that both libraries define, each as in a and as in b.
func Common(a, b *Library) iter.Seq2[Symbol, Symbol] {
	return func(yield func(Symbol, Symbol) bool) {
		if a == nil || b == nil {
			return
		}
		for i, j := 0, 0; i < len(a.symbols) && j < len(b.symbols); {
			switch order := compare(a.symbols[i], b.symbols[j]); {
			case order < 0:
				i++
			case order > 0:
				j++
			default:
				if !yield(a.symbols[i], b.symbols[j]) {
					return
				}
				i++
				j++
			}
		}
	}
}
