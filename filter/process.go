package filter

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/internal/cgroup"
)

// processRule is what the flags say about processes as a whole. The kernel side keeps, for each process, what it needs to
// know (bpf/lib/process.h).
type processRule struct {
	tree       numbers[uint64]
	executable texts
	follow     bool
}

// freshWord is the value that stands for processes that are new, see Field.Fresh.
const freshWord = "new"

// addFresh takes the word new for a value.
func (r *rule) addFresh(op operator) error {
	switch op {
	case equal:
		r.fresh = true
	case notEqual:
		r.old = true
	default:
		return fmt.Errorf("invalid filter value: %s (it takes = and != only)", freshWord)
	}
	return nil
}

// parseTree reads tree=, which names processes: they and their descendants are meant. The nearest that is listed decides.
func (f *Filter) parseTree(x expression) error {
	if x.operator != "" && len(x.values) == 0 {
		return errors.New("no value passed with operator in process tree filter: " + x.rest + " (write tree=510)")
	}
	if err := x.check(equal, notEqual); err != nil {
		return err
	}
	for _, value := range x.values {
		pid, err := parseUnsigned(value, 32)
		if err != nil || pid == 0 {
			return fmt.Errorf("invalid PID given to filter: %s (tree takes process ids, as the host counts)", value)
		}
		if _, err := os.Stat("/proc/" + strconv.FormatUint(pid, 10)); errors.Is(err, os.ErrNotExist) {
			f.warn("tree: there is no process %d; those that are made later do not count", pid)
		}
		f.process.tree = append(f.process.tree, term[uint64]{x.operator, pid})
	}
	return nil
}

func (f *Filter) parseExecutable(x expression) error {
	if err := x.check(equal, notEqual); err != nil {
		return err
	}
	for _, value := range x.values {
		if !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "*") {
			f.warn("executable is a whole path: %q matches none (write executable=*/%s)", value, value)
		}
		f.process.executable = append(f.process.executable, term[pattern]{x.operator, newPattern(value)})
	}
	if !compileTexts(f.process.executable).whole {
		return fmt.Errorf("invalid filter value: %s (too much: executable has room for %d paths of %d bytes, or more that are shorter)",
			strings.Join(x.values, ","), maxAutomata, maxPattern)
	}
	return nil
}

func (f *Filter) parseFollow(x expression) error {
	if x.rest != "" {
		return fmt.Errorf("invalid operator and/or values given to filter: %s (follow takes no value)", x.rest)
	}
	f.process.follow = true
	return nil
}

// AdmitsAllTasks reports whether no flag is about who does something.
func (f *Filter) AdmitsAllTasks() bool { return f == nil || f.admitsAllTasks() && !f.process.follow }

func (f *Filter) admitsAllTasks() bool {
	return !f.container.active() && len(f.process.tree) == 0 && len(f.process.executable) == 0 &&
		!slices.ContainsFunc(f.scope[:], func(r rule) bool { return r.active() })
}

// checkFollow refuses what the kernel could not decide: a process would count as one that passed before Match is asked.
func (f *Filter) checkFollow() error {
	if !f.process.follow {
		return nil
	}
	for _, i := range f.undecided {
		return fmt.Errorf("invalid filter value: %s has more than %d letters beside * (too many together with follow)",
			fields[i].Name, maxLetters)
	}
	active := !f.admitsAllTasks()
	if !active {
		f.warn("follow has no effect: there is no filter that processes have to pass (such as comm=bash)")
	}
	return nil
}

// NeedsProcesses says that there are flags for which the kernel side keeps the books on processes.
func (f *Filter) NeedsProcesses() bool { return f != nil && f.process.compile(f).Active != 0 }

// NeedsTexts says that there are flags which only the kernel side can decide, by looking at a long text.
func (f *Filter) NeedsTexts() bool { return f != nil && len(f.process.executable) > 0 }

// compile gives the rule as the kernel side holds it. The automata of executable are the first of all.
func (r *processRule) compile(f *Filter) (k filterProcessRule) {
	fresh := slices.ContainsFunc(f.scope[:], func(r rule) bool { return r.fresh || r.old })
	k.Fresh, k.Follow = bit(fresh), bit(r.follow)
	if len(r.tree) > 0 {
		k.Tree = inOrOut(!slices.ContainsFunc(r.tree, func(t term[uint64]) bool { return t.operator == equal }))
	}
	if len(r.executable) > 0 {
		c := compileTexts(r.executable)
		k.Patterns, k.Unlisted = uint8(len(c.automata)), c.unlisted
		k.Executable = inOrOut(r.admitsExecutable(""))
	}
	k.Active = k.Fresh | k.Follow | min(1, k.Tree|k.Executable)
	return k
}

func (r *processRule) admitsExecutable(path string) bool {
	var v verdict
	r.executable.judge(path, &v)
	return v.scope()
}

// roots are the verdicts on the listed processes.
func (r *processRule) roots() map[uint32]uint8 {
	roots := map[uint32]uint8{}
	for _, t := range r.tree {
		var v verdict
		r.tree.judge(t.value, &v)
		roots[uint32(t.value)] = inOrOut(v.scope())
	}
	return roots
}

// cgroupField is the field whose numbers have paths.
const cgroupField = "cgroup"

// addGroups takes a path for the groups that have it: those that are there, and are in the hierarchy that events tell of.
func (r *rule) addGroups(op operator, path string) error {
	if op != equal && op != notEqual {
		return fmt.Errorf("invalid filter value: %s (a path takes = and != only)", path)
	}
	tree, err := cgroup.Find()
	if err != nil {
		return fmt.Errorf("invalid filter value: %s (%w)", path, err)
	}
	wanted, found := newPattern(strings.TrimSuffix(path, "/")), false
	err = tree.Groups(func(g cgroup.Group) {
		if wanted.match(g.Path) {
			found = true
			r.numbers = append(r.numbers, term[uint64]{op, g.ID})
		}
	})
	switch {
	case err != nil:
		return fmt.Errorf("invalid filter value: %s (%w)", path, err)
	case !found:
		return fmt.Errorf("invalid filter value: %s (there is no such control group below %s; begin with its path from there)", path, tree.Root)
	}
	return nil
}

// The names of what lib/process.h declares.
const (
	processRuleName = "process_rule"
	processesMap    = "processes"
	rootsMap        = "process_roots"
)

// processesAtOnce bounds the processes that something is kept of.
const processesAtOnce = 1 << 16

// configureProcesses sets constant and sizes of what is said about processes.
func (f *Filter) configureProcesses(spec *ebpf.CollectionSpec) error {
	rule := f.process.compile(f)
	if rule.Active == 0 {
		return nil
	}
	variable, kept, roots := spec.Variables[processRuleName], spec.Maps[processesMap], spec.Maps[rootsMap]
	if variable == nil || kept == nil || roots == nil {
		return errors.New("configure filters: the object knows no processes")
	}
	kept.MaxEntries = processesAtOnce
	roots.MaxEntries = uint32(max(1, len(f.process.roots())))
	if err := variable.Set(rule); err != nil {
		return fmt.Errorf("configure filters: %w", err)
	}
	return nil
}

func (f *Filter) installProcesses(loaded map[string]*ebpf.Map) error {
	for pid, verdict := range f.process.roots() {
		if err := put(loaded, rootsMap, pid, verdict); err != nil {
			return err
		}
	}
	return nil
}

// SameProcesses says whether another filter asks the same of processes.
func (f *Filter) SameProcesses(other *Filter) bool {
	return f.process.compile(f) == other.process.compile(other) && maps.Equal(f.process.roots(), other.process.roots()) &&
		slices.EqualFunc(f.process.executable, other.process.executable, func(a, b term[pattern]) bool {
			return a.operator == b.operator && slices.Equal(a.value.parts, b.value.parts)
		})
}
