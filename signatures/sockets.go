package signatures

import (
	"strconv"

	"github.com/tracee-go/tracee/types/trace"
)

var socketShellEvents = with("security_socket_connect", "socket_accept", "socket_dup", "sched_process_exit")

// sockets knows which processes have a connection as standard input or output, and whether they accepted it. It is told
// of connections by the kernel's own objects, whatever call makes or copies a descriptor.
type sockets struct {
	around   *surroundings
	accepted *memory[uint64, map[peer]bool] // connections that a process accepted
	standard *memory[uint64, connection]    // what is at 0, 1 or 2
}

// connection is a connection that a process has as its standard input or output.
type connection struct {
	peer
	accepted bool
}

// connectionsRemembered bounds the processes whose connections are remembered.
const connectionsRemembered = 1 << 12

// acceptedRemembered bounds the connections of one server that are remembered.
const acceptedRemembered = 64

func newSockets(s *surroundings) *sockets {
	return &sockets{s, newMemory[uint64, map[peer]bool](connectionsRemembered), newMemory[uint64, connection](connectionsRemembered)}
}

func (s *sockets) forgotten() uint64 { return s.accepted.forgotten() + s.standard.forgotten() }

func (s *sockets) learn(e *trace.Event) {
	switch e.EventName {
	case "security_socket_connect":
		if to, ok := connectedTo(e); ok {
			fd, _ := whole(e, "sockfd")
			s.placed(e, fd, to)
		}
	case "socket_accept":
		if from, ok := remote(e); ok {
			s.accept(entity(e), from)
			s.placed(e, e.ReturnValue, from)
		}
	case "socket_dup":
		if to, ok := remote(e); ok {
			fd, _ := whole(e, "newfd")
			s.placed(e, fd, to)
		}
	case "sched_process_fork":
		s.inherit(e)
	case "sched_process_exit":
		if lastThread(e) {
			s.accepted.drop(entity(e))
			s.standard.drop(entity(e))
		}
	}
}

func (s *sockets) accept(process uint64, from peer) {
	peers, _ := s.accepted.get(process)
	if peers == nil || len(peers) >= acceptedRemembered {
		peers = map[peer]bool{}
		s.accepted.set(process, peers)
	}
	peers[from] = true
}

// superservers give connections to programs that expect that, or have them as standard input for a moment only.
var superservers = named("sshd sshd-session sshd-auth inetd xinetd tcpd tcpserver ipsvd tcpsvd systemd systemd-executor socat-inetd rlogind telnetd in.telnetd")

// placed notes that a connection is at a descriptor now.
func (s *sockets) placed(e *trace.Event, fd int, to peer) {
	if fd < 0 || fd > 2 || s.around.is(e, superservers) {
		return
	}
	peers, _ := s.accepted.get(entity(e))
	s.standard.set(entity(e), connection{to, peers[to]})
}

// inherit gives a child what its parent has.
func (s *sockets) inherit(e *trace.Event) {
	a, ok := e.Lookup("child_process_entity_id")
	if !ok || a.Uint() == entity(e) {
		return
	}
	if c, known := s.standard.get(entity(e)); known {
		s.standard.set(a.Uint(), c)
	}
	if peers, known := s.accepted.get(entity(e)); known {
		s.accepted.set(a.Uint(), peers)
	}
}

// remote returns the other end of a socket of the internet.
func remote(e *trace.Event) (peer, bool) {
	a, ok := e.Lookup("remote_addr")
	if !ok || a.Type().Kind != trace.Sockaddr {
		return peer{}, false
	}
	address := a.Sockaddr().IP
	if !address.IsValid() || address.Port() == 0 {
		return peer{}, false
	}
	return peer{address.Addr().String(), strconv.Itoa(int(address.Port()))}, true
}

// socketShell recognises shells on connections of one direction.
type socketShell struct {
	*sockets
	accepted bool
	told     *memory[uint64, bool] // one finding is enough for a process
}

func newSocketShell(s *surroundings, accepted bool) *socketShell {
	return &socketShell{newSockets(s), accepted, newMemory[uint64, bool](connectionsRemembered)}
}

func (s *socketShell) match(e *trace.Event) (map[string]any, bool) {
	s.around.see(e)
	s.learn(e)
	found, c := false, &s.around.command
	switch e.EventName {
	case "sched_process_exec":
		found = c.runs(shells) || c.runs(interpreters) || inOpenDirectory(s.around.program(e))
	case "socket_dup": // a shell that does it to itself
		found = shells.name(base(s.around.program(e)))
	}
	if !found {
		return nil, false
	}
	at, known := s.standard.get(entity(e))
	if !known || at.accepted != s.accepted {
		return nil, false
	}
	if _, told := s.told.get(entity(e)); told {
		return nil, false
	}
	s.told.set(entity(e), true)
	return map[string]any{"ip": at.ip, "port": at.port, "program": s.around.program(e)}, true
}
