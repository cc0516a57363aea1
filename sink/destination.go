// Package sink brings events and findings to where people want them: files, syslog, webhooks, collectors and brokers, several at
// once, each with a filter.
//
// Start from Parse, which reads what --output says of one Destination, and Open, which makes a Set of them. The Set is shown
// every event and finding, writes each once per format, and hands it to the queues of those who want it (internal/courier);
// from there on, nobody waits for anybody. A Set without destinations costs nothing.
//
// Each kind of destination is one file with a carrier and a row of kinds: what its URL looks like, and its parameters.
package sink

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/courier"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/sink/schema"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// Destination says where to, what, and how. Parse makes it; nothing is opened yet.
type Destination struct {
	Name   string // by which others refer to it; Parse makes it of the URL if none is given
	Format string // of schema.Formats

	// What is taken. Neither: what the command is for.
	Events, Findings bool
	// Severity is the least of findings that are taken, a place in detect.Severities; 0 takes unrated ones too.
	Severity int
	// Filter is what events, and the events of findings, have to pass; nil: all do.
	Filter *filter.Filter
	// Policies are those of which one must be matched; nil: none has to be.
	Policies []string

	kind    *kind
	scheme  string // one of its kind's
	address string // between :// and the first slash
	path    string // the slash and what follows
	queue   courier.Config
	options options
	filters []string
	passes  func(*trace.Event) bool
}

// options are what only some kinds know.
type options struct {
	size        int64         // of a file
	age         time.Duration // of a file
	keep        int           // how many files
	compress    bool
	headers     string // files
	credentials string
	tls         courier.TLS
	facility    int
	mechanism   string
	spillDir    string
}

// kind is a kind of destination.
type kind struct {
	schemes    []string // the first is the usual one
	form       string   // of the URL
	doc        string
	example    string
	parameters []parameter // beside the common ones
	format     string      // if none is given; empty: json
	batch      int         // if none is given
	check      func(*Destination) error
	open       func(*Destination, Config) (courier.Carrier, error)
}

// parameter is what can follow the question mark of a URL.
type parameter struct {
	name, value, doc string
	set              func(*Destination, string) error
}

// IsURL says whether a value of --output names a destination, rather than a format or an option.
func IsURL(value string) bool {
	scheme, _, ok := strings.Cut(value, "://")
	return ok && scheme != "" && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+") == ""
}

// Parse reads a destination as --output and configuration files have it: scheme://address/path?parameter=value&…
func Parse(text string) (*Destination, error) {
	d, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("invalid output %s: %w", text, err)
	}
	return d, nil
}

func parse(text string) (*Destination, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return nil, errors.New("want scheme://address, such as file:///var/log/tracee.json ('--output help' says more)")
	}
	k := lookupKind(scheme)
	if k == nil {
		return nil, fmt.Errorf("unknown scheme %s%s ('--output help' says more)", scheme, suggest.DidYouMean(scheme, schemes()))
	}
	where, query, _ := strings.Cut(rest, "?")
	d := &Destination{kind: k, scheme: scheme, Format: k.format, Name: scheme + "://" + where}
	d.queue.Batch = k.batch
	if strings.Contains(where, "@") {
		return nil, errors.New("credentials do not belong on a command line, which everybody can read: name a file, by headers= or credentials=")
	}
	if strings.ContainsAny(where, "#") {
		return nil, errors.New("# has no meaning here (write %23)")
	}
	d.address, d.path, _ = strings.Cut(where, "/")
	if strings.Contains(where, "/") {
		path, err := url.PathUnescape(d.path)
		if err != nil {
			return nil, err
		}
		d.path = "/" + path
	}
	if err := d.parseQuery(query); err != nil {
		return nil, err
	}
	if err := k.check(d); err != nil {
		return nil, fmt.Errorf("%w (want %s)", err, k.form)
	}
	return d, d.conclude()
}

// secure says that the scheme asks for TLS.
func (d *Destination) secure() bool {
	return strings.HasSuffix(d.scheme, "+tls") || strings.HasSuffix(d.scheme, "https") || strings.HasSuffix(d.scheme, "grpcs")
}

func (d *Destination) parseQuery(query string) error {
	known := slices.Concat(common, d.kind.parameters)
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, given := strings.Cut(pair, "=")
		value, err := url.PathUnescape(value) // + is a plus, which filters need
		if err != nil {
			return fmt.Errorf("%s: %w", pair, err)
		}
		i := slices.IndexFunc(known, func(p parameter) bool { return p.name == name })
		if i < 0 {
			names := make([]string, len(known))
			for i, p := range known {
				names[i] = p.name
			}
			return fmt.Errorf("unknown parameter %q%s; %s knows %s", name, suggest.DidYouMean(name, names), d.kind.schemes[0], strings.Join(names, ", "))
		}
		if !given || value == "" {
			return fmt.Errorf("%s has no value (write %s=%s)", name, name, known[i].value)
		}
		if err := known[i].set(d, value); err != nil {
			return fmt.Errorf("%s=%s: %w", name, value, err)
		}
	}
	return nil
}

// conclude looks at what parameters say together.
func (d *Destination) conclude() error {
	if d.Format == "" {
		d.Format = schema.Formats[0].Name
	}
	if d.queue.SpillMax > 0 && d.options.spillDir == "" {
		return errors.New("spill-size says how much, spill where: give both")
	}
	if len(d.filters) == 0 {
		return nil
	}
	f, err := filter.Parse(d.filters)
	if err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	if d.passes, err = f.Alone(); err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	d.Filter = f
	return nil
}

// Admits says whether the destination takes an event.
func (d *Destination) Admits(e *trace.Event) bool {
	if !d.Events {
		return false
	}
	if e.EventID == events.LostEvents.ID { // losses pass every filter
		return true
	}
	return d.ofPolicies(e.MatchedPolicies) && (d.passes == nil || d.passes(e))
}

// AdmitsFinding says whether the destination takes a finding at an event.
func (d *Destination) AdmitsFinding(f *detect.Finding, e *trace.Event) bool {
	if !d.Findings {
		return false
	}
	if detect.SeverityLevel(f.SigMetadata.Severity()) < d.Severity && d.Severity > 0 {
		return false
	}
	return d.ofPolicies(f.Policies) && (d.passes == nil || d.passes(e))
}

func (d *Destination) ofPolicies(matched []string) bool {
	return d.Policies == nil || slices.ContainsFunc(matched, func(name string) bool { return slices.Contains(d.Policies, name) })
}
