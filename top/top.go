// Package top is a calm live view of a run of tracee: how many events of which kind and of whom, what was found, what was
// lost, and what watching costs.
//
// Start from Counter, which the stream fills, and Run, which shows it on a terminal until somebody leaves. Counter costs the
// stream a lock and two look-ups for each event, whoever looks; View turns what was counted into lines, and knows nothing of
// terminals. At most four times a second the screen is drawn, and twenty times while keys are typed. Texts that programs
// chose are escaped before they are shown.
package top

import (
	"slices"
	"sync"
	"time"

	"github.com/tracee-go/tracee/output"
	"github.com/tracee-go/tracee/rules/lineage"
	"github.com/tracee-go/tracee/types/trace"
)

// Finding is one that was found, as it is to be shown.
type Finding struct {
	Time                        time.Time
	Severity, ID, Name, Process string
	Details                     []string // lines, when it is opened, in which nothing drives a terminal any more
}

const (
	maxFindings  = 500  // that are kept
	maxProcesses = 4096 // that are counted at a time
	maxMessages  = 200
)

// Counter counts what the stream brings. It is an output.Printer, so that it stands at the end of the stream.
type Counter struct {
	mu        sync.Mutex
	events    map[int]*count
	processes map[lineage.Key]*count
	total     uint64
	others    uint64 // events of processes for which there was no room
	findings  []Finding
	found     map[string]uint64 // by severity
	messages  []string
}

// count is what of one kind was seen since somebody looked.
type count struct {
	name string
	pid  int
	n    uint64
}

var _ output.Printer = (*Counter)(nil)

// NewCounter returns one that has seen nothing.
func NewCounter() *Counter {
	return &Counter{events: map[int]*count{}, processes: map[lineage.Key]*count{}, found: map[string]uint64{}}
}

// Print counts an event.
func (c *Counter) Print(e *trace.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total++
	k, ok := c.events[e.EventID]
	if !ok {
		k = &count{name: e.EventName}
		c.events[e.EventID] = k
	}
	k.n++
	key := lineage.KeyOf(e)
	if key == 0 {
		return nil
	}
	p, ok := c.processes[key]
	if !ok {
		if len(c.processes) >= maxProcesses {
			c.others++
			return nil
		}
		p = &count{pid: e.HostProcessID}
		c.processes[key] = p
	}
	p.n++
	p.name = e.ProcessName
	return nil
}

// Preamble, Flush, Epilogue and Close have nothing to do: the view draws when it is time to.
func (c *Counter) Preamble() error             { return nil }
func (c *Counter) Flush() error                { return nil }
func (c *Counter) Epilogue(output.Stats) error { return nil }
func (c *Counter) Close() error                { return nil }

// Found notes a finding. The oldest ones are forgotten.
func (c *Counter) Found(f Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found[f.Severity]++
	if len(c.findings) >= maxFindings {
		c.findings = append(c.findings[:0], c.findings[maxFindings/10:]...)
	}
	c.findings = append(c.findings, f)
}

// Say notes a message, which would otherwise disturb the screen.
func (c *Counter) Say(message string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.messages) >= maxMessages {
		c.messages = c.messages[1:]
	}
	c.messages = append(c.messages, message)
}

// taken is what was counted in a while.
type taken struct {
	events    map[int]*count
	processes map[lineage.Key]*count
	total     uint64
	findings  []Finding
	found     map[string]uint64
	message   string
}

// Findings returns those that are kept, oldest first.
func (c *Counter) Findings() []Finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.findings)
}

// Messages returns those that are kept, and forgets them.
func (c *Counter) Messages() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	messages := c.messages
	c.messages = nil
	return messages
}

// take returns what was counted since it was called last, and all findings.
func (c *Counter) take() taken {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := taken{events: c.events, processes: c.processes, total: c.total, found: map[string]uint64{}}
	t.findings = append(t.findings, c.findings...)
	for severity, n := range c.found {
		t.found[severity] = n
	}
	if n := len(c.messages); n > 0 {
		t.message = c.messages[n-1]
	}
	c.events, c.processes = make(map[int]*count, len(t.events)), make(map[lineage.Key]*count, len(t.processes))
	return t
}
