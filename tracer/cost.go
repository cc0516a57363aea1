package tracer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/types/trace"
)

// Cost is what the kernel has spent on running a program. It counts only while somebody has asked it to (sysctl
// kernel.bpf_stats_enabled, or ebpf.EnableStats).
type Cost struct {
	Program string
	Runs    uint64
	Time    time.Duration
}

// Costs returns what the attached programs have cost, sorted by name. Those that others call are part of these.
func (t *Tracer) Costs() []Cost {
	var costs []Cost
	for _, name := range slices.Sorted(maps.Keys(t.programs)) {
		if stats, err := t.programs[name].Stats(); err == nil && stats.RunCount > 0 {
			costs = append(costs, Cost{name, stats.RunCount, stats.Runtime})
		}
	}
	return costs
}

// VerifierCosts loads each program by itself and returns how many instructions the verifier followed to accept it, by
// name, without those that this kernel refuses.
func VerifierCosts(config Config) (map[string]int, error) {
	t := &Tracer{config: config}
	l, err := newLoader(t.config, ofAllRungs(), nil)
	if err != nil {
		return nil, err
	}
	t.maps = l.maps
	l.options.Programs.LogLevel = ebpf.LogLevelStats
	costs := map[string]int{}
	for name := range l.spec.Programs {
		program, err := l.load(name)
		if err != nil {
			continue
		}
		costs[name], err = instructionsFollowed(program.VerifierLog)
		if err != nil {
			return nil, fmt.Errorf("program %s: %w", name, err)
		}
		if err := program.Close(); err != nil {
			return nil, err
		}
	}
	return costs, t.Close()
}

// ofAllRungs reads the whole object: the verifier takes programs that the kernel would not attach.
func ofAllRungs() *sources {
	from := newSources()
	from.rungs.errors = map[trace.Rung]error{trace.LSM: nil, trace.Fentry: nil, trace.Kprobe: nil}
	return from
}

// instructionsFollowed reads the last line of the verifier: "processed 1234 insns (limit 1000000) ...".
func instructionsFollowed(log string) (int, error) {
	var instructions int
	last := log[max(0, strings.LastIndex(log, "processed ")):]
	if _, err := fmt.Sscanf(last, "processed %d insns", &instructions); err != nil {
		return 0, fmt.Errorf("read the verifier's log %q: %w", last, err)
	}
	return instructions, nil
}
