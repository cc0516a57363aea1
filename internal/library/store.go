package library

import (
	"container/list"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Patience is how long a lookup may take: the stream of events waits for it.
const Patience = 250 * time.Millisecond

// What a store keeps.
const (
	maxLibraries = 4096
	maxBytes     = 32 << 20
	maxWaiting   = 4 // file systems that do not answer
)

var (
	errPatience = fmt.Errorf("not read within %s", Patience)
	errWaiting  = errors.New("too many file systems do not answer")
)

// Store remembers libraries that were read, and which files are none, or malformed. What was used least recently is forgotten.
type Store struct {
	entries map[Key]*list.Element
	recent  *list.List // of *entry, the latest first
	bytes   int

	tasks   Tasks
	waiting chan struct{} // a place for each read that is under way

	// limits, smaller in tests
	maxLibraries, maxBytes int
	patience               time.Duration
}

type entry struct {
	key     Key
	library *Library
	err     error
}

// NewStore makes an empty store.
func NewStore() *Store {
	return &Store{
		entries: map[Key]*list.Element{}, recent: list.New(), tasks: Tasks{},
		waiting:      make(chan struct{}, maxWaiting),
		maxLibraries: maxLibraries, maxBytes: maxBytes, patience: Patience,
	}
}

// Lookup returns what a mapped file offers, nil if it is no shared object. It fails when the file can not be reached any
// more, is malformed, or takes too long.
func (s *Store) Lookup(m Mapping) (*Library, error) {
	others := s.tasks[m.MountNamespace]
	defer s.tasks.Remember(m.MountNamespace, m.Task)
	if known, ok := s.entries[m.Key]; ok {
		s.recent.MoveToFront(known)
		return known.Value.(*entry).library, known.Value.(*entry).err
	}
	select {
	case s.waiting <- struct{}{}:
	default:
		return nil, errWaiting
	}
	answer := make(chan outcome, 1)
	others = slices.Clone(others) // the goroutine may be left behind
	go func() {
		defer func() {
			if r := recover(); r != nil { // a flaw of ours must not let a file end all tracing
				answer <- outcome{err: fmt.Errorf("panic: %v", r)}
			}
			<-s.waiting
		}()
		answer <- m.read(others)
	}()
	patience := time.NewTimer(s.patience)
	defer patience.Stop()
	select {
	case read := <-answer:
		if read.exact {
			s.add(&entry{m.Key, read.library, read.err})
		}
		return read.library, read.err
	case <-patience.C:
		return nil, errPatience
	}
}

// outcome is what reading a file came to. exact: it is as it was when it was mapped.
type outcome struct {
	library *Library
	exact   bool
	err     error
}

// read opens and reads the file.
func (m *Mapping) read(others []int) outcome {
	file, exact, err := m.Open(others)
	if err != nil {
		return outcome{err: err}
	}
	defer file.Close()
	library, err := read(file)
	if errors.Is(err, errNotELF) {
		library, err = nil, nil
	}
	if exact { // it may have been written to in the meantime
		exact = m.Unchanged(file)
	}
	return outcome{library, exact, err}
}

func (s *Store) add(e *entry) {
	s.entries[e.key] = s.recent.PushFront(e)
	s.bytes += e.size()
	for len(s.entries) > s.maxLibraries || s.bytes > s.maxBytes && len(s.entries) > 1 {
		oldest := s.recent.Remove(s.recent.Back()).(*entry)
		delete(s.entries, oldest.key)
		s.bytes -= oldest.size()
	}
}

func (e *entry) size() int {
	if e.library == nil {
		return entrySize
	}
	return e.library.bytes
}
