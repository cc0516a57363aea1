package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/internal/suggest"
	"github.com/tracee-go/tracee/types/trace"
)

// Selector is one event of a policy, with filters all of which must hold: of several filters of one thing, one of the =
// values, none of the != values, and all ranges.
type Selector struct {
	Event *events.Event

	arguments  []condition
	context    []*contextRule
	conditions Conditions
}

// contextField is a property of events that a selector can compare.
type contextField struct {
	names  []string
	number func(*trace.Event) int64
	text   func(*trace.Event) string
}

// contextFields are named as Tracee's policies do.
var contextFields = []contextField{
	{names: []string{"pid", "p", "processId"}, number: func(e *trace.Event) int64 { return int64(e.ProcessID) }},
	{names: []string{"tid", "threadId"}, number: func(e *trace.Event) int64 { return int64(e.ThreadID) }},
	{names: []string{"ppid", "parentProcessId"}, number: func(e *trace.Event) int64 { return int64(e.ParentProcessID) }},
	{names: []string{"hostPid", "hostProcessId"}, number: func(e *trace.Event) int64 { return int64(e.HostProcessID) }},
	{names: []string{"hostTid", "hostThreadId"}, number: func(e *trace.Event) int64 { return int64(e.HostThreadID) }},
	{names: []string{"hostPpid", "hostParentProcessId"}, number: func(e *trace.Event) int64 { return int64(e.HostParentProcessID) }},
	{names: []string{"uid", "userId"}, number: func(e *trace.Event) int64 { return int64(e.UserID) }},
	{names: []string{"mntns", "mountNamespace"}, number: func(e *trace.Event) int64 { return int64(e.MountNS) }},
	{names: []string{"pidns", "pidNamespace"}, number: func(e *trace.Event) int64 { return int64(e.PIDNS) }},
	{names: []string{"cgroupId"}, number: func(e *trace.Event) int64 { return int64(e.CgroupID) }},
	{names: []string{"processorId"}, number: func(e *trace.Event) int64 { return int64(e.ProcessorID) }},
	{names: []string{"comm", "processName"}, text: func(e *trace.Event) string { return e.ProcessName }},
	{names: []string{"hostName"}, text: func(e *trace.Event) string { return e.HostName }},
	{names: []string{"executable", "exec"}, text: func(e *trace.Event) string { return e.Executable }},
	{names: []string{containerID}, text: func(e *trace.Event) string { return e.ContainerID }},
	{names: []string{"containerImage"}, text: func(e *trace.Event) string { return e.ContainerImage }},
	{names: []string{"containerImageDigest"}, text: func(e *trace.Event) string { return e.ContainerImageDigest }},
	{names: []string{"containerRuntime"}, text: func(e *trace.Event) string { return e.ContainerRuntime }},
	{names: []string{"containerName"}, text: func(e *trace.Event) string { return e.ContainerName }},
	{names: []string{"podName"}, text: func(e *trace.Event) string { return e.PodName }},
	{names: []string{"podNamespace"}, text: func(e *trace.Event) string { return e.PodNamespace }},
	{names: []string{"podUid"}, text: func(e *trace.Event) string { return e.PodUID }},
}

// containerID is the field that is empty outside of containers.
const containerID = "containerId"

// places are filters without a value: how containerId compares with the empty text.
var places = map[string]operator{"container": notEqual, "host": equal}

// contextRule is what the filters of a selector say about one field.
type contextRule struct {
	field   *contextField
	numbers numbers[int64]
	texts   texts
}

// NewSelector reads the filters of an event: args.NAME or data.NAME, retval, or a field of the context.
func NewSelector(e *events.Event, filters []string) (*Selector, error) {
	s := &Selector{Event: e}
	var arguments Filter
	for _, text := range filters {
		x := split(text)
		if x.name == "" {
			return nil, errors.New("an empty filter")
		}
		argument, isArgument := strings.CutPrefix(x.name, "args.")
		if !isArgument {
			argument, isArgument = strings.CutPrefix(x.name, "data.")
		}
		if x.name == returnValue {
			argument, isArgument = returnValue, true
		}
		if !isArgument {
			if err := s.addContext(x); err != nil {
				return nil, err
			}
			continue
		}
		if err := arguments.addArgument(x, e, argument); err != nil {
			return nil, err
		}
		s.conditions = append(s.conditions, Condition{Argument: argument, Operator: string(x.operator), Values: x.values})
	}
	for _, r := range arguments.arguments {
		s.arguments = append(s.arguments, r.condition())
	}
	return s, nil
}

func (s *Selector) addContext(x expression) error {
	if op, ok := places[x.name+x.rest]; ok {
		r := s.rule(fieldNamed(containerID))
		r.texts = append(r.texts, term[pattern]{op, newPattern("")})
		return nil
	}
	field := fieldNamed(x.name)
	if field == nil {
		known := []string{returnValue}
		for _, f := range contextFields {
			known = append(known, f.names...)
		}
		for _, a := range s.Event.Args {
			known = append(known, "args."+a.Name)
		}
		hint := suggest.DidYouMean(x.name, known)
		if s.Event.Schema().Index(x.name) >= 0 {
			hint = " (did you mean args." + x.name + "?)"
		}
		return fmt.Errorf("unknown filter %q%s", x.name, hint)
	}
	r := s.rule(field)
	if r.field.text != nil {
		if err := x.check(equal, notEqual); err != nil {
			return err
		}
		for _, value := range x.values {
			r.texts = append(r.texts, term[pattern]{x.operator, newPattern(value)})
		}
		return nil
	}
	if err := x.checkNumber(); err != nil {
		return err
	}
	for _, value := range x.values {
		n, err := parseSigned(value, 64)
		if err != nil {
			return badNumber(value, x.name+" is a number", err)
		}
		r.numbers = append(r.numbers, term[int64]{x.operator, n})
	}
	return nil
}

func fieldNamed(name string) *contextField {
	i := slices.IndexFunc(contextFields, func(f contextField) bool { return slices.Contains(f.names, name) })
	if i < 0 {
		return nil
	}
	return &contextFields[i]
}

func (s *Selector) rule(field *contextField) *contextRule {
	for _, r := range s.context {
		if r.field == field {
			return r
		}
	}
	r := &contextRule{field: field}
	s.context = append(s.context, r)
	return r
}

// Conditions are those of the filters that the kernel side can be asked to make.
func (s *Selector) Conditions() Conditions { return s.conditions }

// Match says whether all filters hold. The event must be one of the selector's.
func (s *Selector) Match(e *trace.Event) bool {
	for _, r := range s.context {
		var v verdict
		if r.field.text != nil {
			r.texts.judge(r.field.text(e), &v)
		} else {
			r.numbers.judge(r.field.number(e), &v)
		}
		if !v.argument() {
			return false
		}
	}
	for _, holds := range s.arguments {
		if !holds(e) {
			return false
		}
	}
	return true
}
