package events

import "github.com/tracee-go/tracee/types/trace"

// BPF by others.
var (
	SecurityBPF = declare(Event{
		ID: 731, Name: "security_bpf",
		Sets:   []Set{LSMHooks},
		Hooks:  lsmHook("bpf", sysExit("security_bpf_exit", "bpf")),
		Args:   []trace.Field{{Name: "cmd", Type: BPFCmd}},
		Doc:    "The bpf syscall is made, as seen by the LSM hook.",
		Unseen: "Calls that fail with EPERM, EFAULT or E2BIG, which may have happened before the hook or after it.",
	})
	SecurityBPFMap = declare(Event{
		ID: 732, Name: "security_bpf_map",
		Sets:  []Set{LSMHooks},
		Hooks: lsmHook("bpf_map", sysExit("security_bpf_map_exit", "bpf")),
		Args: []trace.Field{
			{Name: "map_id", Type: UInt},
			{Name: "map_name", Type: Str},
		},
		Doc:    "A process gets a descriptor of a BPF map: a new one, a pinned one, or one that it knows by its id.",
		Unseen: "Calls that are denied or fail.",
	})
	SecurityBPFProg = declare(Event{
		ID: 803, Name: "security_bpf_prog",
		Sets:  []Set{LSMHooks},
		Hooks: lsmHook("bpf_prog", sysExit("security_bpf_prog_exit", "bpf")),
		Args: []trace.Field{
			{Name: "type", Type: BPFProgramType},
			{Name: "name", Type: Str},
			{Name: "id", Type: U32},
			{Name: "load", Type: Bool, Doc: "the program is new: the syscall is BPF_PROG_LOAD"},
		},
		Doc:    "A process gets a descriptor of a BPF program: a new one, a pinned one, or one that it knows by its id.",
		Unseen: "Calls that are denied or fail.",
	})
	BPFAttach = declare(Event{
		ID: 804, Name: "bpf_attach", Critical: true,
		Sets:  []Set{System},
		Hooks: Ladder{sysExit("bpf_attach", "bpf", "ioctl", "setsockopt")},
		Args: []trace.Field{
			{Name: "prog_type", Type: BPFProgramType},
			{Name: "prog_name", Type: Str},
			{Name: "prog_id", Type: U32},
			{Name: "symbol_name", Type: Str, Doc: "function or raw tracepoint; absent for uprobes, perf tracepoints, and what has no name"},
			{Name: "symbol_addr", Type: U64, Doc: "of a function with a kprobe"},
			{Name: "attach_type", Type: Int, Doc: "BPF_*, as expected when the program was loaded"},
		},
		Doc: "A BPF program was attached, so that it runs from now on.",
		Unseen: "Programs that are attached by netlink (XDP, tc), and links of programs that are put into maps. Without a " +
			"link, a descriptor that another thread replaces before the call returns.",
	})
)
