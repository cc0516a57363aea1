// Package confine takes away from this process what it will not do any more: the system calls that it has no use for, and
// the way to get privileges by executing something.
//
// Start from Calls and NoNewPrivileges. Both are for good, and for all threads. A call that was taken away fails with EPERM
// and is logged by the kernel (audit, or dmesg): to fail keeps a sensor alive that to be killed would not. What is given up
// here says nothing of capabilities, which are in the hands of package cli.
package confine

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// NoNewPrivileges sees to it that nothing this process executes has more privileges than itself.
func NoNewPrivileges() error {
	if _, err := cap.Prctlw(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}

// Calls leaves this process the system calls that a running sensor needs, those of 32-bit programs not among them.
func Calls() error {
	table, err := arch.GetInfo("")
	if err != nil {
		return fmt.Errorf("system calls of this machine: %w", err)
	}
	var plain []string
	for _, group := range allowed {
		for _, name := range group.calls {
			if _, exists := table.SyscallNames[name]; exists { // some are of one architecture only
				plain = append(plain, name)
			}
		}
	}
	slices.Sort(plain)
	runtime.LockOSThread() // the flag is of the thread, and goes to the others with the filter
	defer runtime.UnlockOSThread()
	return seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync | seccomp.FilterFlagLog,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionErrno,
			Syscalls: []seccomp.SyscallGroup{
				{Action: seccomp.ActionAllow, Names: plain},
				{Action: seccomp.ActionAllow, NamesWithCondtions: conditional()},
				{Action: unknown, Names: []string{"clone3"}},
			},
		},
	})
}

// unknown makes the C library do with clone what it would do with clone3, whose flags no filter can see.
const unknown = seccomp.ActionErrno | seccomp.Action(unix.ENOSYS)

// conditional are calls that are allowed in one way only: new threads, but no processes; signals to itself, but to nobody
// else.
func conditional() []seccomp.NameWithConditions {
	itself := seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: uint64(os.Getpid())}}
	return []seccomp.NameWithConditions{
		{Name: "clone", Conditions: seccomp.ArgumentConditions{
			{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD},
		}},
		{Name: "kill", Conditions: itself},
		{Name: "tgkill", Conditions: itself},
	}
}
