// Package rootkit makes a kernel module that behaves like a rootkit, for tests in guests.
//
// Start from Build, which compiles it for the kernel of another module, and Configure, which says what the module is to
// do. It needs gcc, but neither the kernel's headers nor its build system: a module is an object file, and what in it
// depends on the kernel is known from any other module of that kernel. For arm64 it needs clang-16 in place of gcc.
package rootkit

import (
	"bytes"
	"context"
	"debug/elf"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

//go:embed rootkit.c
var source []byte

// A Replacement is what a patch puts into the kernel's memory.
type Replacement uint64

// The replacements: functions of the module that call what they replace.
const (
	Syscall Replacement = iota + 1
	Show                // of struct seq_operations
	Iterate             // of struct file_operations
)

// Ways to hide.
const (
	FromList = 1 << iota
	FromSysfs
)

// FtraceFunctions are what the module needs of the kernel to observe a function.
var FtraceFunctions = [3]string{"ftrace_set_filter_ip", "register_ftrace_function", "unregister_ftrace_function"}

// MakingFunctions are what the module needs of the kernel to make files and a device, which have the names of the Made.
// Of those that make files in debugfs a kernel has one.
var MakingFunctions = [8]string{
	"proc_create", "remove_proc_entry", "__register_chrdev", "__unregister_chrdev",
	"debugfs_create_dir", "debugfs_create_file", "debugfs_create_file_full", "debugfs_remove",
}

// MappingFunctions are what the module needs of the kernel of arm64 to write where only reading is allowed.
var MappingFunctions = [3]string{"vmalloc_to_page", "vmap", "vunmap"}

// What the module makes, and the symbol of the operations that lie behind.
const (
	MadeProc       = "rootkit_proc"
	MadeDevice     = "rootkit_device"
	MadeDirectory  = "rootkit_directory" // in debugfs
	MadeFile       = "rootkit_file"      // in that directory
	MadeMode       = 0o400
	MadeOperations = "rootkit_operations"
)

// A Patch replaces the pointer at an address.
type Patch struct {
	Address uint64
	By      Replacement
}

// Settings say what the module does when it is loaded.
type Settings struct {
	Patches  []Patch   // at most 4
	Observed uint64    // address of a function for ftrace; 0: none
	Ftrace   [3]uint64 // addresses of FtraceFunctions
	Hide     uint64
	ListAt   uint64    // offset of the module's place in the list of modules, in struct module
	KsetAt   uint64    // and in that of /sys/module
	Making   [8]uint64 // addresses of MakingFunctions; 0: do without
	Mapping  [3]uint64 // addresses of MappingFunctions
}

const (
	magic   = 0x746573206b6f6f72
	patches = 4
)

// Configure returns the module with its settings.
func Configure(module []byte, s Settings) ([]byte, error) {
	at := bytes.Index(module, binary.LittleEndian.AppendUint64(nil, magic))
	if at < 0 || len(s.Patches) > patches {
		return nil, errors.New("rootkit: not its module, or too many patches")
	}
	words := make([]uint64, 1, 2*patches+8+len(s.Making)+len(s.Mapping))
	words[0] = magic
	for i := range patches {
		var p Patch
		if i < len(s.Patches) {
			p = s.Patches[i]
		}
		words = append(words, p.Address, uint64(p.By))
	}
	words = append(words, s.Observed, s.Ftrace[0], s.Ftrace[1], s.Ftrace[2], s.Hide, s.ListAt, s.KsetAt)
	words = append(append(words, s.Making[:]...), s.Mapping[:]...)
	configured := bytes.Clone(module)
	for i, word := range words {
		binary.LittleEndian.PutUint64(configured[at+8*i:], word)
	}
	return configured, nil
}

// Build compiles the module into a file, for the kernel of another module.
func Build(ctx context.Context, other, to string) error {
	machine, facts, err := learn(other)
	if err != nil {
		return fmt.Errorf("rootkit: learn from %s: %w", other, err)
	}
	compiler := slices.Clone(compilers[machine])
	if compiler == nil {
		return fmt.Errorf("rootkit: no compiler for %s", machine)
	}
	file := filepath.Join(filepath.Dir(to), "rootkit.c")
	if err := os.WriteFile(file, source, 0o644); err != nil {
		return err
	}
	defer os.Remove(file)
	arguments := append(compiler, "-O2", "-Wall", "-Werror", "-std=gnu11", "-ffreestanding", "-fno-pic", "-mgeneral-regs-only",
		"-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-strict-aliasing", "-fno-common")
	arguments = append(append(arguments, facts...), "-c", "-o", to, file)
	output, err := exec.CommandContext(ctx, arguments[0], arguments[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("rootkit: %s: %w\n%s", arguments[0], err, output)
	}
	return nil
}

// compilers are commands, with what depends on the machine.
var compilers = map[elf.Machine][]string{
	elf.EM_X86_64:  {"gcc", "-fno-pie", "-mcmodel=kernel", "-mno-red-zone", "-fcf-protection=none"},
	elf.EM_AARCH64: {"clang-16", "--target=aarch64-linux-gnu", "-ffixed-x18", "-mbranch-protection=none", "-fno-addrsig"},
}

// learn reads from a module what is true of all modules of its kernel: the machine, and definitions for the compiler.
func learn(path string) (elf.Machine, []string, error) {
	file, err := elf.Open(path)
	if err != nil {
		return 0, nil, err
	}
	defer file.Close()
	const structName = ".gnu.linkonce.this_module"
	section := func(name string) (data []byte) {
		if s := file.Section(name); s != nil && err == nil {
			data, err = s.Data()
		}
		return data
	}
	structure, info, versions := section(structName), section(".modinfo"), section("__versions")
	places, err := pointers(file, section(".rela"+structName))
	if err != nil {
		return 0, nil, err
	}
	nameAt := bytes.IndexFunc(structure, func(r rune) bool { return r != 0 })
	vermagic, checksum := versionsOf(info, versions)
	if vermagic == "" || nameAt < 0 || places["init_module"] == 0 || places["cleanup_module"] == 0 {
		return 0, nil, errors.New("it does not tell how modules look")
	}
	return file.Machine, []string{
		fmt.Sprintf("-DMODULE_SIZE=%d", len(structure)), fmt.Sprintf("-DNAME_AT=%d", nameAt),
		fmt.Sprintf("-DINIT_AT=%d", places["init_module"]), fmt.Sprintf("-DEXIT_AT=%d", places["cleanup_module"]),
		fmt.Sprintf("-DVERMAGIC=%q", vermagic), fmt.Sprintf("-DLAYOUT_CHECKSUM=%dUL", checksum),
	}, nil
}

// pointers returns where a section has pointers to which symbols, from its relocations.
func pointers(file *elf.File, entries []byte) (map[string]uint64, error) {
	symbols, err := file.Symbols()
	if err != nil {
		return nil, err
	}
	places := map[string]uint64{}
	for ; len(entries) >= 24; entries = entries[24:] {
		if symbol := binary.LittleEndian.Uint32(entries[12:]); symbol > 0 && int(symbol) <= len(symbols) {
			places[symbols[symbol-1].Name] = binary.LittleEndian.Uint64(entries)
		}
	}
	return places, nil
}

// versionsOf returns what a kernel demands of its modules: a text, and a checksum, 0 if it knows none.
func versionsOf(info, versions []byte) (vermagic string, checksum uint64) {
	for line := range bytes.SplitSeq(info, []byte{0}) {
		if magic, ok := bytes.CutPrefix(line, []byte("vermagic=")); ok {
			vermagic = string(magic)
		}
	}
	for ; len(versions) >= 64; versions = versions[64:] {
		if name, _, _ := bytes.Cut(versions[8:64], []byte{0}); string(name) == "module_layout" {
			checksum = binary.LittleEndian.Uint64(versions)
		}
	}
	return vermagic, checksum
}
