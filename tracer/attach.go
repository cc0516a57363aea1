package tracer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// errNoRung is the reason of an event whose every rung Config.Without lists.
var errNoRung = errors.New("no rung left to try")

// attach climbs the ladder of every selected event, and then starts the flow of syscalls that they need.
func (t *Tracer) attach(l *loader) error {
	table := newSyscallTable(t.config.ExecEnv)
	if t.config.FilePaths {
		table.tellFiles()
	}
	t.attachments = make([]Attachment, len(t.config.Events))
	for i, e := range t.config.Events {
		t.attachments[i] = t.climb(l, e, table)
	}
	for i := range t.attachments {
		if err := t.settle(l, &t.attachments[i], table); err != nil {
			return err
		}
	}
	if err := table.install(t.variables); err != nil {
		return err
	}
	for i := range t.attachments {
		t.attachUring(l, &t.attachments[i])
	}
	if err := t.uring.install(t.variables); err != nil {
		return err
	}
	if table.enter {
		if err := t.dispatch(l, "sys_enter", needsEnter); err != nil {
			return err
		}
	}
	if table.exit {
		if err := t.dispatch(l, "sys_exit", needsExit); err != nil {
			return err
		}
	}
	return t.inherit()
}

// inherit gives derived events the rung of the event they are made of, the first of those they need, or what one of them
// lacks. A source may be derived itself; it is declared before.
func (t *Tracer) inherit() error {
	sources := map[*events.Event]*Attachment{}
	for i := range t.attachments {
		sources[t.attachments[i].Event] = &t.attachments[i]
	}
	for _, e := range events.All() {
		a := sources[e]
		if a == nil || len(e.From) == 0 {
			continue
		}
		a.Rung = sources[e.From[0]].Rung
		for _, from := range e.From {
			source := sources[from]
			a.Err = errors.Join(a.Err, source.Err)
			a.Attached = a.Attached && source.Attached
		}
		for _, better := range e.Better {
			if source := sources[better]; !source.Attached {
				a.Err = errors.Join(a.Err, fmt.Errorf("says less: %w", source.Err))
			}
		}
		if !a.Attached {
			if err := t.giveUp(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// dispatch attaches a dispatcher of syscalls. If the kernel refuses it, the events that need it are given up.
func (t *Tracer) dispatch(l *loader, name string, needs func(*Attachment) bool) error {
	refused := t.attachOne(l, name)
	if refused == nil {
		return nil
	}
	for i := range t.attachments {
		a := &t.attachments[i]
		if !a.Attached || !needs(a) {
			continue
		}
		a.Attached, a.Err = false, errors.Join(a.Err, refused)
		if err := t.giveUp(a); err != nil {
			return err
		}
	}
	return nil
}

func needsEnter(a *Attachment) bool {
	return a.Event == events.SysEnter || slices.Contains(restoring, a.Event.Name) || len(a.hook.Enter) > 0
}

func needsExit(a *Attachment) bool {
	return a.Event == events.SysExit || a.hook.Exit != nil || returns(a.Event)
}

// returns says that a syscall is reported when it returns.
func returns(e *events.Event) bool {
	return e.Syscall && !slices.Contains(restoring, e.Name) && !slices.Contains(ending, e.Name)
}

// ladder is that of the event without the rungs that are not to be tried.
func (t *Tracer) ladder(e *events.Event) events.Ladder {
	if len(t.config.Without) == 0 {
		return e.Hooks
	}
	return slices.DeleteFunc(slices.Clone(e.Hooks), func(h events.Hook) bool {
		return slices.Contains(t.config.Without, h.Rung)
	})
}

// climb tries all rungs but the last.
func (t *Tracer) climb(l *loader, e *events.Event, table *syscallTable) Attachment {
	a := Attachment{Event: e}
	ladder := t.ladder(e)
	if len(ladder) == 0 && len(e.Hooks) > 0 {
		a.Err = errNoRung
	}
	for i := range len(ladder) - 1 {
		if t.try(l, &a, ladder[i], table) {
			break
		}
	}
	return a
}

// try attaches a hook and notes the outcome.
func (t *Tracer) try(l *loader, a *Attachment, hook events.Hook, table *syscallTable) bool {
	if err := t.Lacks(hook.Rung); err != nil {
		a.Err = errors.Join(a.Err, err)
		return false
	}
	if err := t.attachHook(l, hook); err != nil {
		a.Err = errors.Join(a.Err, err)
		return false
	}
	table.selectHook(a.Event, hook)
	a.Rung, a.Attached, a.hook = hook.Rung, true, hook
	return true
}

// settle tries the last rung of an event that has none yet. It fails if the event is required and can not be had.
func (t *Tracer) settle(l *loader, a *Attachment, table *syscallTable) error {
	e := a.Event
	ladder := t.ladder(e)
	if n := len(ladder); n > 0 && !a.Attached {
		t.try(l, a, ladder[n-1], table)
	}
	switch {
	case e.Scanned:
		a.Err = t.openScan(e)
		a.Attached = a.Err == nil
	case len(e.Hooks) == 0: // a plain syscall, or made in user space (see inherit)
		a.Attached = true
	}
	if a.Attached {
		if e.Syscall {
			table.selectEvent(e)
		}
		return nil
	}
	return t.giveUp(a)
}

// giveUp is for an event that can not be had: an error if it is required, else a warning.
func (t *Tracer) giveUp(a *Attachment) error {
	if slices.Contains(t.config.Required, a.Event) {
		return fmt.Errorf("event %s is not available on this kernel: %w", a.Event.Name, a.Err)
	}
	if slices.Contains(t.forScans, a.Event) {
		return nil // nobody asked for it
	}
	t.log.Warn("event left out: not available on this kernel", "event", a.Event.Name, "reason", a.Err)
	return nil
}

// likely names the programs that will be needed if the kernel refuses none: those of the highest rung that it has at all.
func (t *Tracer) likely() []string {
	names := map[string]bool{}
	for _, e := range t.config.Events {
		if returns(e) {
			names["sys_exit"] = true
		}
		ladder := t.ladder(e)
		best := slices.IndexFunc(ladder, func(h events.Hook) bool { return t.Lacks(h.Rung) == nil })
		if best < 0 {
			continue
		}
		addPrograms(names, ladder[best])
	}
	return slices.Sorted(maps.Keys(names))
}

// addPrograms adds the names of all programs of a hook, and of those that run them.
func addPrograms(names map[string]bool, hook events.Hook) {
	if hook.Program != "" {
		names[hook.Program] = true
	}
	for _, name := range hook.With {
		names[name] = true
	}
	for _, tail := range hook.Enter {
		names[tail.Program], names["sys_enter"] = true, true
	}
	if hook.Exit != nil {
		names["sys_exit"] = true
	}
	for _, tail := range hook.Uring {
		names[tail.Program], names[submitProgram], names[answerProgram] = true, true, true
		if tail.Unanswered != "" {
			names[tail.Unanswered] = true
		}
	}
}

// attachHook loads and attaches all programs of a hook, or none. Programs that an earlier event brought are shared.
func (t *Tracer) attachHook(l *loader, hook events.Hook) error {
	for _, tail := range hook.Enter {
		if err := t.loadTail(l, "enter_tails", tail.Program); err != nil {
			return err
		}
	}
	names := slices.Clone(hook.With)
	switch {
	case hook.Program == "":
	case hook.Exit != nil:
		if err := t.loadTail(l, "exit_tails", hook.Program); err != nil {
			return err
		}
	default:
		names = append(names, hook.Program)
	}
	return t.attachTogether(l, names)
}

// attachTogether takes back what it attached if one program fails: the event would come from two rungs.
func (t *Tracer) attachTogether(l *loader, names []string) error {
	first := len(t.links)
	var fresh []string
	for _, name := range names {
		if t.programs[name] != nil {
			continue
		}
		if err := t.attachOne(l, name); err != nil {
			for i, name := range fresh {
				err = errors.Join(err, t.links[first+i].Close(), t.programs[name].Close())
				delete(t.programs, name)
			}
			t.links = t.links[:first]
			return err
		}
		fresh = append(fresh, name)
	}
	return nil
}

// Summary describes the attachments in a few words: how many events on which rung.
func (t *Tracer) Summary() string {
	counts := map[trace.Rung]int{}
	for _, a := range t.attachments {
		if a.Attached && !a.Event.Internal {
			counts[a.Rung]++
		}
	}
	var parts []string
	for _, r := range []trace.Rung{trace.LSM, trace.Fentry, trace.Kprobe, trace.Tracepoint, trace.Cgroup} {
		if counts[r] > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", r, counts[r]))
		}
	}
	if counts[trace.NoRung] > 0 {
		parts = append(parts, fmt.Sprintf("syscalls: %d", counts[trace.NoRung]))
	}
	return strings.Join(parts, ", ")
}
