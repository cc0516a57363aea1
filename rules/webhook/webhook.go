// Package webhook posts texts to an HTTP endpoint from a goroutine of its own, so that an endpoint that is slow, broken or
// gone delays nobody.
//
// Start from New, Send and Close. What is sent waits in a bounded queue, and is posted in order. A post that fails is
// repeated, at growing intervals, until the endpoint takes it; only an answer that says that it never will (4xx, other
// than 408 and 429) ends that. What the queue can not hold goes to a file, if there is one, and is posted from there, also
// by the next run; without a file it is dropped and counted. The queue is that of internal/courier.
package webhook

import (
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/tracee-go/tracee/internal/courier"
)

// TLS says whom to trust and who we are.
type TLS = courier.TLS

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
	DefaultQueue   = courier.DefaultQueue
	DefaultTimeout = courier.DefaultTimeout
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
type Webhook struct{ queue *courier.Queue }

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
	poster, err := courier.NewPoster(courier.Post{
		Name: "webhook", URL: c.URL, ContentType: c.ContentType, HeaderFile: c.HeaderFile, TLS: c.TLS,
	})
	if err != nil {
		return nil, err
	}
	queue, err := courier.New(courier.Config{
		Name: "webhook", Carrier: &courier.Posts{Poster: poster, Lists: c.Batch > 1}, Queue: c.Queue, Batch: c.Batch, Timeout: c.Timeout,
		Spill: c.Spill, SpillMax: c.SpillMax, Log: c.Log,
	})
	if err != nil {
		return nil, err
	}
	return &Webhook{queue}, nil
}

// Send takes a text to be posted. It does not wait.
func (w *Webhook) Send(text []byte) { w.queue.Add(nil, text) }

// Close waits until everything is posted, but no longer than the timeout. What is left then goes to the file, or is
// counted as failed.
func (w *Webhook) Close() { w.queue.Close() }

// Stats may be called from any goroutine.
func (w *Webhook) Stats() Stats {
	s := w.queue.Stats()
	return Stats{
		Posted: s.Sent, Retries: s.Retried, Dropped: s.Full + s.NoSpace, Refused: s.Refused, Failed: s.Left, Spilled: s.Spilled,
	}
}
