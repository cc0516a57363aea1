package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/filter"
	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// printFilters prints a flag a line that makes tracee-ebpf trace what the signatures need, and no more than flags can say.
// What the kernel has no room for is told on stderr.
func (c *rulesCommand) printFilters(loaded []detect.Signature) error {
	engine := c.engine(loaded, nil)
	origins := map[string]bool{}
	var names []string
	for _, s := range engine.SelectedEvents() {
		names = append(names, s.Name)
		origins[s.Origin] = true
	}
	if slices.Contains(names, "*") {
		names = nil // all events, which is what no filter of events would not select
		for _, e := range events.InSet(events.AllEvents) {
			names = append(names, e.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	lines := []string{"event=" + strings.Join(names, ",")}
	needed, err := needsOf(engine)
	if err != nil {
		return err
	}
	for _, n := range needed {
		if slices.Contains(names, n.event.Name) {
			lines = append(lines, n.flags()...)
		}
		if n.tooMany {
			fmt.Fprintf(c.stderr, "tracee-rules: %s: the kernel side has no room for all that is asked of it: all of it is sent\n", n.event.Name)
		}
	}
	if len(origins) == 1 && origins[trace.OriginContainer] {
		lines = append(lines, "container")
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(c.stdout, "--trace %s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// neededEvent is what the signatures need of an event.
type neededEvent struct {
	event   *events.Event
	some    []filter.Conditions
	whole   bool
	by      []string // who needs all of it
	tooMany bool     // conditions for the kernel side
}

// needsOf lists what the signatures need of events, in the order of their names.
func needsOf(engine *rules.Engine) ([]neededEvent, error) {
	needs := engine.Needs()
	needs.Alone = true
	judges, err := (&filter.Filter{}).Judges(needs)
	if err != nil {
		return nil, err
	}
	var list []neededEvent
	for e, some := range needs.Any {
		n := neededEvent{event: e, some: some}
		if n.whole = needs.IsWhole(e); n.whole {
			n.by = engine.NeededWholeBy(e)
		} else {
			n.tooMany = !judges.Judged(e)
		}
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b neededEvent) int { return strings.Compare(a.event.Name, b.event.Name) })
	return list, nil
}

// inKernel reports whether only some of the events are sent.
func (n neededEvent) inKernel() bool { return !n.whole && !n.tooMany }

// flags are what a command line can say of that: one list of conditions, of values that a shell leaves alone.
func (n neededEvent) flags() (flags []string) {
	if !n.inKernel() || len(n.some) != 1 {
		return nil
	}
	for _, condition := range n.some[0] {
		if strings.ContainsAny(strings.Join(condition.Values, ""), ", \t\n\"'$`\\") {
			continue
		}
		flags = append(flags, fmt.Sprintf("%s.%s%s%s", n.event.Name, condition.Argument, condition.Operator, strings.Join(condition.Values, ",")))
	}
	return flags
}

// valuesShown bounds how many values of a condition are shown to people.
const valuesShown = 6

// text says it for people.
func (n neededEvent) text() string {
	switch {
	case n.tooMany:
		return "all: more is asked of it than the kernel side has room for"
	case len(n.by) > 3:
		return fmt.Sprintf("all, for %s and %d more", strings.Join(n.by[:3], ", "), len(n.by)-3)
	case len(n.by) > 0:
		return "all, for " + strings.Join(n.by, ", ")
	case n.whole:
		return "all"
	}
	var alternatives []string
	for _, conditions := range n.some {
		var all []string
		for _, c := range conditions {
			values := strings.Join(c.Values[:min(len(c.Values), valuesShown)], ",")
			if more := len(c.Values) - valuesShown; more > 0 {
				values += fmt.Sprintf(" and %d more", more)
			}
			all = append(all, c.Argument+c.Operator+values)
		}
		alternatives = append(alternatives, strings.Join(all, " and "))
	}
	return strings.Join(alternatives, "; or ")
}
