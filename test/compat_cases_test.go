package test

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
)

// compat begins an action that uses the 32-bit ABI.
func (a *actor) compat() (abi, *memory) {
	a.checkCompat()
	with := compatCalls()
	return with, a.memory(with)
}

// int80 makes a call of the 32-bit ABI that has to succeed.
func (a *actor) int80(name string, args ...uintptr) int {
	var six [6]uintptr
	copy(six[:], args)
	r := int(int80(uintptr(lookup(name).Numbers[events.I386]), &six))
	if r < 0 {
		a.fail(&os.SyscallError{Syscall: name, Err: unix.Errno(-r)})
	}
	return r
}

const cwd32 = 1<<32 - 100 // AT_FDCWD

// compatSuccess makes calls that do what they are for.
func compatSuccess(a *actor) {
	with, m := a.compat()
	file := a.path("file")
	path := m.string(file)
	fd := uintptr(a.call(with, "openat", [6]uintptr{cwd32, path, unix.O_CREAT | unix.O_RDWR, 0o600}, arguments{
		"dirfd": int32(unix.AT_FDCWD), "pathname": file, "flags": int32(unix.O_CREAT | unix.O_RDWR), "mode": uint32(0o600),
	}))
	a.call(with, "open", [6]uintptr{path, 0, 0}, arguments{"pathname": file, "flags": int32(0), "mode": uint32(0)})
	a.call(with, "pwrite64", [6]uintptr{fd, path, 3, 0x89abcdef, 1}, arguments{
		"fd": int32(fd), "buf": path, "count": uint64(3), "offset": uint64(0x1_89abcdef),
	})
	a.call(with, "truncate64", [6]uintptr{path, 0xfedcba98, 2}, arguments{"path": file, "length": uint64(0x2_fedcba98)})
	a.call(with, "fadvise64_64", [6]uintptr{fd, 1, 2, 3, 4, unix.FADV_NORMAL}, arguments{
		"fd": int32(fd), "offset": uint64(0x2_00000001), "len": uint64(0x4_00000003), "advice": int32(0),
	})
	const private = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS
	a.call(with, "mmap2", [6]uintptr{0, 4096, unix.PROT_READ, private, 1<<32 - 1, 0}, arguments{
		"addr": uint64(0), "length": uint64(4096), "prot": uint64(1), "flags": uint64(private), "fd": uint64(1<<32 - 1),
		"pgoffset": uint64(0),
	})
	block := m.words(with, 0, 8192, unix.PROT_READ, private, 1<<32-1, 0)
	a.call(with, "mmap", [6]uintptr{block}, arguments{
		"addr": uintptr(0), "length": uint64(8192), "prot": int32(1), "flags": int32(private), "fd": int32(-1), "off": uint64(0),
	})
	pair := m.bytes(make([]byte, 8))
	values := arguments{}
	a.call(with, "pipe", [6]uintptr{pair}, values)
	values["pipefd"] = [2]int32{int32(m.at(pair, 8)[0]), int32(m.at(pair, 8)[4])}
	a.call(with, "setresuid16", [6]uintptr{0xffff, 0xffff, 0xffff}, arguments{
		"ruid": uint16(0xffff), "euid": uint16(0xffff), "suid": uint16(0xffff),
	})
	a.call(with, "umask", [6]uintptr{0o22}, arguments{"mask": uint32(0o22)})
}

func compatForks(a *actor) {
	with, m := a.compat()
	with.perform = func(nr uintptr, args *[6]uintptr) int { return a.reaped(int(int80Fork(nr, args))) }
	a.forksThrough(with, m)
}

func compatStructs(a *actor) {
	with, m := a.compat()
	a.structsThrough(with, m)
}

func compatExecve(a *actor) {
	with, m := a.compat()
	a.arraysThrough(with)
	file := program(a)
	w := a.want("execve", arguments{"pathname": file, "argv": []string{"true", "32"}, "envp": []string{"F=5"}})
	w.Compat = true
	a.send()
	a.int80("execve", m.string(file), m.strings(with, "true", "32"), m.strings(with, "F=5"))
}

func compatExecveat(a *actor) {
	with, m := a.compat()
	file := program(a)
	w := a.want("execveat", arguments{
		"dirfd": int32(unix.AT_FDCWD), "pathname": file, "argv": []string{"true", "32"}, "envp": []string{"F=6"}, "flags": int32(0),
	})
	w.Compat = true
	a.send()
	a.int80("execveat", cwd32, m.string(file), m.strings(with, "true", "32"), m.strings(with, "F=6"), 0)
}

// compatExecution is an exec by the 32-bit ABI of a program of 64 bits; what is told of it comes from the kernel.
func compatExecution(a *actor) {
	with, m := a.compat()
	file := program(a)
	a.wantExec(file, file, file, []string{"true", "32"}, []string{"F=7"})
	a.send()
	a.int80("execve", m.string(file), m.strings(with, "true", "32"), m.strings(with, "F=7"))
}

func compatStrings(a *actor) {
	with, m := a.compat()
	a.stringsThrough(with)
	missing := a.path("no/file")
	a.call(with, "open", [6]uintptr{m.string(missing), 1<<32 - 1, 7}, arguments{
		"pathname": missing, "flags": int32(-1), "mode": uint32(7),
	})
	a.call(with, "creat", [6]uintptr{m.string(missing), 7}, arguments{"pathname": missing, "mode": uint32(7)})
}

func compatAddresses(a *actor) {
	with, _ := a.compat()
	a.addressesThrough(with)
}

// compatSocketcall makes calls through the one number that old programs have for all of them; they are shown as what
// they are.
func compatSocketcall(a *actor) {
	with, m := a.compat()
	const socket, bind, connect, listen, accept, getsockname, send = 1, 2, 3, 4, 5, 6, 9
	socketcall := uintptr(lookup("socketcall").Numbers[events.I386])
	call := func(number uintptr, name string, values arguments, words ...uintptr) int {
		r := int(int80(socketcall, &[6]uintptr{number, m.words(with, words...)}))
		w := a.want(name, values)
		w.Return, w.Compat = r, true
		return r
	}
	server := call(socket, "socket", arguments{
		"domain": int32(unix.AF_INET), "type": int32(unix.SOCK_STREAM), "protocol": int32(0),
	}, unix.AF_INET, unix.SOCK_STREAM, 0)
	any := inet("127.0.0.1", 0)
	length := uintptr(len(any.bytes))
	call(bind, "bind", arguments{"sockfd": int32(server), "addr": any.shown, "addrlen": int32(16)},
		uintptr(server), m.bytes(any.bytes), length)
	call(listen, "listen", arguments{"sockfd": int32(server), "backlog": int32(3)}, uintptr(server), 3)
	buffer, size := m.bytes(make([]byte, 16)), m.bytes([]byte{16, 0, 0, 0})
	values := arguments{"sockfd": int32(server), "addrlen": size}
	call(getsockname, "getsockname", values, uintptr(server), buffer, size)
	bound := decode(m.at(buffer, 16))
	values["addr"] = bound.shown
	client := call(socket, "socket", arguments{
		"domain": int32(unix.AF_INET), "type": int32(unix.SOCK_STREAM), "protocol": int32(0),
	}, unix.AF_INET, unix.SOCK_STREAM, 0)
	call(connect, "connect", arguments{"sockfd": int32(client), "addr": bound.shown, "addrlen": int32(16)},
		uintptr(client), m.bytes(bound.bytes), length)
	call(accept, "accept", arguments{"sockfd": int32(server), "addrlen": uintptr(0)}, uintptr(server), 0, 0)
	call(send, "sendto", arguments{"sockfd": int32(client), "buf": buffer, "len": uint64(3), "flags": int32(0)},
		uintptr(client), buffer, 3, 0)
	call(77, "socketcall", arguments{"call": int32(77), "args": m.words(with)})
	last := &a.Wants[len(a.Wants)-1]
	last.Arguments["args"] = anything{}
}

// compatFiles opens and writes; the events are those of any other open and write.
func compatFiles(a *actor) {
	with, m := a.compat()
	file := a.quietly("file")
	path := m.string(file)
	a.wantOpen32(a.int80("open", path, unix.O_RDWR), file, unix.O_RDWR, file)
	fd := a.int80("openat", cwd32, path, unix.O_WRONLY|unix.O_TRUNC|largeFile)
	a.wantOpen32(fd, file, unix.O_WRONLY|unix.O_TRUNC|largeFile, file)
	created := a.path("created")
	a.wantOpen32(a.int80("creat", m.string(created), 0o600), created, unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC|largeFile, "")
	how := []byte{unix.O_RDWR, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	a.wantOpen32(a.int80("openat2", cwd32, path, m.bytes(how), 24), file, unix.O_RDWR|largeFile, file)

	a.wantWrite(fd, file, "text", a.int80("write", uintptr(fd), m.string("text"), 4))
	a.int80("write", uintptr(fd), m.string("more"), 4)
	a.wantWrite(fd, file, "head", a.int80("pwrite64", uintptr(fd), m.string("head"), 4, 0, 0))
	a.int80("pwrite64", uintptr(fd), m.string("far"), 3, 0, 1)
	vector := m.words(with, m.string("first"), 5, m.string("second"), 6)
	a.int80("lseek", uintptr(fd), 0, 0)
	a.wantWrite(fd, file, "first", a.int80("writev", uintptr(fd), vector, 2))
	a.wantWrite(fd, file, "first", a.int80("pwritev", uintptr(fd), vector, 2, 0, 0))
	a.int80("pwritev", uintptr(fd), vector, 2, 0, 1) // at 4 GiB
}

func compatCopies(a *actor) {
	_, m := a.compat()
	a.dropThrough(m, a.int80, "sendfile32", "sendfile")
}

func (a *actor) wantOpen32(fd int, path string, flags int32, given string) {
	a.wantOpen("openat", fd, path, flags, given, 0)
	delete(a.Wants[len(a.Wants)-1].Arguments, "syscall") // without option:detect-syscall
	a.Wants[len(a.Wants)-1].Arguments["ctime"] = anything{}
}

func compatSockets(a *actor) {
	_, m := a.compat()
	address := func(e endpoint) (uintptr, uintptr) { return m.bytes(e.bytes), uintptr(len(e.bytes)) }
	for _, e := range []endpoint{inet("127.0.0.1", 0), unixSocket(a.path("socket"))} {
		create := func() int {
			fd := a.int80("socket", e.family(), unix.SOCK_STREAM, 0)
			a.want("security_socket_create", arguments{
				"family": int32(e.family()), "type": int32(unix.SOCK_STREAM), "protocol": int32(0), "kern": int32(0),
			})
			return fd
		}
		server := create()
		at, length := address(e)
		a.int80("bind", uintptr(server), at, length)
		local := a.local(server)
		a.wantSocket("security_socket_bind", server, "local_addr", a.asked("security_socket_bind", e, local), 0)
		a.int80("listen", uintptr(server), 7)
		a.wantSocket("security_socket_listen", server, "local_addr", local, 0).Arguments["backlog"] = int32(7)
		client := create()
		at, length = address(local)
		a.int80("connect", uintptr(client), at, length)
		a.wantSocket("security_socket_connect", client, "remote_addr", local, 0)
		accepted := a.int80("accept4", uintptr(server), 0, 0, 0)
		a.wantSocket("security_socket_accept", server, "local_addr", local, accepted)

		a.wantDuplicate(client, a.int80("dup", uintptr(client)), local.shown)
		a.wantDuplicate(client, a.int80("fcntl64", uintptr(client), unix.F_DUPFD, 100), local.shown)
		a.wantDuplicate(client, a.int80("fcntl", uintptr(client), unix.F_DUPFD_CLOEXEC, 200), local.shown)
		// Flags are small numbers, and so are descriptors: O_RDWR is 2.
		a.must(sysDup2, uintptr(client), 2)
		a.wantDuplicate(client, 2, local.shown)
		a.int80("fcntl64", uintptr(client), unix.F_GETFL)
	}
}

func compatOthers(a *actor) {
	with, m := a.compat()
	block := m.words(with, 0, 4096, allAccess, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, 1<<32-1, 0)
	address := uintptr(a.int80("mmap", block))
	a.want("mem_prot_alert", arguments{"alert": uint32(alertMmapWX)})
	a.int80("mmap2", 0, 4096, allAccess, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, 1<<32-1, 0)
	a.want("mem_prot_alert", arguments{"alert": uint32(alertMmapWX)})
	a.int80("mprotect", address, 4096, readExec)
	a.want("mem_prot_alert", arguments{"alert": uint32(alertMprotectNoW)})

	for _, c := range []struct {
		name string
		args []uintptr
	}{
		{"setresgid16", []uintptr{7, 0xffff, 8}},
		{"setresgid", []uintptr{70000, 1<<32 - 1, 1<<32 - 1}},
		{"setfsuid16", []uintptr{9}},
		{"setreuid", []uintptr{ordinaryUser, 0}},
	} {
		before := a.credentials()
		a.int80(c.name, c.args...)
		after := a.credentials()
		a.want("commit_creds", arguments{"old_cred": before, "new_cred": after}).UID = int(after.Uid)
	}
}
