package events

import (
	"math"
	"math/bits"

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

// socketTypeText shows a value of unknown type as a number, flags included, as v0.8 does.
func socketTypeText(value uint64) string {
	name, ok := socketTypes[int64(value&socketTypeMask)]
	if !ok {
		return decimal(value)
	}
	return flagsText(name, uint64(uint32(value))&^socketTypeMask, socketFlags)
}

// optionTables are the options of sockets by their level. TIPC and others have few that anybody sets.
var optionTables = map[uint64]map[int64]string{
	unix.SOL_SOCKET:  socketOptions,
	unix.SOL_IP:      ipOptions,
	unix.SOL_IPV6:    ipv6Options,
	unix.SOL_TCP:     tcpOptions,
	unix.SOL_UDP:     udpOptions,
	unix.SOL_PACKET:  packetOptions,
	unix.SOL_NETLINK: netlinkOptions,
	unix.SOL_ALG:     algOptions,
}

// setSockoptText takes an option for one of SOL_SOCKET where its level is not known, as v0.8 always does.
func setSockoptText(value uint64, e *trace.Event) string {
	level, ok := sibling(e, "level")
	if !ok {
		level = unix.SOL_SOCKET
	}
	return nameText(value, optionTables[level])
}

// getSockoptText knows that the option that sets a filter is the one that gets it; v0.8.1 names both in either case.
func getSockoptText(value uint64, e *trace.Event) string {
	text := setSockoptText(value, e)
	if text == "SO_ATTACH_FILTER" {
		return "SO_GET_FILTER"
	}
	return text
}

// socketProtocolText takes the protocol for one of the family of the socket.
func socketProtocolText(value uint64, e *trace.Event) string {
	family, ok := sibling(e, "domain")
	if !ok {
		family, _ = sibling(e, "family")
	}
	switch family {
	case unix.AF_INET, unix.AF_INET6:
		return nameText(value, internetProtocols)
	case unix.AF_NETLINK:
		return nameText(value, netlinkProtocols)
	case unix.AF_PACKET:
		return nameText(uint64(bits.ReverseBytes16(uint16(value))), packetProtocols) // given as it stands in packets
	default:
		return decimal(value)
	}
}

// sibling is the value of another argument of the event.
func sibling(e *trace.Event, name string) (value uint64, ok bool) {
	a, ok := e.Lookup(name)
	if !ok {
		return 0, false
	}
	return uint64(a.Int()), true
}
