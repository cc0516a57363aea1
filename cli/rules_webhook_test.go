package cli

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/tracee-go/tracee/types/detect"
)

func testWebhook(t *testing.T, url string) *webhook {
	t.Helper()
	body := filepath.Join(t.TempDir(), "body.tmpl")
	if err := os.WriteFile(body, []byte("{{.SigMetadata.ID}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &rulesCommand{log: slog.New(slog.DiscardHandler)}
	c.webhook, c.webhookTemplate = url, body
	w, err := c.newWebhook()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWebhookDropsAndCountsWhatASlowEndpointDoesNotTake(t *testing.T) {
	defer goleak.VerifyNone(t)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-release
	}))
	defer server.Close()

	w := testWebhook(t, server.URL)
	const sent = webhookQueue + 100
	for range sent {
		w.send(detect.Finding{})
	}
	// One finding may be on its way besides those in the queue.
	if got := w.dropped.Load(); got != 99 && got != 100 {
		t.Errorf("dropped: got %d, want 99 or 100", got)
	}
	close(release)
	w.close()
	w.close()
	if got := w.failed.Load(); got != 0 {
		t.Errorf("failed: got %d, want 0", got)
	}
}

func TestWebhookCountsRefusals(t *testing.T) {
	defer goleak.VerifyNone(t)
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	w := testWebhook(t, server.URL)
	w.send(detect.Finding{})
	w.close()
	if got, want := w.failed.Load(), uint64(1); got != want {
		t.Errorf("failed: got %d, want %d", got, want)
	}
}
