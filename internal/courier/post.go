package courier

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TLS says whom to trust and who we are.
type TLS struct {
	CA        string // file of certificates to trust; empty: those of the system
	Cert, Key string // files of our own certificate
	Insecure  bool   // trust anybody
}

// Config reads the files. The name is of what they are for, in errors.
func (t TLS) Config(name string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.Insecure}
	if t.CA != "" {
		raw, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("%s certificates: %w", name, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("%s certificates: %s holds none in the form of PEM", name, t.CA)
		}
	}
	if (t.Cert == "") != (t.Key == "") {
		return nil, fmt.Errorf("%s certificate: certificate and key go together", name)
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("%s certificate: %w", name, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// Headers reads headers from a file, as HTTP writes them.
func Headers(name, path string) (http.Header, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s headers: %w", name, err)
	}
	raw = append(bytes.TrimSpace(raw), "\r\n\r\n"...)
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(raw))).ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s headers: %s: want lines such as Authorization: Bearer …", name, path)
	}
	for field := range header {
		if strings.Contains(field, " ") { // which is read, but can not be sent
			return nil, fmt.Errorf("%s headers: %s: %q is no name of a header", name, path, field)
		}
	}
	return http.Header(header), nil
}

// Post says where to post, and how.
type Post struct {
	Name        string // of the endpoint, in errors
	URL         string
	ContentType string
	HeaderFile  string // headers, one "Name: value" a line, read for every post
	Gzip        bool   // compress what is posted
	TLS         TLS
	Retry       []int // statuses, beside those of servers in trouble, for which it is worth to try again
}

// Poster posts to an HTTP endpoint.
type Poster struct {
	Post
	client *http.Client
}

// NewPoster checks that the files can be read.
func NewPoster(p Post) (*Poster, error) {
	tlsConfig, err := p.TLS.Config(p.Name)
	if err != nil {
		return nil, err
	}
	if _, err := Headers(p.Name, p.HeaderFile); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = tlsConfig
	return &Poster{Post: p, client: &http.Client{Transport: transport}}, nil
}

// mostAnswer bounds what is read of an answer.
const mostAnswer = 16 << 20

// Send posts a body, which it may keep for a while, and returns what is answered. Errors are those of Carrier.
func (p *Poster) Send(ctx context.Context, body []byte) (answer []byte, err error) {
	if p.Gzip {
		body = compress(body)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	headers, err := Headers(p.Name, p.HeaderFile)
	if err != nil {
		return nil, err
	}
	for name, values := range headers {
		request.Header[name] = values
	}
	if p.ContentType != "" {
		request.Header.Set("Content-Type", p.ContentType)
	}
	if p.Gzip {
		request.Header.Set("Content-Encoding", "gzip")
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("error calling %s %w", p.Name, err)
	}
	defer response.Body.Close()
	if err := p.verdict(response); err != nil {
		return nil, err
	}
	answer, err = io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if err != nil {
		return nil, fmt.Errorf("error calling %s %w", p.Name, err)
	}
	return answer, nil
}

// verdict says what a status means for what was posted.
func (p *Poster) verdict(response *http.Response) error {
	code := response.StatusCode
	said := fmt.Errorf("%s answered %s", p.Name, response.Status)
	switch {
	case code < http.StatusMultipleChoices:
		return nil
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // 0: as others
		return &Later{time.Duration(seconds) * time.Second, said}
	case code == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w: %w", said, ErrTooLarge)
	case code >= 500, code == http.StatusRequestTimeout, slices.Contains(p.Retry, code):
		return said
	default:
		return &Refusal{said.Error()}
	}
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed) // the level is valid
	_, _ = w.Write(body)                            // to memory
	_ = w.Close()
	return b.Bytes()
}

// Close gives up connections that are not in use.
func (p *Poster) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// Posts is a carrier that posts texts, one at a time or as lists.
type Posts struct {
	*Poster
	Lists bool
}

// Carry posts a batch.
func (p *Posts) Carry(ctx context.Context, texts [][]byte) error {
	_, err := p.Send(ctx, p.body(texts))
	return err
}

// body joins a batch: to a list where it is JSON, by newlines otherwise. The texts themselves are not kept.
func (p *Posts) body(texts [][]byte) []byte {
	if !p.Lists {
		return bytes.Clone(texts[0])
	}
	between, end := "\n", "\n"
	var body []byte
	if strings.Contains(p.ContentType, "json") {
		body, between, end = append(body, '['), ",", "]"
	}
	for i, text := range texts {
		if i > 0 {
			body = append(body, between...)
		}
		body = append(body, bytes.TrimSuffix(text, []byte("\n"))...)
	}
	return append(body, end...)
}
