package events

import (
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

var bpfCommands = []string{
	unix.BPF_MAP_CREATE:                  "BPF_MAP_CREATE",
	unix.BPF_MAP_LOOKUP_ELEM:             "BPF_MAP_LOOKUP_ELEM",
	unix.BPF_MAP_UPDATE_ELEM:             "BPF_MAP_UPDATE_ELEM",
	unix.BPF_MAP_DELETE_ELEM:             "BPF_MAP_DELETE_ELEM",
	unix.BPF_MAP_GET_NEXT_KEY:            "BPF_MAP_GET_NEXT_KEY",
	unix.BPF_PROG_LOAD:                   "BPF_PROG_LOAD",
	unix.BPF_OBJ_PIN:                     "BPF_OBJ_PIN",
	unix.BPF_OBJ_GET:                     "BPF_OBJ_GET",
	unix.BPF_PROG_ATTACH:                 "BPF_PROG_ATTACH",
	unix.BPF_PROG_DETACH:                 "BPF_PROG_DETACH",
	unix.BPF_PROG_TEST_RUN:               "BPF_PROG_TEST_RUN",
	unix.BPF_PROG_GET_NEXT_ID:            "BPF_PROG_GET_NEXT_ID",
	unix.BPF_MAP_GET_NEXT_ID:             "BPF_MAP_GET_NEXT_ID",
	unix.BPF_PROG_GET_FD_BY_ID:           "BPF_PROG_GET_FD_BY_ID",
	unix.BPF_MAP_GET_FD_BY_ID:            "BPF_MAP_GET_FD_BY_ID",
	unix.BPF_OBJ_GET_INFO_BY_FD:          "BPF_OBJ_GET_INFO_BY_FD",
	unix.BPF_PROG_QUERY:                  "BPF_PROG_QUERY",
	unix.BPF_RAW_TRACEPOINT_OPEN:         "BPF_RAW_TRACEPOINT_OPEN",
	unix.BPF_BTF_LOAD:                    "BPF_BTF_LOAD",
	unix.BPF_BTF_GET_FD_BY_ID:            "BPF_BTF_GET_FD_BY_ID",
	unix.BPF_TASK_FD_QUERY:               "BPF_TASK_FD_QUERY",
	unix.BPF_MAP_LOOKUP_AND_DELETE_ELEM:  "BPF_MAP_LOOKUP_AND_DELETE_ELEM",
	unix.BPF_MAP_FREEZE:                  "BPF_MAP_FREEZE",
	unix.BPF_BTF_GET_NEXT_ID:             "BPF_BTF_GET_NEXT_ID",
	unix.BPF_MAP_LOOKUP_BATCH:            "BPF_MAP_LOOKUP_BATCH",
	unix.BPF_MAP_LOOKUP_AND_DELETE_BATCH: "BPF_MAP_LOOKUP_AND_DELETE_BATCH",
	unix.BPF_MAP_UPDATE_BATCH:            "BPF_MAP_UPDATE_BATCH",
	unix.BPF_MAP_DELETE_BATCH:            "BPF_MAP_DELETE_BATCH",
	unix.BPF_LINK_CREATE:                 "BPF_LINK_CREATE",
	unix.BPF_LINK_UPDATE:                 "BPF_LINK_UPDATE",
	unix.BPF_LINK_GET_FD_BY_ID:           "BPF_LINK_GET_FD_BY_ID",
	unix.BPF_LINK_GET_NEXT_ID:            "BPF_LINK_GET_NEXT_ID",
	unix.BPF_ENABLE_STATS:                "BPF_ENABLE_STATS",
	unix.BPF_ITER_CREATE:                 "BPF_ITER_CREATE",
	unix.BPF_LINK_DETACH:                 "BPF_LINK_DETACH",
	unix.BPF_PROG_BIND_MAP:               "BPF_PROG_BIND_MAP",
	// x/sys ends here.
	"BPF_TOKEN_CREATE",
	"BPF_PROG_STREAM_READ_BY_FD",
}

func bpfCommandText(value uint64) string { return indexText(value, bpfCommands) }

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
