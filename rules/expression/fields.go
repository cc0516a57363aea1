package expression

import (
	"fmt"
	"strconv"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

// of makes a field of a getter on the Go type behind it.
func of[T any](typ *cel.Type, get func(T) any) field {
	return field{typ: typ, get: func(target any) (any, error) {
		v, ok := target.(T)
		if !ok {
			return nil, fmt.Errorf("unexpected %T", target)
		}
		return get(v), nil
	}}
}

// texts are the fields of events that are strings. They have the names of JSON, some of which v0.8.3's CEL has in another
// form.
var texts = map[string]func(e *trace.Event) string{
	"containerID":          func(e *trace.Event) string { return e.ContainerID },
	"containerId":          func(e *trace.Event) string { return e.ContainerID },
	"containerImage":       func(e *trace.Event) string { return e.ContainerImage },
	"containerName":        func(e *trace.Event) string { return e.ContainerName },
	"containerImageDigest": func(e *trace.Event) string { return e.ContainerImageDigest },
	"containerRuntime":     func(e *trace.Event) string { return e.ContainerRuntime },
	"eventId":              func(e *trace.Event) string { return strconv.Itoa(e.EventID) },
	"eventName":            func(e *trace.Event) string { return e.EventName },
	"executable":           func(e *trace.Event) string { return e.Executable },
	"hostName":             func(e *trace.Event) string { return e.HostName },
	"origin":               (*trace.Event).Origin,
	"podName":              func(e *trace.Event) string { return e.PodName },
	"podNamespace":         func(e *trace.Event) string { return e.PodNamespace },
	"podUID":               func(e *trace.Event) string { return e.PodUID },
	"processName":          func(e *trace.Event) string { return e.ProcessName },
	"rung":                 func(e *trace.Event) string { return e.Rung.String() },
	"via":                  func(e *trace.Event) string { return e.Via },
}

// numbers are the fields of events that are integers, under the names of JSON and of v0.8.3's CEL.
var numbers = map[string]func(e *trace.Event) int{
	"argsNum":             (*trace.Event).ArgsNum,
	"cgroupID":            func(e *trace.Event) int { return int(e.CgroupID) },
	"cgroupId":            func(e *trace.Event) int { return int(e.CgroupID) },
	"eventID":             func(e *trace.Event) int { return e.EventID },
	"hostParentProcessID": func(e *trace.Event) int { return e.HostParentProcessID },
	"hostParentProcessId": func(e *trace.Event) int { return e.HostParentProcessID },
	"hostProcessID":       func(e *trace.Event) int { return e.HostProcessID },
	"hostProcessId":       func(e *trace.Event) int { return e.HostProcessID },
	"hostThreadID":        func(e *trace.Event) int { return e.HostThreadID },
	"hostThreadId":        func(e *trace.Event) int { return e.HostThreadID },
	"mountNS":             func(e *trace.Event) int { return e.MountNS },
	"mountNamespace":      func(e *trace.Event) int { return e.MountNS },
	"parentProcessID":     func(e *trace.Event) int { return e.ParentProcessID },
	"parentProcessId":     func(e *trace.Event) int { return e.ParentProcessID },
	"PIDNS":               func(e *trace.Event) int { return e.PIDNS },
	"pidNamespace":        func(e *trace.Event) int { return e.PIDNS },
	"processID":           func(e *trace.Event) int { return e.ProcessID },
	"processId":           func(e *trace.Event) int { return e.ProcessID },
	"processorID":         func(e *trace.Event) int { return e.ProcessorID },
	"processorId":         func(e *trace.Event) int { return e.ProcessorID },
	"returnValue":         func(e *trace.Event) int { return e.ReturnValue },
	"threadID":            func(e *trace.Event) int { return e.ThreadID },
	"threadId":            func(e *trace.Event) int { return e.ThreadID },
	"threadStartTime":     func(e *trace.Event) int { return e.ThreadStartTime },
	"userID":              func(e *trace.Event) int { return e.UserID },
	"userId":              func(e *trace.Event) int { return e.UserID },
}

var eventFields = func() map[string]field {
	fields := map[string]field{
		"args":            of(cel.ListType(typeOfArgument), func(e *trace.Event) any { return arguments(e) }),
		"compat":          of(cel.BoolType, func(e *trace.Event) any { return e.Compat }),
		"contextFlags":    of(typeOfFlags, func(e *trace.Event) any { return e.ContextFlags }),
		"stackAddresses":  of(cel.ListType(cel.UintType), func(e *trace.Event) any { return e.StackAddresses }),
		"timestamp":       of(cel.TimestampType, func(e *trace.Event) any { return time.Unix(0, int64(e.Timestamp)).UTC() }),
		"processEntityId": of(cel.UintType, func(e *trace.Event) any { return e.ProcessEntityID }),
		"parentEntityId":  of(cel.UintType, func(e *trace.Event) any { return e.ParentEntityID }),
		"threadEntityId":  of(cel.UintType, func(e *trace.Event) any { return e.ThreadEntityID }),
	}
	for name, get := range texts {
		fields[name] = of(cel.StringType, func(e *trace.Event) any { return get(e) })
	}
	for name, get := range numbers {
		fields[name] = of(cel.IntType, func(e *trace.Event) any { return int64(get(e)) })
	}
	return fields
}()

func arguments(e *trace.Event) []trace.Arg {
	all := make([]trace.Arg, 0, e.ArgsNum())
	for a := range e.All() {
		all = append(all, a)
	}
	return all
}

var flagsFields = map[string]field{
	"containerStarted": of(cel.BoolType, func(f trace.ContextFlags) any { return f.ContainerStarted }),
}

// processFields are those of the elements of ancestors.
var processFields = map[string]field{
	"arguments":  of(cel.ListType(cel.StringType), func(p detect.Process) any { return p.Arguments }),
	"executable": of(cel.StringType, func(p detect.Process) any { return p.Executable }),
	"name":       of(cel.StringType, func(p detect.Process) any { return p.Name }),
	"pid":        of(cel.IntType, func(p detect.Process) any { return int64(p.PID) }),
	"user":       of(cel.IntType, func(p detect.Process) any { return int64(p.User) }),
}

// addressFields are those of socket addresses: the first ones for any family, the others as in v0.8.3.
var addressFields = map[string]field{
	"family": of(cel.StringType, func(a trace.SocketAddress) any { return trace.FamilyName(a.Family) }),
	"ip":     of(cel.StringType, func(a trace.SocketAddress) any { return ip(a) }),
	"path":   of(cel.StringType, func(a trace.SocketAddress) any { return a.Path }),
	"port":   of(cel.IntType, func(a trace.SocketAddress) any { return int64(a.IP.Port()) }),

	"sa_family":     of(cel.DynType, func(a trace.SocketAddress) any { return int64(a.Family) }),
	"sin6_addr":     of(cel.StringType, func(a trace.SocketAddress) any { return ipOf(a, 10) }),
	"sin6_flowinfo": of(cel.DynType, func(a trace.SocketAddress) any { return uint64(a.FlowInfo) }),
	"sin6_port":     of(cel.DynType, func(a trace.SocketAddress) any { return portOf(a, 10) }),
	"sin6_scopeid":  of(cel.DynType, func(a trace.SocketAddress) any { return uint64(a.ScopeID) }),
	"sin_addr":      of(cel.StringType, func(a trace.SocketAddress) any { return ipOf(a, 2) }),
	"sin_port":      of(cel.DynType, func(a trace.SocketAddress) any { return portOf(a, 2) }),
	"sun_path":      of(cel.StringType, func(a trace.SocketAddress) any { return a.Path }),
}

func ip(a trace.SocketAddress) string {
	if !a.IP.IsValid() {
		return ""
	}
	return a.IP.Addr().Unmap().String()
}

func ipOf(a trace.SocketAddress, family uint16) string {
	if a.Family != family {
		return ""
	}
	return ip(a)
}

func portOf(a trace.SocketAddress, family uint16) uint64 {
	if a.Family != family {
		return 0
	}
	return uint64(a.IP.Port())
}

// argumentFields are those of the elements of input.args, as in v0.8.3.
var argumentFields = map[string]field{
	"name":      of(cel.StringType, func(a trace.Arg) any { return a.Name() }),
	"type":      of(cel.StringType, func(a trace.Arg) any { return a.TypeName() }),
	"valueType": of(cel.StringType, func(a trace.Arg) any { return a.TypeName() }),
	"value":     of(typeOfArgumentValue, func(a trace.Arg) any { return argumentValue{a} }),
}

// argumentValue is the value of an argument, of which one field is set.
type argumentValue struct{ arg trace.Arg }

func oneOf(typ *cel.Type, zero any, get func(a trace.Arg) (any, bool)) field {
	return field{
		typ: typ,
		get: func(target any) (any, error) {
			if v, ok := target.(argumentValue); ok {
				if value, ok := get(v.arg); ok {
					return value, nil
				}
			}
			return zero, nil
		},
		set: func(target any) bool {
			v, ok := target.(argumentValue)
			if ok {
				_, ok = get(v.arg)
			}
			return ok
		},
	}
}

// ofKind is a number of a kind that is not shown as a text.
func ofKind(convert func(int64) any, kinds ...trace.Kind) func(a trace.Arg) (any, bool) {
	return func(a trace.Arg) (any, bool) {
		for _, k := range kinds {
			if a.Type().Kind == k && !a.HasText() {
				return convert(a.Int()), true
			}
		}
		return nil, false
	}
}

func signed(n int64) any   { return n }
func unsigned(n int64) any { return uint64(n) }

var argumentValueFields = map[string]field{
	"stringValue":      oneOf(cel.StringType, "", textValue),
	"stringArrayValue": oneOf(cel.ListType(cel.StringType), []string{}, forms[trace.Strings].value),
	"sockaddrValue":    oneOf(typeOfAddress, trace.SocketAddress{}, forms[trace.Sockaddr].value),
	"int32Value":       oneOf(cel.IntType, int64(0), ofKind(signed, trace.Int32)),
	"int64Value":       oneOf(cel.IntType, int64(0), ofKind(signed, trace.Int64)),
	"uint32Value":      oneOf(cel.UintType, uint64(0), ofKind(unsigned, trace.Uint8, trace.Uint16, trace.Uint32)),
	"uint64Value":      oneOf(cel.UintType, uint64(0), ofKind(unsigned, trace.Uint64)),
}

// plainAggregate converts lists, maps and our own objects.
func plainAggregate(v ref.Val) any {
	switch value := v.(type) {
	case traits.Lister:
		var list []any
		for it := value.Iterator(); it.HasNext() == trueValue; {
			list = append(list, Plain(it.Next()))
		}
		return list
	case traits.Mapper:
		m := map[string]any{}
		for it := value.Iterator(); it.HasNext() == trueValue; {
			key := it.Next()
			m[fmt.Sprint(key.Value())] = Plain(value.Get(key))
		}
		return m
	case object:
		if a, ok := value.value.(trace.SocketAddress); ok {
			return a.Map()
		}
	}
	return fmt.Sprint(v.Value())
}
