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

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/bpf/packed"
)

// Load returns the specification for a kernel, by whether that lets a helper call a function of the program (bpf_loop and
// bpf_find_vma, Linux 5.17). Older ones refuse a program that only names such a function, even where it is never reached.
// Programs in sections of which without says so are left out: to link one takes time and memory.
func Load(callbacks bool, without func(section string) bool) (*ebpf.CollectionSpec, error) {
	packedObject := _TraceeBytes
	if !callbacks {
		packedObject = _TraceeWithoutCallbacksBytes
	}
	object, err := packed.Read(packedObject)
	if err != nil {
		return nil, err
	}
	if err := hide(object, without); err != nil {
		return nil, err
	}
	return ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
}

// Where an object has the flags of its sections: Elf64_Ehdr.e_shoff and e_shentsize, Elf64_Shdr.sh_flags.
const (
	headersAt    = 0x28
	headerSizeAt = 0x3a
	flagsAt      = 8
)

// hide takes away from sections what makes them ones of programs.
func hide(object []byte, unwanted func(section string) bool) error {
	file, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return fmt.Errorf("read BPF object: %w", err)
	}
	headers := binary.LittleEndian.Uint64(object[headersAt:])
	size := uint64(binary.LittleEndian.Uint16(object[headerSizeAt:]))
	for i, section := range file.Sections {
		if section.Flags&elf.SHF_EXECINSTR != 0 && unwanted(section.Name) {
			flags := object[headers+uint64(i)*size+flagsAt:]
			binary.LittleEndian.PutUint64(flags, uint64(section.Flags&^elf.SHF_EXECINSTR))
		}
	}
	return nil
}
