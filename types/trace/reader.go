package trace

import (
	"errors"
	"fmt"
)

// Reader reads a stream of events. After io.EOF, and after any error that is not a *BadRecord, there is nothing more to
// read. The event is valid until the next Read.
type Reader interface {
	Read(e *Event) error
}

// StreamReader is a Reader that can read less of events of which few are of use.
type StreamReader interface {
	Reader
	// LeaveOut makes the reader leave out the arguments of events for whose names leaveOut says so. It still walks over them, and
	// notices when there are none; only what their values mean is not looked at. Call it before Read; what it once said of a name
	// holds.
	LeaveOut(leaveOut func(eventName string) bool)
}

// BadRecord is the error for one record that is not an event. Reading can go on behind it.
type BadRecord struct {
	Line int    // the line, or in a gob stream the number of the event, counted from 1
	Err  error  // what is wrong
	Text string // how the line begins; empty in a gob stream
}

// Error tells what v0.8 logs for such a line.
func (r *BadRecord) Error() string {
	if r.Text == "" {
		return fmt.Sprintf("event %d: %v", r.Line, r.Err)
	}
	return fmt.Sprintf("line %d: invalid json in %q: %v", r.Line, r.Text, r.Err)
}

func (r *BadRecord) Unwrap() error { return r.Err }

// maxRecord is the longest line or gob message that is read. Events of the kernel stay under 64 KiB.
const maxRecord = 64 << 20

// Limits on what one event may hold: beyond them memory would grow far above the size of the record.
const (
	maxStack        = 1 << 16
	maxSockaddrKeys = 16
)

var errTooLong = errors.New("too many elements")

// keptBuffer is how much memory a reader keeps behind an unusually large record.
const keptBuffer = 1 << 20

// emptied returns a buffer to fill again.
func emptied(b []byte) []byte {
	if cap(b) > keptBuffer {
		return nil
	}
	return b[:0]
}

// eventField is a field of an event under its names in JSON and in gob. Integers and strings of the context say where
// they go; what the readers do with the others, their own tables say.
type eventField struct {
	json, gob string
	number    func(*Event) *int
	text      func(*Event) *string
	entity    func(*Event) *uint64
}

// eventFields are all fields, in the order of JSON.
var eventFields = [...]eventField{
	{json: "timestamp", gob: "Timestamp", number: func(e *Event) *int { return &e.Timestamp }},
	{json: "threadStartTime", gob: "ThreadStartTime", number: func(e *Event) *int { return &e.ThreadStartTime }},
	{json: "processorId", gob: "ProcessorID", number: func(e *Event) *int { return &e.ProcessorID }},
	{json: "processId", gob: "ProcessID", number: func(e *Event) *int { return &e.ProcessID }},
	{json: "cgroupId", gob: "CgroupID"},
	{json: "threadId", gob: "ThreadID", number: func(e *Event) *int { return &e.ThreadID }},
	{json: "parentProcessId", gob: "ParentProcessID", number: func(e *Event) *int { return &e.ParentProcessID }},
	{json: "hostProcessId", gob: "HostProcessID", number: func(e *Event) *int { return &e.HostProcessID }},
	{json: "hostThreadId", gob: "HostThreadID", number: func(e *Event) *int { return &e.HostThreadID }},
	{json: "hostParentProcessId", gob: "HostParentProcessID", number: func(e *Event) *int { return &e.HostParentProcessID }},
	{json: "userId", gob: "UserID", number: func(e *Event) *int { return &e.UserID }},
	{json: "mountNamespace", gob: "MountNS", number: func(e *Event) *int { return &e.MountNS }},
	{json: "pidNamespace", gob: "PIDNS", number: func(e *Event) *int { return &e.PIDNS }},
	{json: "processName", gob: "ProcessName", text: func(e *Event) *string { return &e.ProcessName }},
	{json: "hostName", gob: "HostName", text: func(e *Event) *string { return &e.HostName }},
	{json: "containerId", gob: "ContainerID", text: func(e *Event) *string { return &e.ContainerID }},
	{json: "containerImage", gob: "ContainerImage", text: func(e *Event) *string { return &e.ContainerImage }},
	{json: "containerName", gob: "ContainerName", text: func(e *Event) *string { return &e.ContainerName }},
	{json: "podName", gob: "PodName", text: func(e *Event) *string { return &e.PodName }},
	{json: "podNamespace", gob: "PodNamespace", text: func(e *Event) *string { return &e.PodNamespace }},
	{json: "podUID", gob: "PodUID", text: func(e *Event) *string { return &e.PodUID }},
	{json: "eventId", gob: "EventID"},
	{json: "eventName", gob: "EventName", text: func(e *Event) *string { return &e.EventName }},
	{json: "argsNum", gob: "ArgsNum"},
	{json: "returnValue", gob: "ReturnValue", number: func(e *Event) *int { return &e.ReturnValue }},
	{json: "stackAddresses", gob: "StackAddresses"},
	{json: "contextFlags", gob: "ContextFlags"},
	{json: "args", gob: "Args"},
	{json: "threadEntityId", gob: "ThreadEntityID", entity: func(e *Event) *uint64 { return &e.ThreadEntityID }},
	{json: "processEntityId", gob: "ProcessEntityID", entity: func(e *Event) *uint64 { return &e.ProcessEntityID }},
	{json: "parentEntityId", gob: "ParentEntityID", entity: func(e *Event) *uint64 { return &e.ParentEntityID }},
	{json: "containerImageDigest", gob: "ContainerImageDigest", text: func(e *Event) *string { return &e.ContainerImageDigest }},
	{json: "containerRuntime", gob: "ContainerRuntime", text: func(e *Event) *string { return &e.ContainerRuntime }},
	{json: "executable", gob: "Executable"},
	{json: "rung", gob: "Rung"},
	{json: "compat", gob: "Compat"},
	{json: "via", gob: "Via", text: func(e *Event) *string { return &e.Via }},
	{json: "errno", gob: "Errno", text: func(e *Event) *string { return &e.Errno }},
	{json: "stackSymbols", gob: "StackSymbols"},
	{json: "matchedPolicies", gob: "MatchedPolicies"},
	{json: "truncated", gob: "Truncated"},
	{json: "bytes", gob: "Bytes"},
}

// rungByName is the inverse of Rung.String; a name from the future is NoRung.
func rungByName(name string) Rung {
	for i, known := range rungNames {
		if known == name {
			return Rung(i)
		}
	}
	return NoRung
}

// interner keeps strings that come again with each event, so that reading them does not allocate.
type interner map[string]string

const (
	internedStrings = 4096
	internedLength  = 256
)

func (t *interner) get(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := (*t)[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(b) > internedLength {
		return s
	}
	if *t == nil || len(*t) >= internedStrings {
		*t = make(interner)
	}
	(*t)[s] = s
	return s
}
