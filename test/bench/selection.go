package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// A selection is what is traced.
type selection struct {
	name   string
	events []string // none: no tracing at all
	empty  bool     // instead of events, a program at sys_exit that does nothing: what no program can go below
}

// Selections that several sections use.
var (
	untraced = selection{name: "none"}
	floor    = selection{name: "floor: an empty program", empty: true}
	// defaultDetections are the events that the built-in signatures need.
	defaultDetections = selecting("default detections", "ptrace", "close", "dup", "dup2", "dup3", "execve",
		"mem_prot_alert", "sched_process_exec", "sched_process_exit", "security_file_open", "security_socket_connect")
	openings = selecting("openat + security_file_open", "openat", "security_file_open")
)

func selecting(name string, events ...string) selection { return selection{name: name, events: events} }

// tracing is a selection being traced by this process, its events consumed by a goroutine.
type tracing struct {
	tracer *tracer.Tracer
	empty  link.Link     // of the empty program
	ready  time.Duration // what it took to start
	cancel context.CancelFunc
	done   chan struct{}
}

// begin starts tracing; a selection of nothing gives a tracing that does nothing.
func (s selection) begin(consume func(*trace.Event)) (*tracing, error) {
	t := &tracing{cancel: func() {}, done: make(chan struct{})}
	if len(s.events) == 0 {
		close(t.done)
		return t, t.attachEmpty(s.empty)
	}
	var config tracer.Config
	for _, name := range s.events {
		e, ok := events.Lookup(name)
		if !ok {
			return nil, fmt.Errorf("no event %s", name)
		}
		config.Events = append(config.Events, e)
	}
	config.Required = config.Events
	return t, t.start(config, consume)
}

func (t *tracing) start(config tracer.Config, consume func(*trace.Event)) error {
	start := time.Now()
	var err error
	if t.tracer, err = tracer.New(config); err != nil {
		return err
	}
	t.ready = time.Since(start)
	var ctx context.Context
	ctx, t.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(t.done)
		for e := range t.tracer.Events(ctx) {
			consume(e)
		}
	}()
	return nil
}

func (t *tracing) attachEmpty(wanted bool) error {
	if !wanted {
		return nil
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "sys_exit", License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return fmt.Errorf("load an empty program: %w", err)
	}
	defer program.Close() // the link keeps it
	t.empty, err = link.AttachTracing(link.TracingOptions{Program: program})
	return err
}

// end stops tracing when all events have been consumed.
func (t *tracing) end() (tracer.Stats, error) {
	t.cancel()
	<-t.done
	if t.empty != nil {
		return tracer.Stats{}, t.empty.Close()
	}
	if t.tracer == nil {
		return tracer.Stats{}, nil
	}
	stats := t.tracer.Stats()
	if err := t.tracer.Err(); err != nil {
		return stats, err
	}
	return stats, t.tracer.Close()
}

func discard(*trace.Event) {}
