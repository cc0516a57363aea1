package test

import (
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// outcome is the return value of an event that, on a hook, is only an attempt.
func (a *actor) outcome(event string, result int) int {
	if a.attempted(event) {
		return 0
	}
	return result
}

func setSocketOptions(a *actor) {
	const event = "security_socket_setsockopt"
	set := func(fd int, local endpoint, level, option, length uintptr) {
		r := raw(unix.SYS_SETSOCKOPT, uintptr(fd), level, option, keep(new(int32)), length)
		w := a.wantSocket(event, fd, "local_addr", local, r)
		w.Arguments["level"], w.Arguments["optname"] = int32(level), int32(option)
	}
	for _, e := range a.endpoints() {
		fd := a.bound(e, unix.SOCK_STREAM)
		set(fd, a.local(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 4)
		set(fd, a.local(fd), 222, 11, 4) // no such level: refused after the hook
	}
	raw(unix.SYS_SETSOCKOPT, 0x7000001, unix.SOL_SOCKET, unix.SO_KEEPALIVE, keep(new(int32)), 4)
	raw(unix.SYS_SETSOCKOPT, uintptr(a.socket(unix.AF_INET, unix.SOCK_STREAM)), unix.SOL_SOCKET, unix.SO_KEEPALIVE,
		keep(new(int32)), ^uintptr(0))
}

func acceptWithPeers(a *actor) {
	for _, e := range []endpoint{inet("127.0.0.1", 0), inet6("::1", 0), unixSocket(a.path("socket"))} {
		listener := a.listening(e)
		name := e
		if e.family() == unix.AF_UNIX {
			name = unixSocket(a.path("client"))
		}
		client := a.bound(name, unix.SOCK_STREAM)
		a.connect(client, a.local(listener))
		fd := a.must(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, 0)
		w := a.wantSocket("socket_accept", listener, "local_addr", a.local(listener), fd)
		w.Arguments["remote_addr"] = a.local(client).shown
		w.Return = fd
	}
	raw(unix.SYS_ACCEPT, 0x7000001, 0, 0)
}

func connectTCP(a *actor) {
	for address, e := range map[string]endpoint{"127.0.0.1": inet("127.0.0.1", 0), "::1": inet6("::1", 0)} {
		peer := a.local(a.listening(e))
		a.connect(a.socket(e.family(), unix.SOCK_STREAM), peer)
		a.want("net_tcp_connect", arguments{"dst": address, "dst_port": port(peer), "dst_dns": []string{}})
		a.connect(a.socket(e.family(), unix.SOCK_DGRAM), peer)
	}
	peer := a.local(a.listening(inet("127.0.0.1", 0)))
	mapped := a.socket(unix.AF_INET6, unix.SOCK_STREAM)
	a.connect(mapped, inet6("::ffff:127.0.0.1", int(port(peer))))
	a.want("net_tcp_connect", arguments{"dst": "127.0.0.1", "dst_port": port(peer), "dst_dns": []string{}})
	closed := a.local(a.bound(inet("127.0.0.1", 0), unix.SOCK_STREAM))
	a.connect(a.socket(unix.AF_INET, unix.SOCK_STREAM), closed)
	a.want("net_tcp_connect", arguments{"dst": "127.0.0.1", "dst_port": port(closed), "dst_dns": []string{}})
}

// port of an IPv4 or IPv6 address.
func port(e endpoint) int32 { return int32(e.bytes[2])<<8 | int32(e.bytes[3]) }

// mapped is a file to be mapped.
type mapped struct {
	fd   int
	path string
	unix.Stat_t
}

func (a *actor) fileToMap() mapped {
	m := mapped{path: a.path("mapped")}
	a.check(os.WriteFile(m.path, make([]byte, 1<<16), 0o700))
	m.fd = a.must(unix.SYS_OPENAT, atCwd, cString(m.path), unix.O_RDWR)
	a.check(unix.Fstat(m.fd, &m.Stat_t))
	return m
}

func (m *mapped) arguments() arguments {
	return arguments{
		"pathname": m.path, "flags": int32(unix.O_RDWR | largeFile), "dev": kernelDev(m.Dev), "inode": m.Ino, "ctime": ctime(m.Stat_t),
	}
}

func (a *actor) mapFile(m mapped, protection, flags uintptr) uintptr {
	return uintptr(a.must(unix.SYS_MMAP, 0, 1<<14, protection, flags, uintptr(m.fd), 1<<13))
}

func mapFiles(a *actor) {
	m := a.fileToMap()
	for _, c := range []struct{ protection, flags uintptr }{
		{unix.PROT_READ, unix.MAP_PRIVATE},
		{unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED},
		{readExec, unix.MAP_PRIVATE},
	} {
		a.mapFile(m, c.protection, c.flags)
		args := m.arguments()
		args["prot"], args["mmap_flags"], args["syscall"] = int32(c.protection), int32(c.flags), int32(9)
		a.want("security_mmap_file", args)
	}
	a.mmap(readWrite) // no file
	raw(unix.SYS_MMAP, 0, 1<<14, readExec, unix.MAP_PRIVATE, 0x7000001, 0)
}

func loadSharedObject(a *actor) {
	m := a.fileToMap()
	a.mapFile(m, readExec, unix.MAP_PRIVATE)
	a.want("shared_object_loaded", m.arguments())
	a.mapFile(m, unix.PROT_READ, unix.MAP_PRIVATE)
	a.mmap(readExec)
}

func mapMemory(a *actor) {
	m := a.fileToMap()
	address := a.mapFile(m, unix.PROT_READ, unix.MAP_PRIVATE)
	args := m.arguments()
	args["addr"], args["flags"], args["pgoff"] = address, uint32(unix.O_RDWR|largeFile), uint64(2)
	args["len"], args["prot"], args["mmap_flags"] = uint64(1<<14), uint64(unix.PROT_READ), uint64(unix.MAP_PRIVATE)
	a.want("do_mmap", args)
	address = uintptr(a.must(unix.SYS_MMAP, 0, oddLength, readWrite, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uintptr(0), 0))
	a.want("do_mmap", arguments{
		"addr": address, "len": uint64(oddLength), "prot": uint64(readWrite),
		"mmap_flags": uint64(unix.MAP_PRIVATE | unix.MAP_ANONYMOUS),
	})
}

// oddLength is that of memory which the runtime of Go would not ask for.
const oddLength = 0x13000

// ofTestMemory drops the mappings that the runtime of Go makes for a child when it likes.
func ofTestMemory(seen []*trace.Event) []*trace.Event {
	return slices.DeleteFunc(seen, func(e *trace.Event) bool {
		length, ok := e.Lookup("len")
		_, file := e.Lookup("pathname")
		return e.EventName == "do_mmap" && !file && ok && length.Uint() != oddLength
	})
}

func protectMemory(a *actor) {
	m := a.fileToMap()
	address := a.mapFile(m, unix.PROT_READ, unix.MAP_PRIVATE)
	a.must(unix.SYS_MPROTECT, address, 1<<14, readExec)
	a.want("security_file_mprotect", arguments{"pathname": m.path, "prot": int32(readExec), "ctime": ctime(m.Stat_t)})
	anonymous := a.mmap(readWrite)
	a.must(unix.SYS_PKEY_MPROTECT, anonymous, 1<<16, unix.PROT_READ, ^uintptr(0))
	a.want("security_file_mprotect", arguments{"pathname": "", "prot": int32(unix.PROT_READ), "ctime": uint64(0)})
	nothing := a.mmap(readWrite)
	a.must(unix.SYS_MUNMAP, nothing, 1<<16)
	raw(unix.SYS_MPROTECT, nothing, 1<<16, readExec)
}

// execute runs machine code from memory that is no file's.
func (a *actor) execute(code string) (start uintptr) {
	start = a.mmap(readWrite)
	copy(unsafe.Slice(*(**byte)(unsafe.Pointer(&start)), 1<<16), code)
	a.must(unix.SYS_MPROTECT, start, 1<<16, allAccess) // which also makes arm64 look at what was written
	function := &start
	pointer := unsafe.Pointer(&function)
	(*(*func())(pointer))()
	return start
}

func (a *actor) wantSource(event, pointer string, start uintptr, at int) {
	a.want(event, arguments{
		"syscall": int32(lookup("socket").ID), pointer: start + uintptr(at), "vma_type": "anonymous", "vma_start": start,
		"vma_size": uint64(1 << 16), "vma_flags": lowBits(allAccess),
	})
}

func callFromNoFile(a *actor) {
	start := a.execute(socketCall + ret)
	a.wantSource("suspicious_syscall_source", "ip", start, len(socketCall))
	a.socket(unix.AF_UNIX, unix.SOCK_STREAM)
}

func callOnNoStack(a *actor) {
	start := a.execute(falseStack + socketCall + trueStack + ret)
	a.wantSource("stack_pivot", "sp", start, len(falseStack)+0x800)
	a.socket(unix.AF_UNIX, unix.SOCK_STREAM)
}

func changeSignals(a *actor) {
	const signal, flags, mask = unix.SIGUSR2, 0x04000000, 1 << 9 // SA_RESTORER, SIGUSR1
	type action struct{ handler, flags, restorer, mask uint64 }
	var old action
	a.must(unix.SYS_RT_SIGACTION, uintptr(signal), 0, keep(&old), 8)
	args := arguments{"sig": int32(signal), "is_sa_initialized": false, "is_old_sa_initialized": true}
	before := func(args arguments, handler, flags, mask uint64) arguments {
		args["old_sa_flags"], args["old_sa_mask"], args["old_sa_handler"] = flags, mask, uintptr(handler)
		args["old_sa_handle_method"] = uint8(min(handler, 2))
		return args
	}
	a.want("do_sigaction", before(args, old.handler, old.flags, old.mask))
	a.must(unix.SYS_RT_SIGACTION, uintptr(signal), keep(&action{1, flags, 1, mask}), 0, 8)
	a.want("do_sigaction", before(arguments{
		"sig": int32(signal), "is_sa_initialized": true, "sa_flags": uint64(flags), "sa_mask": uint64(mask),
		"sa_handle_method": uint8(1), "sa_handler": uintptr(1), "is_old_sa_initialized": false,
	}, old.handler, old.flags, old.mask))
	raw(unix.SYS_RT_SIGACTION, 77, keep(&action{}), 0, 8)
}

func setLimits(a *actor) {
	for i, call := range []func(*unix.Rlimit){
		func(l *unix.Rlimit) { a.must(unix.SYS_SETRLIMIT, unix.RLIMIT_CORE, keep(l)) },
		func(l *unix.Rlimit) { a.must(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_CORE, keep(l), 0) },
		func(l *unix.Rlimit) { a.must(unix.SYS_PRLIMIT64, uintptr(os.Getpid()), unix.RLIMIT_CORE, keep(l), 0) },
	} {
		limit := &unix.Rlimit{Cur: uint64(4096 * (3 - i)), Max: uint64(8192 * (3 - i))}
		call(limit)
		a.want("security_task_setrlimit", arguments{
			"target_host_pid": uint32(os.Getpid()), "resource": int32(unix.RLIMIT_CORE), "new_rlim_cur": limit.Cur, "new_rlim_max": limit.Max,
		})
	}
	a.must(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_CORE, 0, keep(new(unix.Rlimit)))
	raw(unix.SYS_PRLIMIT64, 0, 77, keep(new(unix.Rlimit)), 0)
}

func changeProperties(a *actor) {
	call := func(args ...uintptr) {
		a.want("security_task_prctl", arguments{
			"option": int32(args[0]), "arg2": uint64(args[1]), "arg3": uint64(args[2]), "arg4": uint64(args[3]), "arg5": uint64(args[4]),
		}).Return = a.outcome("security_task_prctl", raw(unix.SYS_PRCTL, args...))
	}
	call(unix.PR_GET_DUMPABLE, 2, 3, 4, 5)
	call(unix.PR_SET_PDEATHSIG, 77, 0, 0, 1<<40) // no such signal
	call(unix.PR_SET_VMA, unix.PR_SET_VMA_ANON_NAME, a.mmap(readWrite), 1<<16, cString("called"))
	a.Wants[len(a.Wants)-1].Arguments["vma_name"] = "called"
}

func setClock(a *actor) {
	var now unix.Timespec
	a.check(unix.ClockGettime(unix.CLOCK_REALTIME, &now))
	a.must(unix.SYS_CLOCK_SETTIME, unix.CLOCK_REALTIME, keep(&now))
	a.want("security_settime64", arguments{"tv_sec": now.Sec, "tv_nsec": now.Nsec})
	raw(unix.SYS_CLOCK_SETTIME, unix.CLOCK_MONOTONIC, keep(&now))
	a.check(unix.ClockGettime(unix.CLOCK_REALTIME, &now))
	time := unix.Timeval{Sec: now.Sec, Usec: now.Nsec / 1000}
	a.must(unix.SYS_SETTIMEOFDAY, keep(&time), keep(new([2]int32)))
	a.want("security_settime64", arguments{
		"tv_sec": now.Sec, "tv_nsec": time.Usec * 1000, "tz_minuteswest": int32(0), "tz_dsttime": int32(0),
	})
}

func failToExecute(a *actor) {
	stdin, err := os.Readlink("/proc/self/fd/0")
	a.check(err)
	var st unix.Stat_t
	a.check(unix.Fstat(0, &st))
	argv, envp := []uintptr{cString("name"), cString("argument"), 0}, []uintptr{cString("A=1"), 0}
	wanted := func(path string, r int) *want {
		w := a.want("process_execute_failed", arguments{
			"pathname": path, "stdin_type": uint16(st.Mode & unix.S_IFMT), "stdin_path": stdin,
			"argv": []string{"name", "argument"}, "envp": []string{"A=1"}, "argc": int32(2), "envc": int32(1),
		})
		w.Return = r
		return w
	}
	text := a.path("text")
	a.check(os.WriteFile(text, []byte(strings.Repeat("no program\n", 9)), 0o700))
	for _, path := range []string{a.path("missing"), text, a.Dir} {
		wanted(path, raw(unix.SYS_EXECVE, cString(path), keep(&argv[0]), keep(&envp[0])))
	}
	r := raw(unix.SYS_EXECVEAT, atCwd, cString("missing"), keep(&argv[0]), keep(&envp[0]), unix.AT_SYMLINK_NOFOLLOW)
	w := wanted("missing", r)
	w.Arguments["dirfd"], w.Arguments["flags"] = int32(unix.AT_FDCWD), int32(unix.AT_SYMLINK_NOFOLLOW)
}
