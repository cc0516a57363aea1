package tracer

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	"golang.org/x/sys/unix"
)

// spill is a file of blocks that are written, read once and then written again. It has no name, so that nobody else reads
// it and nothing stays behind. Slots are numbered by whoever holds the cache's lock; reading and writing need no lock.
type spill struct {
	file  *os.File
	slots int64 // that may be used
	used  int64 // that have been used; beyond, the file does not reach
	empty []int64
	// refused says that the disk took no more; it may do so again when something was read from it.
	refused bool
}

// newSpill makes the file. It takes room on the disk only as it is written to.
func newSpill(directory string, slots int64) (*spill, error) {
	fd, err := unix.Open(directory, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return &spill{file: os.NewFile(uintptr(fd), directory), slots: slots}, nil
	}
	file, err := os.CreateTemp(directory, "tracee-cache-") // a file system without nameless files
	if err != nil {
		return nil, fmt.Errorf("make a file for the cache: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("make a file for the cache: %w", err), file.Close())
	}
	return &spill{file: file, slots: slots}, nil
}

func (s *spill) Close() error { return s.file.Close() }

// take finds a slot to write to.
func (s *spill) take() (slot int64, ok bool) {
	if s.refused {
		return 0, false
	}
	if n := len(s.empty); n > 0 {
		slot = s.empty[n-1]
		s.empty = s.empty[:n-1]
		return slot, true
	}
	if s.used == s.slots {
		return 0, false
	}
	s.used++
	return s.used - 1, true
}

// giveBack makes a slot available again to which the disk refused to write.
func (s *spill) giveBack(slot int64) {
	s.empty = append(s.empty, slot)
	s.refused = true
}

// free makes a slot available again that was read.
func (s *spill) free(slot int64) {
	s.empty = append(s.empty, slot)
	s.refused = false
}

// write returns a checksum, which read wants.
func (s *spill) write(slot int64, block []byte) (sum uint32, err error) {
	_, err = s.file.WriteAt(block, slot*blockSize)
	return crc32.ChecksumIEEE(block), err
}

func (s *spill) read(slot int64, length int, sum uint32) ([]byte, error) {
	block := make([]byte, length, blockSize)
	if _, err := s.file.ReadAt(block, slot*blockSize); err != nil {
		return nil, fmt.Errorf("read from the cache's file: %w", err)
	}
	if crc32.ChecksumIEEE(block) != sum {
		return nil, errCacheDamaged
	}
	return block, nil
}
