package courier

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// spill is a queue on disk that outlives the process: files of texts, each after its length in four bytes. They are called
// as the path, a point and a number, in order; the path itself is an empty file that is locked. What was read is deleted file
// by file: a process that is killed leaves the file that it was reading, and the next one reads it again.
type spill struct {
	path string
	max  int64 // bytes of all files
	lock *os.File

	mu       sync.Mutex
	segments []segment
	readAt   int64 // in the first
	reading  *os.File
	writing  *os.File // the last
	closed   bool

	unread atomic.Int64 // bytes that are still to be read
}

type segment struct {
	number int64
	size   int64
}

const (
	firstSegment = 1_000_000 // so that there is room in front
	leastSegment = 64 << 10
	mostSegment  = 16 << 20
)

var errFull = errors.New("no room is left on disk for what waits")

// openSpill opens the queue, with what an earlier process left there. A text that was cut is forgotten.
func openSpill(path string, limit int64) (*spill, error) {
	s := &spill{path: path, max: limit}
	lock, err := lockFile(path)
	if err != nil {
		return nil, err
	}
	if info, err := lock.Stat(); err == nil && info.Size() > 0 { // one file was the whole queue once
		err := os.Rename(path, s.name(firstSegment-1))
		lock.Close()
		if err != nil {
			return nil, fmt.Errorf("spill: %w", err)
		}
		if lock, err = lockFile(path); err != nil {
			return nil, err
		}
	}
	s.lock = lock
	if err := s.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("spill: %w", err), lock.Close())
	}
	return s, nil
}

func lockFile(path string) (*os.File, error) {
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spill: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("spill: %s is in use by another process", path), lock.Close())
	}
	return lock, nil
}

func (s *spill) name(number int64) string { return s.path + "." + strconv.FormatInt(number, 10) }

// recover finds the files, and ends each where its last whole text does.
func (s *spill) recover() error {
	entries, err := os.ReadDir(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		rest, ok := strings.CutPrefix(entry.Name(), filepath.Base(s.path)+".")
		number, err := strconv.ParseInt(rest, 10, 64)
		if !ok || err != nil || !entry.Type().IsRegular() {
			continue
		}
		size, err := whole(s.name(number))
		if err != nil {
			return err
		}
		if size == 0 {
			_ = os.Remove(s.name(number)) // it is empty; at worst it is met again
			continue
		}
		s.segments = append(s.segments, segment{number, size})
		s.unread.Add(size)
	}
	slices.SortFunc(s.segments, func(a, b segment) int { return cmp.Compare(a.number, b.number) })
	return nil
}

// whole measures, and cuts, a file to its whole texts.
func whole(name string) (int64, error) {
	file, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	var at int64
	for at < info.Size() {
		var head [headSize]byte
		if _, err := file.ReadAt(head[:], at); err != nil {
			break
		}
		end := at + headSize + int64(binary.LittleEndian.Uint32(head[:]))
		if end > info.Size() || end-at > headSize+maxText {
			break
		}
		at = end
	}
	return at, file.Truncate(at)
}

// write adds texts in the form of a block.
func (s *spill) write(texts []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	if s.unread.Load()+int64(len(texts)) > s.max {
		return errFull
	}
	return s.append(texts)
}

func (s *spill) append(texts []byte) error {
	limit := min(max(s.max/8, leastSegment), mostSegment)
	n := len(s.segments)
	if s.writing == nil || s.segments[n-1].size >= limit {
		if err := s.begin(); err != nil {
			return err
		}
		n = len(s.segments)
	}
	last := &s.segments[n-1]
	if _, err := s.writing.WriteAt(texts, last.size); err != nil {
		return errors.Join(err, s.writing.Truncate(last.size))
	}
	last.size += int64(len(texts))
	s.unread.Add(int64(len(texts)))
	return nil
}

// begin begins a file behind the last.
func (s *spill) begin() error {
	number := int64(firstSegment)
	if n := len(s.segments); n > 0 {
		number = s.segments[n-1].number + 1
	}
	file, err := s.create(s.name(number))
	if err != nil {
		return err
	}
	if s.writing != nil {
		s.writing.Close()
	}
	s.writing = file
	s.segments = append(s.segments, segment{number: number})
	return nil
}

func (s *spill) create(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
}

// next takes out the oldest texts, about a block of them.
func (s *spill) next() (*block, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && s.unread.Load() > 0 {
		first := s.segments[0]
		if s.readAt >= first.size {
			if err := s.discard(); err != nil {
				return nil, err
			}
			continue
		}
		if s.reading == nil {
			file, err := os.OpenFile(s.name(first.number), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
			if err != nil {
				return nil, errors.Join(err, s.discard())
			}
			s.reading = file
		}
		b, err := s.read(first.size)
		if err != nil {
			return nil, errors.Join(err, s.discard())
		}
		if s.readAt += int64(len(b.bytes)); s.readAt >= first.size {
			err = s.discard()
		} else {
			s.unread.Add(-int64(len(b.bytes)))
		}
		return b, err
	}
	return nil, io.EOF
}

// read reads whole texts from where the first file is at.
func (s *spill) read(end int64) (*block, error) {
	size := min(end-s.readAt, blockSize)
	b := &block{bytes: make([]byte, size, blockSize)}
	if _, err := s.reading.ReadAt(b.bytes, s.readAt); err != nil {
		return nil, err
	}
	at := 0
	for at+headSize <= len(b.bytes) {
		next := at + headSize + int(binary.LittleEndian.Uint32(b.bytes[at:]))
		if next > len(b.bytes) && b.texts == 0 && next <= headSize+maxText && s.readAt+int64(next) <= end {
			b.bytes = make([]byte, next)
			if _, err := s.reading.ReadAt(b.bytes, s.readAt); err != nil {
				return nil, err
			}
		}
		if next > len(b.bytes) {
			break
		}
		at = next
		b.texts++
	}
	if b.bytes = b.bytes[:at]; at == 0 {
		return nil, errors.New("what waits on disk is damaged")
	}
	return b, nil
}

// discard deletes the first file, with what was not read of it.
func (s *spill) discard() error {
	first := s.segments[0]
	if s.reading != nil {
		s.reading.Close()
		s.reading = nil
	}
	if len(s.segments) == 1 && s.writing != nil {
		s.writing.Close()
		s.writing = nil
	}
	s.segments = s.segments[1:]
	s.readAt = 0
	var unread int64
	for _, other := range s.segments {
		unread += other.size
	}
	s.unread.Store(unread)
	return os.Remove(s.name(first.number))
}

// close leaves the texts given, in front and behind of those that are on disk already, for the next process.
func (s *spill) close(front, back [][]byte) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if len(front) > 0 || s.readAt > 0 {
		err = s.prepend(front)
	}
	for _, text := range back {
		record := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
		err = errors.Join(err, s.append(append(record, text...)))
	}
	for _, file := range []*os.File{s.reading, s.writing} {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
	}
	return errors.Join(err, s.lock.Close())
}

// prepend writes a file in front: the texts, and what was not read of the first file, whose place it takes.
func (s *spill) prepend(texts [][]byte) error {
	number := int64(firstSegment - 1)
	if len(s.segments) > 0 {
		number = s.segments[0].number - 1
	}
	partly := s.readAt > 0
	if partly {
		number++
	}
	temporary := s.path + ".new"
	file, err := s.create(temporary)
	if err != nil {
		return err
	}
	to := bufio.NewWriter(file) // remembers the first error
	var head [headSize]byte
	for _, text := range texts {
		binary.LittleEndian.PutUint32(head[:], uint32(len(text)))
		_, _ = to.Write(head[:])
		_, _ = to.Write(text)
		s.unread.Add(int64(headSize + len(text)))
	}
	if partly {
		_, err = io.Copy(to, io.NewSectionReader(s.reading, s.readAt, s.segments[0].size-s.readAt))
	}
	if err = errors.Join(err, to.Flush(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	if partly && len(s.segments) == 1 && s.writing != nil { // what follows must not go into the file that was replaced
		s.writing.Close()
		s.writing = nil
	}
	return os.Rename(temporary, s.name(number))
}
