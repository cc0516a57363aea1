package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tracee-go/tracee/internal/courier"
)

var natsKind = kind{
	schemes: []string{"nats", "nats+tls"}, form: "nats://host:4222/subject",
	doc:     "a subject that a stream of NATS JetStream stores, also nats+tls",
	example: "nats://nats.example:4222/tracee.findings?credentials=/etc/tracee/nats.creds",

	parameters: append([]parameter{
		{"credentials", "FILE", "of who we are: a .creds file of NATS, or user:password",
			func(d *Destination, value string) error { d.options.credentials = value; return nil }},
	}, secured...),
	batch: 500,
	check: wantsPath(100, "4222", "subject"),
	open:  openNATS,
}

// natsCarrier publishes messages, which JetStream confirms. Each has an id that its text gives, by which JetStream knows one
// that is sent again.
type natsCarrier struct {
	connection *nats.Conn
	stream     jetstream.JetStream
	subject    string
}

func openNATS(d *Destination, _ Config) (courier.Carrier, error) {
	servers := strings.Split(d.address, ",")
	for i, server := range servers {
		servers[i] = "nats://" + server
	}
	options := []nats.Option{
		nats.Name("tracee"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(time.Second),
		nats.ReconnectBufSize(-1), // nothing waits here: there is the queue
		nats.NoCallbacksAfterClientClose(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // Carry has the errors
	}
	if d.secure() {
		config, err := d.options.tls.Config(d.Name)
		if err != nil {
			return nil, err
		}
		options = append(options, nats.Secure(config))
	}
	switch file := d.options.credentials; {
	case strings.HasSuffix(file, ".creds"):
		options = append(options, nats.UserCredentials(file))
	case file != "":
		user, password, err := readCredentials(d)
		if err != nil {
			return nil, err
		}
		options = append(options, nats.UserInfo(user, password))
	}
	connection, err := nats.Connect(strings.Join(servers, ","), options...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	stream, err := jetstream.New(connection, jetstream.WithPublishAsyncMaxPending(1<<20)) // Carry waits
	if err != nil {
		connection.Close()
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	return &natsCarrier{connection, stream, strings.TrimPrefix(d.path, "/")}, nil
}

func (n *natsCarrier) Carry(ctx context.Context, texts [][]byte) error {
	if !n.connection.IsConnected() {
		if err := n.connection.LastError(); err != nil {
			return err
		}
		return errors.New("not connected")
	}
	p := &courier.Partial{}
	acknowledged := make([]jetstream.PubAckFuture, len(texts))
	for i, text := range texts {
		m := messageOf(text)
		future, err := n.stream.PublishMsgAsync(&nats.Msg{Subject: n.subject, Data: slices.Clone(m.text)}, jetstream.WithMsgID(textID(m.text)))
		switch {
		case errors.Is(err, nats.ErrMaxPayload):
			p.Refused++
			p.Err = err
		case err != nil:
			p.Again = append(p.Again, i)
			p.Err = err
		default:
			acknowledged[i] = future
		}
	}
	for i, future := range acknowledged {
		if future == nil {
			continue
		}
		select {
		case <-future.Ok():
			continue
		case err := <-future.Err():
			p.Err = explainNATS(err, n.subject)
		case <-ctx.Done():
			p.Err = errors.Join(p.Err, ctx.Err())
		}
		p.Again = append(p.Again, i)
	}
	if p.Err == nil {
		return nil
	}
	slices.Sort(p.Again)
	return p
}

// explainNATS says what is missing when nobody answers.
func explainNATS(err error, subject string) error {
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse) {
		return fmt.Errorf("no stream of JetStream stores the subject %s (nats stream add --subjects=%s)", subject, subject)
	}
	return err
}

func (n *natsCarrier) Close() error {
	n.connection.Close()
	return nil
}
