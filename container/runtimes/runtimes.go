// Package runtimes asks container runtimes what they call a container: its name, image and pod.
//
// Start from New and Client. Every runtime has a goroutine and a bounded queue of its own, and a time in which it has to
// answer; one that is missing, refuses, hangs or says nonsense costs its containers their names, and one warning for as
// long as the client lives, whatever it does in between: what follows is counted (Unnamed). Files
// that a runtime keeps on disk are read before it is asked over its socket: they are there as long as the container is,
// and quick. What a runtime says is bounded in size, and taken only if it is about the container that was asked for.
package runtimes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tracee-go/tracee/internal/cgroup"
)

// Details are what only the runtime knows of a container. What it does not know is empty.
type Details struct {
	Name   string
	Image  string // as people call it
	Digest string // of the image

	PodName, PodNamespace, PodUID string
}

// Socket is where a runtime answers.
type Socket struct{ Runtime, Path string }

// source is a runtime, which one goroutine asks. It is prepared once, ahead of all questions; whether that worked, the
// questions show.
type source interface {
	prepare(ctx context.Context) error
	describe(ctx context.Context, c cgroup.Container) (Details, error)
	close()
}

// errUnknown says that the runtime has no such container: it may be another's, or come later.
var errUnknown = errors.New("the runtime does not know the container")

// kinds are the runtimes that can be asked, with where they answer by custom.
var kinds = []struct {
	name, path string
	names      []string // how users may write it
	open       func(path string) source
}{
	{cgroup.Docker, "/var/run/docker.sock", []string{"docker"}, newDocker},
	{cgroup.Containerd, "/var/run/containerd/containerd.sock", []string{"containerd"}, newContainerd},
	{cgroup.CRIO, "/var/run/crio/crio.sock", []string{"crio", "cri-o"}, newCRIO},
	{cgroup.Podman, "/var/run/podman/podman.sock", []string{"podman"}, newPodman},
}

// Parse reads a value of --crs.
func Parse(value string) (Socket, error) {
	name, path, ok := strings.Cut(value, ":")
	if !ok || strings.Contains(path, ":") || path == "" {
		return Socket{}, fmt.Errorf("failed to parse container flags (must be of format {runtime}:{socket path}): %q", value)
	}
	for _, k := range kinds {
		if !slices.Contains(k.names, name) {
			continue
		}
		if err := checkSocket(path); err != nil {
			return Socket{}, fmt.Errorf("failed to register runtime socket, %w", err)
		}
		return Socket{k.name, path}, nil
	}
	return Socket{}, fmt.Errorf("provided unsupported container runtime %q (see --crs help for supported runtimes)", name)
}

func checkSocket(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s is not a socket", path)
	}
	return nil
}

// Names are the runtimes that Parse knows.
func Names() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.names...)
	}
	return names
}

// Help is the text of --crs help.
func Help() string {
	var b strings.Builder
	b.WriteString("Name the sockets of container runtimes, for --containers: runtime:/path/to/socket. May be repeated.\n" +
		"Without, those are asked that answer where they do by custom:\n\n")
	for _, k := range kinds {
		fmt.Fprintf(&b, "  %-14s %s\n", strings.Join(k.names, ", "), k.path)
	}
	b.WriteString("\nExample:\n  --containers --crs crio:/var/run/crio/crio.sock\n")
	return b.String()
}

// Answer is what came of a question. Err tells why there are no details.
type Answer struct {
	ID      string
	Runtime string // that answers
	Details
	Err  error
	Took time.Duration // since it was asked
}

// Client asks runtimes.
type Client struct {
	asked   []*asked
	custom  bool      // those are asked that answer where they do by custom
	looked  time.Time // when it was last looked which these are
	log     *slog.Logger
	missing []Unnamed // runtimes that have containers, and that nobody can be asked of: of which it was warned
	answers chan Answer
	until   context.Context
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// asked is one runtime with its queue.
type asked struct {
	Socket
	source    source
	questions chan question
	log       *slog.Logger
	warned    bool // it has failed before
	unnamed   unnamed
}

type question struct {
	about cgroup.Container
	since time.Time
	tries int
}

const (
	timeout   = 2 * time.Second        // of one question
	queued    = 1024                   // questions to one runtime
	retries   = 4                      // a container that the runtime does not know yet
	retryWait = 100 * time.Millisecond // the first time; each further one is twice as long

	lookInterval = time.Second // for runtimes that were not there, at most so often
)

// New makes a client that asks the given runtimes; if none is given, those that answer where they do by custom, now or later.
// Close it.
func New(sockets []Socket, log *slog.Logger) *Client {
	c := &Client{answers: make(chan Answer, queued), custom: len(sockets) == 0, log: log}
	c.until, c.stop = context.WithCancel(context.Background())
	for _, s := range sockets {
		for _, k := range kinds {
			if k.name == s.Runtime {
				c.add(s, k.open(s.Path))
			}
		}
	}
	if c.look(); len(c.asked) == 0 {
		log.Warn("no container runtime found: containers stay without names until there is one (--crs help)")
	}
	return c
}

func (c *Client) add(s Socket, by source) {
	a := &asked{Socket: s, source: by, questions: make(chan question, queued), log: c.log}
	c.asked = append(c.asked, a)
	c.done.Go(func() { a.run(c.until, c.answers) })
}

// look adds runtimes whose socket is now where it is by custom: an engine may begin after tracee. Podman is found without: it
// has none that must run.
func (c *Client) look() {
	if !c.custom || time.Since(c.looked) < lookInterval {
		return
	}
	c.looked = time.Now()
	for _, k := range kinds {
		there := checkSocket(k.path) == nil || k.name == cgroup.Podman && podmanIsThere()
		if there && !c.asks(k.name) {
			c.add(Socket{k.name, k.path}, k.open(k.path))
		}
	}
}

func (c *Client) asks(runtime string) bool {
	return slices.ContainsFunc(c.asked, func(a *asked) bool { return a.Runtime == runtime })
}

// Ask asks for a container, and returns how many answers there will be. It does not wait: when a queue is full, that
// runtime is not asked. Of containers of any name only containerd knows: two runtimes may have the same name for theirs.
func (c *Client) Ask(about cgroup.Container) int {
	if !c.asks(about.Runtime) {
		c.look()
	}
	n := 0
	for _, a := range c.asked {
		if about.Runtime != cgroup.Unknown && about.Runtime != a.Runtime {
			continue
		}
		if about.Named && (a.Runtime != cgroup.Containerd || about.Namespace == "") {
			continue
		}
		select {
		case a.questions <- question{about: about, since: time.Now()}:
			n++
		default:
			a.unnamed.failed.Add(1)
		}
	}
	if about.Runtime != cgroup.Unknown && !c.asks(about.Runtime) && c.miss(about.Runtime) {
		c.log.Warn("no socket of a container runtime is known: its containers stay without names (--crs help)", "runtime", about.Runtime)
	}
	return n
}

// Answers is where answers arrive, in no order.
func (c *Client) Answers() <-chan Answer { return c.answers }

// Close ends all questions.
func (c *Client) Close() {
	c.stop()
	c.done.Wait()
}

// run answers questions until the context ends.
func (a *asked) run(ctx context.Context, answers chan<- Answer) {
	defer a.source.close()
	limited, cancel := context.WithTimeout(ctx, timeout)
	_ = a.source.prepare(limited)
	cancel()
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-a.questions:
			details, err := a.ask(ctx, q.about)
			if errors.Is(err, errUnknown) && a.again(ctx, q) {
				continue
			}
			if ctx.Err() != nil { // it was not given its time
				return
			}
			a.count(q.about, err)
			select {
			case answers <- Answer{q.about.ID, a.Runtime, details, err, time.Since(q.since)}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// again puts a question back for later, unless it was tried often enough.
func (a *asked) again(ctx context.Context, q question) bool {
	if q.tries == retries || ctx.Err() != nil {
		return false
	}
	wait := retryWait << q.tries
	q.tries++
	time.AfterFunc(wait, func() {
		select {
		case a.questions <- q:
		default:
			a.unnamed.failed.Add(1)
		}
	})
	return true
}

// count notes what became of a question. That a container of an unknown runtime is another's is no failure.
func (a *asked) count(about cgroup.Container, err error) {
	switch {
	case err == nil:
	case !errors.Is(err, errUnknown):
		a.unnamed.failed.Add(1)
	case about.Runtime == a.Runtime:
		a.unnamed.unknown.Add(1)
	}
}

// ask gives the runtime its time, and warns when it fails for the first time.
func (a *asked) ask(ctx context.Context, about cgroup.Container) (Details, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	details, err := a.source.describe(limited, about)
	if err != nil && !errors.Is(err, errUnknown) && !a.warned && ctx.Err() == nil {
		a.warned = true
		a.log.Warn("container runtime does not tell about its containers: they stay without names, and from now on this is only counted",
			"runtime", a.Runtime, "socket", a.Path, "error", err)
	}
	return details.bounded(), err
}

// longest is what is taken of a text that a runtime says.
const longest = 4096

func (d Details) bounded() Details {
	for _, text := range []*string{&d.Name, &d.Image, &d.Digest, &d.PodName, &d.PodNamespace, &d.PodUID} {
		*text = strings.Clone((*text)[:min(len(*text), longest)])
	}
	return d
}

// Labels of Kubernetes, which docker and CRI runtimes give to containers.
const (
	labelContainer = "io.kubernetes.container.name"
	labelPod       = "io.kubernetes.pod.name"
	labelNamespace = "io.kubernetes.pod.namespace"
	labelUID       = "io.kubernetes.pod.uid"
)

func (d *Details) label(labels map[string]string) {
	d.PodName, d.PodNamespace, d.PodUID = labels[labelPod], labels[labelNamespace], labels[labelUID]
	if name := labels[labelContainer]; name != "" {
		d.Name = name
	}
}
