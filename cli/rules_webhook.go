package cli

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"text/template"

	"github.com/spf13/pflag"

	"github.com/tracee-go/tracee/rules/webhook"
	"github.com/tracee-go/tracee/types/detect"
)

// webhookOptions are the flags that say where findings are posted, and how.
type webhookOptions struct {
	config   webhook.Config
	template string
}

func (o *webhookOptions) add(flags *pflag.FlagSet) {
	c := &o.config
	flags.StringVar(&c.URL, "webhook", "", "`URL` to post each finding to")
	flags.StringVar(&o.template, "webhook-template", "", "Go template `file` for the body of posts; required with --webhook")
	flags.StringVar(&c.ContentType, "webhook-content-type", "", "content `type` of posts")
	flags.DurationVar(&c.Timeout, "webhook-timeout", webhook.DefaultTimeout, "`duration` after which a post is given up and repeated,\n"+
		"and for which the end waits for what is left")
	flags.IntVar(&c.Queue, "webhook-queue", webhook.DefaultQueue, "`number` of findings that wait in memory to be posted")
	flags.IntVar(&c.Batch, "webhook-batch", 1, "largest `number` of findings in a post: a JSON list if the content type is JSON, lines otherwise")
	flags.StringVar(&c.Spill, "webhook-spill", "", "`file` for findings that the queue has no room for, or that are left at the end; 64 MiB at most")
	flags.StringVar(&c.HeaderFile, "webhook-headers", "", "`file` of headers for posts, such as Authorization: Bearer …")
	flags.StringVar(&c.TLS.CA, "webhook-ca", "", "`file` of certificates (PEM) to trust instead of the system's")
	flags.StringVar(&c.TLS.Cert, "webhook-cert", "", "`file` of our own certificate, with --webhook-key")
	flags.StringVar(&c.TLS.Key, "webhook-key", "", "`file` of its key")
	flags.BoolVar(&c.TLS.Insecure, "webhook-insecure", false, "do not check the certificate of the endpoint")
}

// findingPoster posts findings. The zero value is one that nobody asked for.
type findingPoster struct {
	hook     *webhook.Webhook
	template *template.Template
	log      *slog.Logger
	unshown  uint64 // findings that the template could not show
}

func (c *rulesCommand) newPoster() (*findingPoster, error) {
	if c.webhook.config.URL == "" {
		return &findingPoster{}, nil
	}
	p := &findingPoster{log: c.log}
	err := errors.Join(c.webhook.config.CheckURL(), c.webhook.checkNumbers())
	if err != nil {
		return nil, err
	}
	if p.template, err = readTemplate(c.webhook.template); err != nil {
		return nil, fmt.Errorf("error preparing webhook template: %w", err)
	}
	if c.webhook.config.ContentType == "" {
		c.log.Warn("content-type was not set for the custom template (add --webhook-content-type)", "template", c.webhook.template)
	}
	config := c.webhook.config
	config.Log = c.log
	p.hook, err = webhook.New(config)
	return p, err
}

// checkNumbers refuses what nothing could be posted with.
func (o *webhookOptions) checkNumbers() error {
	for _, number := range []struct {
		flag  string
		value int64
		want  string
	}{
		{"timeout", int64(o.config.Timeout), "a duration such as 5s"},
		{"queue", int64(o.config.Queue), "at least 1"},
		{"batch", int64(o.config.Batch), "at least 1"},
	} {
		if number.value < 1 {
			return fmt.Errorf("invalid --webhook-%s: want %s", number.flag, number.want)
		}
	}
	return nil
}

func (p *findingPoster) send(f detect.Finding) {
	if p.hook == nil {
		return
	}
	var body bytes.Buffer
	if err := p.template.Execute(&body, f); err != nil {
		if p.unshown++; p.unshown == 1 {
			p.log.Error("finding can not be posted; others like it are only counted", "error", err)
		}
		return
	}
	p.hook.Send(body.Bytes())
}

func (p *findingPoster) close() {
	if p.hook != nil {
		p.hook.Close()
	}
}

func (p *findingPoster) stats() webhook.Stats {
	if p.hook == nil {
		return webhook.Stats{}
	}
	return p.hook.Stats()
}
