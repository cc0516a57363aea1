package sink

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/sink/schema"
	"github.com/tracee-go/tracee/types/detect"
)

// common are the parameters of all kinds.
var common = []parameter{
	{"name", "NAME", "by which the destination is told apart in logs and metrics", (*Destination).setName},
	{"format", "json", "of what is written: json, ecs or ocsf", (*Destination).setFormat},
	{"select", "all", "what is written: events, findings or all (default: findings; events by tracee-ebpf)", (*Destination).setSelect},
	{"severity", "high", "the least of findings: info, low, medium, high or critical", (*Destination).setSeverity},
	{"filter", "comm=nginx", "what events, and those of findings, have to pass, as --trace has it; may be repeated",
		func(d *Destination, value string) error { d.filters = append(d.filters, value); return nil }},
	{"queue", "10000", "how many wait in memory at most (default 10000)",
		func(d *Destination, value string) error { return number(&d.queue.Queue, value, 1) }},
	{"queue-size", "8MB", "how much waits in memory at most (default 8MB)",
		func(d *Destination, value string) error { return size(&d.queue.QueueBytes, value) }},
	{"spill", "DIR", "directory for what memory has no room for, and what is left at the end; the next run goes on with it",
		func(d *Destination, value string) error { d.options.spillDir = value; return nil }},
	{"spill-size", "64MB", "how much waits there at most (default 64MB)",
		func(d *Destination, value string) error { return size(&d.queue.SpillMax, value) }},
	{"batch", "500", "how many are sent at once at most",
		func(d *Destination, value string) error { return number(&d.queue.Batch, value, 1) }},
	{"timeout", "5s", "after which a try is given up and repeated (default 5s)",
		func(d *Destination, value string) error { return period(&d.queue.Timeout, value) }},
}

// Parameters that several kinds have.
var (
	compressed = parameter{"gzip", "true", "compress it",
		func(d *Destination, value string) error { return yes(&d.options.compress, value) }}
	headers = parameter{"headers", "FILE", "file of headers, such as Authorization: Bearer …; it is read for every post",
		func(d *Destination, value string) error { d.options.headers = value; return nil }}
	whoWeAre = parameter{"credentials", "FILE", "file of who we are",
		func(d *Destination, value string) error { d.options.credentials = value; return nil }}
	secured = []parameter{
		{"ca", "FILE", "certificates (PEM) to trust instead of the system's",
			func(d *Destination, value string) error { d.options.tls.CA = value; return nil }},
		{"cert", "FILE", "our own certificate, with key",
			func(d *Destination, value string) error { d.options.tls.Cert = value; return nil }},
		{"key", "FILE", "its key",
			func(d *Destination, value string) error { d.options.tls.Key = value; return nil }},
		{"insecure", "true", "do not check the certificate of the other side",
			func(d *Destination, value string) error { return yes(&d.options.tls.Insecure, value) }},
	}
	posted = append([]parameter{compressed, headers}, secured...)
)

func (d *Destination) setName(value string) error {
	if strings.ContainsAny(value, "/ ,\t\n") {
		return errors.New("a name has no spaces, commas and slashes")
	}
	d.Name = value
	return nil
}

func (d *Destination) setFormat(value string) error {
	if _, ok := schema.Lookup(value); !ok {
		var names []string
		for _, f := range schema.Formats {
			names = append(names, f.Name)
		}
		return fmt.Errorf("want %s%s", strings.Join(names, ", "), suggest.DidYouMean(value, names))
	}
	d.Format = value
	return nil
}

func (d *Destination) setSelect(value string) error {
	d.Events, d.Findings = value != "findings", value != "events"
	if names := []string{"events", "findings", "all"}; !slices.Contains(names, value) {
		return fmt.Errorf("want events, findings or all%s", suggest.DidYouMean(value, names))
	}
	return nil
}

func (d *Destination) setSeverity(value string) error {
	if d.Severity = detect.SeverityLevel(value); d.Severity < 0 {
		return fmt.Errorf("want %s%s", strings.Join(detect.Severities, ", "), suggest.DidYouMean(value, detect.Severities))
	}
	return nil
}

func number(to *int, value string, least int) (err error) {
	if *to, err = strconv.Atoi(value); err != nil || *to < least || *to > 1<<30 {
		return fmt.Errorf("want a number from %d up", least)
	}
	return nil
}

func yes(to *bool, value string) (err error) {
	if *to, err = strconv.ParseBool(value); err != nil {
		return errors.New("want true or false")
	}
	return nil
}

// period reads a time; days are 24 hours.
func period(to *time.Duration, value string) (err error) {
	if days, ok := strings.CutSuffix(value, "d"); ok {
		n, err := strconv.Atoi(days)
		*to = time.Duration(n) * 24 * time.Hour
		if err == nil && n > 0 && n < 36500 {
			return nil
		}
	}
	if *to, err = time.ParseDuration(value); err != nil || *to <= 0 {
		return errors.New("want a time, such as 30s, 24h or 7d")
	}
	return nil
}

// units of sizes, longest first. A thousand has 1024 here.
var units = []struct {
	name   string
	factor int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10},
	{"kB", 1 << 10}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"k", 1 << 10}, {"B", 1}, {"", 1},
}

func size(to *int64, value string) error {
	for _, unit := range units {
		digits, ok := strings.CutSuffix(value, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n <= 0 || n > (1<<62)/unit.factor {
			break
		}
		*to = n * unit.factor
		return nil
	}
	return errors.New("want a size, such as 64MB or 1GB")
}
