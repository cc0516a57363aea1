package container

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// slowDocker is an engine that answers about a container when it is told to.
func slowDocker(t *testing.T) (runtimes.Socket, chan<- struct{}) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	answer := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, rest, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
		switch kind {
		case "info":
			_, _ = io.WriteString(w, "{}")
		case "containers":
			<-answer
			id, _, _ := strings.Cut(rest, "/")
			fmt.Fprintf(w, `{"Id":%q,"Name":"/of-%.4s","Image":"sha256:1","Config":{"Image":"nginx"}}`, id, id)
		default:
			http.NotFound(w, r)
		}
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return runtimes.Socket{Runtime: "docker", Path: path}, answer
}

// steps is a stream that goes on when the test lets it.
type steps struct {
	t      *testing.T
	source chan *trace.Event
	seen   chan string
}

func step(t *testing.T, tracker *Tracker) *steps {
	s := &steps{t, make(chan *trace.Event), make(chan string, 100)}
	go func() {
		defer close(s.seen)
		for e := range tracker.Stage(func(yield func(*trace.Event) bool) {
			for e := range s.source {
				if !yield(e) {
					return
				}
			}
		}) {
			line := e.EventName + " of " + e.ContainerName + " " + e.ContainerImage
			if a, ok := e.Lookup("container_name"); ok {
				line = e.EventName + " about " + a.Text()
			}
			s.seen <- line
		}
	}()
	return s
}

func (s *steps) expect(want string) {
	s.t.Helper()
	if got := <-s.seen; got != want {
		s.t.Errorf("got %q, want %q", got, want)
	}
}

// make makes a container, and tells how long the stream waited.
func (s *steps) make(group uint64, id string) time.Duration {
	s.t.Helper()
	start := time.Now()
	s.source <- about(events.ContainerGroupMade, 1, group, "/docker/"+id, 0)
	<-s.seen // that itself
	s.expect("container_create about ")
	return time.Since(start)
}

// TestANameThatComesLateIsPending has a stream in which nothing happens after the container has been made.
func TestANameThatComesLateIsPending(t *testing.T) {
	socket, answer := slowDocker(t)
	tracker := New(Config{
		Events: []*events.Event{events.ContainerEnriched}, Log: slog.New(slog.DiscardHandler), Enrich: true, Sockets: []runtimes.Socket{socket},
		Wait: Wait,
	})
	var told []string
	var last *trace.Event
	for e := range tracker.Stage(func(yield func(*trace.Event) bool) {
		yield(about(events.ContainerGroupMade, 1, 10, "/docker/"+id, 0))
		if tracker.Pending() {
			t.Error("something is to be told before the runtime has answered")
		}
		answer <- struct{}{}
		for !tracker.Pending() {
			time.Sleep(time.Millisecond)
		}
		yield(within(10, 2))
		if tracker.Pending() {
			t.Error("something is to be told again")
		}
	}) {
		last = e
		if a, ok := e.Lookup("container_name"); ok {
			told = append(told, a.Text())
		}
	}
	if !slices.Equal(told, []string{"of-0123"}) {
		t.Errorf("told of %q", told)
	}
	if last.ContainerName != "of-0123" || last.ContainerImage != "nginx" || last.ContainerImageDigest != "sha256:1" || last.ContainerRuntime != "docker" {
		t.Errorf("of a process of the container: name %q, image %q, digest %q, runtime %q",
			last.ContainerName, last.ContainerImage, last.ContainerImageDigest, last.ContainerRuntime)
	}
}

func TestNamesAreWaitedForButNotForLong(t *testing.T) {
	socket, answer := slowDocker(t)
	s := step(t, New(Config{
		Events: []*events.Event{events.ContainerCreate, events.ContainerEnriched}, Log: slog.New(slog.DiscardHandler),
		Enrich: true, Sockets: []runtimes.Socket{socket}, Wait: Wait,
	}))
	if waited := s.make(10, id); waited < Wait || waited > Wait+10*time.Second {
		t.Errorf("the stream waited %s, want about %s", waited, Wait)
	}
	if waited := s.make(20, other); waited >= Wait {
		t.Errorf("the stream waited %s for a runtime that is known to be slow", waited)
	}
	s.source <- within(10, 2)
	s.expect("sched_process_exit of  ")
	for _, row := range []struct {
		group        uint
		told, follow string
	}{
		{10, "container_enriched about of-0123", "sched_process_exit of of-0123 nginx"},
		{20, "container_enriched about of-fedc", "sched_process_exit of of-fedc nginx"},
	} {
		answer <- struct{}{}
		for line := ""; line != row.told; time.Sleep(time.Millisecond) {
			s.source <- within(row.group, 3)
			line = <-s.seen
		}
		s.expect(row.follow)
	}
	close(s.source)
	for line := range s.seen {
		t.Errorf("not wanted: %s", line)
	}
}

func TestWaitsShareTheBound(t *testing.T) {
	const bound = time.Second
	h := hold{waited: bound / 4, end: 100}
	for _, row := range []struct {
		timestamp int
		left      time.Duration
	}{
		{100, bound * 3 / 4}, // it was there while others were waited for
		{1, bound * 3 / 4},
		{101, bound},
		{100, bound}, // whoever comes now was not there
	} {
		if left := h.left(bound, row.timestamp); left != row.left {
			t.Errorf("an event of time %d: %s left, want %s", row.timestamp, left, row.left)
		}
	}
}

// TestNobodyIsHeldBeyondTheBound has an engine that answers nothing.
func TestNobodyIsHeldBeyondTheBound(t *testing.T) {
	socket, _ := slowDocker(t)
	for _, row := range []struct {
		name         string
		bound, spent time.Duration
	}{
		{"the bound is used up", time.Hour, time.Hour},
		{"there is none", 0, 0},
	} {
		tracker := New(Config{Enrich: true, Sockets: []runtimes.Socket{socket}, Wait: row.bound})
		tracker.names.held = hold{waited: row.spent, end: 100}
		for range tracker.Stage(func(yield func(*trace.Event) bool) {
			yield(about(events.ContainerGroupMade, 1, 10, "/docker/"+id, 0))
			if n := tracker.names; n.held.waited != row.spent || n.tired || n.waiting[id] != 1 {
				t.Errorf("%s: %+v", row.name, n)
			}
		}) {
		}
	}
}

// TestWhoAnswersIsTheRuntime has a group whose name does not tell the runtime, as kubelet's driver "cgroupfs" makes it.
func TestWhoAnswersIsTheRuntime(t *testing.T) {
	socket, answer := slowDocker(t)
	close(answer)
	tracker := New(Config{Enrich: true, Sockets: []runtimes.Socket{socket}, Wait: time.Minute})
	for e := range tracker.Stage(func(yield func(*trace.Event) bool) {
		yield(about(events.ContainerGroupMade, 1, 10, "/kubepods/besteffort/pod1/"+id, 0))
		yield(within(10, 2))
	}) {
		if e.EventID != events.ContainerGroupMade.ID && e.ContainerRuntime != "docker" {
			t.Errorf("runtime %q", e.ContainerRuntime)
		}
	}
}
