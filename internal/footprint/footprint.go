// Package footprint gives memory back that a program needed to start, or for a burst of work, and does not need to run.
//
// Start from Keeper; a program that is about to load much calls Hurry before. A Keeper lets the collector work more often, collects
// garbage and returns the heap's free pages, and it unmaps the pages of the program's own file: most of them were read to
// initialise packages and to load programs into the kernel, or lie beside something that was read once. Those that are needed again
// come back from the page cache when they are touched, so nothing can go wrong with them; pages that were ever written to are left alone.
package footprint

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// gcPercent is how much garbage may pile up, of what lives. An event leaves next to none, so that to collect twice as often as by
// default costs little; on a heap of some 12 MiB it is 10 MiB that need not be there.
const gcPercent = 50

// worthwhile is how many bytes of files must have come into memory for them to be unmapped again: to find out which can be, and
// to touch again what is needed, takes some milliseconds.
const worthwhile = 4 << 20

// piece is how much of the program's file a touch may bring into memory at most. Linux 6.18 and newer map all of a folio of the page
// cache, 2 MiB where a file was just written, but none that is larger than what is mapped as one (finish_fault).
const piece = 256 << 10

// startLimit is how much memory a start may take before the collector works at all. It takes some 130 MB, of which nearly nothing is
// garbage for long: to look for that would be a tenth of the work.
const startLimit = 192 << 20

// Hurry lets the collector rest until Shrink, or until there is work for it. Who sets GOGC or GOMEMLIMIT knows better.
func Hurry() {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(startLimit)
		debug.SetGCPercent(-1)
	}
}

// A Keeper keeps a process small. The zero value is ready to use.
type Keeper struct {
	files    int  // bytes of files that are needed
	settling bool // the last were just unmapped: those that are needed are about to come back
}

// Shrink gives back what it can. It takes a few tens of milliseconds, mostly those of the collector. Who sets GOGC knows better how
// often that shall work.
func (k *Keeper) Shrink() error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(math.MaxInt64)
	}
	debug.FreeOSMemory()
	return k.unmap()
}

// Trim unmaps pages of the program's file if many have come back. Those that are there when it is called for the first time after that
// are taken to be needed all the time.
func (k *Keeper) Trim() error {
	files, err := mappedFiles()
	switch {
	case err != nil:
		return err
	case k.settling:
		k.files, k.settling = max(k.files, files), false
		return nil
	case files < k.files+worthwhile:
		return nil
	}
	return k.unmap()
}

func (k *Keeper) unmap() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer file.Close()
	mappings, err := unwritten(file, program)
	if err != nil {
		return err
	}
	for _, m := range mappings {
		// Where the page cache has the file in pieces of 2 MiB, one word that is read maps all of it (filemap_map_pmd).
		_ = m.advise(unix.MADV_NOHUGEPAGE) // fails where the kernel has no huge pages
		m.divide()
		if err := m.advise(unix.MADV_DONTNEED); err != nil {
			return fmt.Errorf("unmap pages of %s: %w", program, err)
		}
	}
	k.files, err = mappedFiles()
	k.settling = true
	return err
}

// mappedFiles returns how many bytes of files this process has in memory.
func mappedFiles() (int, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, resident, shared int
	if _, err := fmt.Sscan(string(text), &size, &resident, &shared); err != nil {
		return 0, fmt.Errorf("read /proc/self/statm: %w", err)
	}
	return shared * os.Getpagesize(), nil
}

// mapping is a range of addresses.
type mapping struct{ begin, end uintptr }

func (m mapping) advise(advice uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.begin, m.end-m.begin, advice); errno != 0 {
		return errno
	}
	return nil
}

// divide makes pieces of a mapping, by what they differ in: every other one is left out of core dumps, into which pages of a file do not
// come anyway (core(5)). One that can not be divided stays as it is.
func (m mapping) divide() {
	for begin := m.begin &^ (piece - 1); begin < m.end; begin += 2 * piece {
		_ = mapping{max(begin, m.begin), min(begin+piece, m.end)}.advise(unix.MADV_DONTDUMP)
	}
}

// unwritten finds the mappings of a file that nobody can write to, and nobody ever has: there is no page that is not the file's. Those
// that adjoin are one.
func unwritten(smaps io.Reader, path string) (found []mapping, err error) {
	var candidate *mapping
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Text()
		var m mapping
		var rights, rest string
		if n, _ := fmt.Sscanf(line, "%x-%x %s %s", &m.begin, &m.end, &rights, &rest); n == 4 {
			candidate = nil
			if strings.HasSuffix(line, " "+path) && strings.HasPrefix(rights, "r-") {
				candidate = &m
			}
			continue
		}
		if size, ok := strings.CutPrefix(line, "Anonymous:"); ok && candidate != nil && strings.TrimSpace(size) == "0 kB" {
			if n := len(found); n > 0 && found[n-1].end == candidate.begin {
				found[n-1].end = candidate.end
			} else {
				found = append(found, *candidate)
			}
		}
	}
	return found, nil
}
