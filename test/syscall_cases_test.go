package test

import (
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// enough is the length of a string that is kept whole: 4096 bytes with its NUL.
const enough = 4095

func callWithStrings(a *actor) { a.stringsThrough(nativeCalls()) }

func (a *actor) stringsThrough(with abi) {
	m := a.memory(with)
	open := func(address uintptr, shown any, truncated ...string) {
		dirfd, flags, mode := int32(-5), int32(0x7a000000), uint32(0o7777)
		values := arguments{"dirfd": dirfd, "flags": flags, "mode": mode}
		if shown != nil {
			values["pathname"] = shown
		}
		a.call(with, "openat", [6]uintptr{uintptr(uint32(dirfd)), address, uintptr(flags), uintptr(mode)}, values)
		a.Wants[len(a.Wants)-1].Truncated = truncated
	}
	long := strings.Repeat("a", 2*enough)
	open(m.string(""), "")
	open(m.string("/\xff\n\x01 "), "/\xff\n\x01 ")
	open(m.string(long[:enough]), long[:enough])
	open(m.string(long[:enough+1]), long[:enough], "pathname")
	open(m.string(long), long[:enough], "pathname")
	open(m.end([]byte("at the end of a page\x00")), "at the end of a page")
	open(m.end([]byte("never ends")), nil)
	open(m.hole, nil)
	open(0, nil)
	open(8, nil)
}

func callWithArrays(a *actor) { a.arraysThrough(nativeCalls()) }

// arraysThrough calls execve with lists of arguments that never get as far as to be used.
func (a *actor) arraysThrough(with abi) {
	m := a.memory(with)
	path := a.path("missing")
	execve := func(address uintptr, shown []string, truncated ...string) {
		values := arguments{"pathname": path, "envp": []string{"A=1", "B"}}
		if shown != nil {
			values["argv"] = shown
		}
		a.call(with, "execve", [6]uintptr{m.string(path), address, m.strings(with, "A=1", "B")}, values)
		a.Wants[len(a.Wants)-1].Truncated = truncated
	}
	var many []string
	for i := range 200 {
		many = append(many, "argument "+itoa(i))
	}
	long := strings.Repeat("x", 4*enough)
	execve(0, nil)
	execve(m.strings(with), []string{})
	execve(m.strings(with, "one"), []string{"one"})
	execve(m.strings(with, "", "a b", ""), []string{"", "a b", ""})
	if a.CalledBack {
		execve(m.strings(with, many...), many)
	} else {
		execve(m.strings(with, many...), many[:32], "argv")
	}
	for _, length := range []int{enough - 1, enough, enough + 1, 2 * enough, 3*enough + 10} { // a read takes enough
		execve(m.strings(with, "long", long[:length], "", "last"), []string{"long", long[:length], "", "last"})
	}
	execve(m.words(with, m.string("read"), m.hole, m.string("never")), []string{"read"}, "argv")
	execve(m.end(littleWords(with, m.string("last"))), []string{"last"}, "argv")
	execve(m.hole, []string{}, "argv")
}

// littleWords is an array of pointers as it lies in memory.
func littleWords(with abi, values ...uintptr) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))[:len(b)+with.word]
	}
	return b
}

func callWithAddresses(a *actor) { a.addressesThrough(nativeCalls()) }

func (a *actor) addressesThrough(with abi) {
	m := a.memory(with)
	fd := a.socket(unix.AF_INET, unix.SOCK_DGRAM)
	give := func(address []byte, shown map[string]string) {
		pointer := m.bytes(address)
		for _, name := range []string{"connect", "bind"} {
			values := arguments{"sockfd": int32(fd), "addrlen": int32(len(address))}
			if shown != nil {
				values["addr"] = shown
			}
			a.call(with, name, [6]uintptr{uintptr(fd), pointer, uintptr(len(address))}, values)
		}
		values := arguments{
			"sockfd": int32(-1), "buf": m.hole, "len": uint64(3), "flags": int32(unix.MSG_DONTWAIT), "addrlen": int32(len(address)),
		}
		if shown != nil {
			values["dest_addr"] = shown
		}
		minusOne := uintptr(1<<32 - 1)
		a.call(with, "sendto", [6]uintptr{minusOne, m.hole, 3, unix.MSG_DONTWAIT, pointer, uintptr(len(address))}, values)
	}
	in, in6 := inet("10.1.2.3", 65535), inet6("2001:db8::1", 1)
	give(in.bytes, in.shown)
	give(in6.bytes, in6.shown)
	scoped := encode(map[string]string{
		"sa_family": "AF_INET6", "sin6_addr": "fe80::1", "sin6_port": "2", "sin6_flowinfo": "7", "sin6_scopeid": "9",
	})
	give(scoped.bytes, scoped.shown)
	path := unixSocket(a.path("no/socket"))
	give(path.bytes, path.shown)
	give(abstract("name\x01").bytes, abstract("name\x01").shown)
	give([]byte{unix.AF_UNIX, 0}, map[string]string{"sa_family": "AF_UNIX", "sun_path": ""})
	give([]byte{unix.AF_NETLINK, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, map[string]string{"sa_family": "AF_NETLINK"})
	give(append(slices.Clone(in.bytes), make([]byte, 500)...), in.shown)
	give(nil, nil)
}

// callForAddresses lets the kernel tell an address, and how long it is.
func callForAddresses(a *actor) {
	for _, e := range a.endpoints() {
		m := a.memory(nativeCalls())
		listener := a.listening(e)
		_, local := a.ask(m, "getsockname", listener)
		for _, name := range []string{"accept", "accept4"} {
			client := a.socket(e.family(), unix.SOCK_STREAM)
			a.connect(client, local)
			server, _ := a.ask(m, name, listener)
			a.ask(m, "getsockname", server)
			a.ask(m, "getpeername", client)
		}
		a.ask(m, "getpeername", listener) // -ENOTCONN: no address
	}
}

// ask makes a call that returns an address; what the caller finds in its memory afterwards is what must be shown.
func (a *actor) ask(m *memory, name string, fd int) (r int, told endpoint) {
	buffer, length := m.bytes(make([]byte, 128)), m.bytes([]byte{128, 0, 0, 0})
	values := arguments{"sockfd": int32(fd), "addrlen": length}
	registers := [6]uintptr{uintptr(fd), buffer, length}
	if name == "accept4" {
		values["flags"], registers[3] = int32(unix.SOCK_CLOEXEC), unix.SOCK_CLOEXEC
	}
	if r = a.call(nativeCalls(), name, registers, values); r >= 0 {
		told = decode(m.at(buffer, int(binary.NativeEndian.Uint32(m.at(length, 4)))))
		values["addr"] = told.shown
	}
	return r, told
}

func callForPairs(a *actor) {
	pair := new([2]int32)
	address := keep(pair)
	for _, name := range []string{"pipe", "pipe2", "socketpair"} {
		if native(lookup(name)) < 0 {
			continue
		}
		for _, valid := range []bool{true, false} {
			at, values := address, arguments{}
			if !valid {
				at = 8
			}
			registers := [6]uintptr{at}
			switch name {
			case "pipe2":
				registers[1], values["flags"] = unix.O_CLOEXEC, int32(unix.O_CLOEXEC)
			case "socketpair":
				registers = [6]uintptr{unix.AF_UNIX, unix.SOCK_STREAM, 0, at}
				values["domain"], values["type"], values["protocol"] = int32(unix.AF_UNIX), int32(unix.SOCK_STREAM), int32(0)
			}
			a.call(nativeCalls(), name, registers, values)
			if argument := map[string]string{"socketpair": "sv"}[name]; valid {
				if argument == "" {
					argument = "pipefd"
				}
				values[argument] = *pair
			}
		}
	}
}

// callExit ends two processes; the calls do not return, so what is seen is that they were made.
func callExit(a *actor) {
	for _, name := range []string{"exit", "exit_group"} {
		pid, reap := a.forkThen(0, uintptr(native(lookup(name))), 300)
		reap()
		w := a.want(name, arguments{"status": int32(300)})
		w.Pid = pid
	}
	a.want("exit_group", arguments{"status": int32(0)}) // of this process
}

// callForSignals waits for a signal in another process, which ends it, and returns from one in this.
func callForSignals(a *actor) {
	const restartNoHandler = 514 // what the caller never sees: the kernel's ERESTARTNOHAND
	pid := os.Getpid()
	a.must(unix.SYS_TGKILL, uintptr(pid), uintptr(unix.Gettid()), uintptr(unix.SIGURG)) // which Go has a handler for
	a.want("rt_sigreturn", arguments{})
	pause := native(lookup("pause"))
	if pause < 0 {
		return
	}
	pid = a.must(unix.SYS_CLONE, 0) // without another signal at its end
	if pid == 0 {
		// A copy of this thread alone: it may do nothing that needs the runtime.
		syscall.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0)
		for {
			syscall.RawSyscall(uintptr(pause), 0, 0, 0)
		}
	}
	for asleep := ") S "; !strings.Contains(a.read("/proc/"+itoa(pid)+"/stat"), asleep); {
		time.Sleep(time.Millisecond)
	}
	a.must(unix.SYS_KILL, uintptr(pid), uintptr(unix.SIGKILL))
	a.reaped(pid)
	w := a.want("pause", arguments{})
	w.Pid, w.Return = pid, -restartNoHandler
}

func (a *actor) read(file string) string {
	text, err := os.ReadFile(file)
	a.check(err)
	return string(text)
}

// callWithoutCapability may not do what it asks for.
func callWithoutCapability(a *actor) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	a.check(unix.Capget(&header, &sets[0]))
	sets[0].Effective &^= 1 << unix.CAP_SYS_TTY_CONFIG
	a.check(unix.Capset(&header, &sets[0]))
	if r := a.call(nativeCalls(), "vhangup", [6]uintptr{}, arguments{}); r != -int(unix.EPERM) {
		a.fail(unix.Errno(-r))
	}
}

func callForks(a *actor) {
	with := nativeCalls()
	with.perform = func(nr uintptr, args *[6]uintptr) int { return a.reaped(int(syscallFork(nr, args))) }
	a.forksThrough(with, a.memory(with))
}

// reaped waits for the process that a call made.
func (a *actor) reaped(pid int) int {
	if pid > 0 {
		_, err := unix.Wait4(pid, nil, unix.WALL, nil)
		a.check(err)
	}
	return pid
}

func (a *actor) forksThrough(with abi, m *memory) {
	for _, name := range []string{"fork", "vfork"} {
		if lookup(name).Numbers[with.number] >= 0 {
			a.call(with, name, [6]uintptr{}, arguments{})
		}
	}
	const flags = unix.CLONE_PARENT_SETTID | uintptr(unix.SIGCHLD)
	parent, child, tls := m.bytes(make([]byte, 8)), m.bytes(make([]byte, 8)), uintptr(0x1230)
	values := [...]uintptr{flags, 0, parent, child, tls}
	var registers [6]uintptr
	for i, r := range lookup("clone").Registers(with.number) { // the last two are the other way round on some
		registers[r.Low] = values[i]
	}
	a.call(with, "clone", registers, arguments{
		"flags": uint64(flags), "stack": uintptr(0), "parent_tid": parent, "child_tid": child, "tls": uint64(tls),
	})
	args := make([]byte, 64)
	binary.LittleEndian.PutUint64(args[32:], uint64(unix.SIGCHLD))
	for _, size := range []uintptr{64, 3} {
		address := m.bytes(args)
		a.call(with, "clone3", [6]uintptr{address, size}, arguments{
			"cl_args": address, "size": uint64(size), "flags": uint64(0), "exit_signal": uint64(unix.SIGCHLD),
		})
	}
}

func callWithStructs(a *actor) {
	with := nativeCalls()
	a.structsThrough(with, a.memory(with))
}

// structsThrough gives structs of which words are arguments, to calls that fail.
func (a *actor) structsThrough(with abi, m *memory) {
	words := func(values ...uint64) uintptr {
		var b []byte
		for _, v := range values {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
		return m.bytes(b)
	}
	const path, size = "/nonexistent-tracee/struct", 4000
	fd := int32(-5)
	how := words(0x1_7a00_0001, 0o7654, 0x8000_0000_0000_0002)
	values := arguments{"dirfd": fd, "pathname": path, "size": uint64(size)}
	call := func(name string, registers [6]uintptr, more arguments) {
		all := maps.Clone(values)
		maps.Copy(all, more)
		a.call(with, name, registers, all)
	}
	descriptor := uintptr(uint32(fd))
	call("openat2", [6]uintptr{descriptor, m.string(path), how, size}, arguments{
		"how": how, "flags": uint64(0x1_7a00_0001), "mode": uint64(0o7654), "resolve": uint64(0x8000_0000_0000_0002),
	})
	call("openat2", [6]uintptr{descriptor, m.string(path), m.hole, size}, arguments{"how": m.hole})

	attributes := words(0x11, 0x1_0000_0022, 0x33, 0x44)
	values = arguments{"dfd": fd, "path": path, "flags": uint32(0x7a000000), "usize": uint64(size)}
	call("mount_setattr", [6]uintptr{descriptor, m.string(path), 0x7a000000, attributes, size}, arguments{
		"uattr": attributes, "attr_set": uint64(0x11), "attr_clr": uint64(0x1_0000_0022), "propagation": uint64(0x33),
	})

	perf := words(3<<32|0x7fff_1234, 0xffff_ffff_0000_0001)
	values = arguments{"pid": int32(-9), "cpu": int32(-8), "group_fd": fd, "flags": uint64(0x7a000000)}
	call("perf_event_open", [6]uintptr{perf, uintptr(uint32(0xfffffff7)), uintptr(uint32(0xfffffff8)), descriptor, 0x7a000000},
		arguments{"attr": perf, "type": uint32(0x7fff_1234), "config": uint64(0xffff_ffff_0000_0001)})
}

// execFailures are attempts that do not replace this program.
func (a *actor) execFailures() {
	missing := a.path("missing")
	argv, env := []string{"a", "b"}, []string{"E=1"}
	r := raw(unix.SYS_EXECVE, cString(missing), list(argv...), list(env...))
	a.want("execve", arguments{"pathname": missing, "argv": argv, "envp": env}).Return = r
	r = raw(unix.SYS_EXECVEAT, atCwd, cString(missing), list(argv...), list(env...), 0)
	a.want("execveat", arguments{
		"dirfd": int32(unix.AT_FDCWD), "pathname": missing, "argv": argv, "envp": env, "flags": int32(0),
	}).Return = r
}

// list is a NULL-terminated array of strings.
func list(elements ...string) uintptr {
	pointers := make([]uintptr, len(elements)+1)
	for i, e := range elements {
		pointers[i] = cString(e)
	}
	keep(&pointers)
	return keep(&pointers[0])
}

// callExecve also proves that an execveat that failed does not make an execve look like one.
func callExecve(a *actor) {
	a.execFailures()
	file := program(a)
	a.want("execve", arguments{"pathname": file, "argv": []string{"true", "x"}, "envp": []string{"E=2"}})
	a.send()
	raw(unix.SYS_EXECVE, cString(file), list("true", "x"), list("E=2"))
}

func callExecveat(a *actor) {
	a.execFailures()
	file := program(a)
	dir, err := unix.Open(filepath.Dir(file), unix.O_PATH|unix.O_DIRECTORY, 0)
	a.check(err)
	base := filepath.Base(file)
	a.want("execveat", arguments{
		"dirfd": int32(dir), "pathname": throughDescriptor(dir, base), "argv": []string{"true", "x"}, "envp": []string{"E=3"},
		"flags": int32(unix.AT_SYMLINK_NOFOLLOW),
	})
	a.send()
	raw(unix.SYS_EXECVEAT, uintptr(dir), cString(base), list("true", "x"), list("E=3"), unix.AT_SYMLINK_NOFOLLOW)
}

func callExecveatOfDescriptor(a *actor) {
	fd, err := unix.Open(program(a), unix.O_PATH, 0)
	a.check(err)
	a.want("execveat", arguments{
		"dirfd": int32(fd), "pathname": throughDescriptor(fd, ""), "argv": []string{"true"}, "envp": []string{},
		"flags": int32(unix.AT_EMPTY_PATH),
	})
	a.send()
	raw(unix.SYS_EXECVEAT, uintptr(fd), cString(""), list("true"), list(), unix.AT_EMPTY_PATH)
}

// throughDescriptor is the name that the kernel makes from a directory's descriptor and a path: alloc_bprm().
func throughDescriptor(fd int, path string) string {
	name := "/dev/fd/" + itoa(fd)
	if path == "" {
		return name
	}
	return name + "/" + path
}

// callWithSigns leaves rubbish in the upper half of registers whose argument is an int: the kernel does not look there.
func callWithSigns(a *actor) {
	with := nativeCalls()
	const rubbish = 0xdead << 32
	minus := func(n uint32) uintptr { return uintptr(-n) }
	a.call(with, "lseek", [6]uintptr{rubbish | minus(3), ^uintptr(0), rubbish | minus(9)}, arguments{
		"fd": int32(-3), "offset": ^uint64(0), "whence": ^uint32(0) - 8,
	})
	a.call(with, "openat", [6]uintptr{rubbish | minus(100), 0, rubbish, 0}, arguments{
		"dirfd": int32(unix.AT_FDCWD), "flags": int32(0), "mode": uint32(0),
	})
	a.call(with, "fcntl", [6]uintptr{rubbish | minus(2), minus(1), ^uintptr(0)}, arguments{
		"fd": int32(-2), "cmd": int32(-1), "arg": ^uint64(0),
	})
	a.call(with, "kill", [6]uintptr{rubbish | 0x7000001, minus(4)}, arguments{"pid": int32(0x7000001), "sig": int32(-4)})
	a.call(with, "madvise", [6]uintptr{1, 1 << 63, minus(5)}, arguments{
		"addr": uintptr(1), "length": uint64(1 << 63), "advice": int32(-5),
	})
}
