package signatures

import (
	"strconv"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/tracee-go/tracee/types/trace"
)

var _ = declare(description{
	id:         "TRC-1",
	name:       "Standard Input/Output Over Socket",
	doc:        "Redirection of process's standard input/output to socket",
	aliases:    []string{"TRC-101"},
	severity:   high,
	technique:  technique{"Persistence", "Server Software Component", "T1505", ""},
	response:   "Find out who is at the other end (data: ip and port), and what the process started since. It is usually a reverse shell: isolate the machine or the container.",
	benign:     "Servers of the inetd kind, and programs that talk to their children by sockets of the internet.",
	tags:       linuxAndContainer,
	events:     []string{"security_socket_connect", "dup", "dup2", "dup3", "close", "sched_process_exit"},
	newMatcher: func(*surroundings) matcher { return newStdioSockets() },
})

// socketsRemembered bounds the connected sockets that are remembered, of all processes together.
const socketsRemembered = 1 << 16

// stdioSockets follows connected sockets to the descriptors 0, 1 and 2. Processes are known by their host pid, for pids
// of containers repeat. A child of fork inherits nothing here.
type stdioSockets struct {
	processes *simplelru.LRU[int, map[int]peer] // host pid → descriptor → what it is connected to
	sockets   int                               // in all processes
	limit     int
	evicted   atomic.Uint64
}

// peer is the other end of a socket.
type peer struct{ ip, port string }

func newStdioSockets() *stdioSockets {
	s := &stdioSockets{limit: socketsRemembered}
	var err error
	s.processes, err = simplelru.NewLRU(socketsRemembered, func(_ int, sockets map[int]peer) {
		s.sockets -= len(sockets)
	})
	if err != nil {
		panic(err) // only for a size below 1
	}
	return s
}

func (s *stdioSockets) forgotten() uint64 { return s.evicted.Load() }

func (s *stdioSockets) match(e *trace.Event) (map[string]any, bool) {
	switch e.EventName {
	case "security_socket_connect":
		return s.connect(e)
	case "dup":
		return s.duplicate(e, e.ReturnValue)
	case "dup2", "dup3":
		if newfd, ok := whole(e, "newfd"); ok {
			return s.duplicate(e, newfd)
		}
	case "close":
		if fd, ok := whole(e, "fd"); ok {
			s.forget(e.HostProcessID, fd)
		}
	case "sched_process_exit":
		if lastThread(e) {
			s.processes.Remove(e.HostProcessID)
		}
	}
	return nil, false
}

func (s *stdioSockets) connect(e *trace.Event) (map[string]any, bool) {
	fd, ok := whole(e, "sockfd")
	if !ok {
		return nil, false
	}
	to, ok := connectedTo(e)
	if !ok {
		return nil, false
	}
	s.remember(e.HostProcessID, fd, to)
	return finding(fd, to)
}

func (s *stdioSockets) duplicate(e *trace.Event, newfd int) (map[string]any, bool) {
	oldfd, ok := whole(e, "oldfd")
	if !ok || e.ReturnValue < 0 || oldfd == newfd {
		return nil, false
	}
	sockets, _ := s.processes.Get(e.HostProcessID)
	to, ok := sockets[oldfd]
	if !ok {
		s.forget(e.HostProcessID, newfd) // it names something else now
		return nil, false
	}
	s.remember(e.HostProcessID, newfd, to)
	return finding(newfd, to)
}

func finding(fd int, to peer) (map[string]any, bool) {
	if fd < 0 || fd > 2 {
		return nil, false
	}
	return map[string]any{"ip": to.ip, "port": to.port, "fd": fd}, true
}

func (s *stdioSockets) remember(pid, fd int, to peer) {
	sockets, ok := s.processes.Get(pid)
	if _, known := sockets[fd]; !known {
		s.makeRoom()
		sockets, ok = s.processes.Get(pid) // it may have been the oldest
		s.sockets++
	}
	if !ok {
		sockets = make(map[int]peer, 1)
		s.processes.Add(pid, sockets)
	}
	sockets[fd] = to
}

// makeRoom forgets the processes that did nothing with sockets for longest.
func (s *stdioSockets) makeRoom() {
	for range s.processes.Len() {
		if s.sockets < s.limit {
			return
		}
		_, oldest, _ := s.processes.RemoveOldest()
		s.evicted.Add(uint64(len(oldest)))
	}
}

func (s *stdioSockets) forget(pid, fd int) {
	sockets, ok := s.processes.Peek(pid)
	if !ok {
		return
	}
	if _, known := sockets[fd]; known {
		delete(sockets, fd)
		s.sockets--
	}
	if len(sockets) == 0 {
		s.processes.Remove(pid)
	}
}

// Error numbers of connect after which the socket is connected or on its way: asm-generic/errno.h.
const (
	interrupted      = -4   // EINTR: the connection goes on without the caller
	alreadyConnected = -106 // EISCONN
	alreadyTrying    = -114 // EALREADY
	inProgress       = -115 // EINPROGRESS
)

// connectedTo returns the peer of a connect that succeeded or may still do so. Other than internet sockets have none.
func connectedTo(e *trace.Event) (peer, bool) {
	switch r := e.ReturnValue; {
	case r >= 0, r == interrupted, r == alreadyConnected, r == alreadyTrying, r == inProgress:
	default:
		return peer{}, false
	}
	a, ok := e.Lookup("remote_addr")
	if !ok || a.Type().Kind != trace.Sockaddr {
		return peer{}, false
	}
	address := a.Sockaddr()
	if !address.IP.IsValid() {
		return peer{}, false
	}
	return peer{ip: address.IP.Addr().String(), port: strconv.Itoa(int(address.IP.Port()))}, true
}

// lastThread reports whether the exit of a thread ends its process. Streams of v0.6 do not say; there the main thread,
// which normally goes last, decides.
func lastThread(e *trace.Event) bool {
	if a, ok := e.Lookup("process_group_exit"); ok && a.Type().Kind.InSlot() {
		return a.Uint() != 0
	}
	return e.HostThreadID == e.HostProcessID
}
