package events

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// negative is a negative int as Text functions get it: sign-extended.
func negative(v int32) uint64 { return uint64(int64(v)) }

func TestTextOfValues(t *testing.T) {
	tests := []struct {
		name string
		t    *trace.Type
		in   uint64
		want string
	}{
		{"open flags of v0.8's samples", OpenFlags, kernelLargeFile, "O_RDONLY|O_LARGEFILE"},
		{"no open flags", OpenFlags, 0, "O_RDONLY"},
		{"open for writing", OpenFlags, unix.O_WRONLY | unix.O_CREAT | unix.O_TRUNC, "O_WRONLY|O_CREAT|O_TRUNC"},
		{
			"all open flags in order", OpenFlags,
			unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_NOCTTY | unix.O_TRUNC | unix.O_APPEND |
				unix.O_NONBLOCK | unix.O_SYNC | unix.O_ASYNC | kernelLargeFile | unix.O_DIRECTORY |
				unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_DIRECT | unix.O_NOATIME | unix.O_PATH | unix.O_TMPFILE,
			"O_RDWR|O_CREAT|O_EXCL|O_NOCTTY|O_TRUNC|O_APPEND|O_NONBLOCK|O_SYNC|FASYNC|O_LARGEFILE|O_DIRECTORY|" +
				"O_NOFOLLOW|O_CLOEXEC|O_DIRECT|O_NOATIME|O_PATH|O_TMPFILE",
		},
		{"half of O_SYNC", OpenFlags, unix.O_DSYNC, "O_RDONLY|O_DSYNC"},
		{"temporary file", OpenFlags, unix.O_RDWR | unix.O_TMPFILE, "O_RDWR|O_DIRECTORY|O_TMPFILE"},
		{"both access modes", OpenFlags, unix.O_ACCMODE, "O_WRONLY|0x2"},
		{"unknown open flag", OpenFlags, unix.O_RDWR | 0x10000000, "O_RDWR|0x10000000"},
		{"open to execute", OpenFlags, kernelLargeFile | 0x20, "O_RDONLY|O_LARGEFILE"},

		{"existence", AccessMode, 0, "F_OK"},
		{"access in order", AccessMode, 7, "R_OK|W_OK|X_OK"},
		{"unknown access", AccessMode, 9, "X_OK|0x8"},
		{"all access bits", AccessMode, negative(-1), "R_OK|W_OK|X_OK|0xfffffff8"},

		{"no execveat flags", ExecveatFlags, 0, ""},
		{"memfd execution", ExecveatFlags, unix.AT_EMPTY_PATH, "AT_EMPTY_PATH"},
		{
			"execveat flags in order", ExecveatFlags,
			unix.AT_EMPTY_PATH | unix.AT_SYMLINK_NOFOLLOW | unix.AT_EACCESS | unix.AT_RECURSIVE,
			"AT_EMPTY_PATH|AT_SYMLINK_NOFOLLOW|AT_EACCESS|AT_REMOVEDIR|AT_RECURSIVE",
		},
		{"execution only checked", ExecveatFlags, 0x10000, "AT_EXECVE_CHECK"},

		{"fifo", FileTypeU, unix.S_IFIFO | 0o600, "S_IFIFO"},
		{"character device", FileTypeU, unix.S_IFCHR, "S_IFCHR"},
		{"no file type", FileTypeU, 0, "0"},
		{"regular file of 0750", InodeModeU, unix.S_IFREG | 0o750, "S_IFREG|S_IRWXU|S_IRGRP|S_IXGRP"},
		{"permissions alone", InodeMode, 0o644, "S_IRUSR|S_IWUSR|S_IRGRP|S_IROTH"},
		{"set user id", InodeMode, 0o4755, "S_IRWXU|S_IRGRP|S_IXGRP|S_IROTH|S_IXOTH|S_ISUID"},
		{"no permissions", InodeMode, 0, ""},
		{"unknown file type", InodeMode, 0x3000 | 0o400, "S_IRUSR|0x3000"},

		{"no protection", ProtFlags, 0, "PROT_NONE"},
		{"writable and executable", ProtFlags, 7, "PROT_READ|PROT_WRITE|PROT_EXEC"},
		{
			"protections in order", ProtFlags, 8 | unix.PROT_GROWSDOWN | unix.PROT_GROWSUP,
			"PROT_SEM|PROT_GROWSDOWN|PROT_GROWSUP",
		},

		{"first capability", CapabilityT, 0, "CAP_CHOWN"},
		{"last capability of v0.8", CapabilityT, 37, "CAP_AUDIT_READ"},
		{"capability of 5.8", CapabilityT, 39, "CAP_BPF"},
		{"last capability", CapabilityT, 40, "CAP_CHECKPOINT_RESTORE"},
		{"unknown capability", CapabilityT, 41, "41"},
		{"negative capability", CapabilityT, negative(-1), "-1"},

		{"fork by clone", CloneFlags, uint64(unix.SIGCHLD), ""},
		{
			"thread", CloneFlags, unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_THREAD,
			"CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD",
		},
		{
			"sign-extended clone flags", CloneFlags, negative(-0x80000000) | unix.CLONE_NEWUSER,
			"CLONE_NEWUSER|CLONE_IO",
		},

		{"trace me", PtraceRequest, 0, "PTRACE_TRACEME"},
		{"poke", PtraceRequest, 4, "PTRACE_POKETEXT"},
		{"peek user", PtraceRequest, 3, "PTRACE_PEEKUSER"},
		{"set options", PtraceRequest, 0x4200, "PTRACE_SETOPTIONS"},
		{"x86 register request", PtraceRequest, 18, "PTRACE_GETFPXREGS"},
		{"unknown request", PtraceRequest, 10, "10"},

		{"name", PrctlOption, 15, "PR_SET_NAME"},
		{"option after PR_GET_NAME", PrctlOption, 19, "PR_GET_ENDIAN"},
		{"no new privileges", PrctlOption, 38, "PR_SET_NO_NEW_PRIVS"},
		{"unassigned option", PrctlOption, 17, "17"},

		{"alert", AlertT, 4, "Protection changed from W+E to E!"},
		{"first alert", AlertT, 1, "Mmaped region with W+E permissions!"},
		{"no alert", AlertT, 0, "Unknown alert"},

		{"syscall", SyscallNumber, 257, "openat"},
		{"32-bit syscall", SyscallNumber, 3000, "waitpid"},
		{"no syscall", SyscallNumber, negative(-1), "-1"},
		{"event that is no syscall", SyscallNumber, 704, "704"},

		{"unix socket", SocketDomain, unix.AF_UNIX, "AF_UNIX"},
		{"last family of v0.8", SocketDomain, 44, "AF_XDP"},
		{"unknown family", SocketDomain, 1000, "1000"},
		{"negative family", SocketDomain, negative(-1), "-1"},
		{
			"socket type with flags", SocketType, unix.SOCK_STREAM | unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC,
			"SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC",
		},
		{"unknown socket type", SocketType, 7 | unix.SOCK_NONBLOCK, "2055"},

		{"socket level", SockoptLevel, 1, "SOL_SOCKET"},
		{"IP level", SockoptLevel, 0, "SOL_IP"},
		{"unknown level", SockoptLevel, 2, "2"},
		{"option", SockoptName, unix.SO_REUSEADDR, "SO_REUSEADDR"},
		{"filter set", SockoptName, 26, "SO_ATTACH_FILTER"},
		{"filter read", GetSockoptName, 26, "SO_GET_FILTER"},
		{"filter dropped", SockoptName, 27, "SO_DETACH_FILTER"},

		{"first bpf command", BPFCmd, 0, "BPF_MAP_CREATE"},
		{"last bpf command of v0.8", BPFCmd, 34, "BPF_LINK_DETACH"},
		{"bpf token", BPFCmd, 36, "BPF_TOKEN_CREATE"},
		{"unknown bpf command", BPFCmd, 99, "99"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.t.Text(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestKernelReadsFollowTheRelease(t *testing.T) {
	tests := []struct {
		release string
		value   uint64
		want    string
	}{
		{"6.18.44", 2, "kernel-module"},
		{"5.10-rc1", 2, "kernel-module"},
		{"5.9.3", 6, "x509-certificate"},
		{"5.9.2-generic", 4, "kernel-module"},
		{"5.8.0-63-generic", 3, "firmware"},
		{"5.7", 8, "x509-certificate"},
		{"5.8.18-300.fc33.x86_64", 3, "kernel-module"},
		{"5.6.19", 3, "kernel-module"},
		{"4.18.0-305.el8.x86_64", 2, "firmware"},
		{"5.4.0", 8, "8"},
		{"5.4.0", 0, "unknown"},
	}
	for _, tt := range tests {
		if got := indexText(tt.value, kernelReadsOf(tt.release)); got != tt.want {
			t.Errorf("%d on %s: got %q, want %q", tt.value, tt.release, got, tt.want)
		}
	}
}

func TestTypesOfParsedArgumentsChangeLikeInV08(t *testing.T) {
	for _, typ := range []*trace.Type{AlertT, SyscallNumber} {
		if !typ.KeepName {
			t.Errorf("%s with text becomes a string", typ.Name)
		}
	}
	if OpenFlags.KeepName || OpenFlags.Name != "int" || Int.Text != nil {
		t.Errorf("open flags are %+v, int is %+v", OpenFlags, Int)
	}
}

// v08Parsed are the arguments of syscalls that v0.8 turns into strings.
var v08Parsed = []string{
	"access.mode", "bpf.cmd", "chmod.mode", "clone.flags", "execveat.flags", "faccessat.mode", "fchmod.mode",
	"fchmodat.mode", "getsockopt.level", "getsockopt.optname", "mknod.mode", "mknodat.mode", "mmap.prot", "mprotect.prot",
	"open.flags", "openat.flags", "pkey_mprotect.prot", "prctl.option", "ptrace.request", "setsockopt.level",
	"setsockopt.optname", "socket.domain", "socket.type",
}

func TestArgumentsThatV08NamesAreNamed(t *testing.T) {
	for _, name := range v08Parsed {
		syscall, argument, _ := strings.Cut(name, ".")
		e, _ := Lookup(syscall)
		if typ := e.Args[e.Schema().Index(argument)].Type; typ.Text == nil || typ.Partial {
			t.Errorf("%s is no string for all values", name)
		}
	}
}

// What takes a number of the kernel's under one of these names takes constants; those that stay numbers are listed.
func TestFlagsAndCommandsHaveNames(t *testing.T) {
	constants := []string{"flags", "flag", "cmd", "request", "advice", "operation", "option", "how", "whence", "sig", "dirfd"}
	reserved := []string{ // the kernel knows no flags, or they are for tests of the kernel
		"cachestat.flags", "copy_file_range.flags", "futex_requeue.flags", "futex_wait.flags", "futex_waitv.flags",
		"futex_wake.flags", "landlock_add_rule.flags", "listmount.flags", "listns.flags", "lsm_get_self_attr.flags",
		"lsm_list_modules.flags", "lsm_set_self_attr.flags", "map_shadow_stack.flags", "membarrier.flags", "mseal.flags",
		"pidfd_getfd.flags", "pkey_alloc.flags", "process_madvise.flags", "process_mrelease.flags",
		"process_vm_readv.flags", "process_vm_writev.flags", "rseq.sig", "sched_getattr.flags", "sched_setattr.flags",
		"set_mempolicy_home_node.flags", "statmount.flags", "sysfs.option",
	}
	var got []string
	for _, e := range All() {
		for _, a := range e.Args {
			if e.Syscall && slices.Contains(constants, a.Name) && a.Type.Kind != trace.Pointer && a.Type.Text == nil {
				got = append(got, e.Name+"."+a.Name)
			}
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(reserved, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestErrnoNameKnowsErrorsOnly(t *testing.T) {
	for value, want := range map[int]string{
		0: "", 3: "", -1: "EPERM", -2: "ENOENT", -512: "ERESTARTSYS", -4000: "", -5000: "", -1 << 40: "",
	} {
		if got := ErrnoName(value); got != want {
			t.Errorf("%d: got %q, want %q", value, got, want)
		}
	}
}
