package tracer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/deadcode"
)

// load loads a program with the shared maps.
func (l *loader) load(name string) (*ebpf.Program, error) {
	if err := l.uring.lacks(name); err != nil {
		return nil, err
	}
	spec, err := l.find(name)
	if err != nil {
		return nil, err
	}
	if err := l.relocated.apply(spec); err != nil {
		return nil, fmt.Errorf("fit program %s to the kernel's types: %w", name, err)
	}
	program := *spec
	program.Instructions = deadcode.Remove(spec.Instructions, l.judging.constantsOf(name), l.results(name))
	return l.verified(&program)
}

// verified hands a program to the kernel, as it is.
func (l *loader) verified(program *ebpf.ProgramSpec) (*ebpf.Program, error) {
	alone, maps := l.alone(program)
	options := l.options
	options.MapReplacements = maps
	collection, err := ebpf.NewCollectionWithOptions(alone, options)
	if err != nil {
		return nil, fmt.Errorf("load program %s: %w", program.Name, explain(err))
	}
	defer collection.Close()
	return collection.DetachProgram(program.Name), nil
}

// results are those of functions that a program can not need.
func (l *loader) results(program string) map[string]int32 {
	if l.judging.all {
		return nil
	}
	return l.judges.Spare(l.judging.judges(program))
}

// alone makes a collection of a program and the maps that it uses, and says which they are. They are there already, so that of
// each only its form matters: to copy contents and types of all maps would take a third of what the verifier does.
func (l *loader) alone(program *ebpf.ProgramSpec) (*ebpf.CollectionSpec, map[string]*ebpf.Map) {
	l.finding.Lock()
	defer l.finding.Unlock()
	c := &ebpf.CollectionSpec{
		Maps:      map[string]*ebpf.MapSpec{},
		Programs:  map[string]*ebpf.ProgramSpec{program.Name: program},
		ByteOrder: l.spec.ByteOrder,
	}
	used := map[string]*ebpf.Map{}
	for i := range program.Instructions {
		instruction := &program.Instructions[i]
		if !instruction.IsLoadFromMap() {
			continue
		}
		name := instruction.Reference()
		m, ok := l.spec.Maps[name]
		if !ok || used[name] != nil {
			continue
		}
		form := *m
		form.Key, form.Value, form.Contents, form.Tags = nil, nil, nil, nil
		c.Maps[name], used[name] = &form, l.judging.mapOf(program.Name, name, l.maps)
	}
	return c, used
}

// read reads all maps of the object, and the programs of these names; without names, all that the kernel may have.
func (l *loader) read(names []string) (*ebpf.CollectionSpec, error) {
	spec, err := l.object.Spec(func(program, section string) bool {
		return (names == nil || slices.Contains(names, program)) && !l.from.useless(section)
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded BPF object: %w", err)
	}
	l.uring.fit(spec.Programs)
	return spec, nil
}

// find returns a program. If it is none of those that were read, all are: more may be asked for, since the kernel refuses some.
func (l *loader) find(name string) (*ebpf.ProgramSpec, error) {
	l.finding.Lock()
	defer l.finding.Unlock()
	if l.spec.Programs[name] == nil && !l.whole && l.object.Has(name) {
		all, err := l.read(nil)
		if err != nil {
			return nil, err
		}
		if err := l.addMaps(all); err != nil {
			return nil, err
		}
		maps.Copy(all.Programs, l.spec.Programs)
		l.spec.Programs, l.whole = all.Programs, true
	}
	if spec := l.spec.Programs[name]; spec != nil {
		return spec, nil
	}
	return nil, l.noProgram(name)
}

// addMaps makes the maps of another reading of the object that are not there: those of texts are only with programs that have some.
func (l *loader) addMaps(spec *ebpf.CollectionSpec) error {
	maps.DeleteFunc(spec.Maps, func(name string, _ *ebpf.MapSpec) bool { return l.spec.Maps[name] != nil })
	made, err := l.makeMaps(&ebpf.CollectionSpec{Maps: spec.Maps, Types: spec.Types, ByteOrder: spec.ByteOrder})
	if err != nil {
		return err
	}
	maps.Copy(l.spec.Maps, spec.Maps)
	maps.Copy(l.maps, made.Maps)
	return nil
}

// noProgram tells why a program is not there: only the object for newer kernels has all of them, see bpf.Open.
func (l *loader) noProgram(name string) error {
	if !l.callbacks {
		return fmt.Errorf("program %s needs Linux 5.17 (bpf_find_vma)", name)
	}
	return fmt.Errorf("the BPF object has no program %s", name)
}

// loadAhead loads programs on all CPUs at once; nearly all of that time is the kernel's, which verifies them. Those that
// it refuses say so when their turn comes. The longest begin first, so that no CPU waits in the end for one that began late.
func (l *loader) loadAhead(names []string) {
	l.ahead = map[string]loaded{}
	names = l.longestFirst(names)
	results := make([]loaded, len(names))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(names)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(names)); i = next.Add(1) - 1 {
				results[i].program, results[i].err = l.load(names[i])
			}
		})
	}
	workers.Wait()
	for i, name := range names {
		l.ahead[name] = results[i]
	}
}

func (l *loader) longestFirst(names []string) []string {
	return slices.SortedStableFunc(slices.Values(names), func(a, b string) int { return cmp.Compare(l.length(b), l.length(a)) })
}

// length is about how many instructions of a program the verifier follows.
func (l *loader) length(name string) int {
	spec, err := l.find(name)
	if err != nil {
		return 0
	}
	if l.judging.judges(name) {
		return len(spec.Instructions) + judgingLength
	}
	return len(spec.Instructions)
}

// program loads one program, unless that has been tried ahead.
func (l *loader) program(name string) (*ebpf.Program, error) {
	if tried, ok := l.ahead[name]; ok {
		if tried.err == nil {
			delete(l.ahead, name) // it belongs to the caller now
		}
		return tried.program, tried.err
	}
	return l.load(name)
}

// explain replaces errors whose text would mislead: a locked-down kernel answers EPERM, which says nothing about memory
// limits.
func explain(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("refused by the kernel (lockdown, or a missing capability): %w", unix.EPERM)
	}
	return err
}
