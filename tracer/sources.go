package tracer

import (
	"strings"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/types/trace"
)

// sources are what only the start needs to know of the kernel. Each is read once, for all who ask.
type sources struct {
	cache   *btf.Cache // of the kernel's types
	symbols func() (*kallsyms.Table, error)
	lacks   func(trace.Rung) error // why the kernel has no programs of a rung

	reading sync.WaitGroup
}

// newSources returns sources of which nothing is read yet, for loading programs of all rungs.
func newSources() *sources {
	return &sources{
		cache:   btf.NewCache(),
		symbols: sync.OnceValues(kallsyms.Read),
		lacks:   func(trace.Rung) error { return nil },
	}
}

// begin reads ahead, beside its caller, the symbols that events need.
func (s *sources) begin(c *Config, scans bool) {
	for _, e := range c.Events {
		if e == events.PrintProcFops || scans && e.Scanned {
			s.reading.Go(func() { _, _ = s.symbols() }) // who asks is told of errors
			return
		}
	}
}

// wait ends when nothing is read any more.
func (s *sources) wait() { s.reading.Wait() }

// rungSections are the rungs whose programs are in sections of their own, by how the names of those begin.
var rungSections = map[string]trace.Rung{
	"lsm": trace.LSM, "fentry": trace.Fentry, "fexit": trace.Fentry, "kprobe": trace.Kprobe, "kretprobe": trace.Kprobe,
}

// useless says whether the kernel can have none of the programs of a section.
func (s *sources) useless(section string) bool {
	kind, _, _ := strings.Cut(section, "/")
	rung, known := rungSections[kind]
	return known && s.lacks(rung) != nil
}
