package events

import "github.com/tracee-go/tracee/types/trace"

const socketUnseen = "Attempts that are denied before they reach the socket and sockets used by io_uring."

// Sockets.
var (
	SecuritySocketCreate = declare(Event{
		ID: 724, Name: "security_socket_create",
		Sets:  []Set{Default, LSMHooks, Net, NetSock},
		Hooks: Ladder{sysExit("security_socket_create", "socket", "socketpair")},
		Args: []trace.Field{
			{Name: "family", Type: SocketDomain},
			{Name: "type", Type: SocketType},
			{Name: "protocol", Type: Int, Doc: "as the caller gave it"},
			{Name: "kern", Type: Int, Doc: "1 for a socket of the kernel's own"},
		},
		Doc:    "A socket is created.",
		Unseen: "Sockets of the kernel's own, and those that could not be created; a pair is one event.",
	})
	SecuritySocketListen = declare(Event{
		ID: 725, Name: "security_socket_listen",
		Sets:  []Set{Default, LSMHooks, Net, NetSock},
		Hooks: Ladder{sysExit("security_socket_listen", "listen")},
		Args: []trace.Field{
			{Name: "sockfd", Type: Int},
			{Name: "local_addr", Type: SockaddrPtr},
			{Name: "backlog", Type: Int},
		},
		Doc:    "A socket is opened to connections. The return value is the syscall's.",
		Unseen: socketUnseen,
	})
	SecuritySocketConnect = declare(Event{
		ID: 726, Name: "security_socket_connect", Critical: true,
		Sets:  []Set{Default, LSMHooks, Net, NetSock},
		Hooks: Ladder{sysExit("security_socket_connect", "connect")},
		Args: []trace.Field{
			{Name: "sockfd", Type: Int},
			{Name: "remote_addr", Type: SockaddrPtr, Doc: "from the socket; after a failure from the caller's memory"},
		},
		Doc:    "A socket is connected. The return value is the syscall's, so a connection under way is -EINPROGRESS.",
		Unseen: socketUnseen,
	})
	SecuritySocketAccept = declare(Event{
		ID: 727, Name: "security_socket_accept",
		Sets:  []Set{Default, LSMHooks, Net, NetSock},
		Hooks: Ladder{sysExit("security_socket_accept", "accept", "accept4")},
		Args: []trace.Field{
			{Name: "sockfd", Type: Int, Doc: "the listening socket"},
			{Name: "local_addr", Type: SockaddrPtr},
		},
		Doc:    "A connection is accepted. The return value is the new descriptor.",
		Unseen: socketUnseen,
	})
	SecuritySocketBind = declare(Event{
		ID: 728, Name: "security_socket_bind",
		Sets:  []Set{Default, LSMHooks, Net, NetSock},
		Hooks: Ladder{sysExit("security_socket_bind", "bind")},
		Args: []trace.Field{
			{Name: "sockfd", Type: Int},
			{Name: "local_addr", Type: SockaddrPtr, Doc: "from the socket; after a failure from the caller's memory"},
		},
		Doc:    "A socket is bound to an address. The return value is the syscall's.",
		Unseen: socketUnseen,
	})
	SocketDup = declare(Event{
		ID: 739, Name: "socket_dup", Critical: true,
		Hooks: Ladder{sysExit("socket_dup", "dup", "dup2", "dup3", "fcntl", "fcntl64")},
		Args: []trace.Field{
			{Name: "oldfd", Type: Int},
			{Name: "newfd", Type: Int},
			{Name: "remote_addr", Type: SockaddrPtr},
		},
		Doc:    "A descriptor of a socket is duplicated, by dup, dup2, dup3 or fcntl: how a shell gets a socket as its input.",
		Unseen: "Descriptors that arrive otherwise: by a message on a unix socket, by pidfd_getfd, or across fork.",
	})
)
