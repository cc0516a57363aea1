package test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

func endWithStatus(a *actor) {
	pid, reap := a.fork(0, 42)
	w := a.want("do_exit", nil)
	w.Return, w.Pid = int(reap()), pid
	a.want("do_exit", nil) // of this process
}

func useCapabilities(a *actor) {
	root := cString("/")
	host, err := os.Hostname()
	a.check(err)
	name := cString(host)
	a.must(unix.SYS_CHROOT, root)
	a.must(unix.SYS_SETHOSTNAME, name, uintptr(len(host)))
	a.want("cap_capable", arguments{"cap": int32(unix.CAP_SYS_CHROOT), "syscall": int32(lookup("chroot").ID)})
	a.want("cap_capable", arguments{"cap": int32(unix.CAP_SYS_ADMIN), "syscall": int32(lookup("sethostname").ID)})
}

func loadProgram(a *actor) {
	file := program(a)
	name := shortName(filepath.Base(file))
	if a.Rungs["load_elf_phdrs"] != trace.Tracepoint { // before the new name
		name = comm()
	}
	files := []string{file}
	if interpreter := elfInterpreter(a, file); interpreter != "" {
		files = append(files, interpreter)
	}
	for _, file := range files {
		st := a.stat(file)
		a.want("load_elf_phdrs", arguments{"pathname": file, "dev": kernelDev(st.Dev), "inode": st.Ino}).Comm = name
	}
	a.exec(file, []string{"true"}, nil)
}

// userNamespace is that of a process.
func (a *actor) userNamespace(pid string) uint32 {
	link, err := os.Readlink("/proc/" + pid + "/ns/user")
	a.check(err)
	var number uint32
	_, err = fmt.Sscanf(link, "user:[%d]", &number)
	a.check(err)
	return number
}

func (a *actor) wantUserNamespace(pid int, call string) *want {
	if a.Rungs["user_namespace_create"] == trace.Kprobe { // it is yet to be made
		return a.want("user_namespace_create", arguments{"syscall": int32(lookup(call).ID)})
	}
	return a.want("user_namespace_create", arguments{
		"user_ns": a.userNamespace(itoa(pid)), "parent_user_ns": a.userNamespace("self"),
		"syscall": int32(lookup(call).ID),
	})
}

func makeUserNamespaces(a *actor) {
	pid, reap := a.fork(unix.CLONE_NEWUSER, 0)
	a.wantUserNamespace(pid, "clone")
	reap()
	_, reap = a.fork(unix.CLONE_NEWPID, 0) // makes none
	reap()

	// A process with several threads may not do it, so a copy of this one alone does.
	var ready, end [2]int
	a.check(unix.Pipe2(ready[:], unix.O_CLOEXEC))
	a.check(unix.Pipe2(end[:], unix.O_CLOEXEC))
	var b byte
	pid = a.must(unix.SYS_CLONE, uintptr(unix.SIGCHLD))
	if pid == 0 {
		syscall.RawSyscall(unix.SYS_UNSHARE, unix.CLONE_NEWUSER, 0, 0)
		syscall.RawSyscall(unix.SYS_WRITE, uintptr(ready[1]), uintptr(unsafe.Pointer(&b)), 1)
		syscall.RawSyscall(unix.SYS_READ, uintptr(end[0]), uintptr(unsafe.Pointer(&b)), 1)
		syscall.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	_, err := unix.Read(ready[0], []byte{0})
	a.check(err)
	a.wantUserNamespace(pid, "unshare").Pid = pid
	_, err = unix.Write(end[1], []byte{0})
	a.check(err)
	_, err = unix.Wait4(pid, nil, 0, nil)
	a.check(err)
}

// attributes is union bpf_attr with 32-bit words and a name.
func attributes(words []uint32, nameAt int, name string) []byte {
	attr := make([]byte, 128)
	for i, word := range words {
		binary.NativeEndian.PutUint32(attr[4*i:], word)
	}
	copy(attr[nameAt:], name)
	return attr
}

func bpf(command uintptr, attr []byte) int {
	return raw(unix.SYS_BPF, command, keep(&attr[0]), uintptr(len(attr)))
}

func (a *actor) mustBPF(command uintptr, attr []byte) uint32 {
	r := bpf(command, attr)
	if r < 0 {
		a.fail(fmt.Errorf("bpf command %d: %w", command, unix.Errno(-r)))
	}
	return uint32(r)
}

func (a *actor) makeMap(name string) uint32 {
	return a.mustBPF(unix.BPF_MAP_CREATE, attributes([]uint32{unix.BPF_MAP_TYPE_ARRAY, 4, 4, 1}, 28, name))
}

// bpfID asks for the id of a map or program: the second word of its description.
func (a *actor) bpfID(fd uint32) uint32 {
	var info [256]byte
	attr := attributes([]uint32{fd, uint32(len(info))}, 0, "")
	binary.NativeEndian.PutUint32(attr, fd)
	binary.NativeEndian.PutUint64(attr[8:], uint64(keep(&info[0])))
	a.mustBPF(unix.BPF_OBJ_GET_INFO_BY_FD, attr)
	return binary.NativeEndian.Uint32(info[4:])
}

func callBPF(a *actor) {
	command := func(n int32) { a.want("security_bpf", arguments{"cmd": n}) }
	fd := a.makeMap("")
	command(unix.BPF_MAP_CREATE)
	a.bpfID(fd)
	command(unix.BPF_OBJ_GET_INFO_BY_FD)
	bpf(unix.BPF_MAP_LOOKUP_ELEM, attributes([]uint32{9999}, 0, "")) // no such map
	command(unix.BPF_MAP_LOOKUP_ELEM)
}

func openMaps(a *actor) {
	fd := a.makeMap("fifteen_bytes__")
	id := a.bpfID(fd)
	a.mustBPF(unix.BPF_MAP_GET_FD_BY_ID, attributes([]uint32{id}, 64, ""))
	for range 2 {
		a.want("security_bpf_map", arguments{"map_id": id, "map_name": "fifteen_bytes__"})
	}
	a.want("security_bpf_map", arguments{"map_id": a.bpfID(a.makeMap("")), "map_name": ""})
}

// loadBPF loads a program that does nothing.
func (a *actor) loadBPF(kind uint32, name string) (fd uint32) {
	code := [2]uint64{0xb7, 0x95} // r0 = 0; exit
	license := []byte("GPL\x00")
	attr := attributes([]uint32{kind, uint32(len(code))}, 48, name)
	binary.NativeEndian.PutUint64(attr[8:], uint64(keep(&code)))
	binary.NativeEndian.PutUint64(attr[16:], uint64(keep(&license[0])))
	return a.mustBPF(unix.BPF_PROG_LOAD, attr)
}

func openPrograms(a *actor) {
	id := a.bpfID(a.loadBPF(unix.BPF_PROG_TYPE_SOCKET_FILTER, "nothing"))
	a.mustBPF(unix.BPF_PROG_GET_FD_BY_ID, attributes([]uint32{id}, 64, ""))
	for _, load := range []bool{true, false} {
		a.want("security_bpf_prog", arguments{
			"type": int32(unix.BPF_PROG_TYPE_SOCKET_FILTER), "name": "nothing", "id": id, "load": load,
		})
	}
	a.makeMap("no_program")
}

func attachPrograms(a *actor) {
	attached := func(kind, fd uint32, name string) arguments {
		args := arguments{"prog_type": int32(kind), "prog_name": name, "prog_id": a.bpfID(fd), "attach_type": int32(0)}
		a.want("bpf_attach", args)
		return args
	}
	filter := a.loadBPF(unix.BPF_PROG_TYPE_SOCKET_FILTER, "filter")
	socket := a.socket(unix.AF_UNIX, unix.SOCK_DGRAM)
	a.check(unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, int(filter)))
	attached(unix.BPF_PROG_TYPE_SOCKET_FILTER, filter, "filter")

	tracing := a.loadBPF(unix.BPF_PROG_TYPE_RAW_TRACEPOINT, "tracing")
	attr := attributes([]uint32{0, 0, tracing}, 64, "")
	binary.NativeEndian.PutUint64(attr, uint64(cString("sched_process_exit")))
	a.mustBPF(unix.BPF_RAW_TRACEPOINT_OPEN, attr)
	attached(unix.BPF_PROG_TYPE_RAW_TRACEPOINT, tracing, "tracing")["symbol_name"] = "sched_process_exit"

	raw(unix.SYS_SETSOCKOPT, uintptr(socket), unix.SOL_SOCKET, unix.SO_ATTACH_BPF, keep(&tracing), 4) // of another kind
}

// netfilterMessage is a message to nf_tables without attributes.
func netfilterMessage(kind uint16) []byte {
	message := binary.NativeEndian.AppendUint32(nil, 20)
	message = binary.NativeEndian.AppendUint16(message, kind)
	message = binary.NativeEndian.AppendUint16(message, unix.NLM_F_REQUEST)
	return append(message, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, unix.NFNL_SUBSYS_NFTABLES)
}

// changeFilter gives nf_tables an empty batch; what else is sent to it changes nothing.
func changeFilter(a *actor) {
	fd := raw(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER)
	if fd < 0 {
		a.skip("no netfilter to talk to: " + unix.Errno(-fd).Error())
	}
	other := a.must(unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
	const getTable = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETTABLE
	begin, get := netfilterMessage(unix.NFNL_MSG_BATCH_BEGIN), netfilterMessage(getTable)
	a.must(unix.SYS_SENDTO, uintptr(fd), keep(&begin[0]), uintptr(len(begin)), 0, 0, 0)
	a.must(unix.SYS_WRITE, uintptr(fd), keep(&begin[0]), uintptr(len(begin)))
	address, count := vector(string(begin))
	a.must(unix.SYS_WRITEV, uintptr(fd), address, count)
	_, err := unix.SendmsgN(fd, begin, nil, nil, 0)
	a.check(err)
	for range 4 {
		a.want("netfilter_change", arguments{"subsystem": "nf_tables"})
	}
	a.must(unix.SYS_SENDTO, uintptr(fd), keep(&get[0]), uintptr(len(get)), 0, 0, 0)
	raw(unix.SYS_SENDTO, uintptr(other), keep(&begin[0]), uintptr(len(begin)), 0, 0, 0)
}

const moduleFile = "/lib/modules/dummy.ko"

// loadModule loads a module, from its file or from memory, and removes it.
func (a *actor) loadModule(fromFile bool) unix.Stat_t {
	if _, err := os.Stat(moduleFile); err != nil {
		a.skip("there is no module to load: " + moduleFile)
	}
	none := cString("numdummies=0")
	if fromFile {
		fd, err := unix.Open(moduleFile, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		a.check(err)
		a.must(unix.SYS_FINIT_MODULE, uintptr(fd), none, 0)
	} else {
		image, err := os.ReadFile(moduleFile)
		a.check(err)
		a.must(unix.SYS_INIT_MODULE, keep(&image[0]), uintptr(len(image)), none)
	}
	a.must(unix.SYS_DELETE_MODULE, cString("dummy"), unix.O_NONBLOCK)
	return a.stat(moduleFile)
}

const readingModule = 2 // since 5.9

func readModule(a *actor) {
	st := a.loadModule(true)
	a.loadModule(false) // is not read from a file
	a.want("security_kernel_read_file", arguments{
		"pathname": moduleFile, "dev": kernelDev(st.Dev), "inode": st.Ino, "type": int32(readingModule), "ctime": ctime(st),
	})
}

func haveReadModule(a *actor) {
	st := a.loadModule(true)
	a.want("security_kernel_post_read_file", arguments{
		"pathname": moduleFile, "size": st.Size, "type": int32(readingModule),
	})
}

func insertModule(a *actor) {
	st := a.loadModule(true)
	a.want("module_load", arguments{
		"name": "dummy", "pathname": moduleFile, "dev": kernelDev(st.Dev), "inode": st.Ino, "ctime": ctime(st),
	})
	a.loadModule(false)
	a.want("module_load", arguments{"name": "dummy"})
}

func removeModule(a *actor) {
	a.loadModule(true)
	a.want("module_free", arguments{"name": "dummy"})
}

func startModule(a *actor) {
	a.loadModule(true)
	args := arguments{"name": "dummy"}
	for _, neighbour := range []string{"prev", "next", "prev_next", "next_prev"} {
		args[neighbour] = anything{}
	}
	a.want("do_init_module", args)
}

// symbolAddress looks up where the kernel has a symbol, other than by its own means.
func (a *actor) symbolAddress(symbol string) uintptr {
	text, err := os.ReadFile("/proc/kallsyms")
	a.check(err)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[2] == symbol {
			address, err := strconv.ParseUint(fields[0], 16, 64)
			a.check(err)
			return uintptr(address)
		}
	}
	a.fail(fmt.Errorf("the kernel has no symbol %s", symbol))
	return 0
}

const probed = "vfs_fsync"

// probe makes a kernel probe, and removes it.
func (a *actor) probe() {
	name := "tracee_" + itoa(os.Getpid())
	for _, directory := range []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"} {
		fd, err := unix.Open(directory+"/kprobe_events", unix.O_WRONLY|unix.O_APPEND, 0)
		if err != nil {
			continue
		}
		for _, line := range []string{"p:" + name + " " + probed, "-:" + name} {
			a.must(unix.SYS_WRITE, uintptr(fd), cString(line), uintptr(len(line)))
		}
		return
	}
	a.skip("no kprobe_events: tracefs is not mounted")
}

func attachProbe(a *actor) {
	a.probe()
	a.want("kprobe_attach", arguments{
		"symbol_name": probed, "pre_handler_addr": a.symbolAddress("kprobe_dispatcher"), "post_handler_addr": uintptr(0),
	})
}

// taint loads a module by force, in a guest, which does not live long, and sets the bits that are set already.
func taint(a *actor) {
	_, err := os.Stat(moduleFile)
	guest := err == nil
	if guest {
		a.forceModule()
		const forced, unsigned = 1, 13
		a.want("kernel_taint", arguments{"flag": uint32(forced)})
		a.want("kernel_taint", arguments{"flag": uint32(unsigned)})
	}
	if release() < 616 { // see the documentation of the event
		a.setTaint()
	} else if !guest {
		a.skip("only a module could taint this kernel visibly, and it shall not be tainted")
	}
}

// forceModule loads a module without a look at what kernel it is for, and so at its signature, and removes it.
func (a *actor) forceModule() {
	fd, err := unix.Open(moduleFile, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	a.check(err)
	defer unix.Close(fd)
	a.check(unix.FinitModule(fd, "numdummies=0", unix.MODULE_INIT_IGNORE_VERMAGIC))
	a.check(unix.DeleteModule("dummy", 0))
}

func (a *actor) setTaint() {
	const file = "/proc/sys/kernel/tainted"
	text, err := os.ReadFile(file)
	a.check(err)
	bits, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	a.check(err)
	if bits == 0 {
		a.skip("the kernel is not tainted, and shall not be")
	}
	a.check(os.WriteFile(file, []byte(strconv.FormatUint(bits, 10)), 0))
	for flag := range uint32(64) {
		if bits&(1<<flag) != 0 {
			a.want("kernel_taint", arguments{"flag": flag})
		}
	}
}

// addDevice makes a network namespace: its loopback is a device.
func addDevice(a *actor) {
	a.must(unix.SYS_UNSHARE, unix.CLONE_NEWNET)
	a.want("device_add", arguments{"name": "lo"})
}

// callHelper asks for a family of sockets that may be in a module: the kernel calls modprobe.
func callHelper(a *actor) {
	if a.Rungs["call_usermodehelper"] == trace.Tracepoint {
		a.skip("the new process is in none of the namespaces of the one that caused it")
	}
	const family, waitForEnd, killable = unix.AF_NFC, 2, 4
	modprobe, err := os.ReadFile("/proc/sys/kernel/modprobe")
	if err != nil {
		a.skip("the kernel has no modules")
	}
	path := strings.TrimSpace(string(modprobe))
	if r := raw(unix.SYS_SOCKET, family, unix.SOCK_RAW, 0); r >= 0 {
		a.skip("no module is needed for AF_NFC")
	}
	a.want("call_usermodehelper", arguments{
		"pathname": path, "argv": []string{path, "-q", "--", "net-pf-" + itoa(family)},
		"envp": []string{"HOME=/", "TERM=linux", "PATH=/sbin:/usr/sbin:/bin:/usr/bin"},
		"wait": int32(waitForEnd | killable),
	})
}

func createRing(a *actor) {
	var parameters [30]uint32 // struct io_uring_params: the first two are the sizes
	fd := raw(unix.SYS_IO_URING_SETUP, 5, keep(&parameters))
	if fd < 0 {
		a.skip("io_uring_setup: " + unix.Errno(-fd).Error())
	}
	a.want("io_uring_create", arguments{
		"fd": int32(fd), "sq_entries": parameters[0], "cq_entries": parameters[1], "flags": uint32(0),
	})
	raw(unix.SYS_IO_URING_SETUP, 0, keep(&parameters)) // without room for a request
}

type repeatedEvent struct {
	event string
	do    func(*actor)
	check func(c *child, e *trace.Event) error
}

// checkAll demands at least one event, and that every one is as it should be.
func (r *repeatedEvent) checkAll(c *child, seen []*trace.Event) {
	if len(seen) == 0 {
		c.t.Error("not seen")
	}
	for _, e := range seen {
		if err := r.check(c, e); err != nil {
			c.t.Error(err)
		}
	}
}

// repeated are events whose number only the kernel knows: every one must be as expected, and there must be one.
var repeated = []repeatedEvent{
	{"sched_switch", sleep, func(c *child, e *trace.Event) error {
		return c.compare(&want{Event: "sched_switch", Arguments: arguments{
			"cpu": anything{}, "prev_tid": int32(c.pid), "prev_comm": c.comm, "next_tid": anything{}, "next_comm": anything{},
		}}, e)
	}},
	{"kallsyms_lookup_name", (*actor).probe, func(c *child, e *trace.Event) error {
		return c.compare(&want{Event: "kallsyms_lookup_name", Arguments: arguments{
			"symbol_name": probed, "symbol_address": anything{},
		}}, e)
	}},
}

func sleep(a *actor) {
	a.must(unix.SYS_NANOSLEEP, keep(&unix.Timespec{Nsec: 1e6}))
}

func repeatedActions() map[string]func(*actor) {
	all := map[string]func(*actor){}
	for _, row := range repeated {
		all["repeated/"+row.event] = row.do
	}
	return all
}

func TestRepeatedEventsHaveTheirTrueValues(t *testing.T) {
	for _, row := range repeated {
		t.Run(row.event, func(t *testing.T) {
			s := start(t, tracer.Config{Events: []*events.Event{lookup(row.event)}})
			if _, ok := s.rungs()[row.event]; !ok {
				t.Skip("not available on this kernel")
			}
			skip := ""
			defer func() { report(t, row.event, s.rungs()[row.event], "repeated "+skip) }()
			s.try(t, func(t testing.TB) {
				c := spawn(t, "repeated/"+row.event)
				found, seen := s.run(c, 0)
				if skip = found.Skip; skip == "" {
					row.checkAll(c, of(seen, []int{c.pid}, row.event))
				}
			})
			if skip != "" {
				t.Skip(skip)
			}
		})
	}
}
