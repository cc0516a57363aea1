package tracee

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/policy"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/tracer"
)

// Change is what a Run goes on with. Between two events, all of it takes the place of what was there; no event is lost or
// comes twice.
type Change struct {
	Events   []*events.Event
	Filter   *filter.Filter
	Needs    filter.Needs
	Policies *policy.Set
	Packets  bool          // findings may ask for the last packets of processes, if Config has evidence captured at all
	Rules    *rules.Change // of Config.Engine; nil: it stays as it is

	// Attach says that other programs are needed. They are attached before those that are there go.
	Attach bool
	// Applied is called when the change is in force, on the goroutine of Run, with the tracer that is read from now on. It
	// must not wait.
	Applied func(*tracer.Tracer)
}

// Control changes a Run, whose Config names it. The zero value is ready; it is for one Run. The package knows of no file:
// whoever has a Control decides when and what.
type Control struct {
	mu      sync.Mutex // one change at a time
	state   sync.Mutex
	run     *run // nil: it has not begun, or has ended
	pending *pendingChange
}

// pendingChange waits for the stream to come to it.
type pendingChange struct {
	Change
	tracer *tracer.Tracer // nil: the one that is there stays
	done   chan error
}

// ErrEnded says that there is nothing to change any more, or not yet.
var ErrEnded = errors.New("nothing is traced")

// Apply puts a change in force, and returns when it is. An error means that everything is as it was.
func (c *Control) Apply(ctx context.Context, change Change) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Lock()
	r := c.run
	c.state.Unlock()
	if r == nil {
		return ErrEnded
	}
	if err := r.checkPackets(change.Events); err != nil {
		return err
	}
	p := &pendingChange{Change: change, done: make(chan error, 1)}
	if change.Attach {
		var err error
		if p.tracer, err = r.attach(change); err != nil {
			return fmt.Errorf("attach other programs: %w", err)
		}
	}
	err := c.await(ctx, p)
	if err != nil && p.tracer != nil {
		err = errors.Join(err, p.tracer.Close())
	}
	return err
}

// attach makes a tracer that is to follow the one that there is. It has to see what that one sees.
func (r *run) attach(change Change) (*tracer.Tracer, error) {
	artifacts := r.Capture
	artifacts.EvidencePackets = change.Packets
	config := r.tracerConfigOf(change.Events, change.Filter, change.Needs, artifacts)
	config.Predecessor = r.tracer // only a change, and there is one at a time, replaces it
	t, err := tracer.New(config)
	if err != nil {
		return nil, err
	}
	seen := map[*events.Event]bool{}
	for _, a := range r.tracer.Attachments() {
		seen[a.Event] = a.Attached
	}
	for _, a := range t.Attachments() {
		if seen[a.Event] && !a.Attached {
			return nil, errors.Join(fmt.Errorf("event %s can not be attached any more: %w", a.Event.Name, a.Err), t.Close())
		}
	}
	return t, nil
}

// await hands a change over to the stream, and waits until it is in force.
func (c *Control) await(ctx context.Context, p *pendingChange) error {
	c.state.Lock()
	if c.run == nil {
		c.state.Unlock()
		return ErrEnded
	}
	c.pending = p
	c.state.Unlock()
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
	}
	if c.take() == p { // nobody has begun with it
		return ctx.Err()
	}
	return <-p.done
}

// take returns the change that waits, which is the caller's then.
func (c *Control) take() *pendingChange {
	c.state.Lock()
	defer c.state.Unlock()
	p := c.pending
	c.pending = nil
	return p
}

// begin lets changes in.
func (c *Control) begin(r *run) {
	if c == nil {
		return
	}
	c.state.Lock()
	defer c.state.Unlock()
	c.run = r
}

// end refuses changes, those that wait and one that was not finished, and waits until what was replaced is gone.
func (c *Control) end(r *run) {
	if c == nil {
		return
	}
	c.state.Lock()
	c.run = nil
	c.state.Unlock()
	for _, p := range []*pendingChange{c.take(), r.next} {
		if p != nil {
			p.done <- ErrEnded
		}
	}
	r.closing.Wait()
}

// successor is called between events: it puts a change in force, or gives the tracer that is to go on.
func (r *run) successor() *tracer.Tracer {
	p := r.Control.take()
	if p == nil {
		return nil
	}
	if p.tracer == nil {
		r.apply(p)
		return nil
	}
	r.next = p
	return p.tracer
}

// succeeded is called at the cut, before the first event of another tracer.
func (r *run) succeeded(next *tracer.Tracer) {
	old := r.tracer
	r.past = r.past.Add(old.Stats())
	r.tracer = next
	r.setCopied(next)
	p := r.next
	r.next = nil
	r.apply(p)
	r.closing.Go(func() {
		if err := old.Close(); err != nil {
			r.Log.Warn("programs that were replaced are not all gone", "error", err)
		}
		debug.FreeOSMemory() // to load took several times what is needed from here on
	})
}

func (r *run) apply(p *pendingChange) {
	r.Events, r.Filter, r.Needs, r.Policies = p.Events, p.Filter, p.Needs, p.Policies
	r.want()
	r.Capture.EvidencePackets = p.Packets
	if r.capturer != nil {
		if err := r.capturer.Remember(r.Capture.Remembers()); err != nil {
			r.Log.Warn("packets are not remembered", "error", err)
		}
	}
	r.containers.Change(p.Events, p.Filter)
	r.deriver.Change(p.Events, p.Filter)
	if r.packets != nil {
		r.packets.Change(p.Events, p.Filter)
	}
	r.usePolicies()
	if p.Rules != nil {
		r.Engine.Apply(p.Rules)
	}
	if p.Applied != nil {
		p.Applied(r.tracer)
	}
	p.done <- nil
}
