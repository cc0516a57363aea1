package test

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

const ordinaryUser = 1234

// credentials reads those of this thread, as /proc tells them.
func (a *actor) credentials() trace.SlimCred {
	text, err := os.ReadFile("/proc/thread-self/status")
	a.check(err)
	fields := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		fields[name] = strings.Fields(rest)
	}
	id := func(name string, i int) uint32 {
		n, err := strconv.ParseUint(fields[name][i], 10, 32)
		a.check(err)
		return uint32(n)
	}
	capabilities := func(name string) uint64 {
		n, err := strconv.ParseUint(fields[name][0], 16, 64)
		a.check(err)
		return n
	}
	return trace.SlimCred{
		Uid: id("Uid", 0), Euid: id("Uid", 1), Suid: id("Uid", 2), Fsuid: id("Uid", 3),
		Gid: id("Gid", 0), Egid: id("Gid", 1), Sgid: id("Gid", 2), Fsgid: id("Gid", 3),
		UserNamespace:  a.namespace("user"),
		SecureBits:     uint32(a.must(unix.SYS_PRCTL, unix.PR_GET_SECUREBITS)),
		CapInheritable: capabilities("CapInh"), CapPermitted: capabilities("CapPrm"),
		CapEffective: capabilities("CapEff"), CapBounding: capabilities("CapBnd"), CapAmbient: capabilities("CapAmb"),
	}
}

// namespace returns the inode number of a namespace of this thread.
func (a *actor) namespace(kind string) uint32 {
	link, err := os.Readlink("/proc/thread-self/ns/" + kind)
	a.check(err)
	_, number, _ := strings.Cut(strings.TrimSuffix(link, "]"), "[")
	n, err := strconv.ParseUint(number, 10, 32)
	a.check(err)
	return uint32(n)
}

// wantCredentials asks for the change that a call makes.
func (a *actor) wantCredentials(call string, args ...uintptr) {
	before := a.credentials()
	a.must(uintptr(native(lookup(call))), args...)
	after := a.credentials()
	w := a.want("commit_creds", arguments{"old_cred": before, "new_cred": after, "syscall": int32(lookup(call).ID)})
	w.UID = int(after.Uid)
}

func changeUser(a *actor) {
	a.wantCredentials("setresgid", 11, 12, 13)
	a.wantCredentials("setfsuid", 77)
	a.wantCredentials("setresuid", ordinaryUser, 0, 22)
	a.wantCredentials("setuid", 0)
	a.wantCredentials("setresuid", 5, 6, 7)
}

func keepUser(a *actor) {
	const same = ^uintptr(0)
	a.must(unix.SYS_SETRESUID, same, same, same)
	a.must(unix.SYS_SETGROUPS, 0, 0) // not among the credentials that are shown
	raw(unix.SYS_SETUID, 1<<32-1)
	a.must(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 0)
}

func dropCapabilities(a *actor) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{{Effective: 1 << unix.CAP_KILL, Permitted: 1<<unix.CAP_KILL | 1<<unix.CAP_SYS_ADMIN}}
	a.wantCredentials("prctl", unix.PR_SET_SECUREBITS, 1)
	a.wantCredentials("prctl", unix.PR_CAPBSET_DROP, unix.CAP_WAKE_ALARM)
	a.wantCredentials("capset", uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])))
	runtime.KeepAlive(&data)
}

// execSetuid is root again, though an ordinary user, by the program that it executes.
func execSetuid(a *actor) {
	var fs unix.Statfs_t
	a.check(unix.Statfs(a.Dir, &fs))
	if fs.Flags&unix.ST_NOSUID != 0 {
		a.skip(a.Dir + " is mounted nosuid")
	}
	// Not just any program: busybox gives the rights back.
	text, err := os.ReadFile("/proc/self/exe")
	a.check(err)
	file := a.path("setuid")
	a.check(os.WriteFile(file, text, 0o755))
	a.check(unix.Chmod(file, 0o4755))
	a.check(unix.Chmod(filepath.Dir(a.Dir), 0o755))
	a.wantCredentials("setresuid", ordinaryUser, ordinaryUser, ordinaryUser)
	before := a.credentials()
	after := before
	after.Euid, after.Suid, after.Fsuid = 0, 0, 0
	after.CapPermitted, after.CapEffective = before.CapBounding, before.CapBounding
	w := a.want("commit_creds", arguments{"old_cred": before, "new_cred": after, "syscall": int32(lookup("execve").ID)})
	w.UID = ordinaryUser
	w.Comm = "setuid"
	a.exec(file, []string{"setuid"}, []string{actionVariable + "=" + endAction})
}

// switchNamespaces leaves one namespace after the other, and returns to one.
func switchNamespaces(a *actor) {
	home, err := unix.Open("/proc/thread-self/ns/uts", unix.O_RDONLY, 0)
	a.check(err)
	for _, n := range []struct {
		kind string
		flag uintptr
	}{
		{"uts", unix.CLONE_NEWUTS},
		{"ipc", unix.CLONE_NEWIPC},
		{"net", unix.CLONE_NEWNET},
		{"cgroup", unix.CLONE_NEWCGROUP},
		{"mnt", unix.CLONE_NEWNS},
		{"pid", unix.CLONE_NEWPID},
	} {
		a.must(unix.SYS_UNSHARE, n.flag)
		a.want("switch_task_ns", arguments{"pid": int32(os.Getpid()), "new_" + n.kind: a.newNamespace(n.kind)})
	}
	a.must(unix.SYS_UNSHARE, unix.CLONE_NEWUTS|unix.CLONE_NEWIPC)
	a.want("switch_task_ns", arguments{
		"pid": int32(os.Getpid()), "new_uts": a.namespace("uts"), "new_ipc": a.namespace("ipc"),
	})
	a.must(unix.SYS_SETNS, uintptr(home), 0)
	a.want("switch_task_ns", arguments{"pid": int32(os.Getpid()), "new_uts": a.namespace("uts")})
	a.must(unix.SYS_SETNS, uintptr(home), 0) // where it is already
	a.must(unix.SYS_UNSHARE, unix.CLONE_FILES)
}

// newNamespace is namespace, but for that of processes: there it is the one of the children to come, which /proc shows
// when it has its first.
func (a *actor) newNamespace(kind string) uint32 {
	if kind != "pid" {
		return a.namespace(kind)
	}
	_, reap := a.fork(0, 0)
	defer reap()
	return a.namespace("pid_for_children")
}
