package tracer

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/deadcode"
)

// constantsMap is the map of what the verifier treats as constants.
const constantsMap = ".rodata"

// judgingLength is about how many instructions more the verifier follows in a program that looks at arguments: ten times as many as
// in the rest of most.
const judgingLength = 40_000

// judging is which programs look at arguments in the kernel. To the others it is constant that nobody does, so that the verifier
// deletes it.
type judging struct {
	all      bool // do, for other reasons as well
	programs map[string]bool
	without  *ebpf.Map // the constants of programs that do not; nil: they are the same

	constants, constantsWithout deadcode.Constants // what is in the maps
}

// chooseJudging tells programs apart by the events that they send. Where a program sends one all the same, it passes unseen, and
// user space decides.
func (l *loader) chooseJudging(config Config) (err error) {
	if l.judging.constants, err = readConstants(l.maps[constantsMap]); err != nil {
		return err
	}
	if config.Filter.NeedsTexts() { // programs that follow processes read texts in the same way
		l.judging.all = true
		return nil
	}
	l.judging.programs = map[string]bool{}
	for _, e := range events.All() {
		if l.judges.Judged(e) {
			addSenders(l.judging.programs, e)
		}
	}
	if len(l.judging.programs) == 0 {
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
	l.judging.without = collection.DetachMap(constantsMap)
	l.judging.constantsWithout, err = readConstants(l.judging.without)
	return err
}

// readConstants reads what nobody can change any more.
func readConstants(m *ebpf.Map) (deadcode.Constants, error) {
	var bytes []byte
	if err := m.Lookup(uint32(0), &bytes); err != nil {
		return deadcode.Constants{}, fmt.Errorf("read the constants of programs: %w", err)
	}
	return deadcode.Constants{Map: constantsMap, Bytes: bytes}, nil
}

// judges says whether a program looks at arguments.
func (j *judging) judges(program string) bool { return j.all || j.programs[program] }

// constantsOf are those that a program is loaded with.
func (j *judging) constantsOf(program string) deadcode.Constants {
	if j.without != nil && !j.judges(program) {
		return j.constantsWithout
	}
	return j.constants
}

// mapOf is the map of a name that a program is loaded with.
func (j *judging) mapOf(program, name string, all map[string]*ebpf.Map) *ebpf.Map {
	if name == constantsMap && j.without != nil && !j.judges(program) {
		return j.without
	}
	return all[name]
}

// addSenders adds the names of the programs that send an event. What runs tails of others sends nothing but syscalls.
func addSenders(names map[string]bool, e *events.Event) {
	byHooks := map[string]bool{}
	for _, hook := range e.Hooks {
		addPrograms(byHooks, hook)
	}
	delete(byHooks, "sys_enter")
	delete(byHooks, "sys_exit")
	maps.Copy(names, byHooks)
	switch {
	case slices.Contains(restoring, e.Name):
		names["sys_enter"] = true
	case returns(e):
		names["sys_exit"] = true
	}
}
