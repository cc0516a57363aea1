package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// badRecordsShown is how many records that are no events are shown; the rest is counted.
const badRecordsShown = 3

// detect shows the events of the input to the signatures, and prints what they find when they find it: a finding is one
// write, so nothing waits in a buffer.
func (c *rulesCommand) detect(loaded []detect.Signature) error {
	printer, err := newFindingPrinter(c.stdout, c.outputTemplate, c.log)
	if err != nil {
		return fmt.Errorf("error preparing output template: %w", err)
	}
	hook, err := c.newPoster()
	if err != nil {
		return err
	}
	defer hook.close()
	engine := c.engine(loaded, func(f detect.Finding) {
		if _, ok := f.Event.Payload.(*trace.Event); !ok {
			c.log.Error("finding is left out: unsupported event", "type", fmt.Sprintf("%T", f.Event.Payload))
			return
		}
		printer.print(f)
		hook.send(f)
		c.destinations.set.Finding(f)
	})
	if _, err := io.WriteString(c.stdout, loadedLine(engine.Signatures())); err != nil {
		return err
	}
	file, err := c.openInput()
	if err != nil {
		return err
	}
	defer file.Close()
	source, err := newStoppable(file, c.limit)
	if err != nil {
		return err
	}
	defer source.close()

	if err := c.destinations.open(destinationOptions{findings: true, stop: source.stop, stdout: c.stdout, log: c.log}); err != nil {
		return err
	}
	defer c.destinations.set.Close()
	source.pulse = c.serve.pulse()
	server, err := c.serve.serve([]prometheus.Collector{rulesMetrics(c.detecting(engine, printer, hook)), destinationMetrics(&c.destinations)}, source.pulse.check, c.log)
	if err != nil {
		return err
	}
	defer server.close()
	run := rulesRun{c: c, engine: engine, printer: printer, source: source, pulse: source.pulse}
	err = run.read(c.newReader(source, engine))
	engine.Close()
	hook.close()
	gone := c.destinations.close(c.quietly(), "tracee-rules: ")
	if err := errors.Join(printer.err, gone); err != nil {
		return err
	}
	err = run.conclude(err, hook)
	if missing := printer.unread.err(); missing != nil {
		return missing
	}
	return err
}

// newReader reads what the signatures need to see of events.
func (c *rulesCommand) newReader(source *stoppable, engine *rules.Engine) trace.Reader {
	reader := newEventReader(c.input.format, source)
	if !c.destinations.set.WantsEvents() {
		reader.LeaveOut(engine.Ignores)
	}
	return reader
}

// detecting takes snapshots for the metrics.
func (c *rulesCommand) detecting(engine *rules.Engine, printer *findingPrinter, hook *findingPoster) func() detection {
	return func() detection {
		sinks := []sinkStats{{name: "stdout", failed: atomic.LoadUint64(&printer.failed)}}
		if c.webhook.config.URL != "" {
			posts := hook.stats()
			sinks = append(sinks, sinkStats{"webhook", posts.Dropped, posts.Refused + posts.Failed})
		}
		return detection{Stats: engine.Stats(), signatures: len(engine.Signatures()), sinks: sinks}
	}
}

// quietly is where summaries go.
func (c *rulesCommand) quietly() io.Writer {
	if c.logs.quiet {
		return io.Discard
	}
	return c.stderr
}

// rulesRun is the reading of one input.
type rulesRun struct {
	c       *rulesCommand
	engine  *rules.Engine
	printer *findingPrinter
	source  *stoppable
	pulse   *pulse
	bad     int
}

// read handles events until the end, and returns why the stream broke off if it did.
func (r *rulesRun) read(reader trace.Reader) error {
	var e trace.Event
	for r.printer.err == nil {
		err := reader.Read(&e)
		if err == nil {
			r.pulse.begin()
			r.engine.Handle(&e)
			r.c.destinations.set.Event(&e)
			continue
		}
		var bad *trace.BadRecord
		switch {
		case errors.Is(err, io.EOF), r.source.stopped: // a signal may end the input within an event
			return nil
		case errors.As(err, &bad):
			r.showBad(bad)
		default:
			return err
		}
	}
	return nil
}

func (r *rulesRun) showBad(bad *trace.BadRecord) {
	if r.bad++; r.bad > badRecordsShown {
		return
	}
	fmt.Fprintf(r.c.stderr, "tracee-rules: %v\n", bad)
	if r.bad == badRecordsShown {
		fmt.Fprintln(r.c.stderr, "tracee-rules: further records that are no events are only counted")
	}
}

// conclude prints the summary.
func (r *rulesRun) conclude(broken error, hook *findingPoster) error {
	if broken != nil {
		fmt.Fprintf(r.c.stderr, "tracee-rules: the stream of events is broken: %v\n", broken)
	}
	stats, posts := r.engine.Stats(), hook.stats()
	parts := []string{
		count(stats.Events, "event"), count(stats.Detections, "finding"), count(uint64(r.bad), "bad record"),
	}
	for _, more := range []struct {
		n    uint64
		name string
	}{
		{stats.Errors, "errors of signatures"},
		{stats.Lost, "lost upstream"},
		{stats.Forgotten, "forgotten by signatures"},
		{stats.CutOff, "signatures switched off"},
		{stats.Excepted, "taken out by exceptions"},
		{stats.Repeated, "repeats"},
		{r.printer.failed, "failed to print"},
		{hook.unshown, "failed to render for the webhook"},
		{posts.Retries, "posts repeated"},
		{posts.Spilled, "kept in the webhook's file for a while"},
		{posts.Dropped, "dropped by the webhook's queue"},
		{posts.Refused + posts.Failed, "failed to post"},
	} {
		if more.n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", more.name, more.n))
		}
	}
	if !r.c.logs.quiet {
		fmt.Fprintf(r.c.stderr, "tracee-rules: %s\n", strings.Join(parts, ", "))
	}
	if broken != nil || r.bad > 0 {
		return errSaid
	}
	return nil
}

// tally is how many there are of something that need not be told when there are none.
type tally struct {
	n    uint64
	what string
}

// told says how many there are, of those that there are any.
func told(tallies ...tally) (parts []string) {
	for _, t := range tallies {
		if t.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", t.n, t.what))
		}
	}
	return parts
}

func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
