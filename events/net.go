package events

import "github.com/tracee-go/tracee/types/trace"

const socketUnseen = "A descriptor that another thread replaces before the call returns, and the address as it was asked for where " +
	"the kernel completed it. " + uringUnanswered

const attempt = " On a hook it is an attempt, whose outcome is not known yet: the return value is 0. An io_uring attempts again what would " +
	"have to wait. "

// Sockets.
var (
	SecuritySocketCreate = declare(Event{
		ID: 724, Name: "security_socket_create",
		Sets: []Set{Default, LSMHooks, Net, NetSock},
		Hooks: lsmHook("socket_create", sysExit("security_socket_create_exit", "socket", "socketpair").
			byUring("security_socket_create_uring", "SOCKET")),
		Args: []trace.Field{
			{Name: "family", Type: SocketDomain},
			{Name: "type", Type: SocketType},
			{Name: "protocol", Type: SocketProtocol, Doc: "as the caller gave it"},
			{Name: "kern", Type: Int, Doc: "1 for a socket of the kernel's own"},
		},
		Doc:    "A socket is created.",
		Unseen: "Sockets of the kernel's own, and those that could not be created; a pair is one event.",
	})
	SecuritySocketListen = declare(Event{
		ID: 725, Name: "security_socket_listen",
		Sets: []Set{Default, LSMHooks, Net, NetSock},
		Hooks: lsmHook("socket_listen", sysExit("security_socket_listen_exit", "listen").
			byUring("security_socket_listen_uring", "LISTEN")),
		Args: []trace.Field{
			{Name: "sockfd", Type: Int},
			{Name: "local_addr", Type: SockaddrPtr},
			{Name: "backlog", Type: Int},
		},
		Doc:    "A socket is opened to connections." + attempt,
		Unseen: socketUnseen,
	})
	SecuritySocketConnect = declare(Event{
		ID: 726, Name: "security_socket_connect", Critical: true,
		Sets: []Set{Default, LSMHooks, Net, NetSock},
		Hooks: lsmHook("socket_connect", sysExit("security_socket_connect_exit", "connect").
			byUringUnanswered("security_socket_connect_uring", "CONNECT")),
		Args: []trace.Field{
			{Name: "sockfd", Type: Int},
			{Name: "remote_addr", Type: SockaddrPtr, Doc: "the kernel's copy of the caller's; on a tracepoint from the socket, after a failure from the caller's memory, and marked as truncated"},
		},
		Doc:    "A socket is connected." + attempt + "On a tracepoint it is the syscall's: a connection under way is -EINPROGRESS.",
		Unseen: socketUnseen,
	})
	SecuritySocketAccept = declare(Event{
		ID: 727, Name: "security_socket_accept",
		Sets: []Set{Default, LSMHooks, Net, NetSock},
		Hooks: lsmHook("socket_accept", sysExit("security_socket_accept_exit", "accept", "accept4").
			byUring("security_socket_accept_uring", "ACCEPT")),
		Args: []trace.Field{
			{Name: "sockfd", Type: Int, Doc: "the listening socket"},
			{Name: "local_addr", Type: SockaddrPtr},
		},
		Doc:    "A connection is accepted." + attempt + "On a tracepoint it is the new descriptor.",
		Unseen: socketUnseen,
	})
	SecuritySocketBind = declare(Event{
		ID: 728, Name: "security_socket_bind",
		Sets: []Set{Default, LSMHooks, Net, NetSock},
		Hooks: lsmHook("socket_bind", sysExit("security_socket_bind_exit", "bind").
			byUring("security_socket_bind_uring", "BIND")),
		Args: []trace.Field{
			{Name: "sockfd", Type: Int},
			{Name: "local_addr", Type: SockaddrPtr, Doc: "the kernel's copy of the caller's; on a tracepoint from the socket, after a failure from the caller's memory, and marked as truncated"},
		},
		Doc:    "A socket is bound to an address." + attempt,
		Unseen: socketUnseen,
	})
	SecuritySocketSetsockopt = declare(Event{
		ID: 729, Name: "security_socket_setsockopt",
		Sets:  []Set{Default, LSMHooks, Net, NetSock},
		Hooks: lsmHook("socket_setsockopt", sysExit("security_socket_setsockopt_exit", "setsockopt")),
		Args: []trace.Field{
			{Name: "sockfd", Type: Int},
			{Name: "level", Type: SockoptLevel},
			{Name: "optname", Type: SockoptName},
			{Name: "local_addr", Type: SockaddrPtr},
		},
		Doc:    "An option of a socket is set." + attempt,
		Unseen: "Options that are set by io_uring, and a descriptor that another thread replaces before the call returns.",
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
	SocketAccept = declare(Event{
		ID: 753, Name: "socket_accept",
		Hooks: Ladder{sysExit("socket_accept", "accept", "accept4").byUring("socket_accept_uring", "ACCEPT")},
		Args: []trace.Field{
			{Name: "sockfd", Type: Int, Doc: "the listening socket"},
			{Name: "local_addr", Type: SockaddrPtr, Doc: "of the connection"},
			{Name: "remote_addr", Type: SockaddrPtr},
		},
		Doc:    "A connection was accepted. The return value is its descriptor.",
		Unseen: socketUnseen,
	})
	NetTCPConnectBase = declare(Event{
		ID: 869, Name: "net_tcp_connect_base", Internal: true,
		Hooks: Ladder{tracepoint("net_tcp_connect")},
		Args: []trace.Field{
			{Name: "dst", Type: AddressT},
			{Name: "dst_port", Type: Int},
		},
		Doc: "A TCP connection is begun.",
	})
	NetTCPConnect = declare(Event{
		ID: 836, Name: "net_tcp_connect",
		Sets:   []Set{Default, Flows, Net, NetSock},
		From:   []*Event{NetTCPConnectBase},
		Better: []*Event{NetPacketBase},
		Args: []trace.Field{
			{Name: "dst", Type: Str, Doc: "IPv4 or IPv6; an IPv4 address in IPv6 form is shown as IPv4"},
			{Name: "dst_port", Type: Int},
			{Name: "dst_dns", Type: StrArray, Doc: namesDoc},
		},
		Doc: "A TCP connection is begun, by connect, by sendto with MSG_FASTOPEN or by io_uring: the first packet is about to leave.",
	})
)
