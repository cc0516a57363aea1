package events

import "golang.org/x/sys/unix"

// syscallText names a syscall by the id of its event.
func syscallText(value uint64) string {
	if e, ok := LookupID(int(value)); ok && e.Syscall {
		return e.Name
	}
	return decimal(value)
}

var alerts = map[uint64]string{
	1: "Mmaped region with W+E permissions!",
	2: "Protection changed to Executable!",
	3: "Protection changed from E to W+E!",
	4: "Protection changed from W+E to E!",
}

func alertText(value uint64) string {
	if name, ok := alerts[value]; ok {
		return name
	}
	return "Unknown alert"
}

var protections = []flag{
	{unix.PROT_READ, "PROT_READ"},
	{unix.PROT_WRITE, "PROT_WRITE"},
	{unix.PROT_EXEC, "PROT_EXEC"},
	{0x8, "PROT_SEM"}, // x/sys lacks it
	{unix.PROT_GROWSDOWN, "PROT_GROWSDOWN"},
	{unix.PROT_GROWSUP, "PROT_GROWSUP"},
}

func protectionText(value uint64) string {
	if value == unix.PROT_NONE {
		return "PROT_NONE"
	}
	return flagsText("", uint64(uint32(value)), protections)
}

var cloneFlags = []flag{
	{unix.CLONE_VM, "CLONE_VM"},
	{unix.CLONE_FS, "CLONE_FS"},
	{unix.CLONE_FILES, "CLONE_FILES"},
	{unix.CLONE_SIGHAND, "CLONE_SIGHAND"},
	{unix.CLONE_PIDFD, "CLONE_PIDFD"},
	{unix.CLONE_PTRACE, "CLONE_PTRACE"},
	{unix.CLONE_VFORK, "CLONE_VFORK"},
	{unix.CLONE_PARENT, "CLONE_PARENT"},
	{unix.CLONE_THREAD, "CLONE_THREAD"},
	{unix.CLONE_NEWNS, "CLONE_NEWNS"},
	{unix.CLONE_SYSVSEM, "CLONE_SYSVSEM"},
	{unix.CLONE_SETTLS, "CLONE_SETTLS"},
	{unix.CLONE_PARENT_SETTID, "CLONE_PARENT_SETTID"},
	{unix.CLONE_CHILD_CLEARTID, "CLONE_CHILD_CLEARTID"},
	{unix.CLONE_DETACHED, "CLONE_DETACHED"},
	{unix.CLONE_UNTRACED, "CLONE_UNTRACED"},
	{unix.CLONE_CHILD_SETTID, "CLONE_CHILD_SETTID"},
	{unix.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"},
	{unix.CLONE_NEWUTS, "CLONE_NEWUTS"},
	{unix.CLONE_NEWIPC, "CLONE_NEWIPC"},
	{unix.CLONE_NEWUSER, "CLONE_NEWUSER"},
	{unix.CLONE_NEWPID, "CLONE_NEWPID"},
	{unix.CLONE_NEWNET, "CLONE_NEWNET"},
	{unix.CLONE_IO, "CLONE_IO"},
}

// cloneFlagsText leaves out the signal sent at exit (CSIGNAL) and what the kernel ignores: clone takes 32 bits only.
func cloneFlagsText(value uint64) string {
	return flagsText("", uint64(uint32(value))&^0xff, cloneFlags)
}

// v0.8 stops at CAP_AUDIT_READ.
var capabilities = []string{
	unix.CAP_CHOWN:              "CAP_CHOWN",
	unix.CAP_DAC_OVERRIDE:       "CAP_DAC_OVERRIDE",
	unix.CAP_DAC_READ_SEARCH:    "CAP_DAC_READ_SEARCH",
	unix.CAP_FOWNER:             "CAP_FOWNER",
	unix.CAP_FSETID:             "CAP_FSETID",
	unix.CAP_KILL:               "CAP_KILL",
	unix.CAP_SETGID:             "CAP_SETGID",
	unix.CAP_SETUID:             "CAP_SETUID",
	unix.CAP_SETPCAP:            "CAP_SETPCAP",
	unix.CAP_LINUX_IMMUTABLE:    "CAP_LINUX_IMMUTABLE",
	unix.CAP_NET_BIND_SERVICE:   "CAP_NET_BIND_SERVICE",
	unix.CAP_NET_BROADCAST:      "CAP_NET_BROADCAST",
	unix.CAP_NET_ADMIN:          "CAP_NET_ADMIN",
	unix.CAP_NET_RAW:            "CAP_NET_RAW",
	unix.CAP_IPC_LOCK:           "CAP_IPC_LOCK",
	unix.CAP_IPC_OWNER:          "CAP_IPC_OWNER",
	unix.CAP_SYS_MODULE:         "CAP_SYS_MODULE",
	unix.CAP_SYS_RAWIO:          "CAP_SYS_RAWIO",
	unix.CAP_SYS_CHROOT:         "CAP_SYS_CHROOT",
	unix.CAP_SYS_PTRACE:         "CAP_SYS_PTRACE",
	unix.CAP_SYS_PACCT:          "CAP_SYS_PACCT",
	unix.CAP_SYS_ADMIN:          "CAP_SYS_ADMIN",
	unix.CAP_SYS_BOOT:           "CAP_SYS_BOOT",
	unix.CAP_SYS_NICE:           "CAP_SYS_NICE",
	unix.CAP_SYS_RESOURCE:       "CAP_SYS_RESOURCE",
	unix.CAP_SYS_TIME:           "CAP_SYS_TIME",
	unix.CAP_SYS_TTY_CONFIG:     "CAP_SYS_TTY_CONFIG",
	unix.CAP_MKNOD:              "CAP_MKNOD",
	unix.CAP_LEASE:              "CAP_LEASE",
	unix.CAP_AUDIT_WRITE:        "CAP_AUDIT_WRITE",
	unix.CAP_AUDIT_CONTROL:      "CAP_AUDIT_CONTROL",
	unix.CAP_SETFCAP:            "CAP_SETFCAP",
	unix.CAP_MAC_OVERRIDE:       "CAP_MAC_OVERRIDE",
	unix.CAP_MAC_ADMIN:          "CAP_MAC_ADMIN",
	unix.CAP_SYSLOG:             "CAP_SYSLOG",
	unix.CAP_WAKE_ALARM:         "CAP_WAKE_ALARM",
	unix.CAP_BLOCK_SUSPEND:      "CAP_BLOCK_SUSPEND",
	unix.CAP_AUDIT_READ:         "CAP_AUDIT_READ",
	unix.CAP_PERFMON:            "CAP_PERFMON",
	unix.CAP_BPF:                "CAP_BPF",
	unix.CAP_CHECKPOINT_RESTORE: "CAP_CHECKPOINT_RESTORE",
}

func capabilityText(value uint64) string { return indexText(value, capabilities) }

// Requests of x86 that x/sys declares for x86 only.
const (
	ptraceGetFPRegs  = 14
	ptraceSetFPRegs  = 15
	ptraceGetFPXRegs = 18
	ptraceSetFPXRegs = 19
)

var ptraceRequests = map[uint64]string{
	unix.PTRACE_TRACEME:                          "PTRACE_TRACEME",
	unix.PTRACE_PEEKTEXT:                         "PTRACE_PEEKTEXT",
	unix.PTRACE_PEEKDATA:                         "PTRACE_PEEKDATA",
	unix.PTRACE_PEEKUSR:                          "PTRACE_PEEKUSER",
	unix.PTRACE_POKETEXT:                         "PTRACE_POKETEXT",
	unix.PTRACE_POKEDATA:                         "PTRACE_POKEDATA",
	unix.PTRACE_POKEUSR:                          "PTRACE_POKEUSER",
	unix.PTRACE_CONT:                             "PTRACE_CONT",
	unix.PTRACE_KILL:                             "PTRACE_KILL",
	unix.PTRACE_SINGLESTEP:                       "PTRACE_SINGLESTEP",
	unix.PTRACE_GETREGS:                          "PTRACE_GETREGS",
	unix.PTRACE_SETREGS:                          "PTRACE_SETREGS",
	ptraceGetFPRegs:                              "PTRACE_GETFPREGS",
	ptraceSetFPRegs:                              "PTRACE_SETFPREGS",
	unix.PTRACE_ATTACH:                           "PTRACE_ATTACH",
	unix.PTRACE_DETACH:                           "PTRACE_DETACH",
	ptraceGetFPXRegs:                             "PTRACE_GETFPXREGS",
	ptraceSetFPXRegs:                             "PTRACE_SETFPXREGS",
	unix.PTRACE_SYSCALL:                          "PTRACE_SYSCALL",
	unix.PTRACE_SETOPTIONS:                       "PTRACE_SETOPTIONS",
	unix.PTRACE_GETEVENTMSG:                      "PTRACE_GETEVENTMSG",
	unix.PTRACE_GETSIGINFO:                       "PTRACE_GETSIGINFO",
	unix.PTRACE_SETSIGINFO:                       "PTRACE_SETSIGINFO",
	unix.PTRACE_GETREGSET:                        "PTRACE_GETREGSET",
	unix.PTRACE_SETREGSET:                        "PTRACE_SETREGSET",
	unix.PTRACE_SEIZE:                            "PTRACE_SEIZE",
	unix.PTRACE_INTERRUPT:                        "PTRACE_INTERRUPT",
	unix.PTRACE_LISTEN:                           "PTRACE_LISTEN",
	unix.PTRACE_PEEKSIGINFO:                      "PTRACE_PEEKSIGINFO",
	unix.PTRACE_GETSIGMASK:                       "PTRACE_GETSIGMASK",
	unix.PTRACE_SETSIGMASK:                       "PTRACE_SETSIGMASK",
	unix.PTRACE_SECCOMP_GET_FILTER:               "PTRACE_SECCOMP_GET_FILTER",
	unix.PTRACE_SECCOMP_GET_METADATA:             "PTRACE_SECCOMP_GET_METADATA",
	unix.PTRACE_GET_SYSCALL_INFO:                 "PTRACE_GET_SYSCALL_INFO",
	unix.PTRACE_GET_RSEQ_CONFIGURATION:           "PTRACE_GET_RSEQ_CONFIGURATION",
	unix.PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG: "PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG",
	unix.PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG: "PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG",
	unix.PTRACE_SET_SYSCALL_INFO:                 "PTRACE_SET_SYSCALL_INFO",
}

func ptraceRequestText(value uint64) string { return nameText(value, ptraceRequests) }

var prctlOptions = map[uint64]string{
	unix.PR_SET_PDEATHSIG:              "PR_SET_PDEATHSIG",
	unix.PR_GET_PDEATHSIG:              "PR_GET_PDEATHSIG",
	unix.PR_GET_DUMPABLE:               "PR_GET_DUMPABLE",
	unix.PR_SET_DUMPABLE:               "PR_SET_DUMPABLE",
	unix.PR_GET_UNALIGN:                "PR_GET_UNALIGN",
	unix.PR_SET_UNALIGN:                "PR_SET_UNALIGN",
	unix.PR_GET_KEEPCAPS:               "PR_GET_KEEPCAPS",
	unix.PR_SET_KEEPCAPS:               "PR_SET_KEEPCAPS",
	unix.PR_GET_FPEMU:                  "PR_GET_FPEMU",
	unix.PR_SET_FPEMU:                  "PR_SET_FPEMU",
	unix.PR_GET_FPEXC:                  "PR_GET_FPEXC",
	unix.PR_SET_FPEXC:                  "PR_SET_FPEXC",
	unix.PR_GET_TIMING:                 "PR_GET_TIMING",
	unix.PR_SET_TIMING:                 "PR_SET_TIMING",
	unix.PR_SET_NAME:                   "PR_SET_NAME",
	unix.PR_GET_NAME:                   "PR_GET_NAME",
	unix.PR_GET_ENDIAN:                 "PR_GET_ENDIAN",
	unix.PR_SET_ENDIAN:                 "PR_SET_ENDIAN",
	unix.PR_GET_SECCOMP:                "PR_GET_SECCOMP",
	unix.PR_SET_SECCOMP:                "PR_SET_SECCOMP",
	unix.PR_CAPBSET_READ:               "PR_CAPBSET_READ",
	unix.PR_CAPBSET_DROP:               "PR_CAPBSET_DROP",
	unix.PR_GET_TSC:                    "PR_GET_TSC",
	unix.PR_SET_TSC:                    "PR_SET_TSC",
	unix.PR_GET_SECUREBITS:             "PR_GET_SECUREBITS",
	unix.PR_SET_SECUREBITS:             "PR_SET_SECUREBITS",
	unix.PR_SET_TIMERSLACK:             "PR_SET_TIMERSLACK",
	unix.PR_GET_TIMERSLACK:             "PR_GET_TIMERSLACK",
	unix.PR_TASK_PERF_EVENTS_DISABLE:   "PR_TASK_PERF_EVENTS_DISABLE",
	unix.PR_TASK_PERF_EVENTS_ENABLE:    "PR_TASK_PERF_EVENTS_ENABLE",
	unix.PR_MCE_KILL:                   "PR_MCE_KILL",
	unix.PR_MCE_KILL_GET:               "PR_MCE_KILL_GET",
	unix.PR_SET_MM:                     "PR_SET_MM",
	unix.PR_SET_CHILD_SUBREAPER:        "PR_SET_CHILD_SUBREAPER",
	unix.PR_GET_CHILD_SUBREAPER:        "PR_GET_CHILD_SUBREAPER",
	unix.PR_SET_NO_NEW_PRIVS:           "PR_SET_NO_NEW_PRIVS",
	unix.PR_GET_NO_NEW_PRIVS:           "PR_GET_NO_NEW_PRIVS",
	unix.PR_GET_TID_ADDRESS:            "PR_GET_TID_ADDRESS",
	unix.PR_SET_THP_DISABLE:            "PR_SET_THP_DISABLE",
	unix.PR_GET_THP_DISABLE:            "PR_GET_THP_DISABLE",
	unix.PR_MPX_ENABLE_MANAGEMENT:      "PR_MPX_ENABLE_MANAGEMENT",
	unix.PR_MPX_DISABLE_MANAGEMENT:     "PR_MPX_DISABLE_MANAGEMENT",
	unix.PR_SET_FP_MODE:                "PR_SET_FP_MODE",
	unix.PR_GET_FP_MODE:                "PR_GET_FP_MODE",
	unix.PR_CAP_AMBIENT:                "PR_CAP_AMBIENT",
	unix.PR_SVE_SET_VL:                 "PR_SVE_SET_VL",
	unix.PR_SVE_GET_VL:                 "PR_SVE_GET_VL",
	unix.PR_GET_SPECULATION_CTRL:       "PR_GET_SPECULATION_CTRL",
	unix.PR_SET_SPECULATION_CTRL:       "PR_SET_SPECULATION_CTRL",
	unix.PR_PAC_RESET_KEYS:             "PR_PAC_RESET_KEYS",
	unix.PR_SET_TAGGED_ADDR_CTRL:       "PR_SET_TAGGED_ADDR_CTRL",
	unix.PR_GET_TAGGED_ADDR_CTRL:       "PR_GET_TAGGED_ADDR_CTRL",
	unix.PR_SET_IO_FLUSHER:             "PR_SET_IO_FLUSHER",
	unix.PR_GET_IO_FLUSHER:             "PR_GET_IO_FLUSHER",
	unix.PR_SET_SYSCALL_USER_DISPATCH:  "PR_SET_SYSCALL_USER_DISPATCH",
	unix.PR_PAC_SET_ENABLED_KEYS:       "PR_PAC_SET_ENABLED_KEYS",
	unix.PR_PAC_GET_ENABLED_KEYS:       "PR_PAC_GET_ENABLED_KEYS",
	unix.PR_SCHED_CORE:                 "PR_SCHED_CORE",
	unix.PR_SME_SET_VL:                 "PR_SME_SET_VL",
	unix.PR_SME_GET_VL:                 "PR_SME_GET_VL",
	unix.PR_SET_MDWE:                   "PR_SET_MDWE",
	unix.PR_GET_MDWE:                   "PR_GET_MDWE",
	unix.PR_SET_MEMORY_MERGE:           "PR_SET_MEMORY_MERGE",
	unix.PR_GET_MEMORY_MERGE:           "PR_GET_MEMORY_MERGE",
	unix.PR_RISCV_V_SET_CONTROL:        "PR_RISCV_V_SET_CONTROL",
	unix.PR_RISCV_V_GET_CONTROL:        "PR_RISCV_V_GET_CONTROL",
	unix.PR_RISCV_SET_ICACHE_FLUSH_CTX: "PR_RISCV_SET_ICACHE_FLUSH_CTX",
	unix.PR_PPC_GET_DEXCR:              "PR_PPC_GET_DEXCR",
	unix.PR_PPC_SET_DEXCR:              "PR_PPC_SET_DEXCR",
	unix.PR_GET_SHADOW_STACK_STATUS:    "PR_GET_SHADOW_STACK_STATUS",
	unix.PR_SET_SHADOW_STACK_STATUS:    "PR_SET_SHADOW_STACK_STATUS",
	unix.PR_LOCK_SHADOW_STACK_STATUS:   "PR_LOCK_SHADOW_STACK_STATUS",
	unix.PR_TIMER_CREATE_RESTORE_IDS:   "PR_TIMER_CREATE_RESTORE_IDS",
	unix.PR_FUTEX_HASH:                 "PR_FUTEX_HASH",
	unix.PR_RSEQ_SLICE_EXTENSION:       "PR_RSEQ_SLICE_EXTENSION",
	unix.PR_GET_CFI:                    "PR_GET_CFI",
	unix.PR_SET_CFI:                    "PR_SET_CFI",
	unix.PR_GET_AUXV:                   "PR_GET_AUXV",
	unix.PR_SET_VMA:                    "PR_SET_VMA",
	unix.PR_SET_PTRACER:                "PR_SET_PTRACER",
}

func prctlOptionText(value uint64) string { return nameText(value, prctlOptions) }
