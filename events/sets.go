package events

// Set names a group of events that can be selected together. Its value is what users write: set=fs_file_ops.
type Set string

// The sets of v0.8. AllEvents is special: every event that is not internal is in it without saying so.
const (
	AllEvents     Set = "all"
	Default       Set = "default"
	Derived       Set = "derived"
	Flows         Set = "flows"
	FS            Set = "fs"
	FSAsyncIO     Set = "fs_async_io"
	FSDirOps      Set = "fs_dir_ops"
	FSFDOps       Set = "fs_fd_ops"
	FSFileAttr    Set = "fs_file_attr"
	FSFileOps     Set = "fs_file_ops"
	FSInfo        Set = "fs_info"
	FSLinkOps     Set = "fs_link_ops"
	FSMonitor     Set = "fs_monitor"
	FSMuxIO       Set = "fs_mux_io"
	FSReadWrite   Set = "fs_read_write"
	FSSync        Set = "fs_sync"
	IPC           Set = "ipc"
	IPCFutex      Set = "ipc_futex"
	IPCMsgQ       Set = "ipc_msgq"
	IPCPipe       Set = "ipc_pipe"
	IPCSem        Set = "ipc_sem"
	IPCShm        Set = "ipc_shm"
	LSMHooks      Set = "lsm_hooks"
	Net           Set = "net"
	NetSndRcv     Set = "net_snd_rcv"
	NetSock       Set = "net_sock"
	NetworkEvents Set = "network_events"
	Packets       Set = "packets"
	Only32Bit     Set = "32bit_unique"
	Proc          Set = "proc"
	ProcIDs       Set = "proc_ids"
	ProcLife      Set = "proc_life"
	ProcMem       Set = "proc_mem"
	ProcSched     Set = "proc_sched"
	SecurityAlert Set = "security_alert"
	Signals       Set = "signals"
	Syscalls      Set = "syscalls"
	System        Set = "system"
	SystemKeys    Set = "system_keys"
	SystemModule  Set = "system_module"
	SystemNUMA    Set = "system_numa"
	Time          Set = "time"
	TimeClock     Set = "time_clock"
	TimeTimer     Set = "time_timer"
	TimeTOD       Set = "time_tod"
)

// setDocs says what each set is about, for help texts and documentation.
var setDocs = map[Set]string{
	AllEvents:     "every event that can be selected",
	Default:       "what is traced when no event is asked for",
	Derived:       "events computed in user space from other events",
	Flows:         "connections: begun and ended",
	FS:            "file systems, files and descriptors",
	FSAsyncIO:     "asynchronous I/O contexts and requests",
	FSDirOps:      "directories: list, make, remove, change into",
	FSFDOps:       "descriptors: duplicate, lock, control",
	FSFileAttr:    "ownership, permissions, times and extended attributes",
	FSFileOps:     "files: open, close, create, rename, resize, map",
	FSInfo:        "facts about file systems",
	FSLinkOps:     "links: make, read, remove",
	FSMonitor:     "inotify and fanotify",
	FSMuxIO:       "waiting for several descriptors",
	FSReadWrite:   "reading, writing and copying file contents",
	FSSync:        "flushing files to storage",
	IPC:           "communication between processes of one machine",
	IPCFutex:      "futexes",
	IPCMsgQ:       "message queues, System V and POSIX",
	IPCPipe:       "pipes and splicing",
	IPCSem:        "System V semaphores",
	IPCShm:        "System V shared memory",
	LSMHooks:      "decisions of the kernel, seen at the hooks of Linux security modules",
	Net:           "sockets and host names",
	NetSndRcv:     "sending and receiving on sockets",
	NetSock:       "sockets: create, bind, listen, connect, accept, configure",
	NetworkEvents: "packets and DNS messages",
	Packets:       "packets as they are",
	Only32Bit:     "syscalls that only 32-bit ABIs have",
	Proc:          "processes and threads",
	ProcIDs:       "process, group, session and user ids",
	ProcLife:      "birth, execution and death of processes",
	ProcMem:       "memory of processes",
	ProcSched:     "scheduling",
	SecurityAlert: "findings rather than facts",
	Signals:       "signals and event descriptors",
	Syscalls:      "every syscall",
	System:        "the machine as a whole: modules, keys, power, tracing",
	SystemKeys:    "the kernel's key rings",
	SystemModule:  "kernel modules",
	SystemNUMA:    "placement of memory on nodes",
	Time:          "clocks, timers and the time of day",
	TimeClock:     "clocks",
	TimeTimer:     "timers and sleeping",
	TimeTOD:       "the time of day",
}

// Doc says in a few words what the set is about; it is empty for a name that is no set.
func (s Set) Doc() string { return setDocs[s] }
