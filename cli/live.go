package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/tracee-go/tracee"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/detect"
)

// liveKeys are the settings that a running tracee takes over. The others are for its start.
var liveKeys = []string{"rules", "rules-dir", "strict", "repeats", "trace", "evidence", "policy"}

// lookInterval is how often files are looked at. One that changed is read when it has not changed for that long.
const lookInterval = time.Second

// live reloads the settings of a running tracee. It belongs to one goroutine, but for its counters.
type live struct {
	c       *traceeCommand // whose policies and level of evidence are those in force
	args    []string
	control tracee.Control
	engine  *rules.Engine
	plan    plan // in force
	known   map[string]knownSignature
	loaded  map[string]string // hashes of the files, from before they were loaded

	hangup      chan os.Signal
	files       liveFiles
	seen, tried string // states of the files: last seen, last read

	mu            sync.Mutex
	done, failed  uint64
	succeeded     time.Time
	configuration string // hash of what is in force
}

// knownSignature is one that was loaded, with the hash of its file.
type knownSignature struct {
	hash      string
	signature detect.Signature
}

// newLive makes what will reload the settings of a command. It is made before the files are loaded, so that it misses no
// change of them.
func (c *traceeCommand) newLive(args []string) *live {
	l := &live{c: c, args: args, files: c.files(), hangup: make(chan os.Signal, 1), succeeded: time.Now()}
	l.tried = l.files.state()
	l.loaded = l.files.hashes()
	l.configuration = digest(l.loaded)
	if !terminal(c.stdout) { // whose end is a hangup too
		signal.Notify(l.hangup, syscall.SIGHUP)
	}
	return l
}

// run reloads when a file changes, or a signal says so, until the context ends.
func (l *live) run(ctx context.Context) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.hangup:
			l.tried = l.files.state()
			l.reload(ctx)
		case <-ticker.C:
			state := l.files.state()
			if state == l.seen && state != l.tried {
				l.tried = state
				l.reload(ctx)
			}
			l.seen = state
		}
	}
}

// reload puts in force what the files say now, if there is nothing wrong with it.
func (l *live) reload(ctx context.Context) {
	start := time.Now()
	next := &traceeCommand{stdout: l.c.stdout, stderr: l.c.stderr, log: l.c.log}
	l.loaded = l.files.hashes()
	programs, err := l.apply(ctx, next)
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed++
		fmt.Fprintf(l.c.stderr, "tracee: the configuration was not reloaded, what was in force stays: %v\n", err)
		return
	}
	l.done++
	l.succeeded, l.configuration = time.Now(), digest(l.loaded)
	fmt.Fprintf(l.c.quietly(), "tracee: the configuration was reloaded: %s, programs %s; in %d ms\n",
		count(uint64(len(l.engine.Signatures())), "signature"), programs, time.Since(start).Milliseconds())
}

// apply says what became of the programs.
func (l *live) apply(ctx context.Context, next *traceeCommand) (programs string, err error) {
	if _, err := next.parse(l.args); err != nil {
		return "", err
	}
	l.warnOfStart(next)
	before := l.files
	l.files = before.with(next.files())            // what is wrong may be mended in either
	next.destinations.list = l.c.destinations.list // those that are open
	shared := next.rules()
	shared.whole = true
	loaded, err := shared.loadSignatures()
	if err != nil {
		return "", err
	}
	loaded, known := l.keepUnchanged(loaded, shared.files)
	if next.policies, err = next.loadPolicies(loaded); err != nil {
		return "", err
	}
	l.evidence(next)
	change, refused := l.engine.Prepare(rules.Config{
		Signatures: next.policies.signatures(loaded), Exceptions: shared.exceptions, Files: shared.files, Repeats: next.repeats,
	})
	if err = errors.Join(refused...); err == nil {
		programs, err = l.put(ctx, next, change)
	}
	if err != nil {
		l.engine.Drop(change)
		return "", err
	}
	if l.known, l.files = known, next.files(); slices.Equal(l.files, before) {
		return programs, nil
	}
	l.seen, l.tried = "", l.files.state()
	return programs, nil
}

// put puts a change in force, with other programs if those that are there are not what is asked for now.
func (l *live) put(ctx context.Context, next *traceeCommand, change *rules.Change) (programs string, err error) {
	p, err := next.plan(change, l.c.destinations.set)
	if err != nil {
		return "", err
	}
	attach := !l.plan.same(&p)
	err = l.control.Apply(ctx, tracee.Change{
		Events: p.events, Filter: p.filter, Needs: p.needs, Policies: next.policies.set, Packets: p.packets, Rules: change,
		Attach: attach,
		Applied: func(t *tracer.Tracer) {
			next.policies.before = l.c.policies.excepted()
			l.c.policies, l.c.evidence.level = next.policies, next.evidence.level
			l.c.destinations.set.UsePolicies(l.c.policies.of)
			l.c.view.follow(t)
		},
	})
	if err != nil {
		return "", err
	}
	l.plan = p
	return map[bool]string{true: "replaced", false: "kept"}[attach], nil
}

// same says that another plan is fulfilled by the same programs.
func (p *plan) same(other *plan) bool {
	return slices.Equal(p.events, other.events) && slices.Equal(p.flags, other.flags) && p.packets == other.packets &&
		reflect.DeepEqual(p.needs, other.needs)
}

// keepUnchanged puts signatures that run, of files that are the same, in the place of those that were loaded now, so that
// they keep what they remember. The hashes are from before the files were loaded: a file that changed since counts as
// another one the next time.
func (l *live) keepUnchanged(loaded []detect.Signature, files map[detect.Signature]rules.Place) ([]detect.Signature, map[string]knownSignature) {
	known := map[string]knownSignature{}
	running := l.engine.Loaded()
	for i, s := range loaded {
		id, hash := idOf(s), hashOf(s, files, l.loaded)
		if before, ok := l.known[id]; ok && before.hash == hash && slices.Contains(running, before.signature) {
			if where, ok := files[s]; ok {
				files[before.signature] = where
			}
			loaded[i] = before.signature
		}
		known[id] = knownSignature{hash, loaded[i]}
	}
	return loaded, known
}

// hashOf is that of the file of a signature, for Rego of all such files: they import each other.
func hashOf(s detect.Signature, files map[detect.Signature]rules.Place, hashes map[string]string) string {
	path := fileOf(s)
	if where, ok := files[s]; ok {
		path = where.Path
	}
	switch {
	case path == "":
		return "built in"
	case filepath.Ext(path) != ".rego":
		return path + hashes[path]
	}
	rego := map[string]string{}
	for other, hash := range hashes {
		if filepath.Ext(other) == ".rego" {
			rego[other] = hash
		}
	}
	return path + digest(rego)
}

// warnOfStart tells of settings that changed and count at the next start only.
func (l *live) warnOfStart(next *traceeCommand) {
	before := map[string]string{}
	l.c.given.VisitAll(func(f *pflag.Flag) { before[f.Name] = f.Value.String() })
	next.given.VisitAll(func(f *pflag.Flag) {
		if before[f.Name] != f.Value.String() && !slices.Contains(liveKeys, f.Name) {
			l.c.log.Warn("setting takes effect at the next start", "key", f.Name)
		}
	})
}

// evidence takes over where artifacts go, and whether there are any at all, which the start decided.
func (l *live) evidence(next *traceeCommand) {
	if (next.capture.Evidence || next.policies.evidence()) && !l.c.capture.Evidence {
		l.c.log.Warn("evidence is kept from the next start on: nothing was to be kept when this one began")
	}
	next.capture = l.c.capture
}

// header tells whoever asks for the health.
func (l *live) header(h http.Header) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h.Set("Tracee-Configuration", l.configuration)
	h.Set("Tracee-Reloads", fmt.Sprintf("%d done, %d failed", l.done, l.failed))
	h.Set("Tracee-Reloaded", l.succeeded.UTC().Format(time.RFC3339))
}

// metrics are those of reloading.
func (l *live) metrics() prometheus.Collector {
	type numbers struct {
		done, failed uint64
		succeeded    time.Time
		hash         string
	}
	snapshot := func() numbers {
		l.mu.Lock()
		defer l.mu.Unlock()
		return numbers{l.done, l.failed, l.succeeded, l.configuration}
	}
	return counted[numbers]{snapshot, []measure[numbers]{
		metric("tracee_reloads_total", "changes of the configuration that were put in force", prometheus.CounterValue,
			func(n numbers) uint64 { return n.done }),
		metric("tracee_reloads_failed_total", "changes of the configuration that were refused", prometheus.CounterValue,
			func(n numbers) uint64 { return n.failed }),
		metric("tracee_reload_success_timestamp_seconds", "when the configuration was last put in force", prometheus.GaugeValue,
			func(n numbers) uint64 { return uint64(n.succeeded.Unix()) }),
		{
			prometheus.NewDesc("tracee_configuration_info", "hash of the files that are in force", []string{"hash"}, nil),
			prometheus.GaugeValue,
			func(n numbers, tell func(float64, ...string)) { tell(1, n.hash) },
		},
	}}
}
