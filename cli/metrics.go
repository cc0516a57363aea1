package cli

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tracee-go/tracee"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/tracer"
)

// measure is one metric: what it is called, and how it is got from a T.
type measure[T any] struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	values func(T, func(value float64, labels ...string))
}

func metric[T any](name, help string, kind prometheus.ValueType, value func(T) uint64) measure[T] {
	return measure[T]{
		prometheus.NewDesc(name, help, nil, nil), kind,
		func(from T, tell func(float64, ...string)) { tell(float64(value(from))) },
	}
}

// counted is a collector of metrics that all come from one snapshot.
type counted[T any] struct {
	snapshot func() T
	measures []measure[T]
}

func (c counted[T]) Describe(to chan<- *prometheus.Desc) {
	for _, m := range c.measures {
		to <- m.desc
	}
}

func (c counted[T]) Collect(to chan<- prometheus.Metric) {
	from := c.snapshot()
	for _, m := range c.measures {
		m.values(from, func(value float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
		})
	}
}

// ebpfMetrics are those of collecting; the first six are v0.8's.
func ebpfMetrics(p *tracee.Progress) prometheus.Collector {
	return counted[tracee.Summary]{p.Summary, []measure[tracee.Summary]{
		metric("tracee_ebpf_events_total", "events collected by tracee-ebpf", prometheus.CounterValue,
			func(s tracee.Summary) uint64 { return s.Seen }),
		metric("tracee_ebpf_netevents_total", "events of the network among them", prometheus.CounterValue,
			func(s tracee.Summary) uint64 { return s.NetSeen }),
		metric("tracee_ebpf_lostevents_total", "events lost on their way to tracee-ebpf", prometheus.CounterValue,
			func(s tracee.Summary) uint64 { return s.LostTotal() }),
		metric("tracee_ebpf_write_lostevents_total", "notices of captured data among them", prometheus.CounterValue,
			func(s tracee.Summary) uint64 { return s.LostWrites() }),
		metric("tracee_ebpf_network_lostevents_total", "events of the network among them, and captured packets", prometheus.CounterValue,
			func(s tracee.Summary) uint64 { return s.LostNetwork() }),
		metric("tracee_ebpf_errors_total", "events that could not be printed", prometheus.CounterValue,
			func(s tracee.Summary) uint64 { return s.Errors }),
		metric("tracee_ebpf_unreadable_arguments_total", "arguments left out because memory, or the file that they are in, could not be read",
			prometheus.CounterValue, func(s tracee.Summary) uint64 { return s.Unreadable }),
		{
			prometheus.NewDesc("tracee_ebpf_losses_total", "events lost, by event and reason", []string{"event", "reason"}, nil),
			prometheus.CounterValue,
			func(s tracee.Summary, tell func(float64, ...string)) {
				for _, l := range s.Lost {
					tell(float64(l.Count), l.Event, l.Reason)
				}
			},
		},
		{
			prometheus.NewDesc("tracee_ebpf_unnamed_containers_total", "containers that their runtime did not tell the name of",
				[]string{"runtime", "socket", "reason"}, nil),
			prometheus.CounterValue,
			func(s tracee.Summary, tell func(float64, ...string)) {
				for _, u := range s.Unnamed {
					tell(float64(u.Failed), u.Runtime, u.Path, "failed")
					tell(float64(u.Unknown), u.Runtime, u.Path, "unknown")
				}
			},
		},
		ringMetric("tracee_ebpf_ring_size_bytes", "size of a ring between kernel and tracee-ebpf",
			func(r tracer.RingUse) uint64 { return r.Size }),
		ringMetric("tracee_ebpf_ring_used_bytes", "the most that waited in a ring during the last second",
			func(r tracer.RingUse) uint64 { return r.Used }),
	}}
}

func ringMetric(name, help string, value func(tracer.RingUse) uint64) measure[tracee.Summary] {
	return measure[tracee.Summary]{
		prometheus.NewDesc(name, help, []string{"ring"}, nil), prometheus.GaugeValue,
		func(s tracee.Summary, tell func(float64, ...string)) {
			for _, r := range s.Rings {
				if r.Name != "" {
					tell(float64(value(r)), r.Name)
				}
			}
		},
	}
}

// detection is a snapshot of an engine, and of those to whom it tells.
type detection struct {
	rules.Stats
	signatures int
	sinks      []sinkStats
}

// sinkStats are findings that one taker of them did not get.
type sinkStats struct {
	name            string
	dropped, failed uint64
}

// rulesMetrics are those of detection; the first three are v0.8's.
func rulesMetrics(snapshot func() detection) prometheus.Collector {
	sinks := func(value func(sinkStats) uint64) func(detection, func(float64, ...string)) {
		return func(d detection, tell func(float64, ...string)) {
			for _, s := range d.sinks {
				tell(float64(value(s)), s.name)
			}
		}
	}
	return counted[detection]{snapshot, []measure[detection]{
		metric("tracee_rules_events_total", "events shown to signatures", prometheus.CounterValue,
			func(d detection) uint64 { return d.Events }),
		metric("tracee_rules_detections_total", "findings of signatures", prometheus.CounterValue,
			func(d detection) uint64 { return d.Detections }),
		metric("tracee_rules_signatures_total", "signatures that are loaded", prometheus.GaugeValue,
			func(d detection) uint64 { return uint64(d.signatures) }),
		metric("tracee_rules_errors_total", "errors of signatures", prometheus.CounterValue,
			func(d detection) uint64 { return d.Errors }),
		metric("tracee_rules_lost_upstream_total", "events that were lost before they came here", prometheus.CounterValue,
			func(d detection) uint64 { return d.Lost }),
		metric("tracee_rules_forgotten_total", "what signatures forgot, because their memory is bounded",
			prometheus.CounterValue, func(d detection) uint64 { return d.Forgotten }),
		{
			prometheus.NewDesc("tracee_rules_sink_dropped_total", "findings dropped because a sink was too slow", []string{"sink"}, nil),
			prometheus.CounterValue, sinks(func(s sinkStats) uint64 { return s.dropped }),
		},
		{
			prometheus.NewDesc("tracee_rules_sink_failed_total", "findings that a sink could not take", []string{"sink"}, nil),
			prometheus.CounterValue, sinks(func(s sinkStats) uint64 { return s.failed }),
		},
	}}
}

// stallLimit is how long nothing may move before that is told.
const stallLimit = 10 * time.Second

// stalled says whether a run moves.
func stalled(p *tracee.Progress) error {
	moved := p.Moved()
	if moved.IsZero() {
		return fmt.Errorf("starting")
	}
	return stalledSince(moved)
}

func stalledSince(moved time.Time) error {
	if age := time.Since(moved); age > stallLimit {
		return fmt.Errorf("no event has moved for %d s: the output may be blocked", int(age.Seconds()))
	}
	return nil
}

// pulse watches a loop that handles what it gets: it is healthy as long as it waits, or is not long at one thing.
type pulse struct{ busy atomic.Int64 } // since when, Unix time in ns; 0: waiting

// pulse is for /healthz; nil, which takes no time, if that is not served.
func (o *serveOptions) pulse() *pulse {
	if !o.healthz {
		return nil
	}
	return new(pulse)
}

func (p *pulse) begin() {
	if p != nil {
		p.busy.Store(time.Now().UnixNano())
	}
}

func (p *pulse) wait() {
	if p != nil {
		p.busy.Store(0)
	}
}

func (p *pulse) check() error {
	if busy := p.busy.Load(); busy != 0 {
		return stalledSince(time.Unix(0, busy))
	}
	return nil
}
