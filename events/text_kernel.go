package events

import (
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// enum kernel_read_file_id over time: 5.7 added a value for firmware embedded in EFI, 5.9.3 and 5.8.18 dropped the one
// for preallocated buffers, 5.9.3 also that of EFI. The latest comes first.
var kernelReads = [...][]string{
	{"unknown", "firmware", "kernel-module", "kexec-image", "kexec-initramfs", "security-policy", "x509-certificate"},
	{
		"unknown", "firmware", "firmware", "firmware", "kernel-module", "kexec-image", "kexec-initramfs",
		"security-policy", "x509-certificate",
	},
	{
		"unknown", "firmware", "firmware", "kernel-module", "kexec-image", "kexec-initramfs", "security-policy",
		"x509-certificate",
	},
}

// kernelReadsOf finds the names that the kernel of that release gives to the values.
func kernelReadsOf(release string) []string {
	var version [3]int
	// A release such as 5.10-rc1 has no third number; what was read before stays.
	_, _ = fmt.Sscanf(release, "%d.%d.%d", &version[0], &version[1], &version[2])
	switch {
	case slices.Compare(version[:], []int{5, 9, 3}) >= 0:
		return kernelReads[0]
	case version != [3]int{5, 8, 18} && slices.Compare(version[:], []int{5, 7, 0}) >= 0:
		return kernelReads[1]
	default:
		return kernelReads[2]
	}
}

// runningKernelReads assumes that events are shown on the machine they come from.
var runningKernelReads = sync.OnceValue(func() []string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return kernelReads[0]
	}
	return kernelReadsOf(unix.ByteSliceToString(name.Release[:]))
})

func kernelReadText(value uint64) string { return indexText(value, runningKernelReads()) }

// ioctlText takes the low half, which is all that the kernel looks at.
func ioctlText(value uint64) string { return nameText(uint64(uint32(value)), ioctls) }
