// Package bpf embeds the compiled kernel side, so that building and running Tracee needs no compiler for BPF.
//
// The objects and the Go types of what crosses the border are made by bpf2go from tracee.bpf.c, the objects are compressed,
// and all of it is committed; continuous integration regenerates and compares them. Start from Open; what to load and attach of an
// object is the tracer's business.
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
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/tracee-go/tracee/bpf/packed"
)

// Object is the compiled kernel side for one kind of kernel.
type Object struct {
	bytes    []byte
	sections []section
}

// section is one with programs.
type section struct {
	name     string
	programs []string
	flags    []byte // in the object: Elf64_Shdr.sh_flags
}

// Open unpacks the object for a kernel, by whether that lets a helper call a function of the program (bpf_loop and
// bpf_find_vma, Linux 5.17). Older ones refuse a program that only names such a function, even where it is never reached.
func Open(callbacks bool) (*Object, error) {
	packedObject := _TraceeBytes
	if !callbacks {
		packedObject = _TraceeWithoutCallbacksBytes
	}
	return Read(packedObject)
}

// Where an object has the flags of its sections: Elf64_Ehdr.e_shoff and e_shentsize, Elf64_Shdr.sh_flags.
const (
	headersAt    = 0x28
	headerSizeAt = 0x3a
	flagsAt      = 8
	flagsSize    = 8
)

// Read unpacks an object, for whatever kernel and architecture.
func Read(packedObject []byte) (*Object, error) {
	object, err := packed.Read(packedObject)
	if err != nil {
		return nil, err
	}
	file, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("read BPF object: %w", err)
	}
	symbols, err := file.Symbols()
	if err != nil {
		return nil, fmt.Errorf("read the symbols of the BPF object: %w", err)
	}
	programs := map[elf.SectionIndex][]string{}
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			programs[s.Section] = append(programs[s.Section], s.Name)
		}
	}
	o := &Object{bytes: object}
	headers := binary.LittleEndian.Uint64(object[headersAt:])
	size := uint64(binary.LittleEndian.Uint16(object[headerSizeAt:]))
	for i, s := range file.Sections {
		if s.Flags&elf.SHF_EXECINSTR != 0 && s.Name != functions {
			flags := object[headers+uint64(i)*size+flagsAt:][:flagsSize]
			o.sections = append(o.sections, section{s.Name, programs[elf.SectionIndex(i)], flags})
		}
	}
	return o, nil
}

// functions is the section of functions that programs call.
const functions = ".text"

// Has says whether the object has a program of that name.
func (o *Object) Has(program string) bool {
	return slices.ContainsFunc(o.sections, func(s section) bool { return slices.Contains(s.programs, program) })
}

// Spec returns the specification of all maps, but for those of texts that nobody needs, and of the programs that are wanted and others
// of the same section: to link one takes time and memory. It may be called again, but not at the same time.
func (o *Object) Spec(wanted func(program, section string) bool) (*ebpf.CollectionSpec, error) {
	for _, s := range o.sections {
		flags := elf.SectionFlag(binary.LittleEndian.Uint64(s.flags)) &^ elf.SHF_EXECINSTR
		if slices.ContainsFunc(s.programs, func(program string) bool { return wanted(program, s.name) }) {
			flags |= elf.SHF_EXECINSTR // without, the library does not see programs in it
		}
		binary.LittleEndian.PutUint64(s.flags, uint64(flags))
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(o.bytes))
	if err != nil {
		return nil, err
	}
	for _, program := range spec.Programs {
		program.AttachTo, _, _ = strings.Cut(program.AttachTo, apart)
	}
	return spec, nil
}

// apart separates what a program attaches to from what makes the name of its section different (bpf/lib/hook.h).
const apart = "+"
