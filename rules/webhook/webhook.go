// Package webhook posts texts to an HTTP endpoint from a goroutine of its own, so that an endpoint that is slow, broken or
// gone delays nobody.
//
// Start from New, Send and Close. What is sent waits in a bounded queue, and is posted in order. A post that fails is
// repeated, at growing intervals, until the endpoint takes it; only an answer that says that it never will (4xx, other
// than 408 and 429) ends that. What the queue can not hold goes to a file, if there is one, and is posted from there, also
// by the next run; without a file it is dropped and counted.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config says where to post, and how. URL is required.
type Config struct {
	URL         string
	ContentType string
	Queue       int           // how many texts wait in memory; 0: 1000
	Timeout     time.Duration // of one post, and of those that are left at the end; 0: 5 s
	Batch       int           // how many texts one post holds at most; 0: 1
	HeaderFile  string        // headers, one "Name: value" a line, read for every post
	Spill       string        // the file for what the queue can not hold
	SpillMax    int64         // its largest size; 0: 64 MiB
	TLS         TLS
	Log         *slog.Logger // nil is slog.Default
}

// Defaults of Config.
const (
	DefaultQueue    = 1000
	DefaultTimeout  = 5 * time.Second
	defaultSpillMax = 64 << 20
)

const (
	firstPause = 100 * time.Millisecond // before a post is repeated
	longPause  = 10 * time.Second
	linger     = time.Second // how long a batch waits to become full
	logEvery   = time.Minute
)

// Stats are counters since the start.
type Stats struct {
	Posted  uint64 // texts that the endpoint took
	Retries uint64 // posts that were repeated
	Dropped uint64 // texts that neither queue nor file had room for
	Refused uint64 // texts that the endpoint will never take
	Failed  uint64 // texts that were left at the end
	Spilled uint64 // texts that went to the file
}

// Webhook is an endpoint.
type Webhook struct {
	Config
	client *http.Client
	cancel context.CancelFunc
	done   chan struct{}
	end    sync.Once
	wake   chan struct{} // something is waiting, or the end has come

	mu     sync.Mutex
	queue  [][]byte
	spill  *spill // nil: there is no file
	closed bool

	posted, retries, dropped, refused, failed, spilled atomic.Uint64

	logged time.Time
}

// CheckURL says what is wrong with the URL.
func (c *Config) CheckURL() error {
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("invalid webhook: %s (want http://host/path or https://host/path)", c.URL)
	}
	return nil
}

// New makes a webhook and starts posting what an earlier run left in the file.
func New(c Config) (*Webhook, error) {
	if err := c.CheckURL(); err != nil {
		return nil, err
	}
	if c.Queue <= 0 {
		c.Queue = DefaultQueue
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.SpillMax <= 0 {
		c.SpillMax = defaultSpillMax
	}
	c.Batch = max(c.Batch, 1)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	tlsConfig, err := c.TLS.config()
	if err != nil {
		return nil, err
	}
	if _, err := readHeaders(c.HeaderFile); err != nil {
		return nil, err
	}
	w := &Webhook{Config: c, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	if c.Spill != "" {
		if w.spill, err = openSpill(c.Spill, c.SpillMax); err != nil {
			return nil, err
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = tlsConfig
	w.client = &http.Client{Timeout: c.Timeout, Transport: transport}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	go w.run(ctx)
	return w, nil
}

// Send takes a text to be posted. It does not wait.
func (w *Webhook) Send(text []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// What is in the file is older, and goes first.
	if (w.spill == nil || w.spill.empty()) && len(w.queue) < w.Queue {
		w.queue = append(w.queue, text)
	} else if w.spill == nil || w.spill.add(text) != nil {
		w.dropped.Add(1)
	} else {
		w.spilled.Add(1)
	}
	w.notify()
}

func (w *Webhook) notify() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Close waits until everything is posted, but no longer than the timeout. What is left then goes to the file, or is
// counted as failed.
func (w *Webhook) Close() {
	w.end.Do(func() {
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		w.notify()
		timer := time.AfterFunc(w.Timeout, w.cancel)
		<-w.done
		timer.Stop()
		w.cancel()
	})
}

// Stats may be called from any goroutine.
func (w *Webhook) Stats() Stats {
	return Stats{
		Posted: w.posted.Load(), Retries: w.retries.Load(), Dropped: w.dropped.Load(), Refused: w.refused.Load(),
		Failed: w.failed.Load(), Spilled: w.spilled.Load(),
	}
}

func (w *Webhook) run(ctx context.Context) {
	defer close(w.done)
	defer w.client.CloseIdleConnections()
	for {
		batch := w.next(ctx)
		if batch == nil {
			break
		}
		if !w.deliver(ctx, batch) {
			w.putBack(batch)
			break
		}
	}
	w.leave()
}

// next waits for a batch; nil is the end.
func (w *Webhook) next(ctx context.Context) [][]byte {
	var full <-chan time.Time
	for {
		w.mu.Lock()
		w.refill()
		enough := len(w.queue) >= w.Batch || w.closed || w.Batch == 1
		if len(w.queue) > 0 && enough {
			batch := w.take()
			w.mu.Unlock()
			return batch
		}
		waiting, closed := len(w.queue) > 0, w.closed
		w.mu.Unlock()
		if closed {
			return nil
		}
		if waiting && full == nil {
			full = time.After(linger)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		case <-full:
			w.mu.Lock()
			batch := w.take()
			w.mu.Unlock()
			return batch
		}
	}
}

// refill moves texts from the file to the queue.
func (w *Webhook) refill() {
	for w.spill != nil && !w.spill.empty() && len(w.queue) < max(w.Batch, w.Queue/2) {
		text, err := w.spill.next()
		if err != nil {
			w.Log.Error("webhook: the rest of the file can not be read", "error", err)
			return
		}
		w.queue = append(w.queue, text)
	}
}

func (w *Webhook) take() [][]byte {
	n := min(len(w.queue), w.Batch)
	batch := w.queue[:n:n]
	w.queue = w.queue[n:]
	return batch
}

func (w *Webhook) putBack(batch [][]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(batch, w.queue...)
}

// leave saves what is left at the end.
func (w *Webhook) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := w.queue
	w.queue = nil
	if w.spill == nil {
		w.failed.Add(uint64(len(left)))
		return
	}
	if err := w.spill.close(left); err != nil {
		w.failed.Add(uint64(len(left)))
		w.Log.Error("webhook: what was not posted can not be kept", "error", err)
	}
}

// deliver posts a batch until the endpoint takes it, or refuses it for good. False says that time is up.
func (w *Webhook) deliver(ctx context.Context, batch [][]byte) bool {
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		err := w.post(ctx, batch)
		if err == nil {
			w.posted.Add(uint64(len(batch)))
			return true
		}
		var refused *refusal
		if errors.As(err, &refused) {
			w.refused.Add(uint64(len(batch)))
			w.complain(err)
			return true
		}
		w.complain(err)
		if ctx.Err() != nil {
			return false
		}
		w.retries.Add(1)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
}

func (w *Webhook) complain(err error) {
	if now := time.Now(); now.Sub(w.logged) >= logEvery {
		w.logged = now
		s := w.Stats()
		w.Log.Error("error sending to webhook", "error", err, "retries", s.Retries, "refused", s.Refused, "dropped", s.Dropped)
	}
}

// refusal is an answer after which there is no use in trying again.
type refusal struct{ status string }

func (r *refusal) Error() string { return "webhook answered " + r.status }

func (w *Webhook) post(ctx context.Context, batch [][]byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(w.body(batch)))
	if err != nil {
		return err
	}
	headers, err := readHeaders(w.HeaderFile)
	if err != nil {
		return err
	}
	for name, values := range headers {
		request.Header[name] = values
	}
	if w.ContentType != "" {
		request.Header.Set("Content-Type", w.ContentType)
	}
	response, err := w.client.Do(request)
	if err != nil {
		return fmt.Errorf("error calling webhook %w", err)
	}
	defer response.Body.Close()
	code := response.StatusCode
	switch {
	case code < http.StatusMultipleChoices:
		return nil
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooManyRequests:
		return fmt.Errorf("webhook answered %s", response.Status)
	default:
		return &refusal{response.Status}
	}
}

// body joins a batch: to a list where it is JSON, by newlines otherwise.
func (w *Webhook) body(batch [][]byte) []byte {
	if w.Batch == 1 {
		return batch[0]
	}
	for i := range batch {
		batch[i] = bytes.TrimSuffix(batch[i], []byte("\n"))
	}
	if strings.Contains(w.ContentType, "json") {
		return append(append([]byte("["), bytes.Join(batch, []byte(","))...), ']')
	}
	return append(bytes.Join(batch, []byte("\n")), '\n')
}
