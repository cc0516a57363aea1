package tracer

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// attachCgroup attaches a program to the root of the unified hierarchy. Where cgroups are version 1, or the hierarchy is
// not mounted, it is there all the same: a mount of our own, which no path leads to, shows it.
func attachCgroup(program *ebpf.Program, spec *ebpf.ProgramSpec) (link.Link, error) {
	root, err := cgroups()
	if err != nil {
		return nil, fmt.Errorf("open the unified hierarchy of cgroups: %w", err)
	}
	return link.AttachCgroup(link.CgroupOptions{
		Path: fmt.Sprintf("/proc/self/fd/%d", root), Attach: spec.AttachType, Program: program,
	})
}

// cgroups is the root of the unified hierarchy, which stays open: to open it takes a capability that is given up when
// everything is attached, to attach another program later does not.
var cgroups = sync.OnceValues(openCgroups)

// openCgroups opens the root of the unified hierarchy, as far as the cgroup namespace shows it.
func openCgroups() (int, error) {
	context, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(context)
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, err
	}
	return unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, 0)
}

// isCgroup says whether programs of the kind attach to cgroups.
func isCgroup(kind ebpf.ProgramType) bool {
	switch kind {
	case ebpf.CGroupSKB, ebpf.CGroupSock, ebpf.CGroupSockAddr, ebpf.SockOps:
		return true
	default:
		return false
	}
}

// attachIterator runs an iterator once, over everything there is.
func attachIterator(program *ebpf.Program) (link.Link, error) {
	attached, err := link.AttachIter(link.IterOptions{Program: program})
	if err != nil {
		return nil, err
	}
	if err := iterate(attached); err != nil {
		attached.Close()
		return nil, fmt.Errorf("iterate: %w", err)
	}
	return attached, nil
}

// iterate reads to the end what the iterator writes: nothing. The kernel says EAGAIN when it pauses.
func iterate(attached *link.Iter) error {
	all, err := attached.Open()
	if err != nil {
		return err
	}
	defer all.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := all.Read(buffer)
		switch {
		case errors.Is(err, unix.EAGAIN):
		case errors.Is(err, io.EOF), err == nil && n == 0:
			return nil
		case err != nil:
			return err
		}
	}
}
