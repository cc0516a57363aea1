package test

import (
	"encoding/gob"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/kallsyms"
	"github.com/tracee-go/tracee/internal/kmem"
	"github.com/tracee-go/tracee/test/rootkit"
	"github.com/tracee-go/tracee/types/trace"
)

func init() {
	gob.Register([]trace.HookedSymbolData{})
	gob.Register(map[string]trace.HookedSymbolData{})
}

const (
	rootkitFile = "/lib/modules/rootkit.ko"
	rootkitName = "rootkit"
	// looked is longer than it takes until the tracer has looked at what a module has done, besides reading symbols.
	looked = 4 * time.Second
)

// kernel is what the child knows of the kernel that it attacks.
type kernel struct {
	a       *actor
	symbols *kallsyms.Table
	slow    time.Duration // what it takes to read the symbols, as the tracer has to
	types   kmem.Types
}

func (a *actor) kernel() *kernel {
	k := a.symbols()
	types, err := btf.LoadKernelSpec()
	a.check(err)
	k.types = kmem.NewTypes(types)
	return k
}

// symbols is kernel without the types.
func (a *actor) symbols() *kernel {
	if _, err := os.Stat(rootkitFile); err != nil {
		a.skip("there is no module that behaves like a rootkit: " + rootkitFile)
	}
	begin := time.Now()
	symbols, err := kallsyms.Read()
	a.check(err)
	return &kernel{a: a, symbols: symbols, slow: time.Since(begin)}
}

// at is the address of a symbol of the kernel.
func (k *kernel) at(symbol string) uint64 {
	address, ok := k.symbols.Address(symbol)
	if !ok {
		k.a.fail(fmt.Errorf("the kernel has no symbol %s", symbol))
	}
	return address
}

func (k *kernel) offset(structure, field string) uint64 {
	offset, err := k.types.Offset(structure, field)
	k.a.check(err)
	return offset
}

// attack loads the module, waits until that must have been noticed, and removes it. Meanwhile runs while it is there.
func (k *kernel) attack(s rootkit.Settings, meanwhile func()) {
	s.ListAt, s.KsetAt = k.offset("module", "list"), k.offset("module", "mkobj.kobj.entry")
	for i, name := range rootkit.MappingFunctions {
		s.Mapping[i] = k.at(name)
	}
	k.load(s, func() {
		meanwhile()
		time.Sleep(looked + 5*k.slow)
	})
}

// load loads the module, and removes it. Meanwhile runs while it is there.
func (k *kernel) load(s rootkit.Settings, meanwhile func()) {
	a := k.a
	image, err := os.ReadFile(rootkitFile)
	a.check(err)
	image, err = rootkit.Configure(image, s)
	a.check(err)
	if err := unix.InitModule(image, ""); err != nil {
		a.fail(fmt.Errorf("load %s: %w; the kernel's log ends with\n%s", rootkitFile, err, kernelLog()))
	}
	meanwhile()
	if s.Hide != 0 {
		a.check(os.WriteFile("/sys/module/"+rootkitName+"/parameters/appear", []byte("1"), 0))
	}
	a.must(unix.SYS_DELETE_MODULE, cString(rootkitName), unix.O_NONBLOCK)
}

// kernelLog is what the kernel said last.
func kernelLog() string {
	const readAll = 3
	log := make([]byte, 1<<18)
	n, err := unix.Klogctl(readAll, log)
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, n-1000):n])
}

// hookedCall is one that nobody makes.
const hookedCall = "sysinfo"

func (k *kernel) hookSyscall() []rootkit.Patch {
	slot := k.at("sys_call_table") + 8*uint64(native(lookup(hookedCall)))
	return []rootkit.Patch{{Address: slot, By: rootkit.Syscall}}
}

func hookSyscallTable(a *actor) {
	k := a.kernel()
	k.attack(rootkit.Settings{Patches: k.hookSyscall()}, func() {})
	a.want("hooked_syscalls", arguments{
		"hooked_syscalls": []trace.HookedSymbolData{{SymbolName: hookedCall, ModuleOwner: rootkitName}},
	})
	a.want("hooked_syscalls", arguments{"hooked_syscalls": []trace.HookedSymbolData{}}) // the module is gone
}

func hookSyscallTableHidden(a *actor) {
	k := a.kernel()
	k.attack(rootkit.Settings{Patches: k.hookSyscall(), Hide: rootkit.FromList}, func() {})
	a.want("hooked_syscalls", arguments{
		"hooked_syscalls": []trace.HookedSymbolData{{SymbolName: hookedCall, ModuleOwner: "hidden"}},
	})
	a.want("hooked_syscalls", arguments{"hooked_syscalls": []trace.HookedSymbolData{}})
}

func hookOneSyscall(a *actor) {
	k := a.kernel()
	k.attack(rootkit.Settings{Patches: k.hookSyscall()}, func() {
		a.want("hooked_syscall", arguments{
			"syscall": hookedCall, "address": hexadecimal(uint64(a.symbolAddress("rootkit_syscall"))),
			"function": "rootkit_syscall", "owner": rootkitName,
		})
	})
}

func hexadecimal(address uint64) string { return "0x" + strconv.FormatUint(address, 16) }

func hookSeqOps(a *actor) {
	k := a.kernel()
	show := k.at("tcp4_seq_ops") + k.offset("seq_operations", "show")
	k.attack(rootkit.Settings{Patches: []rootkit.Patch{{Address: show, By: rootkit.Show}}}, func() {})
	a.want("hooked_seq_ops", arguments{
		"hooked_seq_ops": map[string]trace.HookedSymbolData{
			"tcp4_seq_ops_show": {SymbolName: "rootkit_show", ModuleOwner: rootkitName},
		},
	})
	a.want("hooked_seq_ops", arguments{"hooked_seq_ops": map[string]trace.HookedSymbolData{}})
}

func hookProcFops(a *actor) {
	k := a.kernel()
	shared := k.at("proc_root_operations") + k.offset("file_operations", "iterate_shared")
	list := func() {
		fd := a.must(unix.SYS_OPENAT, atCwd, cString("/proc"), unix.O_RDONLY|unix.O_DIRECTORY, 0)
		var entries [256]byte
		a.must(unix.SYS_GETDENTS64, uintptr(fd), keep(&entries[0]), uintptr(len(entries)))
		a.must(unix.SYS_CLOSE, uintptr(fd))
	}
	list()
	k.attack(rootkit.Settings{Patches: []rootkit.Patch{{Address: shared, By: rootkit.Iterate}}}, list)
	a.want("hooked_proc_fops", arguments{
		"hooked_fops_pointers": []trace.HookedSymbolData{{SymbolName: "iterate_shared", ModuleOwner: rootkitName}},
	})
}

func (k *kernel) hide(ways uint64) {
	a := k.a
	k.attack(rootkit.Settings{Hide: ways}, func() {
		a.want("hidden_kernel_module", arguments{
			"address": anything{}, "name": rootkitName, "srcversion": "0123456789ABCDEF",
		})
	})
}

func hideFromList(a *actor) { a.kernel().hide(rootkit.FromList) }

func hideFromAll(a *actor) { a.kernel().hide(rootkit.FromList | rootkit.FromSysfs) }

// hookedFunction is one that is hardly ever called, and that nobody else hooks.
const hookedFunction = "vfs_fallocate"

func hookByFtrace(a *actor) {
	k := a.kernel()
	s := rootkit.Settings{Observed: k.at(hookedFunction)}
	for i, name := range rootkit.FtraceFunctions {
		s.Ftrace[i] = k.at(name)
	}
	k.attack(s, func() {})
	a.want("ftrace_hook", arguments{
		"symbol": hookedFunction, "trampoline": anything{}, "callback": "rootkit_observe", "callback_offset": int64(0),
		"callback_owner": rootkitName, "flags": anything{}, "count": uint64(1),
	})
}

// making has the module make what drivers make, a file in /proc, a device, a directory and a file in debugfs, and wants
// one of them to be seen.
func making(event string) func(*actor) {
	return func(a *actor) {
		a.makeFiles()
		a.Wants = slices.DeleteFunc(a.Wants, func(w want) bool { return w.Event != event })
	}
}

func (a *actor) makeFiles() {
	k := a.symbols()
	var s rootkit.Settings
	for i, name := range rootkit.MakingFunctions {
		s.Making[i], _ = k.symbols.Address(name)
	}
	k.load(s, func() {
		operations := a.symbolAddress(rootkit.MadeOperations)
		a.want("proc_create", arguments{"name": rootkit.MadeProc, "proc_ops_addr": operations})
		device := a.want("register_chrdev", arguments{
			"requested_major_number": uint32(0), "granted_major_number": uint32(a.major(rootkit.MadeDevice)),
			"char_device_name": rootkit.MadeDevice, "char_device_fops": operations,
		})
		if a.Rungs["register_chrdev"] == trace.Kprobe {
			delete(device.Arguments, "granted_major_number")
		}
		a.want("debugfs_create_dir", arguments{"name": rootkit.MadeDirectory, "path": "/"})
		a.want("debugfs_create_file", arguments{
			"file_name": rootkit.MadeFile, "path": "/" + rootkit.MadeDirectory, "mode": uint32(rootkit.MadeMode),
			"proc_ops_addr": operations,
		})
	})
}

// major is the number that the kernel gave a driver of character devices.
func (a *actor) major(driver string) int {
	text, err := os.ReadFile("/proc/devices")
	a.check(err)
	devices, _, _ := strings.Cut(string(text), "\nBlock")
	for line := range strings.Lines(devices) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[1] == driver {
			number, err := strconv.Atoi(fields[0])
			a.check(err)
			return number
		}
	}
	a.fail(fmt.Errorf("the kernel has no driver %s", driver))
	return 0
}
