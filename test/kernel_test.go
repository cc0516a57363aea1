package test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"
)

// release is the version of the kernel: 516 is 5.16.
func release() int {
	var name unix.Utsname
	var major, minor int
	if err := unix.Uname(&name); err != nil {
		panic(err)
	}
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		panic(err)
	}
	return major*100 + minor
}

// calledBack tells whether the kernel calls functions of programs; loops are shorter where it does not.
func calledBack() bool { return features.HaveProgramHelper(ebpf.TracePoint, asm.FnLoop) == nil }

// kernelValue is the number of a kind of watched object, which 5.16 changed, and 5.10 in its 220th update.
func (a *actor) kernelValue(name string) uint32 {
	types, err := btf.LoadKernelSpec()
	a.check(err)
	var kinds *btf.Enum
	a.check(types.TypeByName("fsnotify_obj_type", &kinds))
	for _, value := range kinds.Values {
		if value.Name == name {
			return uint32(value.Value)
		}
	}
	a.fail(errors.New("the kernel has no " + name))
	return 0
}

// refusals are what the verifiers of old kernels say about programs that nothing is wrong with, and that can not be
// written otherwise. Their events come from a lower rung there.
var refusals = []struct {
	before int // release
	says   string
}{
	// Arguments of functions that are pointers to numbers, such as the position in vfs_write(), could not be read.
	{517, "is not a struct"},
}

// unexpectedRefusals are what the verifier said of programs that this kernel should take.
func unexpectedRefusals(err error) []error {
	switch wrapped := err.(type) {
	case interface{ Unwrap() []error }:
		var all []error
		for _, err := range wrapped.Unwrap() {
			all = append(all, unexpectedRefusals(err)...)
		}
		return all
	case *ebpf.VerifierError:
		for _, known := range refusals {
			if release() < known.before && strings.Contains(wrapped.Error(), known.says) {
				return nil
			}
		}
		return []error{err}
	case nil:
		return nil
	}
	return unexpectedRefusals(errors.Unwrap(err))
}
