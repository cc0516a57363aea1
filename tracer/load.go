package tracer

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/types/trace"
)

// loaded is how the attempt to load a program ended.
type loaded struct {
	program *ebpf.Program
	err     error
}

// loader loads the maps once, and then each program by itself: one that this kernel refuses costs only what it was for.
type loader struct {
	from       *sources
	object     *object
	spec       *ebpf.CollectionSpec
	finding    sync.Mutex // of what is in spec and maps while programs are loaded
	whole      bool       // spec has all programs of the object
	options    ebpf.CollectionOptions
	relocated  *relocations
	maps       map[string]*ebpf.Map
	variables  map[string]*ebpf.Variable
	ahead      map[string]loaded
	containers containers
	judges     *filter.Judges
	callbacks  bool // the kernel calls functions of programs
	uring      uringLayout
	judging    judging
}

// newLoader makes the maps, and reads the programs of these names from the object: to read all takes longer than to load some. If it is
// asked for another later, it reads the rest. Without names it reads all.
func newLoader(config Config, from *sources, names []string) (*loader, error) {
	types, err := from.types()
	if err != nil {
		return nil, err
	}
	object, err := from.object()
	if err != nil {
		return nil, err
	}
	l := &loader{
		from: from, object: object, whole: names == nil, callbacks: object.callbacks,
		uring: findUringLayout(types), relocated: newRelocations(types, standIn() == ""),
	}
	if l.spec, err = l.read(names); err != nil {
		return nil, err
	}
	spec := l.spec
	l.options.Programs.KernelTypes, l.options.Cache = types, from.cache
	if l.judges, err = judges(config, l.callbacks); err != nil {
		return nil, err
	}
	if err := setConstants(spec, config, l.judges); err != nil {
		return nil, err
	}
	if err := setKernelBounds(spec, config, from); err != nil {
		return nil, err
	}
	if err := l.findContainers(config); err != nil {
		return nil, err
	}
	if err := sizeMaps(spec, config); err != nil {
		return nil, err
	}
	if err := l.uring.prepare(spec, config.Events); err != nil {
		return nil, err
	}
	withoutTaskStorage(spec, types)
	made, err := l.makeMaps(&ebpf.CollectionSpec{
		Maps: spec.Maps, Variables: spec.Variables, Types: spec.Types, ByteOrder: spec.ByteOrder,
	})
	if err != nil {
		return nil, err
	}
	l.maps, l.variables = made.Maps, made.Variables
	return l, l.chooseJudging(config)
}

// makeMaps makes maps and variables, and leaves the specification as it is.
func (l *loader) makeMaps(spec *ebpf.CollectionSpec) (*ebpf.Collection, error) {
	made, err := ebpf.NewCollectionWithOptions(spec.Copy(), l.options)
	if err != nil {
		return nil, fmt.Errorf("create BPF maps: %w", explain(err))
	}
	return made, nil
}

// judges compiles the tests of arguments. Without callbacks the verifier would follow every letter of a text: then user
// space decides.
func judges(config Config, callbacks bool) (*filter.Judges, error) {
	if callbacks {
		return config.Filter.Judges(config.Needs)
	}
	if config.Filter.NeedsTexts() {
		return nil, errors.New("filter executable needs Linux 5.17 (bpf_loop); comm is there on every kernel")
	}
	return &filter.Judges{}, nil
}

// tasksAtOnce bounds the tasks whose state is kept where there is no task storage.
const tasksAtOnce = 10240

// withoutTaskStorage puts a hash in its place on kernels before 5.11. The programs choose by the same fact. To ask the kernel for such a
// map would tell as well, but make the start wait up to 0.15 s for it.
func withoutTaskStorage(spec *ebpf.CollectionSpec, types *btf.Spec) {
	if hasHelper(types, "BPF_FUNC_task_storage_get") {
		return
	}
	storage := spec.Maps["task_states"]
	storage.Type, storage.Flags, storage.MaxEntries = ebpf.Array, 0, 1
	spec.Maps["task_states_by_address"].MaxEntries = tasksAtOnce
}

// close frees programs that were loaded ahead but not needed in the end, and what only loading needs.
func (l *loader) close() {
	for _, each := range l.ahead {
		each.program.Close()
	}
	l.judging.without.Close()
}

// setConstants fills what the verifier treats as constants, so that it removes what nobody asked for.
func setConstants(spec *ebpf.CollectionSpec, config Config, judges *filter.Judges) error {
	all := events.All()
	flags := make([]uint8, nextPowerOfTwo(len(all)))
	ids := make([]uint16, len(flags))
	for _, e := range all {
		ids[e.Index] = uint16(e.ID)
		if e.Critical {
			flags[e.Index] |= events.FlagCritical
		}
		if e.OfThread {
			flags[e.Index] |= events.FlagOfThread
		}
		if e.Unfiltered {
			flags[e.Index] |= events.FlagUnfiltered
		}
		if judges.Judged(e) {
			flags[e.Index] |= events.FlagJudged
		}
	}
	for _, e := range config.Events {
		flags[e.Index] |= events.FlagSelected
	}
	if config.Itself && config.Filter.AdmitsAllTasks() {
		flags[events.ExistingProcess.Index] |= events.FlagUnfiltered
	}
	if config.Executed != nil {
		flags[events.SchedProcessExec.Index] |= events.FlagUrgent
	}
	flags[events.ContainerGroupMade.Index] |= events.FlagUrgent // runtimes forget containers as soon as they are gone
	if err := setVariables(spec, map[string]any{
		"event_flags":    flags,
		"event_ids":      ids,
		"own_pid":        uint32(os.Getpid()),
		"tracing_since":  config.since,
		"detect_syscall": config.DetectSyscall,
		"exec_env":       config.ExecEnv,
		"fd_paths":       config.FilePaths,

		"stack_addresses": config.Stacks,
	}); err != nil {
		return err
	}
	return errors.Join(config.Capture.configure(spec), config.Filter.Configure(spec), judges.Configure(spec))
}

func setVariables(spec *ebpf.CollectionSpec, constants map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(constants)) {
		variable := spec.Variables[name]
		if variable == nil {
			return fmt.Errorf("the BPF object has no constant %s", name)
		}
		if err := variable.Set(constants[name]); err != nil {
			return fmt.Errorf("set constant %s: %w", name, err)
		}
	}
	return nil
}

// recordSize is what most records have at most; a power of two.
const recordSize = 512

// Default sizes of the rings. Both are mapped twice into memory.
const (
	defaultCritical = 2 << 20
	defaultBulk     = 8 << 20
)

// socketsAtOnce bounds the sockets whose owner is known but could not be kept with them yet.
const socketsAtOnce = 16384

// closingAtOnce bounds the threads that are in a call which closes a descriptor.
const closingAtOnce = 1024

// needsOwners says whether an event is about sockets and who they belong to.
func needsOwners(e *events.Event) bool {
	return slices.ContainsFunc(e.Hooks, func(h events.Hook) bool { return h.Rung == trace.Cgroup })
}

func sizeMaps(spec *ebpf.CollectionSpec, config Config) error {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count CPUs: %w", err)
	}
	spec.Maps["buffers"].MaxEntries = uint32(cpus * events.Lanes)
	if slices.ContainsFunc(config.Events, needsOwners) {
		spec.Maps["socket_notes"].MaxEntries = socketsAtOnce
	}
	if config.FilePaths {
		spec.Maps["closing"].MaxEntries = closingAtOnce
	}
	spec.Maps["critical"].MaxEntries = ringSize(config.CriticalBytes, defaultCritical)
	spec.Maps["bulk"].MaxEntries = ringSize(config.BulkBytes, defaultBulk)
	critical, bulk := uint64(spec.Maps["critical"].MaxEntries), uint64(spec.Maps["bulk"].MaxEntries)
	for name, value := range map[string]uint64{
		// The reader polls; it is woken early when an eighth of a ring is waiting. To ask for that costs time, so it
		// is not done for every record, but often enough that a 64th of the smaller ring fits in between.
		"wake_critical": critical / 8,
		"wake_bulk":     bulk / 8,
		"wake_every":    min(max(1, min(critical, bulk)/64/recordSize), 64),
	} {
		if err := spec.Variables[name].Set(value); err != nil {
			return fmt.Errorf("set constant %s: %w", name, err)
		}
	}
	return nil
}

func ringSize(bytes, preset int) uint32 {
	if bytes == 0 {
		bytes = preset
	}
	return uint32(max(nextPowerOfTwo(bytes), os.Getpagesize()))
}

func nextPowerOfTwo(n int) int {
	p := 1
	for p < n {
		p *= 2
	}
	return p
}

// attachOne loads a program and attaches it to the hook that its section names.
func (t *Tracer) attachOne(l *loader, name string) error {
	if t.programs[name] != nil {
		return nil
	}
	program, err := l.program(name)
	if err != nil {
		return err
	}
	attached, err := attachProgram(program, l.spec.Programs[name])
	if err != nil {
		return errors.Join(fmt.Errorf("attach program %s: %w", name, explain(err)), program.Close())
	}
	t.programs[name] = program
	t.links = append(t.links, programLink{Link: attached, program: name})
	return nil
}

// loadTail loads a program and puts it into a table of tails.
func (t *Tracer) loadTail(l *loader, table, name string) error {
	if t.programs[name] != nil {
		return nil
	}
	program, err := l.program(name)
	if err != nil {
		return err
	}
	if err := t.maps[table].Put(tailIndex(name), program); err != nil {
		return errors.Join(fmt.Errorf("install program %s: %w", name, err), program.Close())
	}
	t.programs[name] = program
	return nil
}

var tails = sync.OnceValue(events.Tails)

// tailIndex is the number of a tail: TAIL_<name> of the generated header.
func tailIndex(name string) uint32 {
	return uint32(slices.Index(tails(), name) + 1)
}
