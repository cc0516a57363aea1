package test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tracee-go/tracee/container"
	"github.com/tracee-go/tracee/derive"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/process"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// patience is how long anything may take before a test fails. An emulated machine is many times slower.
const patience = 60 * time.Second

func itoa(n int) string { return strconv.Itoa(n) }

// hostName marks the children of this test run, and all their descendants, for the filter.
func hostName() string { return fmt.Sprintf("tracee-%d", os.Getpid()) }

// session is a running tracer that keeps what it sees.
type session struct {
	t       *testing.T
	tracer  *tracer.Tracer
	filter  *filter.Filter
	known   *container.Tracker
	derived *derive.Deriver
	stop    context.CancelFunc
	done    chan struct{}
	missed  atomic.Uint64 // programs that the kernel did not run

	mu     sync.Mutex
	grown  *sync.Cond
	events []*trace.Event
	ended  bool
}

// start traces the children of this test run, as the flags of --trace say, until the test ends. The end of a process
// is always among the events, once per ring: that is how it is known that no more will come.
func start(t *testing.T, config tracer.Config, flags ...string) *session {
	t.Helper()
	return startWith(t, config, nil, flags...)
}

// startWith is start with something to do for each event, on the reader's goroutine.
func startWith(t *testing.T, config tracer.Config, each func(*trace.Event), flags ...string) *session {
	t.Helper()
	f, err := filter.Parse(append([]string{"uts=" + hostName()}, flags...))
	if err != nil {
		t.Fatal(err)
	}
	config.Filter = f
	for _, e := range []*events.Event{events.SchedProcessExit, lookup("exit_group")} {
		if !slices.Contains(config.Events, e) {
			config.Events = append(slices.Clone(config.Events), e)
		}
	}
	running, err := tracer.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &session{
		t: t, tracer: running, filter: f, stop: stop, done: make(chan struct{}),
		known:   container.New(container.Config{Events: config.Events, Filter: f}),
		derived: derive.New(config.Events, f, nil),
	}
	s.grown = sync.NewCond(&s.mu)
	go s.collect(ctx, each)
	t.Cleanup(s.close)
	return s
}

func lookup(name string) *events.Event {
	e, ok := events.Lookup(name)
	if !ok {
		panic("no event called " + name)
	}
	return e
}

// collect reads events as the pipeline does: what the kernel could not decide is filtered here.
func (s *session) collect(ctx context.Context, each func(*trace.Event)) {
	defer close(s.done)
	for e := range s.derived.Stage(s.known.Stage(process.New(nil).Stage(s.tracer.Events(ctx)))) {
		if each != nil {
			each(e)
		}
		if e.EventID == events.LostEvents.ID {
			s.noteMissed(e)
		} else if !s.filter.Match(e) {
			continue
		}
		s.mu.Lock()
		s.events = append(s.events, e.Clone())
		s.mu.Unlock()
		s.grown.Broadcast()
	}
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.grown.Broadcast()
}

// halt ends the stream; what the rings hold is still delivered.
func (s *session) halt() {
	s.stop()
	<-s.done
}

// close ends the tracer, of which nothing may stay behind.
func (s *session) close() {
	s.halt()
	if err := s.tracer.Err(); err != nil {
		s.t.Errorf("reading: %v", err)
	}
	held := kernelObjects(s.t)
	if len(held) == 0 {
		s.t.Error("a running tracer has no BPF objects: the check for leaks is broken")
	}
	used = append(used, held...)
	if err := s.tracer.Close(); err != nil {
		s.t.Error(err)
	}
	if open := kernelObjects(s.t); len(open) > 0 {
		s.t.Errorf("descriptors left after Close: %v", open)
	}
}

// await waits until the condition holds for what has been seen so far; it is called with the lock held.
func (s *session) await(t testing.TB, what string, holds func([]*trace.Event) bool) {
	t.Helper()
	limit := time.Now().Add(patience)
	defer time.AfterFunc(patience, s.grown.Broadcast).Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !holds(s.events) {
		if s.ended || !time.Now().Before(limit) {
			t.Fatalf("%s: not seen within %s; stats: %+v", what, patience, s.tracer.Stats())
		}
		s.grown.Wait()
	}
}

// rungs tells how each event is observed.
func (s *session) rungs() map[string]trace.Rung {
	rungs := map[string]trace.Rung{}
	for _, a := range s.tracer.Attachments() {
		if a.Attached {
			rungs[a.Event.Name] = a.Rung
		}
	}
	return rungs
}

// run lets a child act and returns what it says, and what was seen of it and its descendants until its end.
func (s *session) run(c *child, count int) (findings, []*trace.Event) {
	s.t.Helper()
	c.t.Helper()
	c.release(count, s.rungs())
	found := c.finish()
	killed := !c.cmd.ProcessState.Exited()
	before, ended := s.missed.Load(), time.Now()
	defer time.AfterFunc(2*accounting, s.grown.Broadcast).Stop()
	s.await(c.t, "end of child "+itoa(c.pid), func(seen []*trace.Event) bool {
		if time.Since(ended) > 2*accounting && s.missed.Load() > before {
			c.t.Fatalf("end of child %d: not seen, and the kernel left out %d programs", c.pid, s.missed.Load()-before)
		}
		return hasEvent(seen, "sched_process_exit", c.pid) && (killed || hasEvent(seen, "exit_group", c.pid))
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	return found, slices.Clone(s.events)
}

// hasEvent looks from the end, where it is.
func hasEvent(seen []*trace.Event, name string, tid int) bool {
	for _, e := range slices.Backward(seen) {
		if e.EventName == name && e.HostThreadID == tid {
			return true
		}
	}
	return false
}
