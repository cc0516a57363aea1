package events

import (
	"github.com/tracee-go/tracee/types/trace"
)

var (
	protectCalls = []string{"mprotect", "pkey_mprotect"}
	mapCalls     = []string{"mmap", "mmap2"}
)

// sourceCalls are those by which an attacker's code gets what it wants, and that programs do not make all the time.
var sourceCalls = []string{
	"execve", "execveat", "ptrace", "process_vm_writev", "mprotect", "pkey_mprotect", "mmap", "mmap2", "memfd_create",
	"socket", "socketpair", "connect", "bind", "accept", "accept4", "open", "openat", "openat2", "dup2", "dup3", "kill",
	"tgkill", "setuid", "setreuid", "setresuid", "unshare", "setns", "mount", "chroot", "init_module", "finit_module",
	"bpf", "io_uring_setup", "userfaultfd", "prctl", "clone", "clone3", "fork", "vfork",
}

// sourceHook is shared by the events that look at where a syscall comes from.
var sourceHook = Hook{
	Rung:  trace.Tracepoint,
	Enter: []Tail{{Program: "syscall_source_enter", Syscalls: sourceCalls}},
}

// mmapHook has one program per rung for all events about new mappings.
func mmapHook(below Hook, with ...string) Ladder {
	ladder := Ladder{}
	for _, rung := range []trace.Rung{trace.LSM, trace.Fentry, trace.Kprobe} {
		h := Hook{Rung: rung, Program: "security_mmap_file_" + rung.String()}
		for _, name := range with {
			h.With = append(h.With, name+"_"+rung.String())
		}
		ladder = append(ladder, h)
	}
	return append(ladder, below)
}

// Memory that is written and executed.
var (
	MemProtAlert = declare(Event{
		ID: 714, Name: "mem_prot_alert", Critical: true,
		Hooks: mmapHook(Hook{
			Rung:    trace.Tracepoint,
			Program: "mem_prot_alert",
			Exit:    append([]string{"mmap", "mmap2"}, protectCalls...),
			Enter:   []Tail{{Program: "mprotect_enter", Syscalls: protectCalls}},
		}, "security_file_mprotect"),
		Args: []trace.Field{{Name: "alert", Type: AlertT}},
		Doc: "Memory became writable and executable, or executable after it was writable: unpacking, just-in-time " +
			"compilation, injected code. On a hook it is about to, once for each mapping that changes.",
		Unseen: "Changes by other means than mmap, mprotect and pkey_mprotect; of a range over several mappings, only the " +
			"protection of the first; before Linux 5.17 all but mmap.",
	})
	SuspiciousSyscallSource = declare(Event{
		ID: 824, Name: "suspicious_syscall_source", OfThread: true,
		Hooks: Ladder{sourceHook},
		Args:  sourceArgs("ip", "the instruction after the call"),
		Doc: "A syscall is made by code that comes from no file: injected, unpacked, or compiled just in time. " +
			"Only syscalls that attackers need are looked at.",
		Unseen: "Other syscalls than those, what io_uring does, and code while another thread changes the mappings.",
	})
	StackPivot = declare(Event{
		ID: 825, Name: "stack_pivot", OfThread: true,
		Hooks: Ladder{sourceHook},
		Args:  sourceArgs("sp", "the stack pointer"),
		Doc: "A syscall is made while the stack pointer is in memory that is no stack, as return-oriented code does. " +
			"Only syscalls that attackers need are looked at. Programs that switch stacks themselves do the same.",
		Unseen: "A false stack outside of heap, files and executable memory in another thread than the first, or where the " +
			"heap of a Go program could be: such memory has stacks. Other syscalls than those, and a stack while another thread changes the mappings.",
	})
)

func sourceArgs(pointer, doc string) []trace.Field {
	return []trace.Field{
		{Name: "syscall", Type: SyscallNumber},
		{Name: pointer, Type: VoidPtr, Doc: doc},
		{Name: "vma_type", Type: Str, Doc: "main stack, heap, anonymous, golang heap, signal stack or file backed"},
		{Name: "vma_start", Type: VoidPtr},
		{Name: "vma_size", Type: ULong},
		{Name: "vma_flags", Type: ULong, Doc: "of the kernel: 1 read, 2 write, 4 execute, 8 shared …"},
	}
}

// Mappings.
var (
	SecurityMmapFile = declare(Event{
		ID: 737, Name: "security_mmap_file",
		Sets:  []Set{LSMHooks, FS, FSFileOps, Proc, ProcMem},
		Hooks: mmapHook(sysExit("security_mmap_file_exit", mapCalls...)),
		Args: []trace.Field{
			{Name: "pathname", Type: Str},
			{Name: "flags", Type: OpenFlags, Doc: "of the open file"},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
			{Name: "ctime", Type: ULong, Doc: "last change of the inode, ns since the epoch"},
			{Name: "prot", Type: ProtFlags},
			{Name: "mmap_flags", Type: MmapFlags},
			{Name: "syscall", Type: SyscallNumber, Doc: "only with option:detect-syscall"},
		},
		Doc:    "A file is mapped into memory, by mmap, by the execution of a program, or by shmat.",
		Unseen: "Mappings that fail, those that an execution or shmat makes, and a descriptor that another thread replaces before the call returns.",
	})
	SecurityFileMprotect = declare(Event{
		ID: 738, Name: "security_file_mprotect",
		Sets:  []Set{LSMHooks, Proc, ProcMem, FS, FSFileOps},
		Hooks: lsmHook("file_mprotect", sysExit("security_file_mprotect_exit", protectCalls...)),
		Args: []trace.Field{
			{Name: "pathname", Type: Str, Doc: "of the file that is mapped, empty if it is none"},
			{Name: "prot", Type: ProtFlags},
			{Name: "ctime", Type: ULong, Doc: "last change of the file's inode, ns since the epoch"},
		},
		Doc:    "The protection of memory is changed. On a hook it is about to, once for each mapping that changes.",
		Unseen: "Changes that fail; of a range over several mappings, all but the first.",
	})
	SharedObjectLoaded = declare(Event{
		ID: 751, Name: "shared_object_loaded",
		Sets:  []Set{LSMHooks, FS, FSFileOps, Proc, ProcMem},
		Hooks: mmapHook(sysExit("shared_object_loaded_exit", mapCalls...)),
		Args: []trace.Field{
			{Name: "pathname", Type: Str},
			{Name: "flags", Type: OpenFlags, Doc: "of the open file"},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
			{Name: "ctime", Type: ULong, Doc: "last change of the inode, ns since the epoch"},
		},
		Doc:    "A process maps a file to execute it, by mmap: a library is loaded.",
		Unseen: "Mappings that fail, and a descriptor that another thread replaces before the call returns.",
	})
	DoMmap = declare(Event{
		ID: 829, Name: "do_mmap",
		Sets:  []Set{FS, FSFileOps, Proc, ProcMem},
		Hooks: Ladder{sysExit("do_mmap_exit", mapCalls...)},
		Args: []trace.Field{
			{Name: "addr", Type: VoidPtr, Doc: "where the kernel put it"},
			{Name: "pathname", Type: Str},
			{Name: "flags", Type: text(U32, openFlagsText), Doc: "of the open file"},
			{Name: "dev", Type: DevT},
			{Name: "inode", Type: ULong},
			{Name: "ctime", Type: ULong, Doc: "last change of the inode, ns since the epoch"},
			{Name: "pgoff", Type: ULong, Doc: "where in the file, in pages of 4096 bytes"},
			{Name: "len", Type: ULong, Doc: "as the caller gave it"},
			{Name: "prot", Type: flagged(ULong, protections)},
			{Name: "mmap_flags", Type: flagged(ULong, mmapFlags)},
		},
		Doc:    "Memory was mapped, of a file or, without the arguments about one, anonymous.",
		Unseen: "Mappings that fail, those that no mmap call makes, and a descriptor that another thread replaces before the call returns.",
	})
)
