package derive

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/gopacket/gopacket/layers"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

var _ = derived(events.NetPacketTLS, greet)

// greet makes an event of each packet with the greeting of a client, if that ends in it.
func greet(s *settings) maker {
	return func(source *trace.Event, emit emitter) error {
		p, err := s.packets.of(source)
		if err != nil {
			return err
		}
		if !p.has(layers.LayerTypeTCP) || len(p.payload) < 6 || p.payload[0] != tlsHandshake || p.payload[5] != tlsClientHello {
			return nil
		}
		hello := readHello(p.payload)
		if hello == nil {
			return nil
		}
		emit(func(b *trace.Builder) {
			i := p.putEnds(b)
			if hello.ServerName != "" {
				b.Text(i, hello.ServerName)
			}
			b.Strings(i+1, hello.SupportedProtos)
			b.Strings(i+2, versionNames(hello.SupportedVersions))
		})
		return nil
	}
}

const (
	tlsHandshake   = 0x16 // type of a record
	tlsClientHello = 1    // type of a handshake message
)

// errHeard ends a handshake of which only the greeting matters.
var errHeard = errors.New("the greeting was heard")

// readHello lets a server without a certificate read the greeting: it is parsed as servers do.
func readHello(text []byte) *tls.ClientHelloInfo {
	var heard *tls.ClientHelloInfo
	server := tls.Server(&silent{Reader: bytes.NewReader(text)}, &tls.Config{
		MinVersion: tls.VersionTLS10,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			heard = hello
			return nil, errHeard
		},
	})
	if err := server.HandshakeContext(context.Background()); err == nil {
		return nil // it can not succeed
	}
	return heard
}

func versionNames(versions []uint16) []string {
	var list []string
	for _, v := range versions {
		if v&0x0f0f == 0x0a0a { // means nothing, see RFC 8701
			continue
		}
		list = append(list, strings.TrimPrefix(tls.VersionName(v), "TLS "))
	}
	return list
}

// silent is the end of a connection on which nothing is ever sent.
type silent struct {
	*bytes.Reader
}

var _ net.Conn = (*silent)(nil)

func (*silent) Write(b []byte) (int, error)      { return len(b), nil }
func (*silent) Close() error                     { return nil }
func (*silent) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*silent) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*silent) SetDeadline(time.Time) error      { return nil }
func (*silent) SetReadDeadline(time.Time) error  { return nil }
func (*silent) SetWriteDeadline(time.Time) error { return nil }
