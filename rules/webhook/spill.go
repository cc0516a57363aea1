package webhook

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// spill is a file of texts, each after its length in four bytes: a queue that outlives the process.
type spill struct {
	file        *os.File
	read, write int64 // where the next text is read, and written
	max         int64
}

const maxText = 16 << 20

// openSpill opens the file, with the texts that an earlier process left there. A text that was cut is forgotten.
func openSpill(path string, limit int64) (*spill, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("webhook spill: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("webhook spill: %s is in use by another process", path), file.Close())
	}
	s := &spill{file: file, max: limit}
	for {
		size, err := s.sizeAt(s.write)
		if err != nil {
			break
		}
		if info, err := file.Stat(); err != nil || s.write+4+size > info.Size() {
			break
		}
		s.write += 4 + size
	}
	if err := file.Truncate(s.write); err != nil {
		return nil, errors.Join(fmt.Errorf("webhook spill: %w", err), file.Close())
	}
	return s, nil
}

func (s *spill) empty() bool { return s.read == s.write }

func (s *spill) sizeAt(at int64) (int64, error) {
	var head [4]byte
	if _, err := s.file.ReadAt(head[:], at); err != nil {
		return 0, err
	}
	size := int64(binary.LittleEndian.Uint32(head[:]))
	if size > maxText {
		return 0, io.ErrUnexpectedEOF
	}
	return size, nil
}

func (s *spill) add(text []byte) error {
	if s.write+4+int64(len(text)) > s.max || len(text) > maxText {
		return errors.New("the file is full")
	}
	record := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	if _, err := s.file.WriteAt(append(record, text...), s.write); err != nil {
		return err
	}
	s.write += 4 + int64(len(text))
	return nil
}

// next takes the oldest text out. When all are, the file is empty again.
func (s *spill) next() ([]byte, error) {
	size, err := s.sizeAt(s.read)
	if err != nil {
		s.read = s.write
		return nil, err
	}
	text := make([]byte, size)
	if _, err := s.file.ReadAt(text, s.read+4); err != nil {
		s.read = s.write
		return nil, err
	}
	s.read += 4 + size
	if s.empty() {
		s.read, s.write = 0, 0
		_ = s.file.Truncate(0) // at worst, the next process posts it again
	}
	return text, nil
}

// close leaves the texts given, followed by those that are in the file still, for the next process.
func (s *spill) close(first [][]byte) error {
	var rest [][]byte
	for !s.empty() {
		text, err := s.next()
		if err != nil {
			break
		}
		rest = append(rest, text)
	}
	s.read, s.write = 0, 0
	err := s.file.Truncate(0)
	for _, text := range append(first, rest...) {
		err = errors.Join(err, s.add(text))
	}
	return errors.Join(err, s.file.Close())
}
