package test

import (
	"encoding/gob"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// uringEvents are those that io_uring raises as syscalls do.
var uringEvents = []string{
	"io_uring_submit", "security_file_open", "do_truncate", "vfs_read", "vfs_readv", "vfs_write", "vfs_writev",
	"magic_write", "security_inode_unlink", "security_inode_rename", "security_inode_symlink", "security_socket_create",
	"security_socket_bind", "security_socket_listen", "security_socket_connect", "security_socket_accept", "socket_accept",
	"netfilter_change",
}

// uringActions are the ways to have the same done.
var uringModes = map[string]func(*actor){
	"at once": func(a *actor) { (&uringActor{actor: a, ring: a.newRing(0)}).everything() },
	"by workers": func(a *actor) {
		(&uringActor{actor: a, ring: a.newRing(0), flags: requestAsync}).everything()
	},
	"by a polling thread":        func(a *actor) { (&uringActor{actor: a, ring: a.newRing(ringSQPoll)}).everything() },
	"files without descriptors":  uringDirect,
	"more answers than requests": uringMultishot,
	"without answers":            uringSilent,
}

func uringActions() map[string]func(*actor) {
	actions := map[string]func(*actor){}
	for name, do := range uringModes {
		actions["io_uring/"+name] = do
	}
	return actions
}

// TestIOUringRaisesTheEventsOfSyscalls demands per event exactly those that were wanted, whichever thread did it.
func TestIOUringRaisesTheEventsOfSyscalls(t *testing.T) {
	for _, without := range [][]trace.Rung{nil, {trace.LSM, trace.Fentry, trace.Kprobe}} {
		var selected []*events.Event
		for _, name := range uringEvents {
			selected = append(selected, lookup(name))
		}
		name := "best rungs"
		if without != nil {
			name = "tracepoints alone"
		}
		t.Run(name, func(t *testing.T) {
			s := start(t, tracer.Config{Events: selected, Without: without})
			for _, a := range s.tracer.Attachments() {
				if a.Err != nil && strings.Contains(a.Err.Error(), "by io_uring is not seen") {
					t.Errorf("%s: %v", a.Event.Name, a.Err)
				}
			}
			for _, mode := range slices.Sorted(maps.Keys(uringModes)) {
				t.Run(mode, func(t *testing.T) {
					skip := ""
					s.try(t, func(t testing.TB) { skip = s.tryUring(t, mode) })
					if skip != "" {
						t.Skip(skip)
					}
				})
			}
		})
	}
}

// tryUring returns why it could not be tried, if so.
func (s *session) tryUring(t testing.TB, mode string) (skip string) {
	c := spawn(t, "io_uring/"+mode)
	found, seen := s.run(c, 0)
	if found.Skip != "" {
		return found.Skip
	}
	for _, name := range uringEvents {
		if slices.Contains(found.Uncounted, name) {
			continue
		}
		if _, ok := s.rungs()[name]; !ok {
			t.Errorf("%s is not available", name)
		}
		wanted := slices.DeleteFunc(slices.Clone(found.Wants), func(w want) bool { return w.Event != name })
		got := slices.DeleteFunc(slices.Clone(seen), func(e *trace.Event) bool {
			return e.EventName != name || e.HostProcessID != c.pid || e.Via == ""
		})
		if s.rungs()[name] != trace.Tracepoint { // what would have to wait is attempted again
			got = slices.CompactFunc(got, func(e, f *trace.Event) bool { return show(e) == show(f) })
		}
		c.compareAll(wanted, got)
	}
	return ""
}

// submitOperations is for the test of all events; what each operation raises is tested above.
func submitOperations(a *actor) {
	u := &uringActor{actor: a, ring: a.newRing(0)}
	u.do(request{}, nil)
	null := a.must(unix.SYS_OPENAT, atCwd, cString("/dev/null"), unix.O_RDONLY, 0)
	u.about(request{operation: opRead, fd: int32(null), address: address(keep(new([8]byte))), length: 8})
	missing, cwd := u.path("missing"), int32(unix.AT_FDCWD)
	u.do(request{operation: opOpenat, fd: cwd, address: address(cString(missing))}, arguments{"fd": cwd, "pathname": missing})
	u.do(request{operation: opUnlinkat, fd: cwd, address: 8}, nil)
	a.Wants = slices.DeleteFunc(a.Wants, func(w want) bool { return w.Event != "io_uring_submit" })
	a.Wants = a.Wants[:len(a.Wants)-1] // whose name can not be read: the kernel refuses it at once
}

// uringActor does things through an io_uring.
type uringActor struct {
	*actor
	ring  *ring
	flags uint8 // of every request
	sent  uint64
}

// without is a number in which some bits say nothing.
type without struct{ Number, Bits int32 }

// requestFlags are the flags of a request, to which the kernel may add that workers are to do it.
type requestFlags uint8

func (m requestFlags) match(got any) error {
	if n, ok := got.(uint8); !ok || n&^requestAsync != uint8(m)&^requestAsync || uint8(m)&^n != 0 {
		return fmt.Errorf("got %#x, want %#x", got, uint8(m))
	}
	return nil
}

func init() {
	gob.Register(without{})
	gob.Register(requestFlags(0))
}

func (m without) match(got any) error {
	if n, ok := got.(int32); !ok || n&^m.Bits != m.Number {
		return fmt.Errorf("got %#o, want %#o", got, m.Number)
	}
	return nil
}

// do submits a request and wants it to be seen; fd is absent where the operation has none.
func (u *uringActor) do(q request, seen arguments) int {
	u.sent++
	q.flags |= u.flags
	q.userData = u.sent<<32 | 7
	args := arguments{"operation": int32(q.operation), "flags": requestFlags(q.flags), "user_data": q.userData}
	maps.Copy(args, seen)
	w := u.want("io_uring_submit", args)
	w.Via = trace.ViaIOUring
	for _, name := range []string{"pathname", "new_pathname"} {
		if _, ok := args[name]; ok && !(q.operation == opSymlinkat && name == "pathname") {
			w.Truncated = append(w.Truncated, name)
		}
	}
	result := u.ring.do(q)
	if result == -int(unix.EINVAL) && slices.Contains([]uint8{opMkdirat, opSymlinkat, opSocket, opFtruncate, opBind}, q.operation) {
		u.Wants = u.Wants[:len(u.Wants)-1] // an operation that this kernel does not have: it refuses the request itself
	}
	if q.flags&requestSilent != 0 {
		silence := u.want("io_uring_submit", arguments{"operation": int32(opNop), "flags": requestFlags(0), "user_data": uint64(0)})
		silence.Via = trace.ViaIOUring
	}
	return result
}

// about is do for an operation on a descriptor.
func (u *uringActor) about(q request) int {
	return u.do(q, u.withDescriptor("fd", int(q.fd), arguments{}))
}

// withDescriptor adds a descriptor to arguments, where requests hold theirs.
func (u *uringActor) withDescriptor(name string, fd int, args arguments) arguments {
	if u.ring.features&featureLateFile != 0 {
		args[name] = int32(fd)
	}
	return args
}

// wanted is want for what is done through an io_uring.
func (u *uringActor) wanted(event string, args arguments) *want {
	w := u.want(event, args)
	w.Via = trace.ViaIOUring
	return w
}

func (u *uringActor) done(result int) int {
	if result < 0 {
		u.fail(fmt.Errorf("io_uring: %w", unix.Errno(-result)))
	}
	return result
}

func (u *uringActor) everything() {
	u.files()
	u.names()
	u.sockets()
	u.filter()
}

// opened wants the open of a file to be seen, whose state now is st.
func (u *uringActor) opened(path string, flags int32, st unix.Stat_t) *want {
	given := path
	if !u.blind("security_file_open") {
		given = "" // the hooks look at the arguments of syscalls
	}
	return u.wanted("security_file_open", arguments{
		"pathname": path, "dev": kernelDev(st.Dev), "inode": st.Ino, "ctime": anything{}, "syscall_pathname": given,
		"flags": without{largeFile | flags, unix.O_NONBLOCK},
	})
}

func (u *uringActor) open(path string, flags, place uint32) int {
	cwd := int32(unix.AT_FDCWD)
	result := u.done(u.do(request{operation: opOpenat, fd: cwd, address: address(cString(path)), length: 0o644,
		options: flags, place: place}, arguments{"fd": cwd, "pathname": path}))
	u.opened(path, int32(flags), u.stat(path))
	return result
}

func address(p uintptr) uint64 { return uint64(p) }

func (u *uringActor) files() {
	path := u.path("file")
	fd := u.open(path, unix.O_CREAT|unix.O_RDWR, 0)
	st := u.stat(path)
	file := func() arguments {
		return arguments{"pathname": path, "dev": kernelDev(st.Dev), "inode": st.Ino}
	}
	transfer := func(event, amount string, count uint64, pos, result int) {
		args := file()
		args[amount], args["pos"] = count, uint64(pos)
		if event == "vfs_read" || event == "vfs_readv" {
			args["returnValue"] = int64(result)
		}
		u.wanted(event, args).Return = result
	}
	magic := func(bytes string, result int) {
		args := file()
		args["bytes"] = []byte(bytes)
		u.wanted("magic_write", args).Return = result
	}
	text := cString("\x7fELF\x02")
	transfer("vfs_write", "count", 5, 0, u.about(request{operation: opWrite, fd: int32(fd), address: address(text), length: 5}))
	magic("\x7fELF\x02", 5)
	transfer("vfs_write", "count", 4, 5, u.about(request{operation: opWrite, fd: int32(fd), address: address(text), length: 4, offset: 5}))
	list, count := vector("first", "second")
	transfer("vfs_writev", "vlen", 2, 0, u.about(request{operation: opWritev, fd: int32(fd), address: address(list), length: uint32(count)}))
	magic("first", 11)
	u.splices()
	end := u.open(path, unix.O_APPEND|unix.O_WRONLY, 0)
	transfer("vfs_write", "count", 5, 11, u.about(request{operation: opWrite, fd: int32(end), address: address(text), length: 5}))
	room := address(keep(new([64]byte)))
	transfer("vfs_read", "count", 4, 2, u.about(request{operation: opRead, fd: int32(fd), address: room, length: 4, offset: 2}))
	u.actor.must(unix.SYS_LSEEK, uintptr(fd), 3, 0)
	transfer("vfs_read", "count", 64, 3, u.about(request{operation: opRead, fd: int32(fd), address: room, length: 64, offset: ^uint64(0)}))
	transfer("vfs_readv", "vlen", 2, 1, u.about(request{operation: opReadv, fd: int32(fd), address: address(list), length: uint32(count), offset: 1}))
	transfer("vfs_read", "count", 64, 4096, u.about(request{operation: opRead, fd: int32(fd), address: room, length: 64, offset: 4096}))

	how := unix.OpenHow{Flags: unix.O_WRONLY | unix.O_TRUNC}
	cwd := int32(unix.AT_FDCWD)
	u.done(u.do(request{operation: opOpenat2, fd: cwd, address: address(cString(path)), offset: address(keep(&how)),
		length: uint32(unsafe.Sizeof(how))}, arguments{"fd": cwd, "pathname": path}))
	u.opened(path, unix.O_WRONLY|unix.O_TRUNC, st)
	u.truncated(file(), 0)
	u.do(request{operation: opOpenat, fd: cwd, address: address(cString(u.path("missing")))},
		arguments{"fd": cwd, "pathname": u.path("missing")})
	if r := u.about(request{operation: opFtruncate, fd: int32(fd), offset: 77}); r != -int(unix.EINVAL) { // 6.9
		u.done(r)
		u.truncated(file(), 77)
	}
}

// splices move what is in a pipe to files: by offset, and to their position.
func (u *uringActor) splices() {
	ends := new([2]int32)
	u.must(unix.SYS_PIPE2, keep(ends), 0)
	for name, offset := range map[string]uint64{"spliced": 0, "spliced to position": ^uint64(0)} {
		path := u.quietly(name)
		fd := u.must(unix.SYS_OPENAT, atCwd, cString(path), unix.O_WRONLY, 0)
		u.must(unix.SYS_WRITE, uintptr(ends[1]), cString("#!/x"), 4)
		st := u.stat(path)
		moved := u.done(u.about(request{operation: opSplice, fd: int32(fd), offset: offset, address: ^uint64(0), length: 4,
			place: uint32(ends[0])}))
		u.wanted("magic_write", arguments{
			"pathname": path, "dev": kernelDev(st.Dev), "inode": st.Ino, "bytes": []byte("#!/x"),
		}).Return = moved
	}
}

func (u *uringActor) truncated(file arguments, length uint64) {
	file["length"] = length
	u.wanted("do_truncate", file)
}

// names are relative to the working directory, and to a descriptor.
func (u *uringActor) names() {
	u.check(unix.Chdir(u.Dir))
	dir, err := unix.Open(u.Dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	u.check(err)
	cwd, at := int32(unix.AT_FDCWD), int32(dir)
	one, two, link := u.path("one"), u.path("two"), u.path("link")
	u.quietly("one")
	u.done(u.do(request{operation: opRenameat, fd: cwd, address: address(cString("one")), length: uint32(at),
		offset: address(cString("two"))}, arguments{"fd": cwd, "pathname": one, "new_pathname": two}))
	u.renamed(one, two)
	result := u.do(request{operation: opSymlinkat, fd: at, address: address(cString("../x")), offset: address(cString("link"))},
		arguments{"fd": at, "pathname": "../x", "new_pathname": link})
	if result != -int(unix.EINVAL) { // 5.15
		u.done(result)
		u.linked(link, "../x")
	}
	st := u.stat(two)
	u.done(u.do(request{operation: opUnlinkat, fd: at, address: address(cString("two"))}, arguments{"fd": at, "pathname": two}))
	u.unlinked(two, st)
	u.do(request{operation: opUnlinkat, fd: cwd, address: address(cString(two))}, arguments{"fd": cwd, "pathname": two})
	result = u.do(request{operation: opMkdirat, fd: cwd, address: address(cString("dir")), length: 0o755},
		arguments{"fd": cwd, "pathname": u.path("dir")})
	if result == -int(unix.EINVAL) { // 5.15
		u.check(unix.Mkdir("dir", 0o755))
		result = 0
	}
	u.done(result)
	u.done(u.do(request{operation: opUnlinkat, fd: cwd, address: address(cString("dir")), options: unix.AT_REMOVEDIR},
		arguments{"fd": cwd, "pathname": u.path("dir")}))
}

func (u *uringActor) renamed(from, to string) {
	u.unresolved(u.wanted("security_inode_rename", arguments{"old_path": from, "new_path": to}), "old_path", "new_path")
}

func (u *uringActor) linked(link, target string) {
	u.unresolved(u.wanted("security_inode_symlink", arguments{"linkpath": link, "target": target}), "linkpath")
}

func (u *uringActor) unlinked(path string, st unix.Stat_t) {
	args := arguments{"pathname": path}
	if !u.blind("security_inode_unlink") {
		args = arguments{"pathname": path, "inode": st.Ino, "device": kernelDev(st.Dev), "ctime": anything{}}
	}
	u.unresolved(u.wanted("security_inode_unlink", args), "pathname")
}

// socketEvent is wantSocket for an io_uring, of which the hooks do not know the descriptor.
func (u *uringActor) socketEvent(event string, fd int, argument string, e endpoint, result int) *want {
	w := u.wantSocket(event, fd, argument, e, result)
	w.Via = trace.ViaIOUring
	if delete(w.Arguments, "sockfd"); !u.attempted(event) {
		u.withDescriptor("sockfd", fd, w.Arguments)
	}
	return w
}

func (u *uringActor) sockets() {
	server := u.newSocket()
	loopback := inet("127.0.0.1", 0)
	where, length := loopback.given()
	if r := u.about(request{operation: opBind, fd: int32(server), address: address(where), offset: uint64(length)}); r == 0 { // 6.11
		u.socketEvent("security_socket_bind", server, "local_addr", u.asked("security_socket_bind", loopback, u.local(server)), 0)
		u.done(u.about(request{operation: opListen, fd: int32(server), length: 3}))
		u.socketEvent("security_socket_listen", server, "local_addr", u.local(server), 0).Arguments["backlog"] = int32(3)
	} else {
		u.actor.must(unix.SYS_BIND, uintptr(server), where, length)
		u.actor.must(unix.SYS_LISTEN, uintptr(server), 3)
	}
	peer := u.local(server)
	client := u.actor.socket(unix.AF_INET, unix.SOCK_STREAM)
	where, length = peer.given()
	result := u.about(request{operation: opConnect, fd: int32(client), address: address(where), offset: uint64(length)})
	u.socketEvent("security_socket_connect", client, "remote_addr", peer, u.done(result))
	accepted := u.done(u.about(request{operation: opAccept, fd: int32(server)}))
	u.socketEvent("security_socket_accept", server, "local_addr", peer, accepted)
	u.accepted(server, client, accepted)
	text := address(cString("hello"))
	u.done(u.about(request{operation: opSend, fd: int32(client), address: text, length: 5}))

	refused := u.actor.socket(unix.AF_INET, unix.SOCK_STREAM)
	closed := u.local(u.bound(inet("127.0.0.1", 0), unix.SOCK_STREAM))
	where, length = closed.given()
	result = u.about(request{operation: opConnect, fd: int32(refused), address: address(where), offset: uint64(length)})
	u.unresolved(u.socketEvent("security_socket_connect", refused, "remote_addr", closed, result), "remote_addr")
}

func (u *uringActor) accepted(server, client, result int) {
	u.wanted("socket_accept", u.withDescriptor("sockfd", server, arguments{
		"local_addr": u.local(server).shown, "remote_addr": u.local(client).shown,
	})).Return = result
}

// filter gives nf_tables an empty batch.
func (u *uringActor) filter() {
	fd := raw(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER)
	if fd < 0 {
		return // the kernel has no netfilter; see changeFilter
	}
	begin := netfilterMessage(unix.NFNL_MSG_BATCH_BEGIN)
	bytes, length := address(keep(&begin[0])), uint32(len(begin))
	u.done(u.about(request{operation: opSend, fd: int32(fd), address: bytes, length: length}))
	u.wanted("netfilter_change", arguments{"subsystem": "nf_tables"})
	u.done(u.about(request{operation: opWrite, fd: int32(fd), address: bytes, length: length}))
	u.wanted("netfilter_change", arguments{"subsystem": "nf_tables"})
	u.wanted("vfs_write", arguments{
		"pathname": anything{}, "dev": anything{}, "inode": anything{}, "count": uint64(length), "pos": uint64(0),
	}).Return = int(length)
}

// uringMultishot accepts two connections by one request.
func uringMultishot(a *actor) {
	const multishot = 1 // IORING_ACCEPT_MULTISHOT
	u := &uringActor{actor: a, ring: a.newRing(0)}
	server := u.listening(inet("127.0.0.1", 0))
	peer := u.local(server)
	u.ring.put(request{operation: opAccept, fd: int32(server), priority: multishot, userData: 9})
	u.ring.enter(1, 0)
	u.wanted("io_uring_submit", u.withDescriptor("fd", server, arguments{
		"operation": int32(opAccept), "flags": requestFlags(0), "user_data": uint64(9),
	}))
	for i := range 2 {
		client := u.actor.socket(unix.AF_INET, unix.SOCK_STREAM)
		u.connect(client, peer)
		accepted := u.ring.answer()
		if i == 0 && accepted == -int(unix.EINVAL) {
			a.skip("this kernel accepts once per request (before 5.19)")
		}
		u.done(accepted)
		if u.blind("security_socket_accept") {
			u.socketEvent("security_socket_accept", server, "local_addr", peer, accepted)
		} else {
			u.Uncounted = []string{"security_socket_accept"} // hooks see attempts, and only the kernel knows how many
		}
		u.accepted(server, client, accepted)
	}
}

// newSocket makes a socket through the ring where it can (5.19).
func (u *uringActor) newSocket() int {
	fd := u.do(request{operation: opSocket, fd: unix.AF_INET, offset: unix.SOCK_STREAM}, nil)
	if fd == -int(unix.EINVAL) {
		return u.actor.socket(unix.AF_INET, unix.SOCK_STREAM)
	}
	u.wanted("security_socket_create", arguments{
		"family": int32(unix.AF_INET), "type": int32(unix.SOCK_STREAM), "protocol": int32(0), "kern": int32(0),
	})
	return u.done(fd)
}

// uringDirect opens files that only the ring has.
func uringDirect(a *actor) {
	u := &uringActor{actor: a, ring: a.newRing(0)}
	places := [4]int32{-1, -1, -1, -1}
	a.must(unix.SYS_IO_URING_REGISTER, uintptr(u.ring.fd), registerFiles, keep(&places), uintptr(len(places)))
	path := u.quietly("direct")
	const place = 3
	u.open(path, unix.O_RDWR, place)
	st := u.stat(path)
	u.flags = requestFixedFile
	text := address(cString("#!/x"))
	written := u.done(u.about(request{operation: opWrite, fd: place - 1, address: text, length: 4}))
	u.wanted("vfs_write", arguments{
		"pathname": path, "dev": kernelDev(st.Dev), "inode": st.Ino, "count": uint64(4), "pos": uint64(0),
	}).Return = written
	u.wanted("magic_write", arguments{
		"pathname": path, "dev": kernelDev(st.Dev), "inode": st.Ino, "bytes": []byte("#!/x"),
	}).Return = written
}

// uringSilent asks for no answers: on the tracepoints only what was asked for is known.
func uringSilent(a *actor) {
	u := &uringActor{actor: a, ring: a.newRing(0), flags: requestSilent}
	if u.ring.features&featureSilence == 0 {
		a.skip("this kernel answers every request (before 5.17)")
	}
	cwd, path := int32(unix.AT_FDCWD), u.quietly("silent")
	st := u.stat(path)
	u.do(request{operation: opOpenat, fd: cwd, address: address(cString(path)), options: unix.O_RDWR},
		arguments{"fd": cwd, "pathname": path})
	open := u.opened(path, unix.O_RDWR, st)
	if u.blind(open.Event) {
		open.Truncated = []string{"pathname"}
		open.Arguments["flags"] = without{unix.O_RDWR, largeFile}
		for _, name := range []string{"dev", "inode", "ctime"} {
			delete(open.Arguments, name)
		}
	}
	other, link := u.path("other"), u.path("link")
	u.do(request{operation: opRenameat, fd: cwd, address: address(cString(path)), length: uint32(cwd),
		offset: address(cString(other))}, arguments{"fd": cwd, "pathname": path, "new_pathname": other})
	u.renamed(path, other)
	u.do(request{operation: opSymlinkat, fd: cwd, address: address(cString("x")), offset: address(cString(link))},
		arguments{"fd": cwd, "pathname": "x", "new_pathname": link})
	u.linked(link, "x")
	u.do(request{operation: opUnlinkat, fd: cwd, address: address(cString(other))}, arguments{"fd": cwd, "pathname": other})
	u.unlinked(other, st)

	peer := u.local(u.listening(inet("127.0.0.1", 0)))
	where, length := peer.given()
	client := u.actor.socket(unix.AF_INET, unix.SOCK_STREAM)
	u.about(request{operation: opConnect, fd: int32(client), address: address(where), offset: uint64(length)})
	u.unresolved(u.socketEvent("security_socket_connect", client, "remote_addr", peer, 0), "remote_addr")
}
