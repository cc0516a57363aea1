package filter

import "github.com/tracee-go/tracee/types/trace"

// Kind is what the values of a scope field are.
type Kind uint8

// The kinds of scope fields.
const (
	Uint32 Kind = iota
	Uint64
	String16 // at most 15 bytes and a NUL, as the kernel keeps names
)

// Stage says when a field of struct event_header is filled.
type Stage uint8

// The stages: what costs a helper call at most, and what has to be chased through pointers.
const (
	Early Stage = iota
	Late
)

// Field is a property of the task that every event has, and by which events are filtered in the kernel.
type Field struct {
	Name    string // as users write it
	Short   string // shortest accepted abbreviation
	Kind    Kind
	Fresh   bool   // the word new is a value too: of processes that began, or began to run their program, since tracing did
	Header  string // field of struct event_header
	Stage   Stage
	Doc     string
	Example string // a value of --trace
	Means   string // what the example keeps

	number func(*trace.Event) uint64
	text   func(*trace.Event) string
}

// fields is the table of scope fields. From a row come the flag and its help, the kernel's check and the reference.
var fields = [...]Field{
	{
		Name: "cgroup", Short: "cgroup", Kind: Uint64, Header: "cgroup_id", Stage: Late,
		Doc:     "control group: its id (cgroupId), or its path, with * too, if it is there when tracing begins",
		Example: "cgroup=8417", Means: "events in that control group, not of those within it",
		number: func(e *trace.Event) uint64 { return uint64(e.CgroupID) },
	},
	{
		Name: "comm", Short: "comm", Kind: String16, Header: "comm", Stage: Early,
		Doc:     "name of the thread, 15 bytes",
		Example: "comm=cat,vim,ping", Means: "events of cat, vim and ping",
		text: func(e *trace.Event) string { return e.ProcessName },
	},
	{
		Name: "mntns", Short: "mntns", Kind: Uint32, Header: "mnt_ns", Stage: Late,
		Doc:     "mount namespace id",
		Example: "mntns=4026531840", Means: "events in that mount namespace",
		number: func(e *trace.Event) uint64 { return uint64(uint32(e.MountNS)) },
	},
	{
		Name: "pid", Short: "p", Kind: Uint32, Fresh: true, Header: "host_pid", Stage: Early,
		Doc:     "process id, as the host counts; new: of those that were made, or executed a program, since tracing began",
		Example: "pid=510,1709", Means: "events of process 510 or 1709",
		number: func(e *trace.Event) uint64 { return uint64(uint32(e.HostProcessID)) },
	},
	{
		Name: "pidns", Short: "pidns", Kind: Uint32, Header: "pid_ns", Stage: Late,
		Doc:     "pid namespace id",
		Example: "pidns!=4026531836", Means: "events outside of that pid namespace",
		number: func(e *trace.Event) uint64 { return uint64(uint32(e.PIDNS)) },
	},
	{
		Name: "ppid", Short: "ppid", Kind: Uint32, Header: "host_ppid", Stage: Late,
		Doc:     "process id of the parent, as the host counts",
		Example: "ppid!=2", Means: "events of all but the kernel's threads",
		number: func(e *trace.Event) uint64 { return uint64(uint32(e.HostParentProcessID)) },
	},
	{
		Name: "tid", Short: "tid", Kind: Uint32, Header: "host_tid", Stage: Early,
		Doc:     "thread id, as the host counts",
		Example: "tid=1710", Means: "events of that thread",
		number: func(e *trace.Event) uint64 { return uint64(uint32(e.HostThreadID)) },
	},
	{
		Name: "uid", Short: "u", Kind: Uint32, Header: "uid", Stage: Early,
		Doc:     "real user id, as the host counts",
		Example: "uid>=1000", Means: "events of ordinary users",
		number: func(e *trace.Event) uint64 { return uint64(uint32(e.UserID)) },
	},
	{
		Name: "uts", Short: "uts", Kind: String16, Header: "uts", Stage: Late,
		Doc:     "host name in the UTS namespace, 15 bytes",
		Example: "uts!=ab356bc4dd554", Means: "events outside of that UTS namespace",
		text: func(e *trace.Event) string { return e.HostName },
	},
}

// Fields returns the table of scope fields. The slice is shared; do not change it.
func Fields() []Field { return fields[:] }

// max is the largest number that a value of the field can be.
func (f *Field) max() uint64 {
	if f.Kind == Uint32 {
		return 1<<32 - 1
	}
	return 1<<64 - 1
}
