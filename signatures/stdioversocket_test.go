package signatures

import "testing"

func TestStdioSocketsForgetsTheOldestProcessWhenFull(t *testing.T) {
	s := newStdioSockets()
	s.limit = 4
	for pid := range 4 {
		s.remember(pid, 3, peer{"10.0.0.1", "80"})
	}
	s.processes.Get(0) // used: now 1 is the oldest
	s.remember(9, 3, peer{"10.0.0.1", "80"})

	if s.processes.Contains(1) || !s.processes.Contains(0) || !s.processes.Contains(9) {
		t.Errorf("processes left: %v, want 0 and 9 among them and not 1", s.processes.Keys())
	}
	if got, want := s.forgotten(), uint64(1); got != want {
		t.Errorf("forgotten: got %d, want %d", got, want)
	}
	if got, want := s.sockets, 4; got != want {
		t.Errorf("sockets: got %d, want %d", got, want)
	}
}

func TestStdioSocketsIsBoundedForOneProcess(t *testing.T) {
	s := newStdioSockets()
	s.limit = 4
	for fd := range 100 {
		s.remember(1, fd, peer{"10.0.0.1", "80"})
	}
	if s.sockets > 4 {
		t.Errorf("sockets: got %d, want at most 4", s.sockets)
	}
	for fd := range 100 {
		s.forget(1, fd)
	}
	if s.sockets != 0 || s.processes.Len() != 0 {
		t.Errorf("after closing all: %d sockets of %d processes", s.sockets, s.processes.Len())
	}
}
