package events

import (
	"math"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

func socketDomainText(value uint64) string {
	if value > math.MaxUint16 {
		return decimal(value)
	}
	return trace.FamilyName(uint16(value))
}

// socketTypeMask is the kernel's SOCK_TYPE_MASK; the bits above it are flags.
const socketTypeMask = 0xf

var socketTypes = map[uint64]string{
	unix.SOCK_STREAM:    "SOCK_STREAM",
	unix.SOCK_DGRAM:     "SOCK_DGRAM",
	unix.SOCK_RAW:       "SOCK_RAW",
	unix.SOCK_RDM:       "SOCK_RDM",
	unix.SOCK_SEQPACKET: "SOCK_SEQPACKET",
	unix.SOCK_DCCP:      "SOCK_DCCP",
	unix.SOCK_PACKET:    "SOCK_PACKET",
}

var socketFlags = []flag{
	{unix.SOCK_NONBLOCK, "SOCK_NONBLOCK"},
	{unix.SOCK_CLOEXEC, "SOCK_CLOEXEC"},
}

// socketTypeText shows a value of unknown type as a number, flags included, as v0.8 does.
func socketTypeText(value uint64) string {
	name, ok := socketTypes[value&socketTypeMask]
	if !ok {
		return decimal(value)
	}
	return flagsText(name, uint64(uint32(value))&^socketTypeMask, socketFlags)
}

// Levels that have no SOL_ constant in x/sys, from include/linux/socket.h.
const (
	solIPX    = 256
	solAX25   = 257
	solATALK  = 258
	solNetROM = 259
	solROSE   = 260
)

var socketLevels = map[uint64]string{
	unix.SOL_IP:          "SOL_IP",
	unix.SOL_SOCKET:      "SOL_SOCKET",
	unix.SOL_TCP:         "SOL_TCP",
	unix.SOL_UDP:         "SOL_UDP",
	unix.SOL_IPV6:        "SOL_IPV6",
	unix.SOL_ICMPV6:      "SOL_ICMPV6",
	unix.SOL_CAN_RAW:     "SOL_CAN_RAW",
	unix.IPPROTO_SCTP:    "SOL_SCTP",
	unix.IPPROTO_UDPLITE: "SOL_UDPLITE",
	unix.SOL_RAW:         "SOL_RAW",
	solIPX:               "SOL_IPX",
	solAX25:              "SOL_AX25",
	solATALK:             "SOL_ATALK",
	solNetROM:            "SOL_NETROM",
	solROSE:              "SOL_ROSE",
	unix.SOL_DECNET:      "SOL_DECNET",
	unix.SOL_X25:         "SOL_X25",
	unix.SOL_PACKET:      "SOL_PACKET",
	unix.SOL_ATM:         "SOL_ATM",
	unix.SOL_AAL:         "SOL_AAL",
	unix.SOL_IRDA:        "SOL_IRDA",
	unix.SOL_NETBEUI:     "SOL_NETBEUI",
	unix.SOL_LLC:         "SOL_LLC",
	unix.SOL_DCCP:        "SOL_DCCP",
	unix.SOL_NETLINK:     "SOL_NETLINK",
	unix.SOL_TIPC:        "SOL_TIPC",
	unix.SOL_RXRPC:       "SOL_RXRPC",
	unix.SOL_PPPOL2TP:    "SOL_PPPOL2TP",
	unix.SOL_BLUETOOTH:   "SOL_BLUETOOTH",
	unix.SOL_PNPIPE:      "SOL_PNPIPE",
	unix.SOL_RDS:         "SOL_RDS",
	unix.SOL_IUCV:        "SOL_IUCV",
	unix.SOL_CAIF:        "SOL_CAIF",
	unix.SOL_ALG:         "SOL_ALG",
	unix.SOL_NFC:         "SOL_NFC",
	unix.SOL_KCM:         "SOL_KCM",
	unix.SOL_TLS:         "SOL_TLS",
	unix.SOL_XDP:         "SOL_XDP",
	unix.SOL_MPTCP:       "SOL_MPTCP",
	unix.SOL_MCTP:        "SOL_MCTP",
	unix.SOL_SMC:         "SOL_SMC",
	unix.SOL_VSOCK:       "SOL_VSOCK",
}

func sockoptLevelText(value uint64) string { return nameText(value, socketLevels) }

// socketOptions are those of SOL_SOCKET. SO_DETACH_BPF is SO_DETACH_FILTER under another name.
var socketOptions = map[uint64]string{
	unix.SO_DEBUG:                         "SO_DEBUG",
	unix.SO_REUSEADDR:                     "SO_REUSEADDR",
	unix.SO_TYPE:                          "SO_TYPE",
	unix.SO_ERROR:                         "SO_ERROR",
	unix.SO_DONTROUTE:                     "SO_DONTROUTE",
	unix.SO_BROADCAST:                     "SO_BROADCAST",
	unix.SO_SNDBUF:                        "SO_SNDBUF",
	unix.SO_RCVBUF:                        "SO_RCVBUF",
	unix.SO_KEEPALIVE:                     "SO_KEEPALIVE",
	unix.SO_OOBINLINE:                     "SO_OOBINLINE",
	unix.SO_NO_CHECK:                      "SO_NO_CHECK",
	unix.SO_PRIORITY:                      "SO_PRIORITY",
	unix.SO_LINGER:                        "SO_LINGER",
	unix.SO_BSDCOMPAT:                     "SO_BSDCOMPAT",
	unix.SO_REUSEPORT:                     "SO_REUSEPORT",
	unix.SO_PASSCRED:                      "SO_PASSCRED",
	unix.SO_PEERCRED:                      "SO_PEERCRED",
	unix.SO_RCVLOWAT:                      "SO_RCVLOWAT",
	unix.SO_SNDLOWAT:                      "SO_SNDLOWAT",
	unix.SO_RCVTIMEO:                      "SO_RCVTIMEO",
	unix.SO_SNDTIMEO:                      "SO_SNDTIMEO",
	unix.SO_SECURITY_AUTHENTICATION:       "SO_SECURITY_AUTHENTICATION",
	unix.SO_SECURITY_ENCRYPTION_TRANSPORT: "SO_SECURITY_ENCRYPTION_TRANSPORT",
	unix.SO_SECURITY_ENCRYPTION_NETWORK:   "SO_SECURITY_ENCRYPTION_NETWORK",
	unix.SO_BINDTODEVICE:                  "SO_BINDTODEVICE",
	unix.SO_ATTACH_FILTER:                 "SO_ATTACH_FILTER",
	unix.SO_DETACH_FILTER:                 "SO_DETACH_FILTER",
	unix.SO_PEERNAME:                      "SO_PEERNAME",
	unix.SO_TIMESTAMP:                     "SO_TIMESTAMP",
	unix.SO_ACCEPTCONN:                    "SO_ACCEPTCONN",
	unix.SO_PEERSEC:                       "SO_PEERSEC",
	unix.SO_SNDBUFFORCE:                   "SO_SNDBUFFORCE",
	unix.SO_RCVBUFFORCE:                   "SO_RCVBUFFORCE",
	unix.SO_PASSSEC:                       "SO_PASSSEC",
	unix.SO_TIMESTAMPNS:                   "SO_TIMESTAMPNS",
	unix.SO_MARK:                          "SO_MARK",
	unix.SO_TIMESTAMPING:                  "SO_TIMESTAMPING",
	unix.SO_PROTOCOL:                      "SO_PROTOCOL",
	unix.SO_DOMAIN:                        "SO_DOMAIN",
	unix.SO_RXQ_OVFL:                      "SO_RXQ_OVFL",
	unix.SO_WIFI_STATUS:                   "SO_WIFI_STATUS",
	unix.SO_PEEK_OFF:                      "SO_PEEK_OFF",
	unix.SO_NOFCS:                         "SO_NOFCS",
	unix.SO_LOCK_FILTER:                   "SO_LOCK_FILTER",
	unix.SO_SELECT_ERR_QUEUE:              "SO_SELECT_ERR_QUEUE",
	unix.SO_BUSY_POLL:                     "SO_BUSY_POLL",
	unix.SO_MAX_PACING_RATE:               "SO_MAX_PACING_RATE",
	unix.SO_BPF_EXTENSIONS:                "SO_BPF_EXTENSIONS",
	unix.SO_INCOMING_CPU:                  "SO_INCOMING_CPU",
	unix.SO_ATTACH_BPF:                    "SO_ATTACH_BPF",
	unix.SO_ATTACH_REUSEPORT_CBPF:         "SO_ATTACH_REUSEPORT_CBPF",
	unix.SO_ATTACH_REUSEPORT_EBPF:         "SO_ATTACH_REUSEPORT_EBPF",
	unix.SO_CNX_ADVICE:                    "SO_CNX_ADVICE",
	unix.SO_MEMINFO:                       "SO_MEMINFO",
	unix.SO_INCOMING_NAPI_ID:              "SO_INCOMING_NAPI_ID",
	unix.SO_COOKIE:                        "SO_COOKIE",
	unix.SO_PEERGROUPS:                    "SO_PEERGROUPS",
	unix.SO_ZEROCOPY:                      "SO_ZEROCOPY",
	unix.SO_TXTIME:                        "SO_TXTIME",
	unix.SO_BINDTOIFINDEX:                 "SO_BINDTOIFINDEX",
	unix.SO_TIMESTAMP_NEW:                 "SO_TIMESTAMP_NEW",
	unix.SO_TIMESTAMPNS_NEW:               "SO_TIMESTAMPNS_NEW",
	unix.SO_TIMESTAMPING_NEW:              "SO_TIMESTAMPING_NEW",
	unix.SO_RCVTIMEO_NEW:                  "SO_RCVTIMEO_NEW",
	unix.SO_SNDTIMEO_NEW:                  "SO_SNDTIMEO_NEW",
	unix.SO_DETACH_REUSEPORT_BPF:          "SO_DETACH_REUSEPORT_BPF",
	unix.SO_PREFER_BUSY_POLL:              "SO_PREFER_BUSY_POLL",
	unix.SO_BUSY_POLL_BUDGET:              "SO_BUSY_POLL_BUDGET",
	unix.SO_NETNS_COOKIE:                  "SO_NETNS_COOKIE",
	unix.SO_BUF_LOCK:                      "SO_BUF_LOCK",
	unix.SO_RESERVE_MEM:                   "SO_RESERVE_MEM",
	unix.SO_TXREHASH:                      "SO_TXREHASH",
	unix.SO_RCVMARK:                       "SO_RCVMARK",
	unix.SO_PASSPIDFD:                     "SO_PASSPIDFD",
	unix.SO_PEERPIDFD:                     "SO_PEERPIDFD",
	unix.SO_DEVMEM_LINEAR:                 "SO_DEVMEM_LINEAR",
	unix.SO_DEVMEM_DMABUF:                 "SO_DEVMEM_DMABUF",
	unix.SO_DEVMEM_DONTNEED:               "SO_DEVMEM_DONTNEED",
	unix.SO_RCVPRIORITY:                   "SO_RCVPRIORITY",
	unix.SO_PASSRIGHTS:                    "SO_PASSRIGHTS",
	unix.SO_INQ:                           "SO_INQ",
}

// setSockoptText takes every option for one of SOL_SOCKET, as v0.8 does: a value does not know its level.
func setSockoptText(value uint64) string { return nameText(value, socketOptions) }

// getSockoptText knows that the option that sets a filter is the one that gets it; v0.8.1 names both in either case.
func getSockoptText(value uint64) string {
	if value == unix.SO_GET_FILTER {
		return "SO_GET_FILTER"
	}
	return setSockoptText(value)
}
