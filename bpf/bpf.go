// Package bpf embeds the compiled kernel side, so that building and running Tracee needs no compiler for BPF.
//
// The objects and the Go types of what crosses the border are made by bpf2go from tracee.bpf.c, the objects are compressed,
// and all of it is committed; continuous integration regenerates and compares them. Start from Load, which returns the specification of all programs
// and maps; what to load and attach of it is the tracer's business.
package bpf

//go:generate go run ../events/gen ..
//go:generate go tool bpf2go -cc clang-16 -strip llvm-strip-16 -target amd64,arm64 -no-global-types -type event_header -type event_counters -type syscall_spec -type uring_spec -type container_group Tracee tracee.bpf.c -- -O2 -g -Wall -Werror -mcpu=v3 -I. -Iinclude
//go:generate go tool bpf2go -cc clang-16 -strip llvm-strip-16 -target amd64,arm64 -no-global-types TraceeWithoutCallbacks tracee.bpf.c -- -O2 -g -Wall -Werror -mcpu=v3 -I. -Iinclude -DWITHOUT_CALLBACKS
//go:generate go run ./pack

import "github.com/cilium/ebpf"

// Load returns the specification for a kernel, by whether that lets a helper call a function of the program (bpf_loop and
// bpf_find_vma, Linux 5.17). Older ones refuse a program that only names such a function, even where it is never reached.
func Load(callbacks bool) (*ebpf.CollectionSpec, error) {
	if callbacks {
		return LoadTracee()
	}
	return LoadTraceeWithoutCallbacks()
}
