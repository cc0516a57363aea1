package library

import (
	"bytes"
	"debug/elf"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tracee-go/tracee/internal/library/librarytest"
)

// named tells the function at an address of the text of a program of librarytest.
func named(f *Functions, at uint64) string {
	name, into, ok := f.At(librarytest.TextOffset + at)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s+%d", name, into)
}

func TestAddressesAreNamedByTheFunctionAroundThem(t *testing.T) {
	f, err := ReadFunctions(bytes.NewReader(librarytest.Program([]librarytest.Function{
		{Name: "second", Start: 0x100, Size: 0x40},
		{Name: "__libc_read", Start: 0x10, Size: 0x20},
		{Name: "__read", Start: 0x10, Size: 0x20},
		{Name: "read", Start: 0x10, Size: 0x20},
		{Name: "rd", Start: 0x10, Size: 0x20, Local: true},
		{Name: "nosize", Start: 0x60},
		{Name: "outer", Start: 0x200, Size: 0x100},
		{Name: "inner", Start: 0x220, Size: 0x10, Local: true},
		{Name: strings.Repeat("long", 1000), Start: 0x400, Size: 1},
		{Name: "", Start: 0x500, Size: 1},
		{Name: "around", Start: 0x600, Size: 1<<64 - 0x10},
	}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[uint64]string{
		0: "", 0x10: "read+0", 0x2f: "read+31", 0x30: "", 0x60: "", 0xff: "", 0x100: "second+0", 0x13f: "second+63", 0x140: "",
		0x21f: "outer+31", 0x220: "inner+0", 0x22f: "inner+15", 0x230: "outer+48", 0x2ff: "outer+255", 0x300: "",
		0x400: strings.Repeat("long", maxFunctionName/4) + "+0", 0x500: "", 0x600: "", 1 << 40: "",
	} {
		if got := named(f, at); got != want {
			t.Errorf("%#x: got %q, want %q", at, got, want)
		}
	}
	if _, _, ok := f.At(0x10); ok {
		t.Error("what is not mapped has a name")
	}
}

func TestStrippedGoProgramsAreNamedByTheTableOfTheRuntime(t *testing.T) {
	table := []librarytest.Function{{Name: "_rt0_amd64_linux", Size: 0x20}, {Name: "main.main", Start: 0x20, Size: 0x40}, {Name: "main.(*T).f", Start: 0x60, Size: 0x10}}
	f, err := ReadFunctions(bytes.NewReader(librarytest.Program(nil, table)))
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[uint64]string{0: "_rt0_amd64_linux+0", 0x3f: "main.main+31", 0x60: "main.(*T).f+0", 0x70: ""} {
		if got := named(f, at); got != want {
			t.Errorf("%#x: got %q, want %q", at, got, want)
		}
	}
	table[0].Name = "_start" // of the C library, before the text of the Go program
	if f, err = ReadFunctions(bytes.NewReader(librarytest.Program(nil, table))); err != nil || f.Len() != 0 {
		t.Errorf("a table that does not fit its text: %d functions, %v", f.Len(), err)
	}
}

// build makes a program and returns its path.
func build(t *testing.T, source, text string, command ...string) string {
	t.Helper()
	if _, err := exec.LookPath(command[0]); err != nil {
		t.Skipf("no %s here", command[0])
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, source), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(command[0], append(command[1:], "-o", "program", source)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	return filepath.Join(dir, "program")
}

// functionsOf reads a file.
func functionsOf(t *testing.T, path string) *Functions {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	f, err := ReadFunctions(file)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return f
}

// compareFunctions compares with the symbols that the standard library reads, and returns how many functions there were.
func compareFunctions(t *testing.T, path string, f *Functions) (compared int) {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	symbols, err := file.Symbols()
	isFunction := func(s elf.Symbol) bool {
		kind := elf.ST_TYPE(s.Info)
		return (kind == elf.STT_FUNC || kind == elf.STT_GNU_IFUNC) && s.Section != elf.SHN_UNDEF && s.Size > 0
	}
	if err != nil || !slices.ContainsFunc(symbols, isFunction) {
		symbols, _ = file.DynamicSymbols()
	}
	names := map[uint64][]string{}
	for _, s := range symbols {
		if isFunction(s) {
			names[s.Value] = append(names[s.Value], s.Name[:min(len(s.Name), maxFunctionName)])
		}
	}
	for address, known := range names {
		for _, p := range file.Progs {
			if p.Type != elf.PT_LOAD || address < p.Vaddr || address-p.Vaddr >= p.Filesz {
				continue
			}
			if name, into, ok := f.At(address - p.Vaddr + p.Off); !ok || into != 0 || !slices.Contains(known, name) {
				t.Errorf("%s: %#x: got %q+%d, want one of %q", path, address, name, into, known)
			}
			compared++
			break
		}
	}
	return compared
}

func TestFunctionsOfThisMachine(t *testing.T) {
	compared := 0
	for _, pattern := range []string{"/lib/*-linux-gnu/*.so*", "/lib64/*.so*", "/lib/*.so*", "/bin/*sh"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			if file, err := elf.Open(path); err != nil {
				continue // a linker script
			} else if file.Close(); !t.Failed() {
				compared += compareFunctions(t, path, functionsOf(t, path))
			}
		}
	}
	if compared == 0 {
		t.Skip("no libraries in the usual directories")
	}
	t.Logf("%d functions", compared)
}

func TestFunctionsOfCProgramsAreNamed(t *testing.T) {
	const text = "static int __attribute__((noinline)) inner(int x) { return x * 3; }\nint main(int c, char **v) { return inner(c); }\n"
	for name, flags := range map[string][]string{
		"PIE": {"-pie", "-fPIE"}, "fixed address": {"-no-pie"}, "static": {"-static"}, "stripped": {"-s", "-rdynamic"},
	} {
		t.Run(name, func(t *testing.T) {
			path := build(t, "p.c", text, append([]string{"gcc", "-O1"}, flags...)...)
			f := functionsOf(t, path)
			if compareFunctions(t, path, f) == 0 {
				t.Error("no functions")
			}
			all := namesIn(f)
			if !slices.Contains(all, "main") || slices.Contains(all, "inner") != (name != "stripped") {
				t.Errorf("got %q", all)
			}
		})
	}
}

func namesIn(f *Functions) (names []string) {
	for _, x := range f.functions {
		names = append(names, f.names[x.name:x.name+uint32(x.length)])
	}
	return names
}

func TestFunctionsOfGoProgramsAreNamed(t *testing.T) {
	const text = "package main\n\n//go:noinline\nfunc inner(x int) int { return x * 3 }\n\nfunc main() { println(inner(len(\"four\"))) }\n"
	for _, mode := range []string{"exe", "pie"} {
		t.Run(mode, func(t *testing.T) {
			whole := build(t, "p.go", text, "go", "build", "-buildmode="+mode)
			f := functionsOf(t, whole)
			if compareFunctions(t, whole, f) == 0 {
				t.Error("no functions")
			}
			stripped := functionsOf(t, build(t, "p.go", text, "go", "build", "-buildmode="+mode, "-ldflags=-s -w"))
			for _, name := range []string{"main.inner", "main.main", "runtime.main"} {
				if got := namesIn(stripped); !slices.Contains(namesIn(f), name) || !slices.Contains(got, name) {
					t.Errorf("%s is not among %d and %d functions", name, f.Len(), len(got))
				}
			}
		})
	}
}

func TestDamagedProgramsCostNoMemory(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	extremes := []uint64{0, 1, 0xff, 0xffff, 1 << 20, 1<<20 - 1, 0x7fffffff, 0xffffffff, 1 << 40, 1 << 62, 1<<63 - 1, ^uint64(0)}
	original := librarytest.Program(
		[]librarytest.Function{{Name: "a", Size: 1}, {Name: "b", Start: 8, Size: 8}},
		[]librarytest.Function{{Name: "_rt0_amd64_linux", Size: 8}, {Name: "main.main", Start: 8, Size: 8}},
	)
	interesting := append([]int{}, 24, 32, 40, 58, 60, 62)
	for at := librarytest.TextOffset + 0x1000; at < len(original); at++ {
		interesting = append(interesting, at)
	}
	var before, after runtime.MemStats
	for range 5000 {
		file := slices.Clone(original)
		for range 1 + random.IntN(3) {
			at := min(interesting[random.IntN(len(interesting))], len(file)-8)
			if value := extremes[random.IntN(len(extremes))]; random.IntN(2) == 0 {
				put64(file, at, value)
			} else {
				put32(file, at, uint32(value))
			}
		}
		runtime.ReadMemStats(&before)
		if f, err := ReadFunctions(bytes.NewReader(file)); err == nil {
			named(f, 9)
		}
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Fatalf("a file of %d bytes took %d bytes of memory", len(file), took)
		}
	}
}

func FuzzFunctions(f *testing.F) {
	functions := []librarytest.Function{{Name: "a", Size: 1}, {Name: "b", Start: 8, Size: 8, Local: true}}
	f.Add(librarytest.Program(functions, nil))
	f.Add(librarytest.Program(nil, []librarytest.Function{{Name: "_rt0_amd64_linux", Size: 8}, {Name: "main.main", Start: 8, Size: 8}}))
	f.Add(librarytest.Object(librarytest.Shape{Narrow: true}, librarytest.Globals("f")))
	f.Fuzz(func(t *testing.T, file []byte) {
		functions, err := ReadFunctions(bytes.NewReader(file))
		if err != nil {
			return
		}
		for at := range uint64(len(file)) {
			functions.At(at)
		}
	})
}
