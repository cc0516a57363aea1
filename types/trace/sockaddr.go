package trace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// Address families as Linux numbers them, include/linux/socket.h.
const (
	familyUnix  = 1
	familyInet  = 2
	familyInet6 = 10
)

// SocketAddress is a struct sockaddr, decoded. Only the fields of its family are set.
type SocketAddress struct {
	Family   uint16
	Path     string         // AF_UNIX: the path; the leading NULs of an abstract name are not part of it
	IP       netip.AddrPort // AF_INET, AF_INET6
	FlowInfo uint32         // AF_INET6
	ScopeID  uint32         // AF_INET6
}

// parseSockaddr decodes the bytes of a struct sockaddr; what is too short for its family leaves the rest unset.
func parseSockaddr(raw []byte) SocketAddress {
	if len(raw) < 2 {
		return SocketAddress{}
	}
	s := SocketAddress{Family: binary.LittleEndian.Uint16(raw)}
	switch {
	case s.Family == familyUnix:
		s.Path = string(unixPath(raw))
	case s.Family == familyInet && len(raw) >= 8:
		s.IP = netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), binary.BigEndian.Uint16(raw[2:]))
	case s.Family == familyInet6 && len(raw) >= 24:
		s.IP = netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw[8:24])), binary.BigEndian.Uint16(raw[2:]))
		s.FlowInfo = binary.BigEndian.Uint32(raw[4:])
		if len(raw) >= 28 {
			s.ScopeID = binary.LittleEndian.Uint32(raw[24:])
		}
	}
	return s
}

// unixPath returns the path in a struct sockaddr_un, without the leading NULs of an abstract name.
func unixPath(raw []byte) []byte {
	path := bytes.TrimLeft(raw[2:], "\x00")
	if end := bytes.IndexByte(path, 0); end >= 0 {
		path = path[:end]
	}
	return path
}

// pairs calls yield with each key and value of v0.8's map form, keys sorted.
func (s SocketAddress) pairs(yield func(key, value string)) {
	switch s.Family {
	case familyUnix:
		yield("sa_family", "AF_UNIX")
		yield("sun_path", s.Path)
	case familyInet:
		yield("sa_family", "AF_INET")
		yield("sin_addr", s.address())
		yield("sin_port", strconv.Itoa(int(s.IP.Port())))
	case familyInet6:
		yield("sa_family", "AF_INET6")
		yield("sin6_addr", s.address())
		yield("sin6_flowinfo", strconv.FormatUint(uint64(s.FlowInfo), 10))
		yield("sin6_port", strconv.Itoa(int(s.IP.Port())))
		yield("sin6_scopeid", strconv.FormatUint(uint64(s.ScopeID), 10))
	default:
		yield("sa_family", FamilyName(s.Family))
	}
}

func (s SocketAddress) address() string {
	if !s.IP.IsValid() {
		return ""
	}
	return s.IP.Addr().String()
}

// Map returns v0.8's form: a map of strings.
func (s SocketAddress) Map() map[string]string {
	m := make(map[string]string, 5)
	s.pairs(func(key, value string) { m[key] = value })
	return m
}

// is reports whether m is Map, without building it.
func (s SocketAddress) is(m map[string]string) bool {
	same, n := true, 0
	s.pairs(func(key, value string) {
		got, ok := m[key]
		same = same && ok && got == value
		n++
	})
	return same && n == len(m)
}

func (s SocketAddress) appendText(b []byte) []byte {
	b = append(b, "map["...)
	first := true
	s.pairs(func(key, value string) {
		if !first {
			b = append(b, ' ')
		}
		first = false
		b = append(append(append(b, key...), ':'), value...)
	})
	return append(b, ']')
}

var familyNames = [...]string{
	"AF_UNSPEC", "AF_UNIX", "AF_INET", "AF_AX25", "AF_IPX", "AF_APPLETALK", "AF_NETROM", "AF_BRIDGE", "AF_ATMPVC",
	"AF_X25", "AF_INET6", "AF_ROSE", "AF_DECnet", "AF_NETBEUI", "AF_SECURITY", "AF_KEY", "AF_NETLINK", "AF_PACKET",
	"AF_ASH", "AF_ECONET", "AF_ATMSVC", "AF_RDS", "AF_SNA", "AF_IRDA", "AF_PPPOX", "AF_WANPIPE", "AF_LLC", "AF_IB",
	"AF_MPLS", "AF_CAN", "AF_TIPC", "AF_BLUETOOTH", "AF_IUCV", "AF_RXRPC", "AF_ISDN", "AF_PHONET", "AF_IEEE802154",
	"AF_CAIF", "AF_ALG", "AF_NFC", "AF_VSOCK", "AF_KCM", "AF_QIPCRTR", "AF_SMC", "AF_XDP", "AF_MCTP",
}

// EncodeSockaddr is the inverse of SocketAddress.Map: it builds the bytes of a struct sockaddr from v0.8's map form.
func EncodeSockaddr(m map[string]string) ([]byte, error) {
	return appendSockaddr(nil, func(key string) string { return m[key] })
}

// appendSockaddr appends the struct sockaddr that a map of strings describes.
func appendSockaddr(raw []byte, get func(key string) string) ([]byte, error) {
	family := slices.Index(familyNames[:], get("sa_family"))
	if family < 0 {
		return raw, fmt.Errorf("socket address: unknown family %q", get("sa_family"))
	}
	raw = binary.LittleEndian.AppendUint16(raw, uint16(family))
	switch family {
	case familyUnix:
		path := get("sun_path")
		if path == "" {
			return raw, nil // a NUL would make it an abstract name
		}
		return append(append(raw, path...), 0), nil
	case familyInet:
		return appendInet(raw, get("sin_addr"), get("sin_port"))
	case familyInet6:
		return appendInet6(raw, get)
	default:
		return raw, nil
	}
}

func appendInet(raw []byte, address, port string) ([]byte, error) {
	ip, err := netip.ParseAddr(address)
	if err != nil || !ip.Is4() {
		return raw, fmt.Errorf("socket address: bad IPv4 address %q", address)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return raw, fmt.Errorf("socket address: bad port %q", port)
	}
	bytes, zero := ip.As4(), [8]byte{}
	raw = binary.BigEndian.AppendUint16(raw, uint16(n))
	return append(append(raw, bytes[:]...), zero[:]...), nil
}

func appendInet6(raw []byte, get func(key string) string) ([]byte, error) {
	ip, err := netip.ParseAddr(get("sin6_addr"))
	if err != nil {
		return raw, fmt.Errorf("socket address: bad IPv6 address %q", get("sin6_addr"))
	}
	var numbers [3]uint64
	for i, key := range [...]string{"sin6_port", "sin6_flowinfo", "sin6_scopeid"} {
		if numbers[i], err = strconv.ParseUint(get(key), 10, 32); err != nil {
			return raw, fmt.Errorf("socket address: bad %s %q", key, get(key))
		}
	}
	address := ip.As16()
	raw = binary.BigEndian.AppendUint16(raw, uint16(numbers[0]))
	raw = binary.BigEndian.AppendUint32(raw, uint32(numbers[1]))
	raw = append(raw, address[:]...)
	return binary.LittleEndian.AppendUint32(raw, uint32(numbers[2])), nil
}

// FamilyName returns the name of an address family (AF_INET), or its number in decimal when it has none.
func FamilyName(family uint16) string {
	if int(family) < len(familyNames) {
		return familyNames[family]
	}
	return strconv.Itoa(int(family))
}
