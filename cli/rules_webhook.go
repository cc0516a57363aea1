package cli

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"text/template"
	"time"

	"github.com/tracee-go/tracee/types/detect"
)

const (
	webhookQueue   = 1000            // findings that wait to be posted
	webhookTimeout = 5 * time.Second // for one post, and for the posts that are left at the end
	webhookLog     = time.Second     // between two log lines about failures
)

// webhook posts findings from its own goroutine, so that a slow endpoint does not slow detection: what does not fit into
// its queue is dropped and counted. The zero value is a webhook that nobody asked for.
type webhook struct {
	url, contentType string
	template         *template.Template
	log              *slog.Logger

	queue  chan detect.Finding
	done   chan struct{}
	cancel context.CancelFunc
	end    sync.Once

	dropped, failed atomic.Uint64
	logged          time.Time
}

func (c *rulesCommand) newWebhook() (*webhook, error) {
	if c.webhook == "" {
		return &webhook{}, nil
	}
	if u, err := url.Parse(c.webhook); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("invalid webhook: %s (want http://host/path or https://host/path)", c.webhook)
	}
	text, err := readTemplate(c.webhookTemplate)
	if err != nil {
		return nil, fmt.Errorf("error preparing webhook template: %w", err)
	}
	if c.webhookContentType == "" {
		c.log.Warn("content-type was not set for the custom template (add --webhook-content-type)", "template", c.webhookTemplate)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &webhook{
		url: c.webhook, contentType: c.webhookContentType, template: text, log: c.log,
		queue: make(chan detect.Finding, webhookQueue), done: make(chan struct{}), cancel: cancel,
	}
	go w.run(ctx)
	return w, nil
}

func (w *webhook) send(f detect.Finding) {
	if w.queue == nil {
		return
	}
	select {
	case w.queue <- f:
	default:
		w.dropped.Add(1)
	}
}

// close waits for the posts that are left, but not longer than webhookTimeout.
func (w *webhook) close() {
	if w.queue == nil {
		return
	}
	w.end.Do(func() {
		close(w.queue)
		timer := time.AfterFunc(webhookTimeout, w.cancel)
		<-w.done
		timer.Stop()
		w.cancel()
	})
}

func (w *webhook) run(ctx context.Context) {
	defer close(w.done)
	client := &http.Client{Timeout: webhookTimeout, Transport: http.DefaultTransport.(*http.Transport).Clone()}
	defer client.CloseIdleConnections()
	for f := range w.queue {
		if err := w.post(ctx, client, f); err != nil {
			w.failed.Add(1)
			if now := time.Now(); now.Sub(w.logged) >= webhookLog {
				w.logged = now
				w.log.Error("error sending to webhook", "error", err, "failures", w.failed.Load())
			}
		}
	}
}

func (w *webhook) post(ctx context.Context, client *http.Client, f detect.Finding) error {
	var body bytes.Buffer
	if err := w.template.Execute(&body, f); err != nil {
		return fmt.Errorf("error writing to the template: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, &body)
	if err != nil {
		return err
	}
	if w.contentType != "" {
		request.Header.Set("Content-Type", w.contentType)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("error calling webhook %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("webhook answered %s", response.Status)
	}
	return nil
}
