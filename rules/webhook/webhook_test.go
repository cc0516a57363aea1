package webhook

import (
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// endpoint is a server whose behaviour can be changed.
type endpoint struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	header http.Header
	behave func(w http.ResponseWriter, r *http.Request) bool // false: the post was not taken
}

func newEndpoint(t *testing.T, secure bool) *endpoint {
	t.Helper()
	e := &endpoint{}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		behave := e.behave
		e.mu.Unlock()
		if behave != nil && !behave(w, r) {
			return
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.bodies, e.header = append(e.bodies, string(body)), r.Header
	})
	if secure {
		e.Server = httptest.NewTLSServer(handler)
	} else {
		e.Server = httptest.NewServer(handler)
	}
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) become(behave func(w http.ResponseWriter, r *http.Request) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.behave = behave
}

func (e *endpoint) got() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.bodies)
}

func start(t *testing.T, c Config) *Webhook {
	t.Helper()
	c.Log = slog.New(slog.DiscardHandler)
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func numbers(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func send(w *Webhook, texts []string) {
	for _, text := range texts {
		w.Send([]byte(text))
	}
}

func answer(code int) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(code); return false }
}

func TestEndpointThatHangsResetsFailsAndReturnsLosesNothing(t *testing.T) {
	troubles := map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"hangs":       func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return false },
		"answers 500": answer(http.StatusInternalServerError),
		"answers 429": answer(http.StatusTooManyRequests),
		"resets": func(w http.ResponseWriter, _ *http.Request) bool {
			connection, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				connection.Close()
			}
			return false
		},
	}
	for name, trouble := range troubles {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t, false)
			e.become(trouble)
			w := start(t, Config{URL: e.URL, Timeout: 200 * time.Millisecond, Queue: 10, Spill: filepath.Join(t.TempDir(), "spill")})
			started := time.Now()
			send(w, numbers(0, 100))
			if took := time.Since(started); took > 100*time.Millisecond {
				t.Errorf("to send took %v", took)
			}
			time.Sleep(300 * time.Millisecond)
			e.become(nil)
			wait(t, func() bool { return w.Stats().Posted >= 100 })
			w.Close()
			if got := e.got(); !slices.Equal(got, numbers(0, 100)) {
				t.Errorf("got %v", got)
			}
			if s := w.Stats(); s.Dropped+s.Failed+s.Refused != 0 || s.Retries == 0 || s.Spilled == 0 {
				t.Errorf("stats: %+v", s)
			}
		})
	}
}

func wait(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it took too long")
		}
	}
}

func TestWhatIsLeftAtTheEndIsPostedByTheNextRun(t *testing.T) {
	spill := filepath.Join(t.TempDir(), "spill")
	w := start(t, Config{URL: "http://127.0.0.1:1", Timeout: 50 * time.Millisecond, Queue: 10, Spill: spill})
	send(w, numbers(0, 30))
	if _, err := New(Config{URL: "http://127.0.0.1:1", Spill: spill}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second webhook on the file: got %v", err)
	}
	w.Close()
	if s := w.Stats(); s.Failed+s.Dropped != 0 {
		t.Errorf("stats: %+v", s)
	}
	// A process that was killed while it wrote leaves half a text.
	files, err := filepath.Glob(spill + ".*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	file, err := os.OpenFile(files[len(files)-1], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = file.Write([]byte{200, 0, 0, 0, 'x'})
	file.Close()
	e := newEndpoint(t, false)
	w = start(t, Config{URL: e.URL, Spill: spill})
	send(w, numbers(30, 33))
	w.Close()
	if got := e.got(); !slices.Equal(got, numbers(0, 33)) {
		t.Errorf("got %v", got)
	}
}

func TestWithoutAFileWhatDoesNotFitIsCounted(t *testing.T) {
	w := start(t, Config{URL: "http://127.0.0.1:1", Timeout: 50 * time.Millisecond, Queue: 10})
	send(w, numbers(0, 30))
	w.Close()
	w.Close()
	if s := w.Stats(); s.Dropped+s.Failed != 30 || s.Dropped < 19 {
		t.Errorf("stats: %+v", s)
	}
}

func TestFullFileIsCounted(t *testing.T) {
	w := start(t, Config{URL: "http://127.0.0.1:1", Timeout: 50 * time.Millisecond, Queue: 1, Spill: filepath.Join(t.TempDir(), "s"), SpillMax: 100})
	send(w, numbers(100, 200))
	w.Close()
	if s := w.Stats(); s.Dropped == 0 || s.Spilled == 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestRefusalIsNotRepeated(t *testing.T) {
	e := newEndpoint(t, false)
	e.become(answer(http.StatusNotFound))
	w := start(t, Config{URL: e.URL})
	send(w, numbers(0, 2))
	w.Close()
	if s := w.Stats(); s.Refused != 2 || s.Retries != 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestBatchesAreListsOfJSON(t *testing.T) {
	e := newEndpoint(t, false)
	w := start(t, Config{URL: e.URL, Batch: 2, ContentType: "application/json"})
	send(w, []string{"{\"a\":1}\n", "2", "3"})
	w.Close()
	if got, want := e.got(), []string{`[{"a":1},2]`, `[3]`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	e = newEndpoint(t, false)
	w = start(t, Config{URL: e.URL, Batch: 10})
	send(w, []string{"a\n", "b"})
	wait(t, func() bool { return len(e.got()) == 1 }) // it does not wait for ever to become full
	w.Close()
	if got, want := e.got(), []string{"a\nb\n"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHeadersComeFromAFileAndCertificatesAreChecked(t *testing.T) {
	e := newEndpoint(t, true)
	dir := t.TempDir()
	headers, ca := filepath.Join(dir, "headers"), filepath.Join(dir, "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.Certificate().Raw})
	for path, text := range map[string]string{headers: "Authorization: Bearer one\nX-More: 1\n", ca: string(certificate)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := start(t, Config{URL: e.URL, HeaderFile: headers, TLS: TLS{CA: ca}})
	send(w, []string{"a"})
	wait(t, func() bool { return w.Stats().Posted == 1 })
	if got := e.header.Get("Authorization"); got != "Bearer one" {
		t.Errorf("authorization: got %q", got)
	}
	if err := os.WriteFile(headers, []byte("Authorization: Bearer two"), 0o600); err != nil {
		t.Fatal(err)
	}
	send(w, []string{"b"})
	w.Close()
	if got := e.header.Get("Authorization"); got != "Bearer two" {
		t.Errorf("authorization after a change: got %q", got)
	}
	stranger := start(t, Config{URL: e.URL, Timeout: 50 * time.Millisecond})
	send(stranger, []string{"c"})
	stranger.Close()
	trusting := start(t, Config{URL: e.URL, TLS: TLS{Insecure: true}})
	send(trusting, []string{"d"})
	trusting.Close()
	if got, want := e.got(), []string{"a", "b", "d"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBadSettingsAreErrors(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("nothing here"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		c    Config
		want string
	}{
		{Config{URL: "localhost"}, "invalid webhook: localhost (want http"},
		{Config{URL: "http://x", TLS: TLS{CA: "nowhere"}}, "no such file"},
		{Config{URL: "http://x", TLS: TLS{CA: empty}}, "holds none in the form of PEM"},
		{Config{URL: "http://x", TLS: TLS{Cert: empty}}, "go together"},
		{Config{URL: "http://x", TLS: TLS{Cert: empty, Key: empty}}, "webhook certificate: "},
		{Config{URL: "http://x", HeaderFile: empty}, "want lines such as Authorization"},
		{Config{URL: "http://x", HeaderFile: "nowhere"}, "no such file"},
		{Config{URL: "http://x", Spill: "/nowhere/x"}, "spill: "},
	} {
		if _, err := New(test.c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %s", test.c, err, test.want)
		}
	}
}
