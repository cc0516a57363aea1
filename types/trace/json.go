package trace

import (
	"bytes"
	"math"
	"math/bits"
	"strconv"
)

// AppendJSON appends the event as v0.8 writes it, byte for byte what encoding/json makes of v0.8's struct, without a
// newline. After "args" come the fields that v0.8 does not have, each only when it says something: "threadEntityId",
// "processEntityId", "parentEntityId", "containerImageDigest", "containerRuntime", "executable", "rung", "compat", "via", "errno",
// "stackSymbols", "matchedPolicies", "truncated", the names of the arguments that are not whole, and "bytes", see jsonlost.go. It
// does not allocate when b has room and all texts are UTF-8.
func (e *Event) AppendJSON(b []byte) []byte {
	start := len(b)
	b = e.appendThread(e.appendTime(b))
	b, saysLess := e.appendItself(b)
	b = e.appendWay(e.appendProcess(b))
	return e.appendEnd(b, saysLess || bytes.Contains(b[start:], replaced))
}

// appendItself appends what happened. It also reports whether a socket address says less than its bytes.
func (e *Event) appendItself(b []byte) (_ []byte, saysLess bool) {
	b = e.appendWhat(b)
	b = appendInt(append(b, `,"argsNum":`...), int64(e.ArgsNum()))
	b = appendInt(append(b, `,"returnValue":`...), int64(e.ReturnValue))
	b = appendStack(append(b, `,"stackAddresses":`...), e.StackAddresses)
	b = strconv.AppendBool(append(b, `,"contextFlags":{"containerStarted":`...), e.ContextFlags.ContainerStarted)
	b, saysLess = e.appendArgs(append(b, `},"args":[`...))
	return append(b, ']'), saysLess
}

// appendEnd ends an event, of which a text says less than its bytes, or not.
func (e *Event) appendEnd(b []byte, lost bool) []byte {
	if lost {
		b = e.appendLost(b)
	}
	return append(b, '}')
}

// MarshalJSON is AppendJSON for encoding/json. It has a value receiver because findings carry events by value.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

func (e *Event) appendTime(b []byte) []byte {
	return appendInt(append(b, `{"timestamp":`...), int64(e.Timestamp))
}

// appendThread appends who did it, and where.
func (e *Event) appendThread(b []byte) []byte {
	b = appendInt(append(b, `,"threadStartTime":`...), int64(e.ThreadStartTime))
	b = appendInt(append(b, `,"processorId":`...), int64(e.ProcessorID))
	b = appendInt(append(b, `,"processId":`...), int64(e.ProcessID))
	b = appendUint(append(b, `,"cgroupId":`...), uint64(e.CgroupID))
	b = appendInt(append(b, `,"threadId":`...), int64(e.ThreadID))
	b = appendInt(append(b, `,"parentProcessId":`...), int64(e.ParentProcessID))
	b = appendInt(append(b, `,"hostProcessId":`...), int64(e.HostProcessID))
	b = appendInt(append(b, `,"hostThreadId":`...), int64(e.HostThreadID))
	b = appendInt(append(b, `,"hostParentProcessId":`...), int64(e.HostParentProcessID))
	b = appendInt(append(b, `,"userId":`...), int64(e.UserID))
	b = appendInt(append(b, `,"mountNamespace":`...), int64(e.MountNS))
	b = appendInt(append(b, `,"pidNamespace":`...), int64(e.PIDNS))
	b = appendJSONString(append(b, `,"processName":`...), e.ProcessName)
	b = appendJSONString(append(b, `,"hostName":`...), e.HostName)
	return e.appendContainer(b)
}

// appendWhat appends id and name, which nearly always are those of the schema.
func (e *Event) appendWhat(b []byte) []byte {
	if s := e.schema; s != nil && s.ID == e.EventID && s.Name == e.EventName {
		return append(b, s.jsonParts().what...)
	}
	return appendWhat(b, e.EventID, e.EventName)
}

func appendWhat(b []byte, id int, name string) []byte {
	b = appendInt(append(b, `,"eventId":"`...), int64(id))
	return appendJSONString(append(b, `","eventName":`...), name)
}

func (e *Event) appendContainer(b []byte) []byte {
	if e.ContainerID == "" && e.ContainerImage == "" && e.ContainerName == "" &&
		e.PodName == "" && e.PodNamespace == "" && e.PodUID == "" {
		return append(b, `,"containerId":"","containerImage":"","containerName":"","podName":"","podNamespace":"","podUID":""`...)
	}
	b = appendJSONString(append(b, `,"containerId":`...), e.ContainerID)
	b = appendJSONString(append(b, `,"containerImage":`...), e.ContainerImage)
	b = appendJSONString(append(b, `,"containerName":`...), e.ContainerName)
	b = appendJSONString(append(b, `,"podName":`...), e.PodName)
	b = appendJSONString(append(b, `,"podNamespace":`...), e.PodNamespace)
	return appendJSONString(append(b, `,"podUID":`...), e.PodUID)
}

func appendStack(b []byte, addresses []uint64) []byte {
	if addresses == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, address := range addresses {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendUint(b, address)
	}
	return append(b, ']')
}

// appendArgs also reports whether a socket address says less than its bytes.
func (e *Event) appendArgs(b []byte) (_ []byte, saysLess bool) {
	if e.present == 0 {
		return b, false
	}
	prefixes := e.schema.jsonParts().arguments
	for rest := e.present; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		a := Arg{event: e, index: i}
		b = append(a.appendJSON(b, &prefixes[i]), ',')
		saysLess = saysLess || a.Type().Kind == Sockaddr && saysMore(a.Raw())
	}
	return b[:len(b)-1], saysLess
}

// appendProcess appends what else is known of who did it.
func (e *Event) appendProcess(b []byte) []byte {
	b = e.appendEntities(b)
	if e.ContainerImageDigest != "" {
		b = appendJSONString(append(b, `,"containerImageDigest":`...), e.ContainerImageDigest)
	}
	if e.ContainerRuntime != "" {
		b = appendJSONString(append(b, `,"containerRuntime":`...), e.ContainerRuntime)
	}
	if e.Executable != "" {
		b = appendJSONString(append(b, `,"executable":{"path":`...), e.Executable)
		b = append(b, '}')
	}
	return b
}

// appendWay appends how the event came, and what else there is to say of it.
func (e *Event) appendWay(b []byte) []byte {
	if e.Rung != NoRung {
		b = append(b, `,"rung":"`...)
		b = append(append(b, e.Rung.String()...), '"')
	}
	if e.Compat {
		b = append(b, `,"compat":true`...)
	}
	if e.Via != "" {
		b = appendJSONString(append(b, `,"via":`...), e.Via)
	}
	if e.Errno != "" {
		b = appendJSONString(append(b, `,"errno":`...), e.Errno)
	}
	b = appendTexts(b, `,"stackSymbols":[`, e.StackSymbols)
	b = appendTexts(b, `,"matchedPolicies":[`, e.MatchedPolicies)
	separator := `,"truncated":[`
	for rest := e.truncated & e.present; rest != 0; rest &= rest - 1 {
		b = append(b, separator...)
		b = appendJSONString(b, e.schema.Fields[bits.TrailingZeros64(rest)].Name)
		separator = ","
	}
	if separator == "," {
		b = append(b, ']')
	}
	return b
}

// appendTexts appends a list that has elements.
func appendTexts(b []byte, key string, texts []string) []byte {
	if len(texts) == 0 {
		return b
	}
	b = append(b, key...)
	for _, text := range texts {
		b = append(appendJSONString(b, text), ',')
	}
	b[len(b)-1] = ']'
	return b
}

// appendEntities does the work for a thread that is its process, which most are, once.
func (e *Event) appendEntities(b []byte) []byte {
	start := len(b)
	b = appendEntity(b, `,"threadEntityId":`, e.ThreadEntityID)
	if e.ProcessEntityID == e.ThreadEntityID && e.ProcessEntityID != 0 {
		digits := b[start+len(`,"threadEntityId":`):]
		b = append(append(b, `,"processEntityId":`...), digits...)
	} else {
		b = appendEntity(b, `,"processEntityId":`, e.ProcessEntityID)
	}
	return appendEntity(b, `,"parentEntityId":`, e.ParentEntityID)
}

func appendEntity(b []byte, prefix string, id uint64) []byte {
	if id == 0 {
		return b
	}
	return appendUint(append(b, prefix...), id)
}

// jsonParts are the texts that all events of a schema share.
type jsonParts struct {
	what      string // id and name of the event
	arguments []jsonPrefix
}

// jsonPrefix is what comes before the value of an argument: its name and its type.
type jsonPrefix struct{ plain, parsed string }

// jsonParts returns the texts of the schema. Two events may make them at the same time; either result will do.
func (s *Schema) jsonParts() *jsonParts {
	if made := s.json.Load(); made != nil {
		return made
	}
	parts := &jsonParts{what: string(appendWhat(nil, s.ID, s.Name)), arguments: make([]jsonPrefix, len(s.Fields))}
	for i, f := range s.Fields {
		parts.arguments[i] = jsonPrefix{plain: argPrefix(f.Name, f.Type.Name), parsed: argPrefix(f.Name, f.Type.parsedName())}
	}
	s.json.Store(parts)
	return parts
}

func argPrefix(name, typeName string) string {
	b := appendJSONString([]byte(`{"name":`), name)
	b = appendJSONString(append(b, `,"type":`...), typeName)
	return string(append(b, `,"value":`...))
}

// AppendJSON appends the argument as an object of its name, type and value.
func (a Arg) AppendJSON(b []byte) []byte {
	return a.appendJSON(b, &a.event.schema.jsonParts().arguments[a.index])
}

func (a Arg) appendJSON(b []byte, prefix *jsonPrefix) []byte {
	if text, ok := a.symbol(); ok {
		b = appendJSONString(append(b, prefix.parsed...), text)
	} else {
		b = a.appendJSONPlain(append(b, prefix.plain...))
	}
	return append(b, '}')
}

// MarshalJSON is AppendJSON for encoding/json.
func (a Arg) MarshalJSON() ([]byte, error) { return a.AppendJSON(nil), nil }

// AppendJSONValue appends the value of the argument alone, as it stands in JSON.
func (a Arg) AppendJSONValue(b []byte) []byte {
	if text, ok := a.symbol(); ok {
		return appendJSONString(b, text)
	}
	return a.appendJSONPlain(b)
}

// appendJSONPlain appends a value that has no textual form.
func (a Arg) appendJSONPlain(b []byte) []byte {
	if a.hexadecimal() {
		return append(a.appendHexadecimal(append(b, '"')), '"')
	}
	switch a.Type().Kind {
	case String:
		return appendJSONString(b, a.text())
	case Strings:
		return appendJSONStrings(b, a.text())
	case Sockaddr:
		return appendJSONSockaddr(b, a.Raw())
	case Bytes:
		return appendJSONBytes(b, a.Raw())
	case Cred:
		return appendJSONCred(b, parseCred(a.Raw()))
	case Document:
		return appendJSONDocument(b, a.Raw())
	case Float64:
		return appendJSONFloat(b, math.Float64frombits(a.Uint()))
	case IntPair:
		b = appendInt(append(b, '['), int64(int32(a.Uint())))
		b = appendInt(append(b, ','), int64(int32(a.Uint()>>32)))
		return append(b, ']')
	default:
		return a.appendJSONNumber(b)
	}
}

func (a Arg) appendJSONNumber(b []byte) []byte {
	switch a.Type().Kind {
	case Bool:
		return strconv.AppendBool(b, a.Uint() != 0)
	case Int32, Int64, Uint8, Uint16, Uint32:
		return appendInt(b, a.Int())
	default:
		return appendUint(b, a.Uint())
	}
}
