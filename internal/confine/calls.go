package confine

// allowed are the system calls that are left, by what for.
var allowed = []struct {
	doc   string
	calls []string
}{
	{"memory of its own", []string{
		"brk", "madvise", "mincore", "mmap", "mprotect", "mremap", "msync", "munmap",
	}},
	{"threads, time, signals", []string{
		"clock_getres", "clock_gettime", "clock_nanosleep", "exit", "exit_group", "futex", "getcpu", "getpid", "getppid", "getrandom",
		"getrusage", "gettid", "gettimeofday", "membarrier", "nanosleep", "restart_syscall", "rseq", "rt_sigaction", "rt_sigprocmask",
		"rt_sigreturn", "sched_getaffinity", "sched_yield", "set_robust_list", "setitimer", "sigaltstack", "sysinfo", "time",
		"timer_create", "timer_delete", "timer_settime", "times", "uname",
	}},
	{"what it may do", []string{
		"capget", "getegid", "geteuid", "getgid", "getgroups", "getrlimit", "getuid", "prctl", "prlimit64",
	}},
	{"files", []string{
		"close", "close_range", "copy_file_range", "dup", "dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fallocate", "fchmod",
		"fchmodat", "fchown", "fchownat", "fcntl", "fdatasync", "flock", "fstat", "fstatat", "fstatfs", "fsync", "ftruncate", "getcwd",
		"getdents64", "ioctl", "linkat", "lseek", "memfd_create", "mkdirat", "newfstatat", "openat", "openat2", "pipe2", "pread64",
		"preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readlinkat", "readv", "renameat", "renameat2", "sendfile",
		"splice", "statfs", "statx", "symlinkat", "sync_file_range", "umask", "unlinkat", "utimensat", "write", "writev",
	}},
	{"waiting", []string{
		"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "inotify_add_watch", "inotify_init1",
		"inotify_rm_watch", "poll", "ppoll", "pselect6", "select",
	}},
	{"network: runtimes, destinations, metrics, names of hosts", []string{
		"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom", "recvmmsg", "recvmsg",
		"sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socket", "socketpair",
	}},
	{"looking at the kernel and at processes", []string{
		"bpf", "fsconfig", "fsmount", "fsopen", "kcmp", "name_to_handle_at", "perf_event_open", "pidfd_open", "process_vm_readv",
	}},
}
