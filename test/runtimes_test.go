package test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tracee-go/tracee"
	"github.com/tracee-go/tracee/container"
	"github.com/tracee-go/tracee/container/runtimes"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/internal/cgroup"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// failures are what can be wrong with a runtime. Each is given the listener of its socket.
var failures = map[string]func(t *testing.T, l *net.UnixListener){
	"missing": func(_ *testing.T, l *net.UnixListener) { l.Close() },
	"refusing": func(_ *testing.T, l *net.UnixListener) {
		l.SetUnlinkOnClose(false)
		l.Close()
	},
	"hanging": func(t *testing.T, l *net.UnixListener) { t.Cleanup(func() { l.Close() }) },
	"lying": func(t *testing.T, l *net.UnixListener) {
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"Id":"`+strings.Repeat("0", 64)+`","Name":"/another","Config":{"Image":"another:1"}}`)
		})}
		go func() { _ = server.Serve(l) }()
		t.Cleanup(func() { server.Close() })
	},
}

// TestARuntimeThatFailsCostsNamesAndOneWarning makes containers of a runtime that does not tell about them.
func TestARuntimeThatFailsCostsNamesAndOneWarning(t *testing.T) {
	tree, err := cgroup.Find()
	if err != nil {
		t.Skip(err)
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			socket := shortDir(t) + "/s"
			listener, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			fail(t, listener.(*net.UnixListener))
			c := watchContainers(t, runtimes.Socket{Runtime: cgroup.Docker, Path: socket})
			for i := range 3 {
				id := containerID(os.Getpid() + i<<24)
				dir := filepath.Join(tree.Root, "docker-"+id+".scope")
				if err := makeGroup(dir); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { removeGroup(t, dir) })
				waitFor(t, "container_create", func() bool {
					return strings.TrimSpace(strings.Join(aboutContainer(c.all(), id), "\n")) == "container_create docker"
				})
			}
			warnings := func() int { return strings.Count(c.log.String(), "runtime=docker") }
			counted := []runtimes.Unnamed{{Runtime: cgroup.Docker, Path: socket, Failed: 3}}
			waitFor(t, "all three to be counted", func() bool { return slices.Equal(c.progress.Summary().Unnamed, counted) })
			c.stop()
			if err := <-c.done; err != nil || warnings() != 1 || !strings.Contains(c.log.String(), socket) {
				t.Errorf("%v, %d warnings, want 1 that names the socket: %s", err, warnings(), &c.log)
			}
		})
	}
}

// watching is a run that is to name containers.
type watching struct {
	*capturing
	progress tracee.Progress
}

// watchContainers runs tracee, which is to ask a runtime for names.
func watchContainers(t *testing.T, socket runtimes.Socket) *watching {
	t.Helper()
	scope, err := filter.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	c := &watching{capturing: &capturing{t: t, stop: stop, done: make(chan error, 1)}}
	ready := make(chan struct{})
	go func() {
		_, err := tracee.Run(ctx, tracee.Config{
			Events: []*events.Event{events.ContainerCreate}, Filter: scope, NameContainers: true, ContainerWait: container.Wait, Runtimes: []runtimes.Socket{socket},
			Printer: c, Log: slog.New(slog.NewTextHandler(&c.log, nil)),
			Progress: &c.progress, Ready: func(*tracer.Tracer) error { close(ready); return nil },
		})
		c.done <- err
	}()
	select {
	case <-ready:
	case err := <-c.done:
		t.Fatal(err)
	}
	return c
}

// all are the events so far.
func (c *capturing) all() []*trace.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}
