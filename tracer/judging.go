package tracer

import (
	"fmt"
	"maps"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/events"
)

// constantsMap is the map of what the verifier treats as constants.
const constantsMap = ".rodata"

// judging is which programs look at arguments in the kernel. To the others it is constant that nobody does, so that the verifier
// deletes it: it would follow some 40,000 instructions in each program, ten times as many as the rest of most.
type judging struct {
	programs map[string]bool
	without  *ebpf.Map // the constants of programs that do not; nil: all do
}

// chooseJudging tells programs apart by the events that they send. Where a program sends one all the same, it passes unseen, and
// user space decides.
func (l *loader) chooseJudging(config Config) error {
	if config.Filter.NeedsTexts() { // programs that follow processes read texts in the same way
		return nil
	}
	programs := map[string]bool{}
	for _, e := range events.All() {
		if !l.judges.Judged(e) {
			continue
		}
		for _, hook := range e.Hooks {
			addPrograms(programs, hook)
		}
		if e.Syscall {
			for _, name := range syscallPrograms {
				programs[name] = true
			}
		}
	}
	if len(programs) == 0 {
		return nil // the switch is off for all
	}
	variables := maps.Clone(l.spec.Variables)
	maps.DeleteFunc(variables, func(_ string, v *ebpf.VariableSpec) bool { return v.SectionName != constantsMap })
	spec := (&ebpf.CollectionSpec{
		Maps:      map[string]*ebpf.MapSpec{constantsMap: l.spec.Maps[constantsMap]},
		Variables: variables, Types: l.spec.Types, ByteOrder: l.spec.ByteOrder,
	}).Copy()
	if err := l.judges.SwitchOff(spec); err != nil {
		return err
	}
	collection, err := ebpf.NewCollectionWithOptions(spec, l.options)
	if err != nil {
		return fmt.Errorf("create the constants of programs that judge nothing: %w", explain(err))
	}
	defer collection.Close()
	l.judging = judging{programs, collection.DetachMap(constantsMap)}
	return nil
}

// of returns the maps that a program is loaded with.
func (j *judging) of(program string, all map[string]*ebpf.Map) map[string]*ebpf.Map {
	if j.without == nil || j.programs[program] {
		return all
	}
	all = maps.Clone(all)
	all[constantsMap] = j.without
	return all
}

// syscallPrograms send the events of syscalls.
var syscallPrograms = []string{"sys_enter", "sys_exit", "exit_called"}
