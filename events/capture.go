package events

import "github.com/tracee-go/tracee/types/trace"

// captureArgs are shared by the internal events by which artifacts are captured, so that one piece of code makes them all.
var captureArgs = []trace.Field{
	{Name: "pathname", Type: Str},
	{Name: "dev", Type: DevT},
	{Name: "inode", Type: ULong},
	{Name: "generation", Type: U32, Doc: "tells files apart that had the same inode number"},
	{Name: "mode", Type: UModeT},
	{Name: "fd", Type: Int, Doc: "-1: none"},
	{Name: "pos", Type: Off, Doc: "where in the file, or in the memory, the bytes are"},
	{Name: "size", Type: Size, Doc: "how many there are in truth"},
	{Name: "address", Type: ULong, Doc: "of the memory"},
	{Name: "whole", Type: Size, Doc: "bytes that all events of the sequence are about"},
	{Name: "sequence", Type: U64, Doc: "what the events about one call have in common"},
	{Name: "ctime", Type: ULong, Doc: "last change of the inode, ns since the epoch"},
	{Name: "name", Type: Str, Doc: "of the program"},
	{Name: "bytes", Type: BytesT, Doc: "from the memory of the caller; as many as the ring has room for"},
}

var (
	writeCalls = []string{
		"write", "pwrite64", "writev", "pwritev", "pwritev2", "splice", "sendfile", "sendfile32", "copy_file_range", "mmap", "mmap2",
	}
	readCalls = []string{"read", "pread64", "readv", "preadv", "preadv2"}
)

// What is captured. Package capture makes artifacts of these.
var (
	CaptureFileWrite = declare(Event{
		ID: 4000, Name: "capture_file_write", Internal: true,
		Hooks: Ladder{sysExit("capture_write_exit", writeCalls...).byUring("capture_write_uring", "WRITE", "WRITE_FIXED", "WRITEV", "SPLICE")},
		Args:  captureArgs,
		Doc:   "A file was written to, or mapped to be written to.",
	})
	CaptureExec = declare(Event{
		ID: 4001, Name: "capture_exec", Internal: true, Critical: true,
		Hooks: Ladder{tracepoint("capture_exec")},
		Args:  captureArgs,
		Doc:   "A program was executed.",
	})
	CaptureModule = declare(Event{
		ID: 4002, Name: "capture_module", Internal: true,
		Hooks: Ladder{{Rung: trace.Tracepoint, Enter: []Tail{{Program: "capture_module_enter", Syscalls: []string{"init_module", "finit_module"}}}}},
		Args:  captureArgs,
		Doc:   "A kernel module is about to be loaded.",
	})
	CaptureMem = declare(Event{
		ID: 4003, Name: "capture_mem", Internal: true,
		Hooks: Ladder{{Rung: trace.Tracepoint, Enter: []Tail{{Program: "capture_mem_enter", Syscalls: protectCalls}}}},
		Args:  captureArgs,
		Doc:   "Memory that is writable and executable is about to be made executable alone.",
	})
	CaptureFileRead = declare(Event{
		ID: 861, Name: "capture_file_read", Internal: true,
		Hooks: Ladder{sysExit("capture_read_exit", readCalls...).byUring("capture_read_uring", uringReads...)},
		Args:  captureArgs,
		Doc:   "A file was read.",
	})
	CaptureBPF = declare(Event{
		ID: 862, Name: "capture_bpf", Internal: true,
		Hooks: Ladder{sysExit("capture_bpf_exit", "bpf")},
		Args:  captureArgs,
		Doc:   "A BPF program was loaded.",
	})
	CapturePcap = declare(Event{
		ID: 4005, Name: "capture_pcap", Internal: true,
		Hooks: Ladder{cgroupHook("capture_packet_in", "capture_packet_out")},
		Args: []trace.Field{
			{Name: "outgoing", Type: Bool},
			{Name: "length", Type: U32, Doc: "bytes of the packet"},
			{Name: "iface", Type: Str},
			{Name: "data", Type: BytesT, Doc: "the packet from its IP header on"},
		},
		Doc: "A packet was sent or received.",
	})
	CaptureTick = declare(Event{
		ID: 863, Name: "capture_tick", Internal: true, Hooks: Ladder{},
		Doc: "Time has passed, and a stage of the stream has something to tell: of artifacts, of the names of containers.",
	})
)

// ArtifactCaptured links artifacts into the stream.
var ArtifactCaptured = declare(Event{
	ID: 860, Name: "artifact_captured",
	Args: []trace.Field{
		{Name: "kind", Type: Str, Doc: "write, read, exec, module, mem, bpf, net, open"},
		{Name: "artifact", Type: Str, Doc: "the file below the directory out, empty if nothing could be captured"},
		{Name: "pathname", Type: Str, Doc: "where it comes from, if that has a path"},
		{Name: "dev", Type: DevT},
		{Name: "inode", Type: ULong},
		{Name: "size", Type: Long},
		{Name: "sha256", Type: Str},
		{Name: "complete", Type: Bool},
		{Name: "reason", Type: Str, Doc: "why it is not complete, or what else is to be known"},
	},
	Doc: "With --capture: an artifact was captured, or could not be. The context is that of the process it comes from. The same " +
		"is recorded in manifest.jsonl.",
})
