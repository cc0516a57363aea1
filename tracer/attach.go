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
	t.attachments = make([]Attachment, len(t.config.Events))
	for i, e := range t.config.Events {
		t.attachments[i] = t.climb(l, e, table)
	}
	l.loadAhead(t.lastRungs())
	for i := range t.attachments {
		if err := t.settle(l, &t.attachments[i], table); err != nil {
			return err
		}
	}
	if err := table.install(t.variables); err != nil {
		return err
	}
	if table.enter {
		if err := t.attachOne(l, "sys_enter"); err != nil {
			return err
		}
	}
	if table.exit {
		return t.attachOne(l, "sys_exit")
	}
	return nil
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
	if err := t.rung(hook.Rung); err != nil {
		a.Err = errors.Join(a.Err, err)
		return false
	}
	if err := t.attachHook(l, hook); err != nil {
		a.Err = errors.Join(a.Err, err)
		return false
	}
	table.selectHook(a.Event, hook)
	a.Rung, a.Attached = hook.Rung, true
	return true
}

// settle tries the last rung of an event that has none yet. It fails if the event is required and can not be had.
func (t *Tracer) settle(l *loader, a *Attachment, table *syscallTable) error {
	e := a.Event
	ladder := t.ladder(e)
	if n := len(ladder); n > 0 && !a.Attached {
		t.try(l, a, ladder[n-1], table)
	}
	if len(e.Hooks) == 0 { // a plain syscall, or made in user space
		a.Attached = true
	}
	if a.Attached {
		if e.Syscall {
			table.selectEvent(e)
		}
		return nil
	}
	if slices.Contains(t.config.Required, e) {
		return fmt.Errorf("event %s is not available on this kernel: %w", e.Name, a.Err)
	}
	t.log.Warn("event left out: not available on this kernel", "event", e.Name, "reason", a.Err)
	return nil
}

// lastRungs names the programs that the events without a rung will need.
func (t *Tracer) lastRungs() []string {
	names := map[string]bool{}
	for _, a := range t.attachments {
		if a.Event.Syscall {
			names["sys_exit"] = true
		}
		ladder := t.ladder(a.Event)
		if a.Attached || len(ladder) == 0 {
			continue
		}
		hook := ladder[len(ladder)-1]
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
	}
	return slices.Sorted(maps.Keys(names))
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
		if a.Attached {
			counts[a.Rung]++
		}
	}
	var parts []string
	for _, r := range []trace.Rung{trace.LSM, trace.Fentry, trace.Kprobe, trace.Tracepoint} {
		if counts[r] > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", r, counts[r]))
		}
	}
	if counts[trace.NoRung] > 0 {
		parts = append(parts, fmt.Sprintf("syscalls: %d", counts[trace.NoRung]))
	}
	return strings.Join(parts, ", ")
}
