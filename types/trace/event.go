// Package trace holds the words that everything else speaks: an event and its arguments.
//
// Start from Event. Its exported fields are the context, under the names of Tracee v0.8. Its arguments stay in the bytes
// that the kernel wrote (the record) and are decoded when somebody asks: Lookup finds one without allocating, Args
// decodes them all into v0.8's Go values.
//
// An Event is owned by whoever produced it and is valid until the next one is produced; a consumer that keeps it calls
// Clone. Events are not safe for concurrent use. The package reads nothing from the system and knows no event by name.
package trace

import (
	"encoding/binary"
	"slices"
)

// Rung names the kind of hook that an event came from; see "Hook ladders" in ARCHITECTURE.md.
type Rung uint8

// The rungs, best first. NoRung is for events that have no ladder, such as plain syscalls.
const (
	NoRung Rung = iota
	LSM
	Fentry
	Kprobe
	Tracepoint
	Cgroup // programs of the root cgroup, which see what sockets do
)

var rungNames = [...]string{"", "lsm", "fentry", "kprobe", "tracepoint", "cgroup"}

// String returns the name of the rung, empty for NoRung.
func (r Rung) String() string {
	if int(r) < len(rungNames) {
		return rungNames[r]
	}
	return "unknown"
}

// ContextFlags are facts about the task that are neither ids nor names.
type ContextFlags struct {
	ContainerStarted bool `json:"containerStarted"` // the container's entry point has been executed
}

// Event is one thing that happened. Integers are in the units of Tracee v0.8's JSON (section 2.2 of its interface).
type Event struct {
	Timestamp           int // ns since the epoch, or since the start of tracing with option:relative-time
	ThreadStartTime     int // ns since boot
	ProcessorID         int
	ProcessID           int // thread group id in the task's pid namespace
	CgroupID            uint
	ThreadID            int
	ParentProcessID     int
	HostProcessID       int
	HostThreadID        int
	HostParentProcessID int
	UserID              int // real uid in the initial user namespace
	MountNS             int // inode number of the namespace
	PIDNS               int
	ProcessName         string // comm, at most 15 bytes
	HostName            string // node name of the UTS namespace, at most 15 bytes
	ContainerID         string
	ContainerImage      string
	ContainerName       string
	PodName             string
	PodNamespace        string
	PodUID              string
	EventID             int
	EventName           string
	ReturnValue         int
	StackAddresses      []uint64 // innermost first
	ContextFlags        ContextFlags

	// Which thread, process and parent process the event is about, whatever happens to their numbers: see EntityID.
	// JSON shows them as "threadEntityId", "processEntityId" and "parentEntityId" when they are known.
	ThreadEntityID, ProcessEntityID, ParentEntityID uint64

	// ContainerImageDigest tells what the name ContainerImage stood for, as algorithm:hexadecimal, and ContainerRuntime who runs the
	// container, such as docker. JSON shows them as "containerImageDigest" and "containerRuntime" when they are known.
	ContainerImageDigest, ContainerRuntime string

	// Executable is the path of the file that the process runs. JSON shows it as "executable" when it is known.
	Executable string
	// StackSymbols says, for each of StackAddresses, where it lies: file+0xoffset, with " (function+0xoffset)" if that is known,
	// or nothing. JSON shows it as "stackSymbols" when something is known.
	StackSymbols []string
	// Rung is the kind of hook that saw the event. JSON shows it as "rung" when it is set.
	Rung Rung
	// Compat says that the syscall came through the 32-bit ABI. JSON shows it as "compat" when it is set.
	Compat bool
	// Via is the way on which something was done that is usually done by a syscall: ViaIOUring, or empty. JSON shows it as
	// "via" when it is set.
	Via string

	// MatchedPolicies are the names of the policies that the event matches. JSON shows them as "matchedPolicies" when there
	// are any. The list is shared.
	MatchedPolicies []string

	// Errno is the name of the error that ReturnValue is, such as ENOENT, if parse-arguments is to show it. JSON shows it
	// as "errno" when it is set.
	Errno string
	// ParseArguments makes Args, Lookup's Value and the encoders show arguments as option:parse-arguments does.
	ParseArguments bool

	// FilePaths says that the slots of descriptors hold more than numbers: see Type.Descriptor. With ParseArguments, they are
	// shown as "5=/path".
	FilePaths bool

	schema    *Schema
	body      []byte // slots, then the tail; offsets count from its start
	present   uint64 // bit i: argument i was captured
	truncated uint64 // bit i: argument i is not whole, see Arg.Truncated
}

// ViaIOUring is the Via of what was submitted through an io_uring.
const ViaIOUring = "io_uring"

// Origin of an event as signature selectors name it.
const (
	OriginContainer     = "container"
	OriginContainerInit = "container-init"
	OriginHost          = "host"
)

// Origin tells whether the event comes from a started container, from the set-up of one, or from the host.
func (e *Event) Origin() string {
	switch {
	case e.ContextFlags.ContainerStarted:
		return OriginContainer
	case e.ContainerID != "":
		return OriginContainerInit
	default:
		return OriginHost
	}
}

// SetRecord gives the event its arguments. The event refers to body, it does not copy it. Arguments beyond the schema
// are ignored, and those whose slot lies outside of body count as absent.
func (e *Event) SetRecord(schema *Schema, present, truncated uint64, body []byte) {
	if n := len(body) / slotSize; n < len(schema.Fields) {
		present &= 1<<n - 1
	}
	if n := len(schema.Fields); n < MaxFields {
		present &= 1<<n - 1
	}
	e.schema, e.present, e.truncated, e.body = schema, present, truncated, body
	e.EventID, e.EventName = schema.ID, schema.Name
}

// Schema returns the shape of the event; it may be nil for an event that was never given a record.
func (e *Event) Schema() *Schema { return e.schema }

// Record returns the arguments as SetRecord takes them, for encoders of raw streams. The bytes belong to the event.
func (e *Event) Record() (present, truncated uint64, body []byte) {
	return e.present, e.truncated, e.body
}

// SetText gives the event a string argument that its record does not have. The bytes of the record are copied.
func (e *Event) SetText(index int, text string) {
	if index < 0 || (index+1)*slotSize > len(e.body) {
		return
	}
	body := make([]byte, len(e.body), len(e.body)+len(text))
	copy(body, e.body)
	binary.LittleEndian.PutUint64(body[index*slotSize:], uint64(len(body))|uint64(len(text))<<32)
	e.body = append(body, text...)
	e.present |= 1 << index
}

// Clone returns a copy that stays valid when the producer goes on.
func (e *Event) Clone() *Event {
	c := *e
	c.body = slices.Clone(e.body)
	c.StackAddresses = slices.Clone(e.StackAddresses)
	c.StackSymbols = slices.Clone(e.StackSymbols)
	return &c
}
