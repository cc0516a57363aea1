package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mounts are made in this order: a later one may lie in an earlier one.
var mounts = []struct{ kind, target, options string }{
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"devtmpfs", "/dev", ""},
	{"devpts", "/dev/pts", ""},
	{"tmpfs", "/dev/shm", "mode=1777"},
	{"tmpfs", "/tmp", "mode=1777"},
	{"tmpfs", "/run", "mode=755"},
	{"securityfs", "/sys/kernel/security", ""},
	{"bpf", "/sys/fs/bpf", "mode=700"},
	{"debugfs", "/sys/kernel/debug", ""},
	{"tracefs", "/sys/kernel/tracing", ""},
	{"cgroup2", "/sys/fs/cgroup", ""},
}

var links = map[string]string{
	"/dev/fd":     "/proc/self/fd",
	"/dev/stdin":  "/proc/self/fd/0",
	"/dev/stdout": "/proc/self/fd/1",
	"/dev/stderr": "/proc/self/fd/2",
}

// prepare makes the guest usable. A step that this kernel refuses is reported on the console and does not stop the
// others: the test that needs it says so better.
func prepare() {
	for _, m := range mounts {
		_ = os.MkdirAll(m.target, 0o755) // sysfs has its mount points already and refuses new ones
		report("mount "+m.target, unix.Mount(m.kind, m.target, m.kind, 0, m.options))
	}
	for link, target := range links {
		report("link "+link, os.Symlink(target, link))
	}
	report("set host name", unix.Sethostname([]byte("guest")))
	report("bring up lo", bringUp("lo"))

	// Before 5.11 BPF maps count against the locked memory of the user.
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	report("lift memlock limit", unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited))

	for name, value := range map[string]string{"PATH": "/bin:/sbin:/usr/bin:/usr/sbin", "HOME": "/root", "USER": "root"} {
		report("set "+name, os.Setenv(name, value))
	}
	report("make /root", os.MkdirAll("/root", 0o700))
}

func report(what string, err error) {
	if err != nil {
		fmt.Printf("init: %s: %v\n", what, err)
	}
}

func bringUp(name string) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, request); err != nil {
		return err
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
}
