package tracer

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"github.com/tracee-go/tracee/types/trace"
)

// lsmPath lists the security modules that are in force.
const lsmPath = "/sys/kernel/security/lsm"

// rungProbes are the smallest programs of each rung: a kernel that refuses these refuses all of the rung, and asking it
// once is cheaper than loading every program in vain. They are attached to a function that every kernel has.
var rungProbes = map[trace.Rung]ebpf.ProgramSpec{
	trace.LSM:    {Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: "file_open"},
	trace.Fentry: {Type: ebpf.Tracing, AttachType: ebpf.AttachTraceFEntry, AttachTo: "security_file_open"},
	trace.Kprobe: {Type: ebpf.Kprobe, AttachTo: "security_file_open"},
	trace.Cgroup: {Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetIngress},
}

// probeRung tries a rung on this kernel. A nil error means that programs of the rung load, attach and are run.
func probeRung(rung trace.Rung, cache *btf.Cache) error {
	spec, ok := rungProbes[rung]
	if !ok {
		return nil
	}
	if rung == trace.LSM {
		if err := checkLSM(lsmPath); err != nil {
			return err
		}
	}
	spec.License = "GPL"
	spec.Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, verdict(rung)), asm.Return()}
	const name = "probe"
	alone := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{name: &spec}}
	collection, err := ebpf.NewCollectionWithOptions(alone, ebpf.CollectionOptions{Cache: cache})
	if err != nil {
		return fmt.Errorf("%s: %w", rung, explain(err))
	}
	defer collection.Close()
	attached, err := attachProgram(collection.Programs[name], &spec)
	if err != nil {
		return fmt.Errorf("%s: %w", rung, explain(err))
	}
	return attached.Close()
}

// verdict is what a program returns that decides nothing.
func verdict(rung trace.Rung) int32 {
	if rung == trace.Cgroup {
		return 1 // let it pass
	}
	return 0
}

// checkLSM tells whether BPF is among the modules in force: without, the kernel takes programs but never runs them.
func checkLSM(path string) error {
	list, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("lsm: %w", err)
	}
	if !slices.Contains(strings.Split(strings.TrimSpace(string(list)), ","), "bpf") {
		return errors.New("lsm: bpf is not among the security modules in force (boot with lsm=...,bpf)")
	}
	return nil
}

// attachProgram attaches a program to the hook that its specification names.
func attachProgram(program *ebpf.Program, spec *ebpf.ProgramSpec) (link.Link, error) {
	switch {
	case isCgroup(spec.Type):
		return attachCgroup(program, spec)
	case slices.Contains(recorders, spec.Name):
		return link.AttachIter(link.IterOptions{Program: program})
	case spec.AttachType == ebpf.AttachTraceIter:
		return attachIterator(program)
	case spec.Type == ebpf.LSM:
		return link.AttachLSM(link.LSMOptions{Program: program})
	case spec.Type == ebpf.Kprobe:
		return link.Kprobe(spec.AttachTo, program, nil)
	default:
		return link.AttachTracing(link.TracingOptions{Program: program})
	}
}

// rungs are the answers of the kernel about what it has, each of which it is asked for once.
type rungs struct {
	mu     sync.Mutex
	errors map[trace.Rung]error
}

// lack returns why a rung is not to be had, nil if it is.
func (r *rungs) lack(rung trace.Rung, cache *btf.Cache) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err, asked := r.errors[rung]
	if asked {
		return err
	}
	if r.errors == nil {
		r.errors = map[trace.Rung]error{}
	}
	err = probeRung(rung, cache)
	r.errors[rung] = err
	return err
}

// Lacks returns why a rung is not to be had on this kernel, nil if it is.
func (t *Tracer) Lacks(rung trace.Rung) error {
	cache := btf.NewCache()
	if t.from != nil {
		cache = t.from.cache
	}
	return t.rungs.lack(rung, cache)
}
