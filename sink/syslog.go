package sink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tracee-go/tracee/internal/courier"
	"github.com/tracee-go/tracee/internal/suggest"
)

// facilities of syslog, by number (RFC 5424, table 1).
var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "security",
	"console", "solaris-cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

var facility = parameter{"facility", "daemon", "of syslog (default: daemon)", func(d *Destination, value string) error {
	i := slices.Index(facilities, value)
	if i < 0 {
		return fmt.Errorf("want daemon, local0 and the like%s", suggest.DidYouMean(value, facilities))
	}
	d.options.facility = i + 1
	return nil
}}

var (
	syslogUnixKind = kind{
		schemes: []string{"syslog+unix"}, form: "syslog+unix:///path", doc: "syslog at a socket of this machine (RFC 5424)",
		example: "syslog+unix:///dev/log", parameters: []parameter{facility}, batch: 100,
		check: func(d *Destination) error {
			if d.address != "" || len(d.path) < 2 {
				return errors.New("no absolute path of a socket")
			}
			return nil
		},
		open: openSyslog,
	}
	syslogKind = kind{
		schemes: []string{"syslog+tcp", "syslog+tls", "syslog+udp"}, form: "syslog+tcp://host:514",
		doc:     "syslog of another machine (RFC 5424), also +tls and +udp; it confirms nothing",
		example: "syslog+tcp://logs.example:514?severity=medium", parameters: append([]parameter{facility}, secured...), batch: 100,
		check: func(d *Destination) error {
			port := "514"
			if d.secure() {
				port = "6514"
			}
			if d.path != "" {
				return errors.New("syslog has no paths")
			}
			return wantsHosts(1, port)(d)
		},
		open: openSyslog,
	}
)

// syslogCarrier speaks to a syslog daemon. What it has taken it does not confirm: what is lost on the way is not noticed.
type syslogCarrier struct {
	scheme, address string
	facility        int
	host            string
	tls             *tls.Config // nil: in the clear

	connection net.Conn
	stream     bool // messages have to be told apart
	counted    bool // by their lengths, as RFC 6587 has it; otherwise by lines
	text       []byte
}

func openSyslog(d *Destination, c Config) (courier.Carrier, error) {
	s := &syslogCarrier{scheme: d.scheme, address: d.address, facility: d.options.facility - 1, host: c.Product.Host}
	if s.facility < 0 {
		s.facility = slices.Index(facilities, "daemon")
	}
	if s.scheme == "syslog+unix" {
		s.address = d.path
	}
	if s.host == "" {
		s.host, _ = os.Hostname() // without, there is none
	}
	if d.secure() {
		config, err := d.options.tls.Config(d.Name)
		if err != nil {
			return nil, err
		}
		config.ServerName, _, _ = net.SplitHostPort(d.address)
		s.tls = config
	}
	return s, nil
}

// Carry writes a batch. A connection that broke is made anew, and the whole batch is written again.
func (s *syslogCarrier) Carry(ctx context.Context, texts [][]byte) error {
	if s.connection != nil && s.stream && s.ended() {
		s.hangUp()
	}
	if s.connection == nil {
		if err := s.dial(ctx); err != nil {
			return err
		}
	}
	deadline, _ := ctx.Deadline() // the queue sets one
	if err := s.connection.SetDeadline(deadline); err != nil {
		s.hangUp()
		return err
	}
	if s.stream {
		return s.write(texts)
	}
	return s.writeEach(texts)
}

func (s *syslogCarrier) dial(ctx context.Context) (err error) {
	var dialer net.Dialer
	switch s.scheme {
	case "syslog+unix": // daemons differ in the kind of socket
		if s.connection, err = dialer.DialContext(ctx, "unixgram", s.address); errors.Is(err, syscall.EPROTOTYPE) {
			s.connection, err = dialer.DialContext(ctx, "unix", s.address)
			s.stream = true
		}
	case "syslog+udp":
		s.connection, err = dialer.DialContext(ctx, "udp", s.address)
	default:
		s.stream, s.counted = true, true
		if s.tls != nil {
			s.connection, err = (&tls.Dialer{Config: s.tls}).DialContext(ctx, "tcp", s.address)
		} else {
			s.connection, err = dialer.DialContext(ctx, "tcp", s.address)
		}
	}
	if err != nil {
		s.connection = nil // not a nil pointer in it
	}
	return err
}

// ended asks whether the other side has closed the connection: a write would not tell.
func (s *syslogCarrier) ended() bool {
	_ = s.connection.SetReadDeadline(time.Now().Add(time.Millisecond))
	var b [64]byte
	_, err := s.connection.Read(b[:])
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func (s *syslogCarrier) hangUp() {
	if s.connection != nil {
		_ = s.connection.Close()
		s.connection = nil
	}
}

func (s *syslogCarrier) write(texts [][]byte) error {
	var all []byte
	for _, text := range texts {
		s.text = s.format(s.text[:0], messageOf(text))
		if s.counted {
			all = append(strconv.AppendInt(all, int64(len(s.text)), 10), ' ')
			all = append(all, s.text...)
		} else {
			all = append(append(all, s.text...), '\n')
		}
	}
	if _, err := s.connection.Write(all); err != nil {
		s.hangUp()
		return err
	}
	return nil
}

// writeEach writes datagrams. One that is too large for the socket will always be.
func (s *syslogCarrier) writeEach(texts [][]byte) error {
	refused := 0
	var reason error
	for i, text := range texts {
		s.text = s.format(s.text[:0], messageOf(text))
		_, err := s.connection.Write(s.text)
		switch {
		case err == nil:
		case errors.Is(err, syscall.EMSGSIZE):
			refused++
			reason = err
		default:
			s.hangUp()
			p := &courier.Partial{Refused: refused, Err: err}
			for ; i < len(texts); i++ {
				p.Again = append(p.Again, i)
			}
			return p
		}
	}
	if refused > 0 {
		return &courier.Partial{Refused: refused, Err: reason}
	}
	return nil
}

// syslogLevels are the severities of syslog for detect.Severities; all else is informational.
var syslogLevels = []int{6, 5, 4, 3, 2}

const informational = 6

// format writes a message as RFC 5424 has it: <PRI>1 TIME HOST APP PROCID MSGID SD TEXT.
func (s *syslogCarrier) format(b []byte, m message) []byte {
	level, id := informational, "event"
	if m.level >= 0 && m.level < len(syslogLevels) {
		level = syslogLevels[m.level]
	}
	if m.finding {
		id = "finding"
	}
	b = append(b, '<')
	b = strconv.AppendInt(b, int64(s.facility*8+level), 10)
	b = append(b, ">1 "...)
	b = m.time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	b = append(append(b, ' '), syslogName(s.host)...)
	b = append(b, " tracee "...)
	b = strconv.AppendInt(b, int64(os.Getpid()), 10)
	b = append(append(b, ' '), id...)
	b = append(b, " - "...)
	return append(b, m.text...)
}

func syslogName(host string) string {
	if host == "" || len(host) > 255 || strings.ContainsAny(host, " \n\t") {
		return "-"
	}
	return host
}

// Close hangs up.
func (s *syslogCarrier) Close() error {
	s.hangUp()
	return nil
}
