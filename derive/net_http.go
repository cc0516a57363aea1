package derive

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"

	"github.com/gopacket/gopacket/layers"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// Messages of HTTP/1.
var (
	_ = derived(events.NetPacketHTTP, ofHTTP("", func(p *packet, h *trace.ProtoHTTP, b *trace.Builder) int {
		i := p.putEnds(b)
		putDocument(b, i, h)
		return i
	}))
	_ = derived(events.NetPacketHTTPRequest, ofHTTP(httpRequest, func(p *packet, h *trace.ProtoHTTP, b *trace.Builder) int {
		putDocument(b, 0, p.meta())
		putDocument(b, 1, trace.ProtoHTTPRequest{
			Method: h.Method, Protocol: h.Protocol, Host: h.Host, URIPath: h.URIPath, Headers: h.Headers, ContentLength: h.ContentLength,
		})
		return 1
	}))
	_ = derived(events.NetPacketHTTPResponse, ofHTTP(httpResponse, func(p *packet, h *trace.ProtoHTTP, b *trace.Builder) int {
		putDocument(b, 0, p.meta())
		putDocument(b, 1, trace.ProtoHTTPResponse{
			Status: h.Status, StatusCode: h.StatusCode, Protocol: h.Protocol, Headers: h.Headers, ContentLength: h.ContentLength,
		})
		return 1
	}))
)

// The directions of messages.
const (
	httpRequest  = "request"
	httpResponse = "response"
)

// ofHTTP makes an event of each packet in which a message of the direction begins; fill returns the argument that is the
// message.
func ofHTTP(direction string, fill func(*packet, *trace.ProtoHTTP, *trace.Builder) int) func(*settings) maker {
	return func(s *settings) maker {
		return func(source *trace.Event, emit emitter) error {
			p, err := s.packets.of(source)
			if err != nil {
				return err
			}
			h, cut := p.message1()
			if h == nil || direction != "" && h.Direction != direction {
				return nil
			}
			emit(func(b *trace.Builder) {
				if i := fill(p, h, b); cut {
					b.Truncate(i)
				}
			})
			return nil
		}
	}
}

// message1 reads the head of a message of HTTP/1, nil if the packet does not begin with one. A head that the packet does
// not end is read as far as its lines are whole.
func (p *packet) message1() (head *trace.ProtoHTTP, cut bool) {
	if !p.has(layers.LayerTypeTCP) || len(p.payload) < len("HTTP/1.1") {
		return nil, false
	}
	text := p.payload
	if !bytes.Contains(text, []byte("\r\n\r\n")) {
		lines := bytes.LastIndex(text, []byte("\r\n"))
		if lines < 0 {
			return nil, false
		}
		text, cut = append(bytes.Clone(text[:lines]), "\r\n\r\n"...), true
	}
	head, err := readHTTP(text)
	if err != nil || !strings.HasPrefix(head.Protocol, "HTTP/1.") {
		return nil, false // it looked like one
	}
	return head, cut
}

func readHTTP(text []byte) (*trace.ProtoHTTP, error) {
	reader := bufio.NewReader(bytes.NewReader(text))
	if bytes.HasPrefix(text, []byte("HTTP/")) {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return nil, err
		}
		return &trace.ProtoHTTP{
			Direction: httpResponse, Protocol: response.Proto, Status: response.Status, StatusCode: response.StatusCode,
			Headers: response.Header, ContentLength: response.ContentLength,
		}, nil
	}
	request, err := http.ReadRequest(reader)
	if err != nil {
		return nil, err
	}
	return &trace.ProtoHTTP{
		Direction: httpRequest, Method: request.Method, Protocol: request.Proto, Host: request.Host,
		URIPath: request.URL.Path, Headers: request.Header, ContentLength: request.ContentLength,
	}, nil
}
