package events

import (
	"math"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/types/trace"
)

// syscallText names a syscall by the id of its event.
func syscallText(value uint64) string {
	if e, ok := LookupID(int(value)); ok && e.Syscall {
		return e.Name
	}
	return decimal(value)
}

var alerts = map[uint64]string{
	1: "Mmaped region with W+E permissions!",
	2: "Protection changed to Executable!",
	3: "Protection changed from E to W+E!",
	4: "Protection changed from W+E to E!",
}

func alertText(value uint64) string {
	if name, ok := alerts[value]; ok {
		return name
	}
	return "Unknown alert"
}

// cloneFlagsText leaves out the signal sent at exit (CSIGNAL) and what the kernel ignores: clone takes 32 bits only.
func cloneFlagsText(value uint64) string {
	return flagsText("", uint64(uint32(value))&^0xff, cloneFlags)
}

// signalText knows the signals of real time, which have numbers instead of names.
func signalText(value uint64) string {
	const first, last = 32, 64 // the kernel's SIGRTMIN and SIGRTMAX; libc keeps the first two for itself
	if value >= first && value <= last {
		return "SIGRT_" + strconv.FormatUint(value-first, 10)
	}
	return nameText(value, signals)
}

// personalityText takes the low half, which is all that the kernel looks at. All bits together ask for the present one.
func personalityText(value uint64) string {
	value = uint64(uint32(value))
	if value == math.MaxUint32 {
		return "0xffffffff"
	}
	return flagsText("", value, personalities)
}

// memoryPolicyText shows a mode and its flags.
func memoryPolicyText(value uint64) string {
	value = uint64(uint32(value))
	var modes uint64
	for _, f := range memoryPolicyFlags {
		modes |= f.bits
	}
	return flagsText(nameText(value&^modes, memoryPolicies), value&modes, memoryPolicyFlags)
}

// quotaCommandText takes apart what QCMD puts together.
func quotaCommandText(value uint64) string {
	value = uint64(uint32(value))
	return nameText(value>>8, quotaCommands) + "|" + nameText(value&0xff, quotaTypes)
}

// ioPriorityText shows class and level.
func ioPriorityText(value uint64) string {
	return nameText(value>>13, ioPriorityClasses) + "|" + decimal(value&0x1fff)
}

// fileArgumentText knows what some commands of fcntl take.
func fileArgumentText(value uint64, e *trace.Event) string {
	command, _ := sibling(e, "cmd")
	switch command {
	case unix.F_SETFL:
		return openFlagsText(value)
	case unix.F_SETFD:
		return flagsText("", value, descriptorFlags)
	case unix.F_ADD_SEALS:
		return flagsText("", value, seals)
	case unix.F_SETLEASE:
		return nameText(value, leases)
	case unix.F_SETSIG:
		return signalText(value)
	default:
		return ""
	}
}

// prctlArgumentText knows what some options of prctl take.
func prctlArgumentText(value uint64, e *trace.Event) string {
	option, _ := sibling(e, "option")
	switch option {
	case unix.PR_SET_PDEATHSIG:
		return signalText(value)
	case unix.PR_CAPBSET_DROP, unix.PR_CAPBSET_READ:
		return nameText(value, capabilities)
	case unix.PR_SET_SECCOMP:
		return nameText(value, seccompModes)
	case unix.PR_CAP_AMBIENT:
		return nameText(value, ambientOperations)
	default:
		return ""
	}
}
