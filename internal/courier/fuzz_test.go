package courier

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzHeaders reads any file of headers: either it is one that can be sent, or an error of one line says where to look.
func FuzzHeaders(f *testing.F) {
	for _, text := range []string{"", "Authorization: Bearer x", "A: b\r\n c\nA: d\n\n\nE: f", ": x", "A", "A b: c", "A:\x00", " A: b"} {
		f.Add(text)
	}
	path := filepath.Join(f.TempDir(), "headers")
	errDialled := errors.New("headers are looked at before anybody is called")
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errDialled }}
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		header, err := Headers("test", path)
		if err != nil {
			if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error does not name the file, or is of several lines: %q", err)
			}
			return
		}
		request := &http.Request{Method: http.MethodPost, URL: &url.URL{Scheme: "http", Host: "x"}, Header: header}
		if _, err := transport.RoundTrip(request); !errors.Is(err, errDialled) {
			t.Errorf("%q is accepted, and can not be sent: %v", text, err)
		}
	})
}
