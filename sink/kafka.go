package sink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/tracee-go/tracee/internal/courier"
	"github.com/tracee-go/tracee/internal/suggest"
)

// mechanisms are the ways to tell a broker of Kafka who we are.
var mechanisms = map[string]func(user, password string) sasl.Mechanism{
	"plain": func(user, password string) sasl.Mechanism {
		return plain.Auth{User: user, Pass: password}.AsMechanism()
	},
	"scram-sha-256": func(user, password string) sasl.Mechanism {
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
	},
	"scram-sha-512": func(user, password string) sasl.Mechanism {
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
	},
}

var kafkaKind = kind{
	schemes: []string{"kafka", "kafka+tls"}, form: "kafka://host:9092,host:9092/topic", doc: "a topic of Kafka, also kafka+tls",
	example: "kafka://broker1.example:9092,broker2.example:9092/tracee?select=all",

	parameters: append([]parameter{
		whoWeAre,
		{"sasl", "scram-sha-512", "how to tell who we are: plain, scram-sha-256 or scram-sha-512 (the file of credentials is user:password)",
			func(d *Destination, value string) error {
				d.options.mechanism = value
				if mechanisms[value] == nil {
					names := []string{"plain", "scram-sha-256", "scram-sha-512"}
					return fmt.Errorf("want %s%s", strings.Join(names, ", "), suggest.DidYouMean(value, names))
				}
				return nil
			}},
	}, secured...),
	batch: 1000,
	check: func(d *Destination) error {
		if (d.options.mechanism == "") != (d.options.credentials == "") {
			return errors.New("credentials and sasl go together")
		}
		return wantsPath(100, "9092", "topic")(d)
	},
	open: openKafka,
}

// kafkaCarrier produces records, which brokers confirm.
type kafkaCarrier struct {
	client *kgo.Client
}

func openKafka(d *Destination, _ Config) (courier.Carrier, error) {
	timeout := d.queue.Timeout
	if timeout == 0 {
		timeout = courier.DefaultTimeout
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(d.address, ",")...),
		kgo.DefaultProduceTopic(strings.TrimPrefix(d.path, "/")),
		kgo.ClientID("tracee"),
		kgo.AllowAutoTopicCreation(),
		kgo.ProducerLinger(0), // the queue has waited already
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.AllowIdempotentProduceCancellation(), // it must end when time is up; what is sent again may be there twice
		kgo.ProduceRequestTimeout(max(timeout, 100*time.Millisecond)),
		kgo.RetryTimeout(timeout),
		kgo.DialTimeout(timeout),
		kgo.MetadataMinAge(min(max(timeout/4, 10*time.Millisecond), time.Second)),
	}
	if d.secure() {
		config, err := d.options.tls.Config(d.Name)
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.DialTLSConfig(config))
	}
	if d.options.mechanism != "" {
		user, password, err := readCredentials(d)
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.SASL(mechanisms[d.options.mechanism](user, password)))
	}
	client, err := kgo.NewClient(options...) // it connects when it is needed
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	return &kafkaCarrier{client: client}, nil
}

// readCredentials reads user:password.
func readCredentials(d *Destination) (user, password string, err error) {
	text, err := os.ReadFile(d.options.credentials)
	if err != nil {
		return "", "", fmt.Errorf("%s credentials: %w", d.Name, err)
	}
	user, password, ok := strings.Cut(strings.TrimSpace(string(text)), ":")
	if !ok || user == "" {
		return "", "", fmt.Errorf("%s credentials: %s: want user:password", d.Name, d.options.credentials)
	}
	return user, password, nil
}

func (k *kafkaCarrier) Carry(ctx context.Context, texts [][]byte) error {
	records := make([]*kgo.Record, len(texts))
	for i, text := range texts {
		m := messageOf(text)
		// The client may hold on to what it was given when time is up, the queue may not.
		records[i] = &kgo.Record{Value: slices.Clone(m.text), Timestamp: m.time, Headers: []kgo.RecordHeader{{Key: "event", Value: []byte(m.name)}}}
	}
	place := make(map[*kgo.Record]int, len(records))
	for i, r := range records {
		place[r] = i
	}
	p := &courier.Partial{}
	for _, result := range k.client.ProduceSync(ctx, records...) {
		switch {
		case result.Err == nil:
			continue
		case errors.Is(result.Err, kerr.MessageTooLarge), errors.Is(result.Err, kerr.InvalidRecord):
			p.Refused++
		default:
			p.Again = append(p.Again, place[result.Record])
		}
		p.Err = result.Err
	}
	if p.Err == nil {
		return nil
	}
	slices.Sort(p.Again)
	if unreachable := new(net.OpError); errors.As(p.Err, &unreachable) {
		p.Err = unreachable
	}
	return p
}

func (k *kafkaCarrier) Close() error {
	k.client.Close()
	return nil
}
