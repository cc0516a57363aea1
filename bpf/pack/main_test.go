package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/tracee-go/tracee/bpf/packed"
)

// generated is what matters of a file that bpf2go writes.
const generated = `package bpf

import (
	"bytes"
	_ "embed"

	"github.com/cilium/ebpf"
)

func LoadX() (*ebpf.CollectionSpec, error) {
	reader := bytes.NewReader(_XBytes)
	spec, err := ebpf.LoadCollectionSpecFromReader(reader)
	return spec, err
}

//go:embed x_bpfel.o
var _XBytes []byte
`

// embedded is a real object, which has been packed.
func embedded(t *testing.T) string {
	t.Helper()
	compressed, err := os.ReadFile("../tracee_x86_bpfel.o.gz")
	if err != nil {
		t.Fatal(err)
	}
	object, err := packed.Read(compressed)
	if err != nil {
		t.Fatal(err)
	}
	return string(object)
}

// The kernel demands the line of each function's first instruction of programs that have lines.
func TestPackedObjectsHaveTheFirstLinesOfFunctionsOnly(t *testing.T) {
	spec, err := ebpf.LoadCollectionSpecFromReader(strings.NewReader(embedded(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(spec.Programs) == 0 {
		t.Error("no programs")
	}
	for name, program := range spec.Programs {
		for _, instruction := range program.Instructions {
			begins := btf.FuncMetadata(&instruction) != nil
			if source := instruction.Source(); (source != nil) != begins {
				t.Fatalf("%s: %v: source %v; begins a function: %t", name, instruction, source, begins)
			}
		}
	}
}

func TestWhatIsNoObjectIsNotPacked(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("x_bpfel.o", []byte("object"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := pack("x_bpfel.o"); err == nil {
		t.Error("no error")
	}
}

func TestPackReplacesObjectAndEmbedding(t *testing.T) {
	object := embedded(t)
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	write("x_bpfel.o", object)
	write("x_bpfel.go", generated)
	if err := pack("x_bpfel.o"); err != nil {
		t.Fatal(err)
	}
	if plain, err := packed.Read([]byte(read("x_bpfel.o.gz"))); err != nil || string(plain) != object {
		t.Errorf("the object unpacks to %d bytes, want %d (%v)", len(plain), len(object), err)
	}
	source := read("x_bpfel.go")
	for _, want := range []string{"//go:embed x_bpfel.o.gz\n", "packed.Reader(_XBytes)"} {
		if !strings.Contains(source, want) {
			t.Errorf("the Go file lacks %q:\n%s", want, source)
		}
	}
	if left, _ := filepath.Glob("*.o"); len(left) > 0 {
		t.Errorf("%q is left", left)
	}

	write("x_bpfel.o", object)
	if err := pack("x_bpfel.o"); err == nil {
		t.Error("a Go file that bpf2go did not just write was changed again")
	}
}
