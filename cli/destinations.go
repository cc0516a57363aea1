package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/sink"
	"github.com/tracee-go/tracee/sink/schema"
)

// destinations are those values of --output that are URLs.
type destinations struct {
	list []*sink.Destination
	set  *sink.Set
	over atomic.Bool // standard output was one of them, and is gone
}

// add reads a value that is a URL.
func (d *destinations) add(value string) error {
	one, err := sink.Parse(value)
	if err == nil {
		d.list = append(d.list, one)
	}
	return err
}

// destinationOptions are what a command says about its destinations.
type destinationOptions struct {
	findings bool   // it makes them
	host     bool   // events are of this machine
	stop     func() // ends the command
	stdout   io.Writer
	log      *slog.Logger
}

func (d *destinations) open(o destinationOptions) (err error) {
	product := schema.Product{Version: version()}
	if o.host {
		product.Host, _ = os.Hostname() // without, events have it
	}
	d.set, err = sink.Open(d.list, sink.Config{
		Product: product, Findings: o.findings, Stdout: o.stdout, Log: o.log,
		Gone: func(string, error) { d.over.Store(true); o.stop() },
	})
	return err
}

// close brings what is left to where it shall be, and says for each destination how that went.
func (d *destinations) close(to io.Writer, prefix string) error {
	if d.set == nil {
		return nil
	}
	d.set.Close()
	for _, s := range d.set.Stats() {
		fmt.Fprintf(to, "%soutput %s: %s\n", prefix, s.Name, destinationLine(s))
	}
	if d.over.Load() {
		return syscall.EPIPE
	}
	return nil
}

func destinationLine(s sink.Stats) string {
	parts := []string{fmt.Sprintf("%d sent", s.Sent)}
	return strings.Join(append(parts, told(
		tally{s.Retried, "tries repeated"},
		tally{s.OnDisk, "bytes kept on disk for the next run"},
		tally{s.Full, "dropped: the queue was full"},
		tally{s.NoSpace, "dropped: no space on disk"},
		tally{s.Refused, "refused by the other side"},
		tally{s.Left, "not sent in the end"},
	)...), ", ")
}

// destinationMetrics are those of destinations.
func destinationMetrics(d *destinations) prometheus.Collector {
	one := func(name, help string, kind prometheus.ValueType, value func(sink.Stats) uint64) measure[[]sink.Stats] {
		return measure[[]sink.Stats]{
			prometheus.NewDesc("tracee_output_"+name, help, []string{"output"}, nil), kind,
			func(all []sink.Stats, tell func(float64, ...string)) {
				for _, s := range all {
					tell(float64(value(s)), s.Name)
				}
			},
		}
	}
	return counted[[]sink.Stats]{func() []sink.Stats { return d.set.Stats() }, []measure[[]sink.Stats]{
		one("sent_total", "events and findings that an output has taken", prometheus.CounterValue, func(s sink.Stats) uint64 { return s.Sent }),
		one("retried_total", "tries to send that were repeated", prometheus.CounterValue, func(s sink.Stats) uint64 { return s.Retried }),
		one("spilled_total", "events and findings that went to disk to wait", prometheus.CounterValue, func(s sink.Stats) uint64 { return s.Spilled }),
		one("queued", "events and findings that wait in memory", prometheus.GaugeValue, func(s sink.Stats) uint64 { return s.Queued }),
		one("queued_bytes", "how much waits in memory", prometheus.GaugeValue, func(s sink.Stats) uint64 { return s.QueuedBytes }),
		one("spill_bytes", "how much waits on disk", prometheus.GaugeValue, func(s sink.Stats) uint64 { return s.OnDisk }),
		{
			prometheus.NewDesc("tracee_output_dropped_total", "events and findings that an output has not got, by reason",
				[]string{"output", "reason"}, nil),
			prometheus.CounterValue,
			func(all []sink.Stats, tell func(float64, ...string)) {
				for _, s := range all {
					tell(float64(s.Full), s.Name, "queue_full")
					tell(float64(s.NoSpace), s.Name, "no_space")
					tell(float64(s.Refused), s.Name, "refused")
					tell(float64(s.Left), s.Name, "end")
				}
			},
		},
	}}
}

// findingFormats are the formats of findings on standard output.
var findingFormats = []string{"text", "json"}

// readOutputs reads the values of --output of tracee: a format of what is printed, of which the last counts, and URLs. With
// URLs and without a format, nothing is printed.
func (d *destinations) readOutputs(values []string, preset string) (format string, err error) {
	d.list = nil
	for _, value := range values {
		switch {
		case sink.IsURL(value):
			err = errors.Join(err, d.add(value))
		case slices.Contains(findingFormats, value):
			format = value
		default:
			return "", fmt.Errorf("unrecognized output format: %s (text or json%s)", value, orURL(value))
		}
	}
	if format == "" && len(d.list) == 0 {
		format = preset
	}
	return format, err
}

func orURL(value string) string {
	if strings.ContainsAny(value, ":/") {
		return ", or a destination such as file:///var/log/tracee.json; --output help says more"
	}
	return suggest.DidYouMean(value, findingFormats)
}

func traceeOutputHelp() string {
	return "Formats of findings on standard output:\n" +
		"  text                                         for people (default on a terminal)\n" +
		"  json                                         an object a line (default otherwise)\n" +
		"With destinations, nothing is printed there unless a format is given, too.\n\n" + sink.Help()
}

// completeURL completes the schemes of destinations.
func completeURL() (found []candidate) {
	for _, k := range sink.Schemes() {
		found = append(found, candidate{k[0] + "://", k[1]})
	}
	return found
}
