package capture

import (
	"encoding/binary"
	"io"
	"os"
)

// touched reads a mapping of shared memory without making any: to read a page that nobody has written yet would allocate it,
// in the name of the process that is looked at. Such pages are left out, and are zeros.
type touched struct {
	memory  io.ReaderAt
	pagemap io.ReaderAt // of the process
	mapping mapping
	aliases []mapping // all mappings of the same memory
	leftOut int64     // bytes
}

// What the pagemap of the kernel says of a page, in 8 bytes.
const (
	pagemapEntry   = 8
	pagemapPresent = 1 << 63
	pagemapSwapped = 1 << 62
)

// ReadAt reads from an address in the mapping, at the beginning of a page.
func (s *touched) ReadAt(p []byte, address int64) (n int, err error) {
	page := os.Getpagesize()
	there := s.there(address, (len(p)+page-1)/page)
	for n < len(p) && err == nil {
		from := n
		is := there[n/page]
		for n < len(p) && there[n/page] == is {
			n = min(n+page, len(p))
		}
		if is {
			var got int
			got, err = s.memory.ReadAt(p[from:n], address+int64(from))
			n = from + got
			continue
		}
		clear(p[from:n])
		s.leftOut += int64(n - from)
	}
	return n, err
}

// there says which pages from an address on the process has, by whichever mapping.
func (s *touched) there(address int64, pages int) []bool {
	page := uint64(os.Getpagesize())
	all := make([]bool, pages)
	entries := make([]byte, pages*pagemapEntry)
	place := uint64(address) - s.mapping.start + s.mapping.offset // in the memory
	for _, alias := range s.aliases {
		first := max(place, alias.offset)
		last := min(place+uint64(pages)*page, alias.offset+alias.end-alias.start)
		if first >= last {
			continue
		}
		got, _ := s.pagemap.ReadAt(entries[:(last-first)/page*pagemapEntry], int64((alias.start+first-alias.offset)/page*pagemapEntry))
		for i := 0; i+pagemapEntry <= got; i += pagemapEntry {
			if binary.NativeEndian.Uint64(entries[i:])&(pagemapPresent|pagemapSwapped) != 0 {
				all[int((first-place)/page)+i/pagemapEntry] = true
			}
		}
	}
	return all
}

// note is what is to be said of an artifact.
func (s *touched) note() string {
	if s == nil || s.leftOut == 0 {
		return ""
	}
	return "shared memory: pages that the process has not touched are left out, and are zeros"
}
