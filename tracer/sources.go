package tracer

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/tracee-go/tracee/bpf"
	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/types/trace"
)

// Ahead is what New will want to know of the kernel whatever is traced. To read it takes a while.
type Ahead struct{ sources atomic.Pointer[sources] }

// ReadAhead begins to read, beside its caller, who has something else to do before New. The first New that is given it uses it; what
// can not be read is told there.
func ReadAhead() *Ahead {
	s := newSources()
	s.reading.Go(func() { _, _ = s.object() })
	a := &Ahead{}
	a.sources.Store(s)
	return a
}

// take returns what is read ahead, once: it is worth some megabytes.
func (a *Ahead) take() *sources {
	if a != nil {
		if s := a.sources.Swap(nil); s != nil {
			return s
		}
	}
	return newSources()
}

// sources are what only the start needs to know. Each is read once, when somebody asks first.
type sources struct {
	cache   *btf.Cache // of the kernel's types
	rungs   *rungs
	types   func() (*btf.Spec, error)
	object  func() (*object, error)
	symbols func() (*kallsyms.Table, error)

	reading sync.WaitGroup
}

// object is the BPF object that is right for this kernel.
type object struct {
	*bpf.Object
	callbacks bool // the kernel calls functions of programs
}

func newSources() *sources {
	s := &sources{cache: btf.NewCache(), rungs: &rungs{}, symbols: sync.OnceValues(kallsyms.Read)}
	s.types = sync.OnceValues(func() (*btf.Spec, error) { return kernelTypes(s.cache) })
	s.object = sync.OnceValues(s.readObject)
	return s
}

// readSymbols begins to read the kernel's symbols, beside its caller, if an event needs them.
func (s *sources) readSymbols(c *Config, scans bool) {
	for _, e := range c.Events {
		if e == events.PrintProcFops || scans && e.Scanned {
			s.reading.Go(func() { _, _ = s.symbols() })
			return
		}
	}
}

// wait ends when nothing is read any more.
func (s *sources) wait() { s.reading.Wait() }

func (s *sources) readObject() (*object, error) {
	types, err := s.types()
	if err != nil {
		return nil, err
	}
	// Charged to RLIMIT_MEMLOCK before Linux 5.11 only, so a failure is no reason to stop.
	_ = rlimit.RemoveMemlock()
	callbacks := hasHelper(types, "BPF_FUNC_loop")
	opened, err := bpf.Open(callbacks)
	if err != nil {
		return nil, fmt.Errorf("read the embedded BPF object: %w", err)
	}
	return &object{opened, callbacks}, nil
}

// rungSections are the rungs whose programs are in sections of their own, by how the names of those begin.
var rungSections = map[string]trace.Rung{
	"lsm": trace.LSM, "fentry": trace.Fentry, "fexit": trace.Fentry, "kprobe": trace.Kprobe, "kretprobe": trace.Kprobe,
}

// useless says whether the kernel can have none of the programs of a section.
func (s *sources) useless(section string) bool {
	kind, _, _ := strings.Cut(section, "/")
	rung, known := rungSections[kind]
	return known && s.rungs.lack(rung, s.cache) != nil
}

// hasHelper reports whether the kernel has a BPF helper, by the same fact as the programs.
func hasHelper(types *btf.Spec, name string) bool {
	var helpers *btf.Enum
	if err := types.TypeByName("bpf_func_id", &helpers); err != nil {
		return false
	}
	return slices.ContainsFunc(helpers.Values, func(v btf.EnumValue) bool { return v.Name == name })
}

// standIn is the file that stands in for the kernel's BTF, "" if none does.
func standIn() string { return os.Getenv("TRACEE_BTF_FILE") }

// kernelTypes reads the kernel's BTF, or the file that stands in for it.
func kernelTypes(cache *btf.Cache) (*btf.Spec, error) {
	path := standIn()
	if path == "" {
		types, err := cache.Kernel()
		if err != nil {
			return nil, fmt.Errorf("read the kernel's type information: %w", err)
		}
		return types, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("TRACEE_BTF_FILE: %w", err)
	}
	defer file.Close()
	types, err := btf.LoadSpecFromReader(file)
	if err != nil {
		return nil, fmt.Errorf("TRACEE_BTF_FILE %s is not a BTF file: %w", path, err)
	}
	return types, nil
}
