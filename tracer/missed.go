package tracer

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// programLink is the attachment of a program.
type programLink struct {
	link.Link
	program  string
	detached bool // by somebody else; it was told
}

// missed tells, per event, how often the kernel did not run a program where it should have: because one was running
// there already, as when a program is interrupted by what it observes. Not each of these would have become an event,
// because nobody looked whether it passes the filter. What several events share is known by the name of the program.
func (t *Tracer) missed() map[string]uint64 {
	counts := map[string]uint64{}
	for name, program := range t.programs {
		counts[t.eventOf(name)] += skipped(program)
	}
	for _, l := range t.links {
		counts[t.eventOf(l.program)] += l.missed()
	}
	return counts
}

// eventOf names the event that a program is for, or the program, if it is for several. The dispatchers of syscalls are
// for all that they see.
func (t *Tracer) eventOf(program string) string {
	if t.eventNames == nil {
		t.eventNames = map[string]string{}
		for i := range t.attachments {
			if a := &t.attachments[i]; a.Attached {
				a.noteEvent(t.eventNames)
			}
		}
	}
	if name, ok := t.eventNames[program]; ok {
		return name
	}
	return program
}

// noteEvent enters the programs that the kernel itself runs for an event; tails are run by the dispatchers.
func (a *Attachment) noteEvent(names map[string]string) {
	programs := a.hook.With
	if a.hook.Program != "" && a.hook.Exit == nil {
		programs = append([]string{a.hook.Program}, programs...)
	}
	for _, program := range programs {
		if _, shared := names[program]; shared {
			names[program] = program
		} else {
			names[program] = a.Event.Name
		}
	}
}

// skipped returns how often the kernel found a program, or its like, already running (bpf_prog_info.recursion_misses:
// of fentry since Linux 5.12, of tracepoints since 6.1, of kprobes since 6.7).
func skipped(program *ebpf.Program) uint64 {
	stats, err := program.Stats()
	if err != nil {
		return 0
	}
	return stats.RecursionMisses
}

// missed returns how often a kprobe was hit where it could not be handled; the kernel tells since Linux 6.7.
func (l programLink) missed() uint64 {
	if _, ok := l.Link.(link.PerfEvent); !ok {
		return 0
	}
	info, err := l.Info()
	if err != nil {
		return 0
	}
	if kprobe := info.PerfEvent().Kprobe(); kprobe != nil {
		return kprobe.Missed
	}
	return 0
}
