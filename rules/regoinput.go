package rules

import (
	"bytes"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/tracee-go/tracee/types/trace"
)

// regoInput makes the documents that Rego rules see as input: the fields of the event's JSON, but for each rule only those
// that it reads, and "argument" for the helpers. What several rules read of an event is made once.
type regoInput struct {
	shared bool // an engine calls forget after each event
	made   []madeTerm
	any    bool                 // something was made
	names  map[string]*ast.Term // terms of argument names
}

// madeTerm is a field of the event at hand.
type madeTerm struct {
	term *ast.Term
	done bool
}

// maxNames bounds the cache of argument names, which a stream of events can invent.
const maxNames = 4096

type inputField struct {
	key  *ast.Term
	name string
	term func(in *regoInput, e *trace.Event) *ast.Term // nil when the event's JSON leaves the field out
	text func(e *trace.Event) string                   // nil when the field is no string
}

func field(name string, term func(in *regoInput, e *trace.Event) *ast.Term) *inputField {
	return &inputField{key: ast.StringTerm(name), name: name, term: term}
}

func number(name string, get func(e *trace.Event) int) *inputField {
	return field(name, func(_ *regoInput, e *trace.Event) *ast.Term { return ast.IntNumberTerm(get(e)) })
}

func entity(name string, get func(e *trace.Event) uint64) *inputField {
	return field(name, func(_ *regoInput, e *trace.Event) *ast.Term {
		id := get(e)
		if id == 0 {
			return nil
		}
		return ast.UIntNumberTerm(id)
	})
}

func text(name string, get func(e *trace.Event) string) *inputField {
	f := field(name, func(_ *regoInput, e *trace.Event) *ast.Term { return ast.StringTerm(get(e)) })
	f.text = get
	return f
}

// known is a text that is only there when it is known.
func known(name string, get func(e *trace.Event) string) *inputField {
	return field(name, func(_ *regoInput, e *trace.Event) *ast.Term {
		if get(e) == "" {
			return nil
		}
		return ast.StringTerm(get(e))
	})
}

var inputFields = []*inputField{
	field("args", argsTerm),
	number("argsNum", func(e *trace.Event) int { return e.ArgsNum() }),
	field("argument", argumentTerm),
	number("cgroupId", func(e *trace.Event) int { return int(e.CgroupID) }),
	field("compat", compatTerm),
	text("containerId", func(e *trace.Event) string { return e.ContainerID }),
	text("containerImage", func(e *trace.Event) string { return e.ContainerImage }),
	known("containerImageDigest", func(e *trace.Event) string { return e.ContainerImageDigest }),
	text("containerName", func(e *trace.Event) string { return e.ContainerName }),
	known("containerRuntime", func(e *trace.Event) string { return e.ContainerRuntime }),
	field("contextFlags", contextFlagsTerm),
	known("errno", func(e *trace.Event) string { return e.Errno }),
	text("eventId", func(e *trace.Event) string { return strconv.Itoa(e.EventID) }),
	text("eventName", func(e *trace.Event) string { return e.EventName }),
	text("hostName", func(e *trace.Event) string { return e.HostName }),
	field("executable", executableTerm),
	number("hostParentProcessId", func(e *trace.Event) int { return e.HostParentProcessID }),
	number("hostProcessId", func(e *trace.Event) int { return e.HostProcessID }),
	number("hostThreadId", func(e *trace.Event) int { return e.HostThreadID }),
	number("mountNamespace", func(e *trace.Event) int { return e.MountNS }),
	entity("parentEntityId", func(e *trace.Event) uint64 { return e.ParentEntityID }),
	number("parentProcessId", func(e *trace.Event) int { return e.ParentProcessID }),
	number("pidNamespace", func(e *trace.Event) int { return e.PIDNS }),
	text("podName", func(e *trace.Event) string { return e.PodName }),
	text("podNamespace", func(e *trace.Event) string { return e.PodNamespace }),
	text("podUID", func(e *trace.Event) string { return e.PodUID }),
	entity("processEntityId", func(e *trace.Event) uint64 { return e.ProcessEntityID }),
	number("processId", func(e *trace.Event) int { return e.ProcessID }),
	text("processName", func(e *trace.Event) string { return e.ProcessName }),
	number("processorId", func(e *trace.Event) int { return e.ProcessorID }),
	number("returnValue", func(e *trace.Event) int { return e.ReturnValue }),
	field("rung", rungTerm),
	field("stackAddresses", stackTerm),
	entity("threadEntityId", func(e *trace.Event) uint64 { return e.ThreadEntityID }),
	number("threadId", func(e *trace.Event) int { return e.ThreadID }),
	number("threadStartTime", func(e *trace.Event) int { return e.ThreadStartTime }),
	number("timestamp", func(e *trace.Event) int { return e.Timestamp }),
	number("userId", func(e *trace.Event) int { return e.UserID }),
	known("via", func(e *trace.Event) string { return e.Via }),
}

var (
	keyName             = ast.StringTerm("name")
	keyType             = ast.StringTerm("type")
	keyValue            = ast.StringTerm("value")
	keyPath             = ast.StringTerm("path")
	keyContainerStarted = ast.StringTerm("containerStarted")
)

func newRegoInput() *regoInput {
	return &regoInput{names: make(map[string]*ast.Term), made: make([]madeTerm, len(inputFields))}
}

// fieldsOf returns the fields that the modules of a compiler read, as positions in inputFields.
func fieldsOf(compiler *ast.Compiler) (fields []int) {
	read := make(map[string]bool)
	all := false
	for _, module := range compiler.Modules {
		ast.WalkRefs(module, func(ref ast.Ref) bool {
			if !ref.HasPrefix(ast.InputRootRef) {
				return false
			}
			if len(ref) > 1 {
				if name, ok := ref[1].Value.(ast.String); ok {
					read[string(name)] = true
					return false
				}
			}
			all = true // input as a whole, or a field whose name is computed
			return false
		})
	}
	for i, f := range inputFields {
		if all || read[f.name] {
			fields = append(fields, i)
		}
	}
	return fields
}

// of returns the input for an event with the fields at these positions.
func (in *regoInput) of(e *trace.Event, fields []int) ast.Value {
	if !in.shared {
		in.forget()
	}
	in.any = true
	items := make([][2]*ast.Term, 0, len(fields))
	for _, i := range fields {
		made := &in.made[i]
		if !made.done {
			made.term, made.done = inputFields[i].term(in, e), true
		}
		if made.term != nil {
			items = append(items, [2]*ast.Term{inputFields[i].key, made.term})
		}
	}
	return ast.NewObject(items...)
}

// forget ends the sharing of an input: the next event is another one.
func (in *regoInput) forget() {
	if in.any {
		clear(in.made)
		in.any = false
	}
}

func argumentTerm(in *regoInput, e *trace.Event) *ast.Term {
	items := make([][2]*ast.Term, 0, e.ArgsNum())
	for a := range e.All() {
		items = append(items, [2]*ast.Term{in.argumentName(a.Name()), valueTerm(a)})
	}
	return ast.ObjectTerm(items...)
}

func argsTerm(in *regoInput, e *trace.Event) *ast.Term {
	items := make([]*ast.Term, 0, e.ArgsNum())
	for a := range e.All() {
		items = append(items, ast.ObjectTerm(
			[2]*ast.Term{keyName, in.argumentName(a.Name())},
			[2]*ast.Term{keyType, ast.StringTerm(a.TypeName())},
			[2]*ast.Term{keyValue, valueTerm(a)},
		))
	}
	return ast.ArrayTerm(items...)
}

func (in *regoInput) argumentName(name string) *ast.Term {
	if t, ok := in.names[name]; ok {
		return t
	}
	t := ast.StringTerm(name)
	if len(in.names) < maxNames {
		in.names[name] = t
	}
	return t
}

// valueTerm converts an argument as JSON would show it.
func valueTerm(a trace.Arg) *ast.Term {
	switch v := a.Value().(type) {
	case string:
		return ast.StringTerm(v)
	case bool:
		return ast.BooleanTerm(v)
	case int32:
		return ast.IntNumberTerm(int(v))
	case int64:
		return ast.IntNumberTerm(int(v))
	case uint16:
		return ast.IntNumberTerm(int(v))
	case uint32:
		return ast.IntNumberTerm(int(v))
	case uint64:
		return ast.UIntNumberTerm(v)
	case []string:
		items := make([]*ast.Term, len(v))
		for i, s := range v {
			items[i] = ast.StringTerm(s)
		}
		return ast.ArrayTerm(items...)
	default:
		value, err := ast.ValueFromReader(bytes.NewReader(a.AppendJSONValue(nil)))
		if err != nil {
			return ast.NullTerm()
		}
		return ast.NewTerm(value)
	}
}

func compatTerm(_ *regoInput, e *trace.Event) *ast.Term {
	if !e.Compat {
		return nil
	}
	return ast.BooleanTerm(true)
}

func executableTerm(_ *regoInput, e *trace.Event) *ast.Term {
	if e.Executable == "" {
		return nil
	}
	return ast.ObjectTerm([2]*ast.Term{keyPath, ast.StringTerm(e.Executable)})
}

func rungTerm(_ *regoInput, e *trace.Event) *ast.Term {
	if e.Rung == trace.NoRung {
		return nil
	}
	return ast.StringTerm(e.Rung.String())
}

func contextFlagsTerm(_ *regoInput, e *trace.Event) *ast.Term {
	return ast.ObjectTerm([2]*ast.Term{keyContainerStarted, ast.BooleanTerm(e.ContextFlags.ContainerStarted)})
}

func stackTerm(_ *regoInput, e *trace.Event) *ast.Term {
	if e.StackAddresses == nil {
		return ast.NullTerm()
	}
	items := make([]*ast.Term, len(e.StackAddresses))
	for i, address := range e.StackAddresses {
		items[i] = ast.UIntNumberTerm(address)
	}
	return ast.ArrayTerm(items...)
}
